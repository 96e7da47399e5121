/* What the rules in force decide, and how others come into force. */
#include "base/cleanup.h"
#include "base/log.h"
#include "sensor/gate/gate.h"
#include "sensor/sensor_inner.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int sensor_new_enrich(const struct sensor *sensor, struct fields *fields,
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
		.proc_folder = sensor->tape.replay == NULL ? "/proc" : NULL,
	};
	int r = enrich_new(&settings, ret);

	if (r < 0)
		return r;
	prefilter_fields(prefilter, *ret);
	return sensor->hosts == NULL ? 0 : prefilter_hosts(prefilter, sensor->hosts);
}

void sensor_set_judged(struct sensor *sensor)
{
	struct interest *judged = NULL;

	if (sensor->enforce == NULL)
		return;
	enforce_rules(sensor->enforce, sensor->prefilter);
	if (sensor->options->enforce == ENFORCE_ON && sensor->probe->judges &&
	    prefilter_responders(sensor->prefilter) != NULL && prefilter_judged(sensor->prefilter, &judged) < 0)
		log_err("enforce: out of memory: no call is refused");
	sensor->judged = judged;
}

/* What the rules in force want of the kernel, and of the records that come. */
struct probe_settings sensor_settings(struct sensor *sensor, const struct interest *interest)
{
	struct probe_settings settings = { .interest = interest,
					   .command = sensor->options->command,
					   .keeper = sensor->keeper,
					   .attach = sensor->options->attaches ? &sensor->options->attach : NULL,
					   .pin = sensor->pin[0] == '\0' ? NULL : sensor->pin,
					   .profile = sensor->options->decider,
					   .profile_name = sensor->options->seccomp,
					   .urgent_bytes = sensor->options->ring_urgent,
					   .bulk_bytes = sensor->options->ring_bulk,
					   .replay = sensor->tape.replay };

	if (enforce_gate(sensor->enforce) != NULL) {
		settings.wake = gate_fd(enforce_gate(sensor->enforce));
		settings.asks_layers = true;
	}
	settings.denies = sensor->enforce != NULL;
	settings.kills = sensor->enforce != NULL && sensor->options->enforce == ENFORCE_ON;
	settings.judged = sensor->judged;
	settings.judge = sensor_judge;
	settings.judge_userdata = sensor;
	prefilter_calls(interest, &settings);
	for (size_t i = 0; i < calls_count; i++) {
		settings.reported[i] = prefilter_wants_type(sensor->prefilter, str_of(calls[i].name));
		sensor->wanted[calls[i].nr] = sensor->options->lifecycle || settings.reported[i];
	}
	sensor->wants_exit = sensor->options->lifecycle ||
			     prefilter_wants_type(sensor->prefilter, STR("procexit"));
	settings.take_environment = prefilter_wants_environment(sensor->prefilter);
	settings.take_standard = prefilter_wants_standard(sensor->prefilter);
	return settings;
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
	follow_free(TAKE(sensor->follow));
	if (!sensor->has_filter)
		return;
	if (order->follow)
		sensor->follow = follow_new();
	r = order->follow && sensor->follow == NULL ? -ENOMEM : tail_start(&settings, order, &sensor->tail);
	if (r < 0)
		log_warning("tail: cannot begin: %s", strerror(-r));
	else
		log_notice("tail: somebody at the hub looks on, for %llu s at most",
			   (unsigned long long)(order->ms + 999) / 1000);
}

/* Other rules from the hub: from the next record on. */
static void adopt(struct sensor *sensor, struct policy_set *set)
{
	struct interest *interest = NULL, *judged = sensor->judged;
	struct enrich *enrich;
	struct event held;
	struct probe_settings settings;
	size_t missing;
	int r;

	sensor_release(sensor, true); /* they are of the fields of before */
	r = prefilter_interest(set->prefilter, &interest);
	if (r == 0)
		r = sensor_new_enrich(sensor, set->fields, set->prefilter, &enrich);
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
	sensor_set_judged(sensor);
	sensor->fields = set->fields;
	memcpy(sensor->version, set->version, sizeof(sensor->version));
	settings = sensor_settings(sensor, interest);
	missing = sensor->probe->rearm(sensor->probe_state, &settings);
	interest_free(sensor->interest);
	interest_free(judged);
	sensor->interest = interest;
	look_on(sensor, &set->tail);
	log_info("rules: version %s in force", sensor->version);
	if (missing > 0)
		log_warning("rules: %zu system calls that they want can only be seen when the command starts again",
			    missing);
}

void sensor_take_policy(struct sensor *sensor)
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
