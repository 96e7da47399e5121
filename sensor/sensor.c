/* Loop and end of the sensor. */
#include "base/log.h"
#include "sensor/account.h"
#include "sensor/ptrace/keeper.h"
#include "sensor/sensor_inner.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static atomic_uint signals; /* those that came, a bit each */
static atomic_uint senders[32];

void sensor_signal(int number, unsigned from)
{
	atomic_store(&senders[number & 31], from);
	atomic_fetch_or(&signals, 1U << (number & 31));
}

/* ---- loop ---- */

static void look_for_harm(struct sensor *sensor)
{
	struct probe_harm harm;

	if (sensor->probe->look == NULL)
		return;
	sensor->probe->look(sensor->probe_state, &harm);
	tamper_harm(&sensor->tamper, &harm);
}

/* The account, to whoever reads it. */
static void report(struct sensor *sensor)
{
	struct account account = { .procs = procs_stats(sensor->procs),
				   .taken = sensor->taken - hold_stats(sensor->hold).waiting - sensor->budgets->all,
				   .filtered = sensor->filtered,
				   .emitted = sensor->seq,
				   .failed = sensor->failed,
				   .missing = &sensor->missing,
				   .push = sensor->push == NULL ? NULL : push_stats(sensor->push),
				   .containers = containers_stats(sensor->containers),
				   .hold = hold_stats(sensor->hold) };
	struct buf *text = &sensor->report;

	if (!sensor->ends)
		look_for_harm(sensor);
	sensor->probe->counts(sensor->probe_state, &account.probe);
	sensor_gate_counts(sensor, &account.probe);
	budget_counts(sensor->budgets, &account.probe);
	buf_clear(text);
	account_add_json(&account, text);
	if (sensor->enforce != NULL) {
		buf_add_char(text, ',');
		enforce_add_json(sensor->enforce, text);
	}
	if (buf_ok(text) && sensor->push != NULL)
		push_report(sensor->push, buf_str(text), sensor->seq);
	else if (buf_ok(text))
		log_debug("counts: {%.*s}", STR_ARG(buf_str(text)));
	if (sensor->push != NULL) {
		buf_clear(text);
		tamper_add_json(&sensor->tamper, sensor->procs, sensor->ends, text);
		if (sensor->ended[0] != '\0')
			buf_addf(text, ",\"ended\":\"%s\"", sensor->ended);
		else
			tamper_add_killer(&sensor->tamper, text);
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

static void look_for_failures(struct sensor *sensor)
{
	struct keeper_failures failures;

	if (sensor->keeper == NULL)
		return;
	keeper_failures(sensor->keeper, &failures);
	tamper_failures(&sensor->tamper, failures.count, failures.last, failures.missed);
}

static void tick(struct sensor *sensor)
{
	int64_t now = clock_mono();

	containers_tick(sensor->containers, now);
	sensor_release(sensor, false);
	if (sensor->batch_events > 0 && (now - sensor->batch_since >= SENSOR_BATCH_MS * NS_PER_MS ||
					 may_seal_at_once(sensor, now)))
		sensor_seal(sensor);
	if (sensor->policy != NULL && now >= sensor->next_policy) {
		sensor->next_policy = now + SENSOR_POLICY_MS * NS_PER_MS;
		sensor_take_policy(sensor);
	}
	if (sensor->tail != NULL && tail_is_over(sensor->tail)) {
		tail_stop(TAKE(sensor->tail));
		policy_tail_over(sensor->policy);
	}
	if (now < sensor->next_tick)
		return;
	sensor->next_tick = now + NS_PER_S;
	if (sensor->tape.replay == NULL)
		sensor->boot_offset_ns = sensor_boot_offset();
	if (sensor->tape.recorder != NULL) {
		recorder_put_clock(sensor->tape.recorder, sensor->boot_offset_ns);
		recorder_flush(sensor->tape.recorder);
	}
	look_for_failures(sensor);
	sensor_look_at_seccomp(sensor);
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
		if (number == SIGCONT)
			look_for_harm(sensor);
		tamper_signal(&sensor->tamper, number, atomic_load(&senders[number]));
		if (number != SIGCONT && !sensor->probe->forward(sensor->probe_state, number))
			return true;
	}
	return false;
}

/* How long there is nothing to do but wait for records, which end the wait. */
static int patience(const struct sensor *sensor)
{
	if (sensor->batch_events > 0)
		return 1;
	if (!hold_is_empty(sensor->hold) || sensor->options->command != NULL || sensor->tail != NULL)
		return SENSOR_POLL_MS;
	return SENSOR_IDLE_MS;
}

static void loop(struct sensor *sensor)
{
	while (!take_signals(sensor) && !sensor->unheard) {
		int wait_ms = patience(sensor);
		int n;

		tamper_tick(&sensor->tamper, sensor->procs, clock_mono());
		n = sensor->probe->poll(sensor->probe_state, wait_ms, sensor_take, sensor);
		sensor_poll_gate(sensor);
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
	enforce_end(sensor->enforce);
	if (sensor->probe_state != NULL) {
		sensor->probe->detach(sensor->probe_state, sensor_take, sensor);
		sensor_release(sensor, true);
		sensor->ends = true;
		report(sensor);
	}
	sensor_seal(sensor);
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
	free(sensor->budgets);
	event_done(&sensor->held);
	procs_free(sensor->procs);
	names_free(sensor->users);
	names_free(sensor->groups);
	interest_free(sensor->interest);
	interest_free(sensor->judged);
	enforce_free(sensor->enforce);
	prefilter_free(sensor->prefilter);
	observe_free(sensor->observe);
	follow_free(sensor->follow);
	fields_free(sensor->fields);
	buf_done(&sensor->batch);
	buf_done(&sensor->report);
}

int sensor_run(const struct options *options, const struct probe_ops *probe, struct keeper *keeper)
{
	struct sensor sensor = { .options = options, .probe = probe, .keeper = keeper };
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
