/* Opening, hooking up and accounting for recordings. */
#include "sensor/tape.h"

#include "base/log.h"

#include <errno.h>
#include <unistd.h>

static const char *reason(int r)
{
	switch (-r) {
	case EBADMSG: return "it is not a recording";
	case EPROTO: return "it was made by another version of the sensor";
	default: return strerror(-r);
	}
}

int tape_open(struct tape *tape, const struct options *options)
{
	FILE *file;
	int r;

	if (options->replay == NULL)
		return 0;
	file = fopen(options->replay, "re");
	r = file == NULL ? -errno : replay_open(file, &tape->replay);
	if (r < 0)
		log_err("replay: %s: %s", options->replay, reason(r));
	return r;
}

/* Its own process is nobody's parent: a traced command has none. */
static void was_read(void *userdata, const struct proc_facts *facts, unsigned what, bool at_start)
{
	if (facts->tgid == (uint32_t)getpid())
		return;
	recorder_put_process(userdata, at_start ? RECORDING_PROCESS : RECORDING_LOOKED_UP, facts, what);
}

static void put_names(struct recorder *recorder, enum recording_kind kind, const struct names *names)
{
	struct buf text = { .max = RECORDING_FRAME_MAX };

	names_add_text(names, &text);
	if (buf_ok(&text))
		recorder_put_text(recorder, kind, buf_str(&text));
	buf_done(&text);
}

int tape_record(struct tape *tape, const struct options *options, const struct recording_host *host,
		const struct names *users, const struct names *groups, struct procs *procs)
{
	int r;

	if (options->record == NULL)
		return 0;
	r = recorder_open(options->record, host, &tape->recorder);
	if (r < 0) {
		log_err("record: %s: %s", options->record, strerror(-r));
		return r;
	}
	put_names(tape->recorder, RECORDING_USERS, users);
	put_names(tape->recorder, RECORDING_GROUPS, groups);
	procs_set_hooks(procs, &(struct procs_hooks){ .was_read = was_read, .userdata = tape->recorder });
	return 0;
}

static void recorded(const struct tape *tape, const char *path)
{
	struct recorder_stats stats = recorder_stats(tape->recorder);

	log_notice("record: %s: %llu records, %llu bytes", path, (unsigned long long)stats.records,
		   (unsigned long long)stats.bytes);
	if (stats.unwritten > 0)
		log_warning("record: %s: %llu records more found no place: %s", path,
			    (unsigned long long)stats.unwritten, strerror(-stats.error));
}

static void replayed(const struct tape *tape, const char *path, uint64_t emitted)
{
	struct recording_stats stats = replay_stats(tape->replay);

	log_notice("replay: %s: %llu records and %llu processes that ran before gave %llu events", path,
		   (unsigned long long)stats.records, (unsigned long long)stats.processes,
		   (unsigned long long)emitted);
	if (stats.invalid > 0)
		log_warning("replay: %s: %llu frames were not what they say, the first at byte %llu; they were left out",
			    path, (unsigned long long)stats.invalid, (unsigned long long)stats.invalid_at);
	if (stats.cut)
		log_warning("replay: %s: what stands from byte %llu on is no whole frame; it was left out", path,
			    (unsigned long long)stats.cut_at);
}

void tape_close(struct tape *tape, const struct options *options, uint64_t emitted)
{
	if (tape->recorder != NULL) {
		recorder_flush(tape->recorder);
		recorded(tape, options->record);
	}
	if (tape->replay != NULL)
		replayed(tape, options->replay, emitted);
	recorder_close(tape->recorder);
	replay_close(tape->replay);
}
