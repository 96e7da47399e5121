/* Start, loop and end of the sensor. */
#include "sensor/sensor.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sensor/account.h"
#include "sensor/enrich.h"
#include "sensor/exporter.h"
#include "sensor/hold.h"
#include "sensor/identity.h"
#include "sensor/observe.h"
#include "sensor/policy.h"
#include "sensor/prefilter.h"
#include "sensor/tamper.h"
#include "sensor/push.h"
#include "sensor/tail.h"
#include "sensor/tape.h"
#include "sensor/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

struct sensor {
	const struct options *options;
	const struct probe_ops *probe;
	void *probe_state;
	struct policy *policy; /* NULL: rules come from files */
	char version[POLICY_VERSION_LEN + 1]; /* of the hub's rules in force */
	struct fields *fields;
	struct prefilter *prefilter;
	struct interest *interest; /* of the prefilter's rules; the probe's, too */
	struct procs *procs;
	struct names *users, *groups;
	struct enrich *enrich;
	struct containers *containers;
	struct hosts *hosts; /* NULL: in a replay */
	struct hold *hold;
	struct event held; /* one of hold's, while it is looked at */
	struct outbox *outbox; /* NULL with --print */
	struct push *push;
	struct tape tape;
	struct observe *observe; /* NULL: rules decide */
	struct tail *tail;	 /* NULL: nobody looks on */
	bool has_filter;	 /* TAIL_RULE is among the rules */
	bool tailed;		 /* the event at hand is to be seen by who looks on */
	bool unheard;		 /* nobody reads standard output any more */
	struct exporter *exporter; /* NULL: nobody asked for metrics */
	struct buf report;
	struct http_settings http;
	const char *hostname;
	char id[IDENTITY_TEXT], boot[IDENTITY_TEXT];
	char machine[IDENTITY_TEXT]; /* the kernel's boot id */
	struct wire_sensor wire;
	bool wanted[PLAN_CALLS], wants_exit; /* by call number: what becomes an event */

	struct buf batch;
	uint32_t batch_events;
	int64_t batch_since, at_once_from; /* of the oldest event; when sending at once is within its rate */
	uint64_t seq;
	int64_t boot_offset_ns, next_tick, next_policy;
	struct tamper tamper;
	bool ends;
	char ended[IDENTITY_TEXT]; /* the run before this one, if it came to an orderly end */
	struct by_call missing; /* facts that records lacked */
	uint64_t taken, filtered, failed; /* records; those that no rule wanted; out of memory */
};

static atomic_uint signals; /* those that came, a bit each */
static atomic_uint senders[32];

void sensor_signal(int number, unsigned from)
{
	atomic_store(&senders[number & 31], from);
	atomic_fetch_or(&signals, 1U << (number & 31));
}

/* ---- start ---- */

static int64_t boot_offset(void)
{
	struct timespec boot;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	return clock_now() - (boot.tv_sec * NS_PER_S + boot.tv_nsec);
}

/* Whose name and clock events have. */
static int start_host(struct sensor *sensor)
{
	int r = tape_open(&sensor->tape, sensor->options);
	const struct replay *replay = sensor->tape.replay;

	if (replay == NULL)
		identity_machine(sensor->machine);
	else
		memcpy(sensor->machine, replay_host(replay)->machine, sizeof(sensor->machine));
	sensor->hostname = replay == NULL ? sensor->options->hostname : replay_host(replay)->hostname;
	sensor->boot_offset_ns = replay == NULL ? boot_offset() : replay_host(replay)->boot_offset_ns;
	return r;
}

static void set_http(struct sensor *sensor)
{
	const struct options *options = sensor->options;

	sensor->http = (struct http_settings){ .ca_file = options->ca_file,
					       .cert_file = options->cert_file,
					       .key_file = options->key_file,
					       .insecure = options->insecure };
}

static int start_hub_rules(struct sensor *sensor)
{
	const struct policy_settings settings = { .hub = sensor->options->hub,
						  .token = sensor->options->token,
						  .node = sensor->hostname,
						  .http = &sensor->http,
						  .folder = sensor->options->spool_dir,
						  .fallback = TOCSIN_RULES_FILE };
	struct policy_set set;
	int r = policy_start(&settings, &sensor->policy, &set);

	if (r < 0) {
		log_err("rules: %s", strerror(-r));
		return r;
	}
	sensor->fields = set.fields;
	sensor->prefilter = set.prefilter;
	memcpy(sensor->version, set.version, sizeof(sensor->version));
	return 0;
}

static int start_observe(struct sensor *sensor)
{
	struct buf why = { 0 };
	int r = observe_new(&sensor->options->observe, sensor->fields, &why, &sensor->observe,
			    &sensor->prefilter);

	if (why.len > 0)
		fprintf(stderr, "tocsin-sensor: %.*s", STR_ARG(buf_str(&why)));
	else if (r < 0)
		log_err("observe: %s", strerror(-r));
	buf_done(&why);
	return r;
}

static int start_rules(struct sensor *sensor)
{
	const struct options *options = sensor->options;
	struct buf report = { 0 };
	int r;

	if (options->hub_rules)
		return start_hub_rules(sensor);
	sensor->fields = fields_new();
	if (sensor->fields == NULL)
		return -ENOMEM;
	if (options->observe.on)
		return start_observe(sensor);
	r = prefilter_new(options->rules, options->rules_count, sensor->fields, &report,
			      &sensor->prefilter);

	if (report.len > 0)
		fwrite(report.at, 1, report.len, stderr);
	buf_done(&report);
	if (r < 0)
		log_err("rules: not loaded (%s); --all-events runs without any", strerror(-r));
	else if (options->rules_count > 0)
		log_info("rules: %zu enabled", prefilter_rules_count(sensor->prefilter));
	return r;
}

static int new_enrich(const struct sensor *sensor, struct fields *fields,
		      const struct prefilter *prefilter, struct enrich **ret)
{
	const struct enrich_settings settings = {
		.fields = fields,
		.procs = sensor->procs,
		.users = sensor->users,
		.groups = sensor->groups,
		.hostname = str_of(sensor->hostname),
		.containers = sensor->containers,
		.machine = str_of(sensor->machine),
		.hosts = sensor->hosts,
	};
	int r = enrich_new(&settings, ret);

	if (r < 0)
		return r;
	prefilter_fields(prefilter, *ret);
	return sensor->hosts == NULL ? 0 : prefilter_hosts(prefilter, sensor->hosts);
}

static int start_containers(struct sensor *sensor)
{
	const struct containers_settings settings = { .root = sensor->options->container_root,
						      .wait_ms = sensor->options->container_wait_ms,
						      .silent = sensor->tape.replay != NULL };

	sensor->hold = hold_new();
	return sensor->hold == NULL ? -ENOMEM : containers_new(&settings, &sensor->containers);
}

static int start_tables(struct sensor *sensor)
{
	const struct replay *replay = sensor->tape.replay;
	int r = start_containers(sensor);

	if (r < 0)
		return r;
	sensor->procs = procs_new("/proc");
	sensor->users = replay == NULL ? names_new("/etc/passwd") : replay_users(replay);
	sensor->groups = replay == NULL ? names_new("/etc/group") : replay_groups(replay);
	if (sensor->procs == NULL || sensor->users == NULL || sensor->groups == NULL)
		return -ENOMEM;
	r = replay == NULL ? hosts_new(&sensor->hosts) : 0;
	if (r < 0)
		return r;
	if (sensor->options->command != NULL) /* it has no parent that rules should know */
		procs_hide(sensor->procs, (uint32_t)getpid());
	r = new_enrich(sensor, sensor->fields, sensor->prefilter, &sensor->enrich);
	return r < 0 ? r : event_init(&sensor->held, fields_count(sensor->fields));
}

/* What is played back and printed is the same each time. To a hub it comes from a sensor of this machine
 * that starts now, or the hub would take it for what it has had. */
static int take_identity(struct sensor *sensor)
{
	const struct recording_host *host = replay_host(sensor->tape.replay);

	memcpy(sensor->id, host->id, sizeof(sensor->id));
	memcpy(sensor->boot, host->boot, sizeof(sensor->boot));
	sensor->wire = (struct wire_sensor){ str_of(sensor->id), str_of(sensor->boot), str_of(host->probe) };
	return 0;
}

static int start_identity(struct sensor *sensor)
{
	bool kept;
	int r;

	if (sensor->tape.replay != NULL && sensor->options->print)
		return take_identity(sensor);
	if (sensor->observe != NULL) { /* nothing is left on the disk */
		r = identity_random(sensor->id);
		kept = true;
	} else {
		r = identity_of(sensor->options->spool_dir, sensor->id, &kept);
	}

	if (r == 0)
		r = identity_random(sensor->boot);
	if (r == 0)
		identity_ended(sensor->options->spool_dir, sensor->ended);
	if (r < 0)
		return r;
	if (!kept && !sensor->options->print)
		log_warning("spool: %s cannot be written; this sensor's id is new at each start",
			    sensor->options->spool_dir);
	sensor->wire = (struct wire_sensor){ str_of(sensor->id), str_of(sensor->boot),
					     str_of(sensor->probe->name) };
	return 0;
}

/* Spool, then outbox, then the thread: what an earlier run left goes out first. */
static int start_push(struct sensor *sensor)
{
	const struct options *options = sensor->options;
	struct spool *spool = NULL;
	struct push_settings settings;
	int r = spool_open(options->spool_dir, NULL, &spool);

	if (r == -EBUSY) {
		log_err("spool: %s belongs to another sensor that is running", options->spool_dir);
		return r;
	}
	if (r < 0)
		log_warning("spool: %s: %s; while the hub is away only a few batches are kept, in "
			    "memory",
			    options->spool_dir, strerror(-r));
	else if (!spool_is_empty(spool))
		log_notice("spool: %llu events of an earlier run wait to be sent",
			   (unsigned long long)spool_stats(spool).events);
	r = start_identity(sensor);
	sensor->outbox = r < 0 ? NULL : outbox_new(spool);
	if (sensor->outbox == NULL) {
		spool_close(spool);
		return r < 0 ? r : -ENOMEM;
	}
	settings = (struct push_settings){ .hub = options->hub,
					   .token = options->token,
					   .http = &sensor->http,
					   .sensor = sensor->wire,
					   .hostname = str_of(sensor->hostname),
					   .outbox = sensor->outbox };
	r = push_start(&settings, &sensor->push);
	if (r < 0)
		log_err("hub: the connection cannot be set up: %s", strerror(-r));
	return r;
}

/* What the rules in force want of the kernel, and of the records that come. */
static struct probe_settings settings_of(struct sensor *sensor, const struct interest *interest)
{
	struct probe_settings settings = { .interest = interest,
					   .command = sensor->options->command,
					   .urgent_bytes = sensor->options->ring_urgent,
					   .bulk_bytes = sensor->options->ring_bulk,
					   .replay = sensor->tape.replay };

	prefilter_calls(interest, &settings);
	for (size_t i = 0; i < calls_count; i++)
		sensor->wanted[calls[i].nr] =
			sensor->options->lifecycle ||
			prefilter_wants_type(sensor->prefilter, str_of(calls[i].name));
	sensor->wants_exit = sensor->options->lifecycle ||
			     prefilter_wants_type(sensor->prefilter, STR("procexit"));
	settings.take_environment = prefilter_wants_environment(sensor->prefilter);
	return settings;
}

static int start_recording(struct sensor *sensor)
{
	struct recording_host host = { .boot_offset_ns = sensor->boot_offset_ns };

	snprintf(host.hostname, sizeof(host.hostname), "%s", sensor->hostname);
	snprintf(host.probe, sizeof(host.probe), "%s", sensor->probe->name);
	memcpy(host.id, sensor->id, sizeof(host.id));
	memcpy(host.boot, sensor->boot, sizeof(host.boot));
	memcpy(host.machine, sensor->machine, sizeof(host.machine));
	return tape_record(&sensor->tape, sensor->options, &host, sensor->users, sensor->groups,
			   sensor->procs);
}

/* Attached before the process table is filled, so that nothing falls between. */
static int start_probe(struct sensor *sensor)
{
	struct probe_settings settings;
	const char *why = "out of memory";
	int r = prefilter_interest(sensor->prefilter, &sensor->interest);

	if (r == 0) {
		settings = settings_of(sensor, sensor->interest);
		r = sensor->probe->open(&settings, &sensor->probe_state, &why);
	}
	if (r < 0) {
		log_err("probe: %s: %s: %s", sensor->probe->name, why, strerror(-r));
		return r;
	}
	if (sensor->tape.replay != NULL) {
		replay_fill(sensor->tape.replay, sensor->procs);
		return 0;
	}
	r = procs_scan(sensor->procs);
	if (r < 0)
		log_warning(
			"processes: /proc cannot be read (%s); processes that run already have no "
			"names",
			strerror(-r));
	return 0;
}

static int start_exporter(struct sensor *sensor)
{
	const char *address = sensor->options->metrics;
	int r = address == NULL ? 0 : exporter_start(address, &sensor->exporter);

	if (r < 0)
		log_err("metrics: %s: %s", address, strerror(-r));
	else if (address != NULL)
		log_info("metrics: /metrics on %s (port %u)", address,
			 exporter_port(sensor->exporter));
	return r;
}

static int sensor_start(struct sensor *sensor)
{
	int r;

	set_http(sensor);
	r = start_host(sensor);
	if (r == 0)
		r = start_rules(sensor);
	if (r == 0)
		r = start_tables(sensor);
	if (r == 0)
		r = sensor->options->print ? start_identity(sensor) : start_push(sensor);
	if (r == 0)
		r = start_exporter(sensor);
	if (r == 0)
		r = start_recording(sensor);
	if (r == 0)
		r = start_probe(sensor);
	return r;
}

/* ---- events ---- */

static void seal(struct sensor *sensor)
{
	if (sensor->batch_events == 0)
		return;
	if (sensor->outbox != NULL) {
		outbox_put(sensor->outbox, &sensor->batch, sensor->batch_events);
	} else {
		fwrite(sensor->batch.at, 1, sensor->batch.len, stdout);
		sensor->unheard = fflush(stdout) != 0 || ferror(stdout);
		buf_clear(&sensor->batch);
	}
	sensor->batch_events = 0;
}

/* Gives the event its number and a place in the batch. The number is used up only if that worked.
 */
static void ship(struct sensor *sensor, const struct event *event)
{
	struct buf *batch = &sensor->batch;
	size_t before = batch->len;

	if (before == 0)
		sensor->batch_since = clock_mono();
	if (sensor->observe != NULL && !observe_is_json(sensor->observe))
		observe_add(sensor->observe, event, sensor->fields, batch);
	else
		wire_add_event(batch, event, sensor->fields, &sensor->wire, sensor->seq + 1);
	if (!buf_ok(batch)) {
		batch->failed = false;
		buf_cut(batch, before);
		sensor->failed++;
		return;
	}
	sensor->seq++;
	sensor->batch_events++;
	if (sensor->batch_events >= SENSOR_BATCH_EVENTS || batch->len >= SENSOR_BATCH_BYTES)
		seal(sensor);
}

/* Records that only keep the table right are not worth the fields of an event. */
static bool becomes_event(const struct sensor *sensor, const struct record *record)
{
	if (record->type == RECORD_EXIT)
		return sensor->wants_exit;
	return record->nr < PLAN_CALLS && sensor->wanted[record->nr];
}

static bool is_asked_for(const struct sensor *sensor, const struct record *record)
{
	return sensor->options->lifecycle && record->type != RECORD_CALL;
}

static bool matches(struct sensor *sensor, const struct event *event)
{
	bool named = false, matched;

	if (sensor->observe != NULL)
		return observe_wants(sensor->observe, sensor->prefilter, event);
	if (!sensor->has_filter)
		return prefilter_match(sensor->prefilter, event);
	matched = prefilter_match_beside(sensor->prefilter, event, STR(TAIL_RULE), &named);
	sensor->tailed |= named;
	return matched;
}

/* By the file's own name; if no rule knows that, by the one that it was opened by. */
static bool is_wanted(struct sensor *sensor, struct event *event)
{
	bool wanted;

	sensor->tailed = false;
	wanted = matches(sensor, event) ||
		 (enrich_by_asked_name(sensor->enrich, event) && matches(sensor, event));
	if (sensor->tailed && sensor->tail != NULL)
		tail_put(sensor->tail, event, sensor->fields, &sensor->wire);
	return wanted;
}

/* An event that waited: with what is known of its container now, or without. */
static void take_held(struct event *event, const struct container_id *id, bool sure, void *userdata)
{
	struct sensor *sensor = userdata;
	enum containers_state state;
	const struct box *box = containers_find(sensor->containers, id, &state);

	if (box != NULL)
		enrich_put_box(sensor->enrich, event, box, sensor->boot_offset_ns);
	if (sure || is_wanted(sensor, event))
		ship(sensor, event);
	else
		sensor->filtered++;
}

static bool has_waited(const struct container_id *id, void *userdata)
{
	struct sensor *sensor = userdata;
	enum containers_state state;

	containers_find(sensor->containers, id, &state);
	return state != CONTAINERS_WAITING;
}

static bool waits_no_more(const struct container_id *id, void *userdata)
{
	(void)id;
	(void)userdata;
	return true;
}

static void release(struct sensor *sensor, bool all)
{
	if (!hold_is_empty(sensor->hold))
		hold_release(sensor->hold, &sensor->held, all ? waits_no_more : has_waited, take_held,
			     sensor);
}

/* True: the event waits for its container's metadata. */
static bool is_held(struct sensor *sensor, const struct record *record, const struct event *event)
{
	const struct container_id *id = enrich_waits(sensor->enrich);

	return id != NULL && hold_put(sensor->hold, event, id, is_asked_for(sensor, record));
}

static void on_record(const struct record *record, void *userdata)
{
	struct sensor *sensor = userdata;
	struct event *event = NULL;

	sensor->taken++;
	if (tamper_take(&sensor->tamper, record)) {
		sensor->filtered++;
		return;
	}
	if (sensor->tape.recorder != NULL)
		recorder_put(sensor->tape.recorder, record);
	if (sensor->tape.replay != NULL)
		sensor->boot_offset_ns = replay_boot_offset(sensor->tape.replay);
	if (record->flags & (RECORD_CUT_ARGS | RECORD_CUT_PATH | RECORD_FAULT))
		account_note_missing(&sensor->missing, record);
	if (sensor->observe != NULL && record->type == RECORD_FORK)
		observe_birth(sensor->observe, record);
	if (containers_have_answers(sensor->containers) &&
	    containers_tick(sensor->containers, clock_mono()))
		release(sensor, false);
	if (becomes_event(sensor, record)) {
		event = enrich_record(sensor->enrich, record, sensor->boot_offset_ns);
		if (event == NULL)
			sensor->failed++;
		else if (is_held(sensor, record, event))
			; /* it is looked at again */
		else if (is_wanted(sensor, event) || is_asked_for(sensor, record))
			ship(sensor, event);
		else
			sensor->filtered++;
	} else {
		procs_update(sensor->procs, record);
		sensor->filtered++;
	}
	if (record->type != RECORD_EXIT)
		return;
	procs_forget(sensor->procs, record);
	if (sensor->observe != NULL)
		observe_death(sensor->observe, record);
}

/* ---- loop ---- */

/* The account, to whoever reads it. */
static void report(struct sensor *sensor)
{
	struct account account = { .procs = procs_stats(sensor->procs),
				   .taken = sensor->taken - hold_stats(sensor->hold).waiting,
				   .filtered = sensor->filtered,
				   .emitted = sensor->seq,
				   .failed = sensor->failed,
				   .missing = &sensor->missing,
				   .push = sensor->push == NULL ? NULL : push_stats(sensor->push),
				   .containers = containers_stats(sensor->containers),
				   .hold = hold_stats(sensor->hold) };
	struct buf *text = &sensor->report;

	sensor->probe->counts(sensor->probe_state, &account.probe);
	buf_clear(text);
	account_add_json(&account, text);
	if (buf_ok(text) && sensor->push != NULL)
		push_report(sensor->push, buf_str(text), sensor->seq);
	else if (buf_ok(text))
		log_debug("counts: {%.*s}", STR_ARG(buf_str(text)));
	if (sensor->push != NULL) {
		buf_clear(text);
		tamper_add_json(&sensor->tamper, sensor->procs, sensor->ends, text);
		if (sensor->ended[0] != '\0')
			buf_addf(text, ",\"ended\":\"%s\"", sensor->ended);
		if (buf_ok(text))
			push_warn(sensor->push, buf_str(text));
	}
	if (sensor->exporter == NULL)
		return;
	buf_clear(text);
	account_add_metrics(&account, sensor->outbox, sensor->probe->name, text);
	if (buf_ok(text))
		exporter_set(sensor->exporter, buf_str(text));
}

/* Somebody at the hub looks on, or nobody does any more. */
static void look_on(struct sensor *sensor, const struct tail_order *order)
{
	const struct tail_settings settings = { .hub = sensor->options->hub, .token = sensor->options->token,
						.http = &sensor->http };
	int r;

	sensor->has_filter = order->id[0] != '\0';
	if (sensor->tail != NULL && strcmp(tail_id(sensor->tail), order->id) == 0)
		return; /* other rules meanwhile */
	tail_stop(TAKE(sensor->tail));
	if (!sensor->has_filter)
		return;
	r = tail_start(&settings, order, &sensor->tail);
	if (r < 0)
		log_warning("tail: cannot begin: %s", strerror(-r));
	else
		log_notice("tail: somebody at the hub looks on, for %llu s at most",
			   (unsigned long long)(order->ms + 999) / 1000);
}

/* Other rules from the hub: from the next record on. */
static void adopt(struct sensor *sensor, struct policy_set *set)
{
	struct interest *interest = NULL;
	struct enrich *enrich;
	struct event held;
	struct probe_settings settings;
	size_t missing;
	int r;

	release(sensor, true); /* they are of the fields of before */
	r = prefilter_interest(set->prefilter, &interest);
	if (r == 0)
		r = new_enrich(sensor, set->fields, set->prefilter, &enrich);
	if (r == 0 && event_init(&held, fields_count(set->fields)) < 0) {
		enrich_free(enrich);
		r = -ENOMEM;
	}
	if (r < 0) {
		log_err("rules: out of memory; those before stay in force");
		interest_free(interest);
		policy_set_done(set);
		return;
	}
	enrich_free(sensor->enrich);
	event_done(&sensor->held);
	prefilter_free(sensor->prefilter);
	fields_free(sensor->fields);
	sensor->enrich = enrich;
	sensor->held = held;
	sensor->prefilter = set->prefilter;
	sensor->fields = set->fields;
	memcpy(sensor->version, set->version, sizeof(sensor->version));
	settings = settings_of(sensor, interest);
	missing = sensor->probe->rearm(sensor->probe_state, &settings);
	interest_free(sensor->interest);
	sensor->interest = interest;
	look_on(sensor, &set->tail);
	log_info("rules: version %s in force", sensor->version);
	if (missing > 0)
		log_warning("rules: %zu system calls that they want can only be seen when the command starts again",
			    missing);
}

static void take_policy(struct sensor *sensor)
{
	struct policy_set set;
	struct buf text = { 0 };

	if (policy_take(sensor->policy, &set))
		adopt(sensor, &set);
	policy_report(sensor->policy, sensor->version, &text);
	if (sensor->push != NULL && buf_ok(&text))
		push_tell(sensor->push, buf_str(&text));
	buf_done(&text);
}

/* A lone alert must not wait for company; a stream of them is to go in batches. */
static bool may_seal_at_once(struct sensor *sensor, int64_t now)
{
	const int64_t step = SENSOR_AT_ONCE_MS * NS_PER_MS;

	if (now < sensor->at_once_from - SENSOR_AT_ONCE_BURST * step)
		return false;
	if (sensor->outbox != NULL && !outbox_is_idle(sensor->outbox))
		return false;
	sensor->at_once_from = (now > sensor->at_once_from ? now : sensor->at_once_from) + step;
	return true;
}

static void tick(struct sensor *sensor)
{
	int64_t now = clock_mono();

	containers_tick(sensor->containers, now);
	release(sensor, false);
	if (sensor->batch_events > 0 && (now - sensor->batch_since >= SENSOR_BATCH_MS * NS_PER_MS ||
					 may_seal_at_once(sensor, now)))
		seal(sensor);
	if (sensor->policy != NULL && now >= sensor->next_policy) {
		sensor->next_policy = now + SENSOR_POLICY_MS * NS_PER_MS;
		take_policy(sensor);
	}
	if (sensor->tail != NULL && tail_is_over(sensor->tail)) {
		tail_stop(TAKE(sensor->tail));
		policy_tail_over(sensor->policy);
	}
	if (now < sensor->next_tick)
		return;
	sensor->next_tick = now + NS_PER_S;
	if (sensor->tape.replay == NULL)
		sensor->boot_offset_ns = boot_offset();
	if (sensor->tape.recorder != NULL) {
		recorder_put_clock(sensor->tape.recorder, sensor->boot_offset_ns);
		recorder_flush(sensor->tape.recorder);
	}
	names_refresh(sensor->users, now);
	names_refresh(sensor->groups, now);
	report(sensor);
}

/* True: a signal wants the sensor to end. */
static bool take_signals(struct sensor *sensor)
{
	unsigned came = atomic_exchange(&signals, 0);

	for (int number = 1; number < 32; number++) {
		if (!(came & 1U << number))
			continue;
		tamper_signal(&sensor->tamper, number, atomic_load(&senders[number]));
		if (number != SIGCONT && !sensor->probe->forward(sensor->probe_state, number))
			return true;
	}
	return false;
}

static void loop(struct sensor *sensor)
{
	while (!take_signals(sensor) && !sensor->unheard) {
		int wait_ms = sensor->batch_events > 0 ? 1 : SENSOR_POLL_MS;
		int n;

		tamper_tick(&sensor->tamper, sensor->procs, clock_mono());
		n = sensor->probe->poll(sensor->probe_state, wait_ms, on_record, sensor);
		if (n == -ESRCH)
			return;
		if (n < 0 && n != -EINTR) {
			log_err("probe: %s: %s", sensor->probe->name, strerror(-n));
			return;
		}
		tick(sensor);
	}
}

/* ---- end ---- */

static void end_observe(struct sensor *sensor)
{
	struct probe_counts counts;
	uint64_t lost = 0;

	if (sensor->observe == NULL || sensor->probe_state == NULL)
		return;
	sensor->probe->counts(sensor->probe_state, &counts);
	for (size_t i = 0; i < RECORD_CLASSES; i++)
		lost += counts.of[i].dropped;
	fprintf(stderr, "tocsin-sensor: %llu events shown, %llu lost\n", (unsigned long long)sensor->seq,
		(unsigned long long)lost);
}

static void sensor_end(struct sensor *sensor)
{
	if (sensor->probe_state != NULL) {
		sensor->probe->detach(sensor->probe_state, on_record, sensor);
		release(sensor, true);
		sensor->ends = true;
		report(sensor);
	}
	seal(sensor);
	end_observe(sensor);
	exporter_stop(sensor->exporter);
	policy_stop(sensor->policy);
	tail_stop(sensor->tail);
	push_stop(sensor->push);
	if (sensor->outbox != NULL) {
		struct outbox_stats stats;

		if (sensor->ends)
			identity_end(sensor->options->spool_dir, sensor->boot);
		outbox_flush(sensor->outbox);
		stats = outbox_stats(sensor->outbox);
		log_notice("stop: %llu events sent or spooled, %llu of them wait in the spool",
			   (unsigned long long)sensor->seq, (unsigned long long)stats.spool.events);
	}
	if (sensor->probe_state != NULL)
		sensor->probe->close(sensor->probe_state);
	tape_close(&sensor->tape, sensor->options, sensor->seq);
	outbox_free(sensor->outbox);
	enrich_free(sensor->enrich);
	containers_free(sensor->containers);
	hosts_free(sensor->hosts);
	hold_free(sensor->hold);
	event_done(&sensor->held);
	procs_free(sensor->procs);
	names_free(sensor->users);
	names_free(sensor->groups);
	interest_free(sensor->interest);
	prefilter_free(sensor->prefilter);
	observe_free(sensor->observe);
	fields_free(sensor->fields);
	buf_done(&sensor->batch);
	buf_done(&sensor->report);
}

int sensor_run(const struct options *options, const struct probe_ops *probe)
{
	struct sensor sensor = { .options = options, .probe = probe };
	int status = 1;

	sensor.tamper.sees_itself = probe->sees_itself;
	if (sensor_start(&sensor) == 0) {
		log_notice("start: version " TOCSIN_VERSION ", probe %s, sensor %s, boot %s",
			   probe->name, sensor.id, sensor.boot);
		report(&sensor);
		loop(&sensor);
		status = probe->exit_status(sensor.probe_state);
	}
	sensor_end(&sensor);
	return status;
}
