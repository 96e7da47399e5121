/* A record's way: process table, event, rules, batch. */
#include "sensor/account.h"
#include "sensor/record_text.h"
#include "sensor/sensor_inner.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>

enum { ERESTARTSYS_NR = 512 /* the first of the errors that no program sees */ };

void sensor_seal(struct sensor *sensor)
{
	if (sensor->batch_events == 0)
		return;
	if (sensor->outbox != NULL) {
		outbox_put(sensor->outbox, &sensor->batch, sensor->batch_events);
		sensor->behind = sensor->tape.replay == NULL && outbox_is_behind(sensor->outbox);
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
		sensor_seal(sensor);
}

/* The command's profile has refused or logged it: told whatever the rules want. */
static bool is_of_profile(const struct sensor *sensor, const struct record *record)
{
	return sensor->options->seccomp != NULL && record->type == RECORD_CALL &&
	       record_text(record, RECORD_STRING_ACTION).at != NULL;
}

/* Records that only keep the table right are not worth the fields of an event. */
static bool becomes_event(const struct sensor *sensor, const struct record *record)
{
	if (is_of_profile(sensor, record))
		return true;
	if (record->type == RECORD_EXIT)
		return sensor->wants_exit;
	return record->nr < PLAN_CALLS && sensor->wanted[record->nr];
}

static bool is_asked_for(const struct sensor *sensor, const struct record *record)
{
	return is_of_profile(sensor, record) || (sensor->options->lifecycle && record->type != RECORD_CALL);
}

/* What others do is not to wait behind a flood. Processes that begin and end are never shed; calls are, of whatever class:
 * anybody can make a million of those that ask for privileges in a second. */
static bool is_shed(struct sensor *sensor, const struct record *record, const struct event *event)
{
	const struct rule *rules[BUDGET_RULES];

	return sensor->behind && record->type == RECORD_CALL &&
	       !budget_takes(sensor->budgets, record, procs_find(sensor->procs, record->tgid), rules,
			     prefilter_hits(sensor->prefilter, event, rules, ARRAY_LEN(rules)));
}

static bool matches(struct sensor *sensor, struct event *event)
{
	const struct rule *hits[OBSERVE_RULES + 1];
	size_t count;
	bool shown;

	if (sensor->enforce != NULL)
		enforce_after(sensor->enforce, event, (uint64_t)(event->time_ns - sensor->boot_offset_ns));
	if (sensor->observe == NULL && !sensor->has_filter)
		return prefilter_match(sensor->prefilter, event);
	count = prefilter_hits(sensor->prefilter, event, hits, ARRAY_LEN(hits));
	shown = observe_wants(hits, &count, sensor->follow, event);
	sensor->tailed |= shown;
	return sensor->observe != NULL ? shown : count > 0 || prefilter_feeds(sensor->prefilter, event);
}

/* By the file's own name; if no rule knows that, by the one that it was opened by. */
static bool is_wanted(struct sensor *sensor, struct event *event)
{
	bool wanted;

	sensor->tailed = false;
	wanted = matches(sensor, event) ||
		 (enrich_by_asked_name(sensor->enrich, event) && matches(sensor, event));
	if (wanted || sensor->tailed)
		enrich_late(sensor->enrich, event);
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
	if (is_wanted(sensor, event) || sure)
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

void sensor_release(struct sensor *sensor, bool all)
{
	if (!hold_is_empty(sensor->hold))
		hold_release(sensor->hold, &sensor->held, all ? waits_no_more : has_waited, take_held,
			     sensor);
}

/* True: the event waits for its container's metadata. */
static bool is_held(struct sensor *sensor, const struct record *record, const struct event *event)
{
	const struct container_id *id = enrich_waits(sensor->enrich);

	if (id == NULL)
		return false;
	enrich_late(sensor->enrich, event);
	return hold_put(sensor->hold, event, id, is_asked_for(sensor, record));
}

/* The event of a call that was refused: it ended so, whatever it was asked as. */
static void tell_refused(struct sensor *sensor, const struct record *record, int result)
{
	struct event *event;

	memcpy(&sensor->told, record, record->len);
	sensor->told.record.ret = result;
	sensor->told.record.flags &= ~(uint32_t)RECORD_NO_RESULT;
	if (call_find(record->nr) != NULL && (call_find(record->nr)->plan.flags & PLAN_RETURNS_FD))
		sensor->told.record.object.fd = -1;
	event = enrich_record(sensor->enrich, &sensor->told.record, sensor->boot_offset_ns);
	if (event == NULL) {
		sensor->failed++;
		return;
	}
	enforce_put(sensor->enforce, event);
	enrich_late(sensor->enrich, event);
	ship(sensor, event);
}

/* As which call it is asked about. By which one a message goes the kernel does not know. */
static uint16_t refused_as(const struct record *record, size_t i)
{
	static const uint16_t others[] = { SYS_sendto, SYS_sendmsg };

	if (i == 0)
		return record->nr;
	return i <= ARRAY_LEN(others) && record->class == RECORD_CLASS_NET ? others[i - 1] : PLAN_CALLS;
}

/* Which rule it was that the kernel refused a call for. */
static bool is_claimed(struct sensor *sensor, const struct record *record)
{
	struct record *told = &sensor->told.record;
	bool found = false;
	uint16_t nr;

	for (size_t i = 0; !found && (nr = refused_as(record, i)) != PLAN_CALLS; i++) {
		const struct event *event;

		memcpy(&sensor->told, record, record->len);
		told->ret = 0;
		told->nr = nr;
		event = enrich_record(sensor->enrich, told, sensor->boot_offset_ns);
		found = event != NULL && enforce_refused(sensor->enforce, event, (int)-record->ret);
	}
	if (found)
		tell_refused(sensor, record, (int)record->ret);
	return found;
}

/* A program that did not begin is not in the table, whether a rule says so still or not. */
static bool take_refused(struct sensor *sensor, const struct record *record)
{
	struct procs_kept kept;

	if (sensor->enforce == NULL || !(record->flags & RECORD_REFUSED))
		return false;
	if (record->type != RECORD_EXEC)
		return is_claimed(sensor, record);
	procs_keep(sensor->procs, record, &kept);
	if (!is_claimed(sensor, record)) {
		enforce_unclaimed(sensor->enforce, record->tgid);
		sensor->filtered++;
	}
	procs_put_back(sensor->procs, record, &kept);
	return true;
}

/* Calls that looked for a deadly signal end with what is for the kernel only. A new program runs no instruction. */
static int killed_error(const struct record *record)
{
	if (!(record->flags & RECORD_KILLED_BEFORE) || record->ret >= 0)
		return 0;
	return record->ret <= -ERESTARTSYS_NR ? EINTR : (int)-record->ret;
}

static bool killed_matches(struct sensor *sensor, struct event *event, bool prevented, int error)
{
	return enforce_killed(sensor->enforce, event, prevented, error) ||
	       (enrich_by_asked_name(sensor->enrich, event) &&
		enforce_killed(sensor->enforce, event, prevented, error));
}

/* The kernel killed the process for it: told at once, whatever else is not known yet. Before a call it was decided as if
 * that would work. */
static bool take_killed(struct sensor *sensor, const struct record *record)
{
	const int error = killed_error(record);
	struct event *event;

	if (sensor->enforce == NULL || !(record->flags & RECORD_KILLED))
		return false;
	memcpy(&sensor->told, record, record->len);
	if (error != 0)
		sensor->told.record.ret = 0;
	event = enrich_record(sensor->enrich, &sensor->told.record, sensor->boot_offset_ns);
	if (event == NULL || !killed_matches(sensor, event, error != 0 || record->type == RECORD_EXEC, error)) {
		enforce_unclaimed(sensor->enforce, record->tgid);
		return false;
	}
	if (error != 0) {
		tell_refused(sensor, record, -error);
		return true;
	}
	enforce_put(sensor->enforce, event);
	enrich_late(sensor->enrich, event);
	ship(sensor, event);
	return true;
}

/* At the gate what is not known yet is no reason to refuse. */
static int ask_rules(struct sensor *sensor, const struct event *event, const struct record *record, bool at_gate)
{
	if (!at_gate)
		return enforce_before(sensor->enforce, event, record->time_ns);
	return enrich_waits(sensor->enrich) != NULL ? 0 : enforce_at_gate(sensor->enforce, event, record->time_ns);
}

static int judge(struct sensor *sensor, const struct record *record, bool at_gate)
{
	struct event *event;
	int r;

	event = enrich_record(sensor->enrich, record, sensor->boot_offset_ns);
	if (event == NULL)
		return 0;
	r = ask_rules(sensor, event, record, at_gate);
	if (r == 0 && enrich_by_asked_name(sensor->enrich, event))
		r = ask_rules(sensor, event, record, at_gate);
	if (r < 0) {
		sensor->taken++;
		tell_refused(sensor, record, r);
	}
	return r;
}

/* A program that may not begin must not stay in the table. */
int sensor_ask(struct sensor *sensor, const struct record *record, bool at_gate)
{
	struct procs_kept kept;
	int r;

	if (sensor->enforce == NULL || sensor->options->enforce != ENFORCE_ON || record->len > RECORD_MAX)
		return 0;
	if (record->type != RECORD_EXEC)
		return judge(sensor, record, at_gate);
	procs_keep(sensor->procs, record, &kept);
	r = judge(sensor, record, at_gate);
	procs_put_back(sensor->procs, record, &kept);
	return r;
}

int sensor_judge(const struct record *record, void *userdata)
{
	return sensor_ask(userdata, record, false);
}

static void tell_probe(struct sensor *sensor, const struct record *record)
{
	enum probe_follow what = sensor->observe == NULL || sensor->follow == NULL ? PROBE_FOLLOW_AS_BEFORE
										 : follow_verdict(sensor->follow, record);

	if (what != PROBE_FOLLOW_AS_BEFORE && sensor->probe->follow != NULL)
		sensor->probe->follow(sensor->probe_state, record->tgid, what, record->time_ns);
}

void sensor_take(const struct record *record, void *userdata)
{
	struct sensor *sensor = userdata;
	struct event *event = NULL;
	bool held = false;

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
	if (sensor->follow != NULL && record->type == RECORD_FORK)
		follow_birth(sensor->follow, record);
	if (containers_have_answers(sensor->containers) &&
	    containers_tick(sensor->containers, clock_mono()))
		sensor_release(sensor, false);
	if (take_refused(sensor, record) || take_killed(sensor, record))
		return;
	if (sensor_gate_knows(sensor, record)) {
		procs_update(sensor->procs, record);
		sensor->filtered++;
		return;
	}
	if (becomes_event(sensor, record)) {
		event = enrich_record(sensor->enrich, record, sensor->boot_offset_ns);
		if (event == NULL)
			sensor->failed++;
		else if (is_held(sensor, record, event))
			held = true; /* it is looked at again */
		else if (is_wanted(sensor, event) || is_asked_for(sensor, record)) {
			if (!is_shed(sensor, record, event)) {
				enrich_late(sensor->enrich, event);
				ship(sensor, event);
			}
		} else
			sensor->filtered++;
	} else {
		procs_update(sensor->procs, record);
		sensor->filtered++;
	}
	if (!held)
		tell_probe(sensor, record);
	if (record->type != RECORD_EXIT)
		return;
	procs_forget(sensor->procs, record);
	if (sensor->follow != NULL)
		follow_death(sensor->follow, record);
}
