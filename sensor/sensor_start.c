/* The sensor's start: each part after those that it needs. */
#include "base/cleanup.h"
#include "base/log.h"
#include "sensor/ptrace/keeper.h"
#include "sensor/sensor_inner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t sensor_boot_offset(void)
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
	sensor->boot_offset_ns = replay == NULL ? sensor_boot_offset() : replay_host(replay)->boot_offset_ns;
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
	if (r == 0 && sensor->options->observe.follow)
		sensor->follow = follow_new();
	return r == 0 && sensor->options->observe.follow && sensor->follow == NULL ? -ENOMEM : r;
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

static int start_containers(struct sensor *sensor)
{
	const struct containers_settings settings = { .root = sensor->options->container_root,
						      .wait_ms = sensor->options->container_wait_ms,
						      .silent = sensor->tape.replay != NULL };

	sensor->hold = hold_new();
	sensor->budgets = calloc(1, sizeof(*sensor->budgets));
	return sensor->hold == NULL || sensor->budgets == NULL ? -ENOMEM : containers_new(&settings, &sensor->containers);
}

/* The command has no parent that rules should know, nor have those that lose theirs. */
static void hide_parents(struct sensor *sensor)
{
	struct keeper_pids pids = { 0 };

	if (sensor->keeper != NULL)
		pids = keeper_pids(sensor->keeper);
	procs_hide(sensor->procs, (uint32_t)getpid());
	procs_hide(sensor->procs, (uint32_t)pids.keeper);
	procs_hide(sensor->procs, (uint32_t)pids.front);
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
	if (sensor->options->command != NULL)
		hide_parents(sensor);
	r = sensor_new_enrich(sensor, sensor->fields, sensor->prefilter, &sensor->enrich);
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

	if (r == 0 && !kept && sensor->keeper != NULL)
		keeper_same_id(sensor->keeper, sensor->id, sizeof(sensor->id));
	if (r == 0)
		r = identity_random(sensor->boot);
	if (r == 0)
		identity_ended(sensor->options->spool_dir, sensor->ended);
	if (r < 0)
		return r;
	if (!kept && !sensor->options->print)
		log_warning("spool: %s cannot be written; this sensor's id is new at each start",
			    sensor->options->spool_dir);
	if (kept && sensor->observe == NULL)
		snprintf(sensor->pin, sizeof(sensor->pin), SENSOR_PINS "%s", sensor->id);
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
	int r = prefilter_interest_following(sensor->prefilter, observe_of_followed(sensor->observe), &sensor->interest);

	if (r == 0) {
		sensor_set_judged(sensor);
		settings = sensor_settings(sensor, sensor->interest);
		r = sensor->probe->open(&settings, &sensor->probe_state, &why);
	}
	if (r < 0) {
		log_err("probe: %s: %s: %s", sensor->probe->name, why, strerror(-r));
		return r;
	}
	if (sensor->enforce != NULL)
		enforce_probe(sensor->enforce, sensor->probe_state);
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

/* What is played back has happened long ago, and to others. */
static int start_enforce(struct sensor *sensor)
{
	const struct enforce_settings settings = { .mode = sensor->options->enforce, .probe = sensor->probe };

	if (sensor->options->enforce == ENFORCE_OFF || sensor->tape.replay != NULL)
		return 0;
	return enforce_new(&settings, &sensor->enforce);
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

int sensor_start(struct sensor *sensor)
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
		r = start_enforce(sensor);
	if (r == 0)
		r = sensor_start_seccomp(sensor);
	if (r == 0)
		r = start_probe(sensor);
	return r;
}
