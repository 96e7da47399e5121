/* The recording as a probe, and as the host. */
#include "sensor/replay.h"

#include "base/cleanup.h"

#include <errno.h>

enum {
	ANSWERS_MAX = 64, /* the sensor looks up at most PROCS_LOOKUPS_PER_S */
	POLL_RECORDS = 4096,
};

struct replay {
	struct recording *recording;
	struct buf users, groups;
	struct record **processes; /* of the start; freed by replay_fill() */
	size_t processes_count, processes_room;
	struct record *answers[ANSWERS_MAX]; /* looked up because of the record at hand; NULL: used */
	size_t answers_count;
	union {
		struct record record; /* a copy: the reader has gone on to the answers */
		char bytes[RECORD_MAX];
	};
	uint64_t given;
	int64_t boot_offset_ns;
};

static struct record *copy_of(const struct record *record)
{
	struct record *copy = malloc(record->len);

	if (copy != NULL)
		memcpy(copy, record, record->len);
	return copy;
}

/* ---- the host ---- */

static int add_process(struct replay *replay, const struct record *record)
{
	size_t room = replay->processes_room;

	if (replay->processes_count == PROCS_MAX)
		return 0;
	if (replay->processes_count == room) {
		struct record **more;

		room = room == 0 ? 256 : room * 2;
		more = realloc(replay->processes, room * sizeof(struct record *));
		if (more == NULL)
			return -ENOMEM;
		replay->processes = more;
		replay->processes_room = room;
	}
	replay->processes[replay->processes_count] = copy_of(record);
	return replay->processes[replay->processes_count] == NULL ? -ENOMEM : (replay->processes_count++, 0);
}

static int read_host(struct replay *replay)
{
	enum recording_kind kind;
	int r = 0;

	while (r == 0 && (kind = recording_peek(replay->recording)) != RECORDING_RECORD &&
	       kind != RECORDING_KINDS) {
		if (kind == RECORDING_PROCESS)
			r = add_process(replay, recording_record(replay->recording));
		else if (kind == RECORDING_USERS)
			buf_add(&replay->users, recording_text(replay->recording));
		else if (kind == RECORDING_GROUPS)
			buf_add(&replay->groups, recording_text(replay->recording));
		else if (kind == RECORDING_CLOCK)
			replay->boot_offset_ns = recording_clock(replay->recording);
		recording_next(replay->recording);
	}
	return r;
}

int replay_open(FILE *file, struct replay **ret)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int r;

	if (replay == NULL) {
		fclose(file);
		return -ENOMEM;
	}
	replay->users.max = replay->groups.max = RECORDING_FRAME_MAX;
	r = recording_open(file, &replay->recording);
	if (r == 0) {
		replay->boot_offset_ns = replay_host(replay)->boot_offset_ns;
		r = read_host(replay);
	}
	if (r < 0)
		replay_close(replay);
	else
		*ret = replay;
	return r;
}

static void drop_processes(struct replay *replay)
{
	while (replay->processes_count > 0)
		free(replay->processes[--replay->processes_count]);
	free(TAKE(replay->processes));
	replay->processes_room = 0;
}

static void drop_answers(struct replay *replay)
{
	while (replay->answers_count > 0)
		free(replay->answers[--replay->answers_count]);
}

void replay_close(struct replay *replay)
{
	if (replay == NULL)
		return;
	drop_processes(replay);
	drop_answers(replay);
	recording_close(replay->recording);
	buf_done(&replay->users);
	buf_done(&replay->groups);
	free(replay);
}

const struct recording_host *replay_host(const struct replay *replay)
{
	return recording_host(replay->recording);
}

int64_t replay_boot_offset(const struct replay *replay)
{
	return replay->boot_offset_ns;
}

struct names *replay_users(const struct replay *replay)
{
	return names_new_text(buf_str(&replay->users));
}

struct names *replay_groups(const struct replay *replay)
{
	return names_new_text(buf_str(&replay->groups));
}

/* In the order of the recording. Other rules may ask for others than those that recorded did: they are
 * not known then. */
static int read_answer(void *userdata, uint32_t tgid, unsigned what, struct proc_facts *ret)
{
	struct replay *replay = userdata;

	for (size_t i = 0; i < replay->answers_count; i++) {
		struct record *answer = replay->answers[i];

		if (answer == NULL || answer->tgid != tgid || (what & ~(unsigned)answer->args[0]))
			continue;
		recording_facts(answer, ret);
		free(TAKE(replay->answers[i]));
		return 0;
	}
	return -ESRCH;
}

void replay_fill(struct replay *replay, struct procs *procs)
{
	const struct procs_hooks hooks = { .read = read_answer, .userdata = replay };
	struct proc_facts facts = { 0 };

	procs_set_hooks(procs, &hooks);
	for (size_t i = 0; i < replay->processes_count; i++) {
		recording_facts(replay->processes[i], &facts);
		procs_add(procs, &facts);
	}
	proc_facts_done(&facts);
	drop_processes(replay);
}

struct recording_stats replay_stats(const struct replay *replay)
{
	return recording_stats(replay->recording);
}

/* ---- the probe ---- */

static int replay_begin(const struct probe_settings *settings, void **ret, const char **ret_why)
{
	*ret_why = "";
	*ret = settings->replay;
	return 0;
}

static size_t replay_rearm(void *state, const struct probe_settings *settings)
{
	(void)state;
	(void)settings;
	return 0;
}

/* The next record, and what was looked up because of it. False: that was the last one. */
static bool step(struct replay *replay)
{
	const struct record *record;
	enum recording_kind kind;

	drop_answers(replay);
	while ((kind = recording_peek(replay->recording)) != RECORDING_RECORD) {
		if (kind == RECORDING_KINDS)
			return false;
		if (kind == RECORDING_CLOCK)
			replay->boot_offset_ns = recording_clock(replay->recording);
		recording_next(replay->recording);
	}
	record = recording_record(replay->recording);
	memcpy(replay->bytes, record, record->len);
	recording_next(replay->recording);
	while (recording_peek(replay->recording) == RECORDING_LOOKED_UP && replay->answers_count < ANSWERS_MAX) {
		replay->answers[replay->answers_count++] = copy_of(recording_record(replay->recording));
		recording_next(replay->recording);
	}
	return true;
}

static int replay_poll(void *state, int wait_ms, probe_take_fn take, void *userdata)
{
	struct replay *replay = state;
	int taken = 0;

	(void)wait_ms;
	while (taken < POLL_RECORDS && step(replay)) {
		replay->given++;
		taken++;
		take(&replay->record, userdata);
	}
	return taken > 0 ? taken : -ESRCH;
}

/* By class they were counted where they were recorded. */
static void replay_counts(void *state, struct probe_counts *ret)
{
	struct replay *replay = state;
	uint64_t invalid = replay_stats(replay).invalid;

	*ret = (struct probe_counts){ 0 };
	ret->of[RECORD_CLASS_OTHER] = (struct plan_counters){ .seen = replay->given + invalid,
							      .emitted = replay->given,
							      .dropped = invalid };
}

static void replay_detach(void *state, probe_take_fn take, void *userdata)
{
	(void)state;
	(void)take;
	(void)userdata;
}

static bool replay_forward(void *state, int signal)
{
	(void)state;
	(void)signal;
	return false;
}

static int replay_exit_status(const void *state)
{
	(void)state;
	return 0;
}

static void replay_end(void *state)
{
	(void)state;
}

const struct probe_ops probe_replay = {
	.name = "replay",
	.open = replay_begin,
	.rearm = replay_rearm,
	.poll = replay_poll,
	.counts = replay_counts,
	.detach = replay_detach,
	.forward = replay_forward,
	.exit_status = replay_exit_status,
	.close = replay_end,
};
