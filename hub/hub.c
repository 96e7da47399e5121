/* Knows all rooms; nobody else does. */
#include "hub/hub.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/http.h"
#include "base/log.h"
#include "hub/api/api.h"
#include "hub/health.h"
#include "hub/ingest/ingest.h"
#include "hub/notify.h"
#include "hub/process.h"
#include "hub/reload.h"
#include "hub/tails.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

enum {
	STOP_GRACE_MS = 5000,  /* deliveries under way */
	DRAIN_GRACE_MS = 3000, /* requests whose commit is under way */
};

struct hub {
	const struct config *config;
	int lock_fd, epoll_fd, signal_fd, timer_fd;
	struct reload *reload;
	struct journal *journal;
	struct sensors *sensors;
	struct tails *tails;
	struct pipeline *pipeline;
	struct deliver *deliver;
	struct health *health;
	struct api *api;
	struct ingest *ingest;
	int64_t started_ns;
};

/* --- what the rooms say of themselves ----------------------------------------------------------- */

static void certificate_metrics(const struct hub *hub, struct metrics *metrics)
{
	const struct { const char *listener; int64_t expires; } all[] = {
		{ "ingest", ingest_certificate_expires(hub->ingest) }, { "admin", api_certificate_expires(hub->api) },
	};

	if (all[0].expires == 0 && all[1].expires == 0)
		return;
	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_certificate_expiry_timestamp_seconds", "seconds",
	               "When the certificate of a listener ends to be valid.");
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct metric_label labels[] = { { "listener", str_of(all[i].listener) }, { 0 } };

		if (all[i].expires != 0)
			metrics_u64(metrics, labels, (uint64_t)all[i].expires);
	}
}

static void write_metrics(void *userdata, struct metrics *metrics)
{
	struct hub *hub = userdata;

	reload_metrics(hub->reload, metrics);
	sensors_metrics(hub->sensors, metrics);
	journal_metrics(hub->journal, metrics);
	deliver_metrics(hub->deliver, metrics);
	api_metrics(hub->api, metrics);
	certificate_metrics(hub, metrics);
	process_metrics(metrics, hub->started_ns);
}

static void write_status(void *userdata, struct buf *out)
{
	struct hub *hub = userdata;

	buf_addf(out, ",\"outputs\":%zu,\"sensors_known\":%zu,\"rules\":", hub->config->outputs_count,
	         sensors_count(hub->sensors));
	reload_status(hub->reload, out);
}

static void write_sensors(void *userdata, struct buf *out)
{
	struct hub *hub = userdata;

	sensors_report(hub->sensors, out);
}

static void write_rules(void *userdata, struct buf *out)
{
	struct hub *hub = userdata;

	reload_list(hub->reload, out);
}

static uint64_t ask_reload(void *userdata)
{
	struct hub *hub = userdata;

	log_notice("rules: asked through the API to load them again");
	return reload_ask(hub->reload);
}

static void write_policy(void *userdata, char version[17], struct buf *out)
{
	struct hub *hub = userdata;

	reload_bundle(hub->reload, version, out);
}

static bool rules_are_current(void *userdata)
{
	struct hub *hub = userdata;

	return reload_is_current(hub->reload);
}

/* --- opening ------------------------------------------------------------------------------------ */

/* Two hubs over one store would each think that it is theirs. */
static int take_data_dir(struct hub *hub)
{
	const char *dir = hub->config->data_dir;
	char path[4096];

	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		log_err("data_dir %s: %s", dir, strerror(errno));
		return -errno;
	}
	if (snprintf(path, sizeof(path), "%s/lock", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	hub->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (hub->lock_fd < 0) {
		log_err("data_dir %s: %s", dir, strerror(errno));
		return -errno;
	}
	if (flock(hub->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		log_err("data_dir %s: another hub is running on it", dir);
		return -EBUSY;
	}
	return 0;
}

static int watch(struct hub *hub, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Signals and the second's tick as descriptors of the loop. Before the first thread starts, so that
 * all of them have the signals blocked. */
static int open_loop(struct hub *hub)
{
	const struct itimerspec second = { .it_interval.tv_sec = 1, .it_value.tv_sec = 1 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	hub->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	hub->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	hub->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (hub->epoll_fd < 0 || hub->signal_fd < 0 || hub->timer_fd < 0)
		return -errno;
	timerfd_settime(hub->timer_fd, 0, &second, NULL);
	if (watch(hub, hub->signal_fd) < 0)
		return -errno;
	return watch(hub, hub->timer_fd);
}

static int open_journal(struct hub *hub)
{
	const struct journal_settings settings = {
		.dir = hub->config->data_dir,
		.max_size = hub->config->journal.max_size,
		.retention_ms = hub->config->journal.retention_ms,
	};
	char error[256] = "";
	int r = journal_open(&settings, &hub->journal, error);

	if (r < 0) {
		log_err("journal in %s: %s", hub->config->data_dir, error[0] != '\0' ? error : strerror(-r));
		return r;
	}
	if (journal_last(hub->journal) < journal_first(hub->journal))
		log_info("journal %s/journal.db: no alerts", hub->config->data_dir);
	else
		log_info("journal %s/journal.db: alerts %llu to %llu", hub->config->data_dir,
		         (unsigned long long)journal_first(hub->journal),
		         (unsigned long long)journal_last(hub->journal));
	return 0;
}

static int open_pipeline(struct hub *hub)
{
	struct pipeline_settings settings = { .config = hub->config, .journal = hub->journal };
	int r = sensors_new(&hub->sensors);

	if (r < 0)
		return r;
	settings.sensors = hub->sensors;
	r = reload_new(hub->config, &hub->reload, &settings.set);
	if (r < 0)
		return r;
	r = pipeline_new(&settings, &hub->pipeline);
	ruleset_unref(settings.set);
	if (r < 0) {
		log_err("reading the journal back: %s", strerror(-r));
		return r;
	}
	r = watch(hub, pipeline_fd(hub->pipeline));
	return r < 0 ? r : watch(hub, reload_fd(hub->reload));
}

static int open_outputs(struct hub *hub)
{
	char error[256] = "";
	int r = deliver_start(hub->config, hub->journal, &hub->deliver, error);

	if (r < 0) {
		log_err("%s", error[0] != '\0' ? error : strerror(-r));
		return r;
	}
	for (size_t i = 0; i < hub->config->outputs_count; i++)
		log_info("output %s: %s", hub->config->outputs[i].name, hub->config->outputs[i].ops->type);
	if (hub->config->outputs_count == 0)
		log_notice("no outputs are configured: alerts are kept and shown, but delivered nowhere");
	return 0;
}

static int open_health(struct hub *hub)
{
	const struct health_settings settings = { .config = hub->config, .pipeline = hub->pipeline,
		                                  .sensors = hub->sensors, .deliver = hub->deliver };

	hub->health = health_new(&settings);
	return hub->health == NULL ? -ENOMEM : 0;
}

static int open_tails(struct hub *hub)
{
	hub->tails = tails_new();
	return hub->tails == NULL ? -ENOMEM : 0;
}

static int open_doors(struct hub *hub)
{
	const struct api_settings api = { .config = hub->config, .journal = hub->journal,
		                          .tails = hub->tails, .deliver = hub->deliver, .status = write_status,
		                          .sensors = write_sensors, .rules = write_rules,
		                          .reload_rules = ask_reload, .userdata = hub };
	const struct ingest_settings ingest = { .config = hub->config, .pipeline = hub->pipeline,
		                                .journal = hub->journal, .sensors = hub->sensors,
		                                .tails = hub->tails,
		                                .metrics = write_metrics,
		                                .rules_are_current = rules_are_current,
		                                .policy = write_policy, .userdata = hub };
	char error[256] = "";
	int r = api_new(&api, &hub->api, error);

	if (r == 0)
		r = ingest_new(&ingest, &hub->ingest, error);
	if (r < 0) {
		log_err("%s", error[0] != '\0' ? error : strerror(-r));
		return r;
	}
	if (hub->api != NULL)
		log_info("web UI and API on %s (port %u)", hub->config->admin.listen, api_port(hub->api));
	log_info("taking events on %s (port %u)", hub->config->listen, ingest_port(hub->ingest));
	r = watch(hub, tails_fd(hub->tails));
	return r < 0 ? r : watch(hub, ingest_fd(hub->ingest));
}

static int open_all(struct hub *hub)
{
	int r = take_data_dir(hub);

	if (r == 0)
		r = open_loop(hub);
	if (r == 0)
		r = http_global_init();
	if (r == 0)
		r = open_journal(hub);
	if (r == 0)
		r = open_pipeline(hub);
	if (r == 0)
		r = open_outputs(hub);
	if (r == 0)
		r = open_health(hub);
	if (r == 0)
		r = open_tails(hub);
	return r == 0 ? open_doors(hub) : r;
}

int hub_new(const struct config *config, struct hub **ret)
{
	struct hub *hub = calloc(1, sizeof(*hub));
	int r;

	if (hub == NULL)
		return -ENOMEM;
	hub->config = config;
	hub->lock_fd = hub->epoll_fd = hub->signal_fd = hub->timer_fd = -1;
	hub->started_ns = clock_now();
	r = open_all(hub);
	if (r < 0) {
		hub_free(hub);
		return r;
	}
	*ret = hub;
	return 0;
}

/* --- the loop ----------------------------------------------------------------------------------- */

/* The signal that came, 0: none. */
static int read_signal(struct hub *hub)
{
	struct signalfd_siginfo info;

	if (read(hub->signal_fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGHUP) {
		log_notice("SIGHUP: loading the rules again; other settings are read at start");
		reload_ask(hub->reload);
		return 0;
	}
	return (int)info.ssi_signo;
}

static void take_rules(struct hub *hub)
{
	bool failed;
	struct ruleset *set = reload_collect(hub->reload, &failed);

	if (failed) {
		struct buf why = { .max = RELOAD_REPORT_MAX };

		reload_reason(hub->reload, &why);
		health_rules_failed(hub->health, buf_str(&why));
		buf_done(&why);
	}
	if (set == NULL)
		return;
	pipeline_use(hub->pipeline, set);
	ruleset_unref(set);
	ingest_rules_changed(hub->ingest);
}

static void tick(struct hub *hub)
{
	pipeline_tick(hub->pipeline);
	health_tick(hub->health);
}

/* Waits for something and does it. Returns the signal that ends the hub, 0: go on. */
static int turn(struct hub *hub, int timeout_ms)
{
	struct epoll_event events[8];
	int count, stop = 0, wait_ms = ingest_timeout_ms(hub->ingest);
	uint64_t ticks;

	if (wait_ms < 0 || wait_ms > timeout_ms)
		wait_ms = timeout_ms;
	count = epoll_wait(hub->epoll_fd, events, ARRAY_LEN(events), wait_ms);
	for (int i = 0; i < count; i++) {
		if (events[i].data.fd == hub->signal_fd)
			stop = read_signal(hub);
		else if (events[i].data.fd == hub->timer_fd && read(hub->timer_fd, &ticks, sizeof(ticks)) > 0)
			tick(hub);
		else if (events[i].data.fd == pipeline_fd(hub->pipeline))
			pipeline_collect(hub->pipeline);
		else if (events[i].data.fd == reload_fd(hub->reload))
			take_rules(hub);
		else if (events[i].data.fd == tails_fd(hub->tails))
			ingest_tails_asked(hub->ingest);
	}
	ingest_run(hub->ingest); /* also sends the answers that pipeline_collect() made */
	return stop;
}

int hub_run(struct hub *hub)
{
	int stop = 0;
	int64_t until;

	notify_manager("READY=1\nSTATUS=taking events");
	while (stop == 0)
		stop = turn(hub, 1000);
	notify_manager("STOPPING=1");
	log_notice("%s: stopping", stop == SIGTERM ? "SIGTERM" : "SIGINT");
	ingest_quiesce(hub->ingest);
	until = clock_mono() + DRAIN_GRACE_MS * NS_PER_MS;
	while (pipeline_underway(hub->pipeline) > 0 && clock_mono() < until)
		turn(hub, 10);
	return 0;
}

void hub_free(struct hub *hub)
{
	bool ended;

	if (hub == NULL)
		return;
	api_stop(hub->api);
	ingest_free(hub->ingest);
	ended = deliver_stop(hub->deliver, STOP_GRACE_MS);
	if (hub->journal != NULL)
		journal_close(hub->journal);
	if (!ended) { /* a driver still waits for its far side: nothing of what it uses may go before it */
		log_notice("stopped; a send was still under way and will be repeated");
		_exit(0);
	}
	health_free(hub->health);
	pipeline_free(hub->pipeline);
	sensors_free(hub->sensors);
	tails_free(hub->tails);
	reload_free(hub->reload);
	for (const int *fd = (int[]){ hub->lock_fd, hub->epoll_fd, hub->signal_fd, hub->timer_fd, -2 };
	     *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	free(hub);
}
