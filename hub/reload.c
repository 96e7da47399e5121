/* Watching, compiling aside, handing over. */
#include "hub/reload.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "hub/rules_file.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What is known of one set or attempt, as it is shown. */
struct facts {
	char version[RULES_VERSION_LEN + 1];
	size_t loaded, enabled, warnings;
	int64_t loaded_ns;
	struct buf list;
	struct buf bundle; /* for sensors */
	char bundle_version[RULES_VERSION_LEN + 1];
};

struct reload {
	const struct config *config; /* as the hub was started with */
	struct config *newer;        /* the same file read again; NULL: not yet */
	uint64_t stamp, pending;     /* of the files: when last loaded, at the last look */
	int ask_fd, done_fd;
	bool has_thread;
	pthread_t thread;
	_Atomic bool stopping;
	_Atomic uint64_t asked;      /* requests so far */

	pthread_mutex_t lock;        /* of all below */
	struct ruleset *ready;       /* compiled, not collected */
	struct facts next, current;
	bool has_news, failed;
	uint64_t attempts, successes, failures, answered; /* answered: the requests that attempts have seen */
	int64_t attempted_ns;
	struct buf errors;           /* of the last attempt, when it failed */
};

static const struct config *config_of(const struct reload *reload)
{
	return reload->newer != NULL ? reload->newer : reload->config;
}

static void print(const struct buf *text)
{
	if (buf_ok(text) && text->len > 0) {
		ssize_t written = write(STDERR_FILENO, text->at, text->len);

		(void)written;
	}
}

/* --- one attempt -------------------------------------------------------------------------------- */

/* The settings for rules may have changed with the files. What does not read leaves the old ones. */
static int read_config(struct reload *reload, struct buf *errors)
{
	struct conf_errors found = { 0 };
	struct config *config;
	struct arena arena;
	int r;

	if (reload->config->path == NULL)
		return 0;
	arena_init(&arena, 16 << 20);
	found.arena = &arena;
	r = config_load(reload->config->path, &config, &found);
	if (r < 0) {
		conf_errors_print(&found, errors);
	} else {
		config_free(reload->newer);
		reload->newer = config;
	}
	arena_done(&arena);
	return r;
}

static void fill_facts(struct facts *facts, const struct config *config, const struct ruleset *set,
                       size_t warnings)
{
	const struct hash_key open_key = { 0 };

	*facts = (struct facts){ .warnings = warnings, .loaded_ns = clock_now() };
	rules_file_list(set->rules, &facts->list);
	rules_file_bundle(config, set->rules, &facts->bundle);
	snprintf(facts->bundle_version, sizeof(facts->bundle_version), "%016llx",
	         (unsigned long long)hash64_of(&open_key, buf_str(&facts->bundle)));
	if (set->rules == NULL)
		return;
	facts->loaded = rules_count(set->rules);
	facts->enabled = rules_enabled_count(set->rules);
	memcpy(facts->version, rules_version(set->rules).at, RULES_VERSION_LEN + 1);
}

/* Compiles; 0 with *ret set, or what is wrong in `errors`. */
static int compile(struct reload *reload, struct buf *errors, struct ruleset **ret, struct facts *ret_facts)
{
	struct rules_report *report = malloc(sizeof(*report));
	int r;

	if (report == NULL)
		return -ENOMEM;
	rules_report_init(report);
	r = ruleset_new(config_of(reload), report, ret);
	if (r == 0)
		fill_facts(ret_facts, config_of(reload), *ret, report->warnings);
	else
		rules_report_print(report, errors);
	rules_report_done(report);
	free(report);
	return r;
}

static void tell(const struct reload *reload, int result, const struct facts *facts, const struct buf *errors)
{
	if (result < 0) {
		print(errors);
		log_err("rules: %s; %s", result == -EINVAL ? "not loaded" : strerror(-result),
		        reload->attempts > 0 ? "the ones before stay in force" : "there are none before");
	} else {
		log_info("rules: %zu loaded, %zu enabled, %zu warnings, version %s", facts->loaded, facts->enabled,
		         facts->warnings, facts->loaded > 0 ? facts->version : "none");
	}
}

static void facts_done(struct facts *facts)
{
	buf_done(&facts->list);
	buf_done(&facts->bundle);
	*facts = (struct facts){ 0 };
}

/* Leaves the outcome where the evaluating thread and the API find it. */
static void publish(struct reload *reload, int result, struct ruleset *set, struct facts *facts,
                    struct buf *errors, uint64_t asked)
{
	tell(reload, result, facts, errors);
	pthread_mutex_lock(&reload->lock);
	reload->attempts++;
	reload->answered = asked;
	reload->attempted_ns = clock_now();
	reload->has_news = true;
	reload->failed = result < 0;
	buf_done(&reload->errors);
	if (result < 0) {
		reload->failures++;
		reload->errors = *errors;
	} else {
		reload->successes++;
		buf_done(errors);
		ruleset_unref(reload->ready); /* one that nobody took in time */
		facts_done(&reload->next);
		reload->ready = set;
		reload->next = *facts;
	}
	pthread_mutex_unlock(&reload->lock);
	eventfd_write(reload->done_fd, 1);
}

static int attempt(struct reload *reload, bool reread)
{
	struct buf errors = { .max = RELOAD_REPORT_MAX };
	struct ruleset *set = NULL;
	struct facts facts = { 0 };
	uint64_t asked = atomic_load(&reload->asked);
	int r = reread ? read_config(reload, &errors) : 0;

	reload->stamp = rules_files_stamp(&config_of(reload)->rules_files);
	if (r == 0)
		r = compile(reload, &errors, &set, &facts);
	publish(reload, r, set, &facts, &errors, asked);
	return r;
}

/* --- the thread --------------------------------------------------------------------------------- */

/* A change counts when it has held still for one look: files are rarely written at one stroke. */
static bool has_changed(struct reload *reload)
{
	uint64_t stamp = rules_files_stamp(&config_of(reload)->rules_files);
	bool settled = stamp == reload->pending;

	reload->pending = stamp;
	return stamp != reload->stamp && settled;
}

static void *run(void *userdata)
{
	struct reload *reload = userdata;
	struct pollfd wake = { .fd = reload->ask_fd, .events = POLLIN };
	uint64_t count;

	while (!atomic_load(&reload->stopping)) {
		bool asked = poll(&wake, 1, RELOAD_POLL_MS) > 0 && read(reload->ask_fd, &count, sizeof(count)) > 0;

		if (atomic_load(&reload->stopping))
			break;
		if (asked || has_changed(reload))
			attempt(reload, asked);
	}
	return NULL;
}

uint64_t reload_ask(struct reload *reload)
{
	uint64_t number = atomic_fetch_add(&reload->asked, 1) + 1;

	eventfd_write(reload->ask_fd, 1);
	return number;
}

int reload_new(const struct config *config, struct reload **ret, struct ruleset **ret_set)
{
	struct reload *reload = calloc(1, sizeof(*reload));
	bool failed;
	int r;

	if (reload == NULL)
		return -ENOMEM;
	reload->config = config;
	pthread_mutex_init(&reload->lock, NULL);
	reload->ask_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	reload->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = reload->ask_fd < 0 || reload->done_fd < 0 ? -errno : attempt(reload, false);
	if (r == 0) {
		reload->pending = reload->stamp;
		*ret_set = reload_collect(reload, &failed);
		r = -pthread_create(&reload->thread, NULL, run, reload);
		reload->has_thread = r == 0;
	}
	if (r < 0) {
		reload_free(reload);
		return r;
	}
	*ret = reload;
	return 0;
}

void reload_free(struct reload *reload)
{
	if (reload == NULL)
		return;
	atomic_store(&reload->stopping, true);
	if (reload->has_thread) {
		reload_ask(reload);
		pthread_join(reload->thread, NULL);
	}
	ruleset_unref(reload->ready);
	facts_done(&reload->next);
	facts_done(&reload->current);
	buf_done(&reload->errors);
	config_free(reload->newer);
	if (reload->ask_fd >= 0)
		close(reload->ask_fd);
	if (reload->done_fd >= 0)
		close(reload->done_fd);
	pthread_mutex_destroy(&reload->lock);
	free(reload);
}

int reload_fd(const struct reload *reload)
{
	return reload->done_fd;
}

struct ruleset *reload_collect(struct reload *reload, bool *ret_failed)
{
	struct ruleset *set;
	uint64_t count;
	ssize_t got = read(reload->done_fd, &count, sizeof(count));

	(void)got;
	pthread_mutex_lock(&reload->lock);
	set = reload->ready;
	*ret_failed = reload->has_news && reload->failed;
	reload->has_news = false;
	reload->ready = NULL;
	if (set != NULL) {
		facts_done(&reload->current);
		reload->current = reload->next;
		reload->next = (struct facts){ 0 };
	}
	pthread_mutex_unlock(&reload->lock);
	return set;
}

/* --- what is shown ------------------------------------------------------------------------------ */

bool reload_is_current(struct reload *reload)
{
	bool failed;

	pthread_mutex_lock(&reload->lock);
	failed = reload->failed;
	pthread_mutex_unlock(&reload->lock);
	return !failed;
}

/* Each line of the report is a member: the place, the line of the file, the caret. */
static void add_lines(struct buf *out, struct str text)
{
	bool first = true;

	buf_add_char(out, '[');
	while (text.len > 0) {
		const char *end = memchr(text.at, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.at);

		if (!first)
			buf_add_char(out, ',');
		buf_add_json(out, str_cut(text, len));
		text = str_from(text, len < text.len ? len + 1 : len);
		first = false;
	}
	buf_add_char(out, ']');
}

void reload_status(struct reload *reload, struct buf *out)
{
	const struct facts *facts = &reload->current;

	pthread_mutex_lock(&reload->lock);
	buf_addf(out, "{\"loaded\":%zu,\"enabled\":%zu,\"warnings\":%zu,\"version\":\"%s\",\"policy\":\"%s\",\"since\":\"", facts->loaded,
	         facts->enabled, facts->warnings, facts->version, facts->bundle_version);
	buf_add_time(out, facts->loaded_ns);
	buf_addf(out, "\",\"current\":%s,\"reloads\":%llu,\"reloads_failed\":%llu,\"answered\":%llu,\"attempted\":\"",
	         reload->failed ? "false" : "true", (unsigned long long)(reload->attempts - 1),
	         (unsigned long long)reload->failures, (unsigned long long)reload->answered);
	buf_add_time(out, reload->attempted_ns);
	buf_add(out, STR("\",\"errors\":"));
	add_lines(out, buf_str(&reload->errors));
	buf_add_char(out, '}');
	pthread_mutex_unlock(&reload->lock);
}

void reload_reason(struct reload *reload, struct buf *out)
{
	const char *end;

	pthread_mutex_lock(&reload->lock);
	end = reload->errors.len == 0 ? NULL : memchr(reload->errors.at, '\n', reload->errors.len);
	buf_add(out, end == NULL ? buf_str(&reload->errors)
	                         : str_cut(buf_str(&reload->errors), (size_t)(end - reload->errors.at)));
	pthread_mutex_unlock(&reload->lock);
}

void reload_list(struct reload *reload, struct buf *out)
{
	pthread_mutex_lock(&reload->lock);
	buf_add(out, buf_str(&reload->current.list));
	pthread_mutex_unlock(&reload->lock);
}

void reload_bundle(struct reload *reload, char version[RULES_VERSION_LEN + 1], struct buf *out)
{
	pthread_mutex_lock(&reload->lock);
	memcpy(version, reload->current.bundle_version, RULES_VERSION_LEN + 1);
	if (out != NULL)
		buf_add(out, buf_str(&reload->current.bundle));
	pthread_mutex_unlock(&reload->lock);
}

void reload_metrics(struct reload *reload, struct metrics *metrics)
{
	const struct metric_label failed[] = { { "result", STR("failed") }, { 0 } };
	const struct metric_label loaded[] = { { "result", STR("loaded") }, { 0 } };

	pthread_mutex_lock(&reload->lock);
	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_rules_loaded", NULL, "Rules in force, disabled ones included.");
	metrics_u64(metrics, NULL, reload->current.loaded);
	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_rules_enabled", NULL, "Rules in force that are enabled.");
	metrics_u64(metrics, NULL, reload->current.enabled);
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_rules_reloads", NULL, "Attempts to load rules, the start included.");
	metrics_u64(metrics, loaded, reload->successes);
	metrics_u64(metrics, failed, reload->failures);
	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_rules_last_reload_successful", NULL,
	               "1: the rules files as they are, are in force; 0: they do not load.");
	metrics_u64(metrics, NULL, reload->failed ? 0 : 1);
	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_rules_last_reload_success_timestamp_seconds", "seconds",
	               "When the rules in force were loaded.");
	metrics_double(metrics, NULL, (double)reload->current.loaded_ns / (double)NS_PER_S);
	pthread_mutex_unlock(&reload->lock);
}
