/* Asking for rules, compiling them, keeping them. */
#include "sensor/policy.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/read.h"
#include "base/thread.h"
#include "sensor/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

enum { NODES_MAX = 1 << 16, CHOICES_MAX = 1000, ERROR_MAX = 500 };

struct policy {
	struct policy_settings settings;
	struct http_settings http_settings;
	struct http *http;
	struct buf url, authorization, node, answer;
	char known[POLICY_VERSION_LEN + 1]; /* the newest that was received, good or not */
	_Atomic bool stopping;
	_Atomic bool tail_over; /* whoever looked on has gone */
	struct buf text;	/* of the newest set that did load */
	struct tail_order tail; /* the thread's: what is looked on at, until then */
	struct buf looked_on; /* the rules of that */
	int64_t tail_until;
	bool has_thread;
	pthread_t thread;

	pthread_mutex_t lock; /* of the rest */
	struct policy_set ready;
	bool failed;	       /* what the hub has now does not load here */
	char error[ERROR_MAX]; /* why, or why the hub cannot be asked; "" */
};

void policy_set_done(struct policy_set *set)
{
	prefilter_free(set->prefilter);
	fields_free(set->fields);
	*set = (struct policy_set){ 0 };
}

/* ---- from text to a set ---- */

/* What an answer says, in the rule library's terms; points into the arena. */
struct bundle {
	struct rules_settings settings;
	struct rules_extra extra;
	struct rules_text *texts;
	size_t count;
};

static struct str member(const struct json *json, uint32_t object, struct str key, struct arena *arena)
{
	uint32_t node = json_get(json, object, key);

	return node == 0 || json->nodes[node].kind != JSON_STRING ? (struct str){ 0 }
								  : json_string(json, node, arena);
}

/* NUL-terminated, or NULL without one. */
static const char *text_member(const struct json *json, uint32_t object, struct str key, struct arena *arena)
{
	struct str text = member(json, object, key, arena);

	return text.at == NULL ? NULL : arena_str(arena, text).at;
}

static bool is_true(const struct json *json, uint32_t object, struct str key)
{
	uint32_t node = json_get(json, object, key);

	return node != 0 && json->nodes[node].kind == JSON_TRUE;
}

static uint32_t array(const struct json *json, struct str key)
{
	uint32_t node = json_get(json, 0, key);

	return node != 0 && json->nodes[node].kind == JSON_ARRAY ? node : 0;
}

static size_t length(const struct json *json, uint32_t list)
{
	size_t count = 0;

	for (uint32_t i = json_first(json, list); list != 0 && i != json_end(json, list); i = json->nodes[i].next)
		count++;
	return count;
}

static int read_files(const struct json *json, struct arena *arena, struct bundle *ret)
{
	uint32_t files = array(json, STR("files"));
	size_t count = length(json, files);

	if (files == 0 || count > RULES_FILES_MAX)
		return -EBADMSG;
	ret->texts = arena_zalloc(arena, (count + 1) * sizeof(*ret->texts)); /* one more: see add_looked_on() */
	if (ret->texts == NULL)
		return -ENOMEM;
	for (uint32_t i = json_first(json, files); i != json_end(json, files); i = json->nodes[i].next) {
		struct rules_text *text = &ret->texts[ret->count];

		if (json->nodes[i].kind != JSON_OBJECT)
			return -EBADMSG;
		text->name = text_member(json, i, STR("name"), arena);
		text->text = member(json, i, STR("text"), arena);
		if (text->name == NULL || text->text.at == NULL)
			return -EBADMSG;
		ret->count++;
	}
	return 0;
}

static int read_choices(const struct json *json, struct arena *arena, struct bundle *ret)
{
	uint32_t list = array(json, STR("rules"));
	size_t count = length(json, list);
	struct rules_choice *choices;

	if (count > CHOICES_MAX)
		return -EBADMSG;
	choices = arena_alloc(arena, (count + 1) * sizeof(*choices));
	if (choices == NULL)
		return -ENOMEM;
	for (uint32_t i = json_first(json, list); list != 0 && i != json_end(json, list); i = json->nodes[i].next) {
		struct rules_choice *choice = &choices[ret->settings.choices_count];

		if (json->nodes[i].kind != JSON_OBJECT)
			return -EBADMSG;
		*choice = (struct rules_choice){ .enable = is_true(json, i, STR("enable")),
						 .pattern = text_member(json, i, STR("rule"), arena) };
		if (choice->pattern == NULL) {
			choice->by_tag = true;
			choice->pattern = text_member(json, i, STR("tag"), arena);
		}
		if (choice->pattern == NULL)
			return -EBADMSG;
		ret->settings.choices_count++;
	}
	ret->settings.choices = choices;
	return 0;
}

static int read_plugins(const struct json *json, struct arena *arena, struct bundle *ret)
{
	uint32_t list = array(json, STR("plugins"));
	size_t count = length(json, list);
	struct rules_plugin *plugins = arena_alloc(arena, (count + 1) * sizeof(*plugins));

	if (plugins == NULL)
		return -ENOMEM;
	for (uint32_t i = json_first(json, list); list != 0 && i != json_end(json, list); i = json->nodes[i].next) {
		struct rules_plugin *plugin = &plugins[ret->settings.plugins_count];

		if (json->nodes[i].kind != JSON_OBJECT)
			return -EBADMSG;
		plugin->name = text_member(json, i, STR("name"), arena);
		plugin->version = text_member(json, i, STR("version"), arena);
		if (plugin->name == NULL || plugin->version == NULL)
			return -EBADMSG;
		ret->settings.plugins_count++;
	}
	ret->settings.plugins = plugins;
	return 0;
}

static int read_bundle(const struct json *json, struct arena *arena, struct bundle *ret)
{
	const char *output;
	int r;

	if (json->nodes[0].kind != JSON_OBJECT)
		return -EBADMSG;
	*ret = (struct bundle){ .settings = { .priority_max = PRIORITY_DEBUG, .sources = rules_hub_sources } };
	priority_parse(member(json, 0, STR("priority"), arena), &ret->settings.priority_max);
	output = text_member(json, 0, STR("extra_output"), arena);
	ret->extra.output = output != NULL && output[0] != '\0' ? output : NULL;
	ret->extra.suggested = is_true(json, 0, STR("suggested_output"));
	r = read_files(json, arena, ret);
	if (r == 0)
		r = read_plugins(json, arena, ret);
	return r < 0 ? r : read_choices(json, arena, ret);
}

/* The rules of who looks on come first; no choice turns them off. Both lists have room for one more. */
static void add_looked_on(struct bundle *bundle, struct str rules)
{
	struct rules_choice *choices = (struct rules_choice *)(uintptr_t)bundle->settings.choices;

	memmove(bundle->texts + 1, bundle->texts, bundle->count * sizeof(*bundle->texts));
	bundle->texts[0] = (struct rules_text){ .name = OBSERVE_SHOWN_RULE, .text = rules };
	bundle->count++;
	choices[bundle->settings.choices_count++] =
		(struct rules_choice){ .enable = true, .pattern = OBSERVE_SHOWN_RULE "*" };
	bundle->settings.match_all = true;
}

static int compile_json(const struct json *json, struct str looked_on, struct arena *arena, struct buf *report,
			struct policy_set *ret)
{
	struct bundle bundle;
	int r = read_bundle(json, arena, &bundle);

	if (r < 0)
		return r;
	if (looked_on.len > 0)
		add_looked_on(&bundle, looked_on);
	bundle.settings.extras = &bundle.extra;
	bundle.settings.extras_count = 1;
	ret->fields = fields_new();
	if (ret->fields == NULL)
		return -ENOMEM;
	return prefilter_new_texts(&bundle.settings, bundle.texts, bundle.count, ret->fields, report,
				   &ret->prefilter);
}

/* 0 with *ret filled, or what is wrong in `report`. `looked_on`: see add_looked_on(). */
static int compile(struct str text, struct str looked_on, struct buf *report, struct policy_set *ret)
{
	const struct hash_key open_key = { 0 };
	CLEANUP(cleanup_free) struct json_node *nodes = calloc(NODES_MAX, sizeof(*nodes));
	struct json json = { .text = text, .nodes = nodes, .cap = NODES_MAX, .depth_max = 8 };
	struct arena arena;
	size_t end;
	int r = nodes == NULL ? -ENOMEM : 0;

	*ret = (struct policy_set){ 0 };
	arena_init(&arena, (size_t)POLICY_TEXT_MAX * 2);
	if (r == 0 && json_read(&json, 0, &end) < 0)
		r = -EBADMSG;
	if (r == 0)
		r = compile_json(&json, looked_on, &arena, report, ret);
	arena_done(&arena);
	if (r == -EBADMSG)
		buf_add(report, STR("the hub's answer is no set of rules\n"));
	if (r < 0)
		policy_set_done(ret);
	else
		snprintf(ret->version, sizeof(ret->version), "%016llx",
			 (unsigned long long)hash64_of(&open_key, text));
	return r;
}

/* ---- on disk ---- */

static int open_folder(const struct policy *policy)
{
	return open(policy->settings.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Written beside and renamed: a crash leaves the old text or the new one. */
static void keep(const struct policy *policy, struct str text)
{
	autoclose int folder = open_folder(policy);
	autoclose int fd = folder < 0 ? -1 : openat(folder, "rules.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t written = fd < 0 ? -1 : write(fd, text.at, text.len);

	if (written < 0 || (size_t)written != text.len || fsync(fd) < 0 ||
	    renameat(folder, "rules.json.new", folder, "rules.json") < 0)
		log_warning("rules: %s/rules.json cannot be written (%s); a start without the hub will be "
			    "without these rules", policy->settings.folder, strerror(errno));
}

static int read_kept(const struct policy *policy, struct buf *out)
{
	autoclose int folder = open_folder(policy);
	autoclose int fd = folder < 0 ? -1 : openat(folder, "rules.json", O_RDONLY | O_CLOEXEC);

	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > POLICY_TEXT_MAX)
		return -ENOENT;
	if (!buf_reserve(out, (size_t)st.st_size + 1))
		return -ENOMEM;
	got = read_full(fd, out->at, (size_t)st.st_size);
	if (got < 0)
		return (int)got;
	out->len = (size_t)got;
	return 0;
}

/* ---- asking ---- */

/* True: there is an answer with other rules in policy->answer. */
static bool ask(struct policy *policy, int wait_s, unsigned *ret_pause_ms)
{
	char tag[64], prefer[32];
	const char *headers[5] = { tag, prefer };
	size_t count = 2;
	struct http_request request = { .method = "GET", .url = buf_text(&policy->url), .headers = headers,
					.answer = policy->answer };
	bool answered;

	snprintf(tag, sizeof(tag), "If-None-Match: \"%s\"", policy->known);
	snprintf(prefer, sizeof(prefer), "Prefer: wait=%d", wait_s);
	if (policy->authorization.len > 0)
		headers[count++] = policy->authorization.at;
	if (policy->node.len > 0)
		headers[count++] = policy->node.at;
	buf_clear(&request.answer);
	http_perform(policy->http, &request, 1, 1, NULL, NULL);
	policy->answer = request.answer;
	answered = request.failure == HTTP_OK && (request.status == 200 || request.status == 304);
	*ret_pause_ms = answered ? 0 : request.retry_after_ms > 1000 ? request.retry_after_ms : 1000;
	pthread_mutex_lock(&policy->lock);
	if (answered && !policy->failed)
		policy->error[0] = '\0';
	else if (request.failure != HTTP_OK)
		snprintf(policy->error, sizeof(policy->error), "%s", request.error);
	else if (!answered)
		snprintf(policy->error, sizeof(policy->error), "HTTP %d", request.status);
	pthread_mutex_unlock(&policy->lock);
	return answered && request.status == 200;
}

/* ---- looking on ---- */

static struct str looked_on(const struct policy *policy)
{
	return policy->tail.id[0] == '\0' ? (struct str){ 0 } : buf_str(&policy->looked_on);
}

static void remember(struct policy *policy, struct str text)
{
	buf_clear(&policy->text);
	buf_add(&policy->text, text);
}

/* The set in force, with the rules of who looks on or without. */
static int compile_again(struct policy *policy)
{
	struct str text = buf_str(&policy->text);
	struct buf report = { .max = 1 << 16 };
	struct policy_set set;
	int r = text.len == 0 ? -ENODATA /* the packaged rules are in force */
			      : compile(text, looked_on(policy), &report, &set);

	if (r < 0)
		log_warning("tail: %.*s", STR_ARG(report.len > 0 ? buf_str(&report) : str_of(strerror(-r))));
	buf_done(&report);
	if (r < 0)
		return r;
	set.tail = policy->tail;
	pthread_mutex_lock(&policy->lock);
	policy_set_done(&policy->ready);
	policy->ready = set;
	pthread_mutex_unlock(&policy->lock);
	return 0;
}

static bool is_number(struct str text)
{
	uint64_t value;

	return text.len <= TAIL_ID_LEN && str_to_u64(text, &value);
}

static uint64_t number_of(const struct json *json, uint32_t object, struct str key, uint64_t max)
{
	uint32_t node = json_get(json, object, key);
	uint64_t value = 0;

	if (node == 0 || json->nodes[node].kind != JSON_NUMBER || !str_to_u64(json_raw(json, node), &value))
		return 0;
	return value < max ? value : max;
}

/* False: it is no order, and the rules are in the answer. */
static bool read_order(struct policy *policy, struct arena *arena)
{
	struct json_node nodes[32];
	struct json json = { .text = buf_str(&policy->answer), .nodes = nodes, .cap = 32, .depth_max = 4 };
	struct str id, filter;
	uint32_t tail;
	size_t end;

	if (!str_starts(json.text, STR("{\"tail\":")) || json_read(&json, 0, &end) < 0)
		return false;
	tail = json_get(&json, 0, STR("tail"));
	if (tail == 0 || json.nodes[tail].kind != JSON_OBJECT)
		return false;
	id = member(&json, tail, STR("id"), arena);
	filter = member(&json, tail, STR("filter"), arena);
	policy->tail = (struct tail_order){ .ms = number_of(&json, tail, STR("ms"), TAIL_MS_MAX),
					    .rate = number_of(&json, tail, STR("rate"), TAIL_RATE_MAX) };
	policy->tail.follow = is_true(&json, tail, STR("follow"));
	buf_clear(&policy->looked_on);
	if (!is_number(id) || filter.len == 0)
		return true;
	if (observe_add_rules(filter, policy->tail.follow, &policy->looked_on) == 0)
		memcpy(policy->tail.id, id.at, id.len);
	else
		log_warning("tail: the hub's filter is none here");
	return true;
}

static void end_tail(struct policy *policy)
{
	policy->tail = (struct tail_order){ 0 };
	atomic_store(&policy->tail_over, false);
}

static bool take_order(struct policy *policy)
{
	struct arena arena;
	bool is_order;

	arena_init(&arena, 1 << 20);
	is_order = read_order(policy, &arena);
	arena_done(&arena);
	if (!is_order)
		return false;
	atomic_store(&policy->tail_over, false);
	policy->tail_until = clock_mono() + (int64_t)policy->tail.ms * NS_PER_MS;
	if (policy->tail.id[0] != '\0' && compile_again(policy) < 0)
		end_tail(policy);
	return true;
}

static void look_at_tail(struct policy *policy)
{
	if (policy->tail.id[0] == '\0' ||
	    (!atomic_load(&policy->tail_over) && clock_mono() < policy->tail_until))
		return;
	end_tail(policy);
	compile_again(policy);
}

void policy_tail_over(struct policy *policy)
{
	atomic_store(&policy->tail_over, true);
}

/* Takes what the answer holds: a set that is ready, or the reason why not. */
static void take_answer(struct policy *policy)
{
	const struct hash_key open_key = { 0 };
	struct buf report = { .max = 1 << 16 };
	struct str text = buf_str(&policy->answer);
	struct policy_set set;
	int r = compile(text, looked_on(policy), &report, &set);

	/* Known in any case: what does not load is not fetched over and over. */
	snprintf(policy->known, sizeof(policy->known), "%016llx", (unsigned long long)hash64_of(&open_key, text));
	if (r == 0) {
		set.tail = policy->tail;
		remember(policy, text);
		keep(policy, text);
		log_notice("rules: version %s from the hub, %zu enabled", set.version,
			   prefilter_rules_count(set.prefilter));
	} else {
		fwrite(report.at, 1, report.len, stderr);
		log_err("rules: what the hub has now does not load (%s); those before stay in force", strerror(-r));
	}
	pthread_mutex_lock(&policy->lock);
	policy->failed = r < 0;
	policy->error[0] = '\0';
	if (r < 0) {
		const char *end = report.len == 0 ? NULL : memchr(report.at, '\n', report.len);

		snprintf(policy->error, sizeof(policy->error), "%.*s",
			 end == NULL ? (int)report.len : (int)(end - report.at), report.at == NULL ? "" : report.at);
	} else {
		policy_set_done(&policy->ready);
		policy->ready = set;
	}
	pthread_mutex_unlock(&policy->lock);
	buf_done(&report);
}

static void pause_for(struct policy *policy, unsigned ms)
{
	const struct timespec step = { .tv_nsec = 50 * NS_PER_MS };
	int64_t until = clock_mono() + ms * NS_PER_MS;

	while (clock_mono() < until && !atomic_load(&policy->stopping))
		nanosleep(&step, NULL);
}

/* Many sensors must not come back at the same moment. */
static unsigned with_jitter(unsigned ms)
{
	uint32_t value = 0;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
		value = (uint32_t)clock_mono();
	return ms / 2 + value % (ms / 2 + 1);
}

static void *run(void *userdata)
{
	struct policy *policy = userdata;
	unsigned failed = 0, pause_ms;

	while (!atomic_load(&policy->stopping)) {
		int wait_s = policy->tail.id[0] == '\0' ? POLICY_WAIT_S : POLICY_WAIT_TAIL_S;

		if (ask(policy, wait_s, &pause_ms) && !take_order(policy))
			take_answer(policy);
		look_at_tail(policy);
		failed = pause_ms == 0 ? 0 : failed + 1;
		if (pause_ms == 0)
			continue;
		if (failed == 1 && !atomic_load(&policy->stopping))
			log_warning("rules: the hub cannot be asked for them (%s); those in force stay", policy->error);
		pause_ms <<= failed < 6 ? failed - 1 : 5;
		pause_for(policy, with_jitter(pause_ms > POLICY_BACKOFF_MAX_MS ? POLICY_BACKOFF_MAX_MS : pause_ms));
	}
	return NULL;
}

/* ---- life ---- */

static bool is_header(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static int setup(struct policy *policy)
{
	const struct policy_settings *settings = &policy->settings;

	pthread_mutex_init(&policy->lock, NULL);
	mkdir(settings->folder, 0700); /* what cannot be kept there is said then */
	buf_addf(&policy->url, "%s/api/v1/sensors/rules", settings->hub);
	if (settings->token != NULL)
		buf_addf(&policy->authorization, "Authorization: Bearer %s", settings->token);
	if (is_header(settings->node))
		buf_addf(&policy->node, "X-Tocsin-Node: %s", settings->node);
	buf_text(&policy->node);
	buf_text(&policy->url);
	buf_text(&policy->authorization);
	if (!buf_ok(&policy->url) || !buf_ok(&policy->authorization))
		return -ENOMEM;
	policy->http_settings = *settings->http;
	policy->http_settings.timeout_ms = (POLICY_WAIT_S + 15) * 1000;
	policy->http_settings.answer_max = POLICY_TEXT_MAX;
	policy->http_settings.cancel = &policy->stopping;
	return http_new(&policy->http_settings, &policy->http);
}

static bool take_kept(struct policy *policy, struct policy_set *ret)
{
	struct buf text = { .max = POLICY_TEXT_MAX }, report = { .max = 1 << 16 };
	bool ok = read_kept(policy, &text) == 0 && compile(buf_str(&text), STR(""), &report, ret) == 0;

	if (ok) {
		memcpy(policy->known, ret->version, sizeof(policy->known));
		remember(policy, buf_str(&text));
		log_info("rules: version %s, kept from before, %zu enabled", ret->version,
			 prefilter_rules_count(ret->prefilter));
	}
	buf_done(&text);
	buf_done(&report);
	return ok;
}

static bool take_first_answer(struct policy *policy, struct policy_set *ret)
{
	int64_t until = clock_mono() + POLICY_FIRST_MS * NS_PER_MS;
	unsigned pause_ms;

	do {
		if (ask(policy, 0, &pause_ms))
			take_answer(policy);
		if (policy_take(policy, ret))
			return true;
		pause_for(policy, 200);
	} while (clock_mono() < until && pause_ms > 0);
	return false;
}

static int take_fallback(struct policy *policy, struct policy_set *ret)
{
	const char *file = policy->settings.fallback;
	bool there = file != NULL && access(file, R_OK) == 0;
	const struct rules_text none = { 0 };
	const struct rules_settings empty = { .priority_max = PRIORITY_DEBUG };
	struct buf report = { .max = 1 << 16 };
	int r;

	*ret = (struct policy_set){ .fields = fields_new() };
	if (ret->fields == NULL)
		return -ENOMEM;
	r = there ? prefilter_new(&file, 1, ret->fields, &report, &ret->prefilter)
		  : prefilter_new_texts(&empty, &none, 0, ret->fields, &report, &ret->prefilter);
	if (r == 0 && there)
		log_warning("rules: none from the hub yet (%s); %s until then", policy->error, file);
	else if (r == 0)
		log_warning("rules: none from the hub yet (%s): nothing is sent until then", policy->error);
	buf_done(&report);
	if (r < 0)
		policy_set_done(ret);
	return r;
}

int policy_start(const struct policy_settings *settings, struct policy **ret,
		 struct policy_set *ret_first)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	int r;

	if (policy == NULL)
		return -ENOMEM;
	policy->settings = *settings;
	r = setup(policy);
	if (r == 0 && !take_kept(policy, ret_first) && !take_first_answer(policy, ret_first))
		r = take_fallback(policy, ret_first);
	if (r == 0) {
		r = thread_start(&policy->thread, run, policy);
		policy->has_thread = r == 0;
		if (r < 0)
			policy_set_done(ret_first);
	}
	if (r < 0) {
		policy_stop(policy);
		return r;
	}
	*ret = policy;
	return 0;
}

void policy_stop(struct policy *policy)
{
	if (policy == NULL)
		return;
	atomic_store(&policy->stopping, true);
	if (policy->has_thread)
		pthread_join(policy->thread, NULL);
	policy_set_done(&policy->ready);
	http_free(policy->http);
	buf_done(&policy->url);
	buf_done(&policy->node);
	buf_done(&policy->text);
	buf_done(&policy->looked_on);
	if (policy->authorization.len > 0)
		explicit_bzero(policy->authorization.at, policy->authorization.len);
	buf_done(&policy->authorization);
	buf_done(&policy->answer);
	pthread_mutex_destroy(&policy->lock);
	free(policy);
}

bool policy_take(struct policy *policy, struct policy_set *ret)
{
	bool is_new;

	pthread_mutex_lock(&policy->lock);
	is_new = policy->ready.prefilter != NULL;
	if (is_new) {
		*ret = policy->ready;
		policy->ready = (struct policy_set){ 0 };
	}
	pthread_mutex_unlock(&policy->lock);
	return is_new;
}

void policy_report(struct policy *policy, const char *version, struct buf *out)
{
	pthread_mutex_lock(&policy->lock);
	buf_addf(out, "\"policy\":{\"version\":\"%s\",\"current\":%s,\"error\":", version,
		 policy->failed ? "false" : "true");
	buf_add_json(out, str_of(policy->error));
	buf_add_char(out, '}');
	pthread_mutex_unlock(&policy->lock);
}
