/* Copies of a recording what one process and all that came of it did: trim IN OUT PID. The users and groups
 * of the machine it was made on, and its other processes, stay behind. */
#include "sensor/recording.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

enum { PIDS = 1 << 22 };

static bool is_ours[PIDS]; /* was of the tree once: recordings are short */

static void copy(struct recording *in, struct recorder *out)
{
	struct proc_facts facts = { 0 };
	enum recording_kind kind;

	for (; (kind = recording_peek(in)) != RECORDING_KINDS; recording_next(in)) {
		const struct record *record = recording_record(in);

		if (kind == RECORDING_CLOCK) {
			recorder_put_clock(out, recording_clock(in));
			continue;
		}
		if (kind != RECORDING_RECORD && kind != RECORDING_LOOKED_UP)
			continue;
		if (record->type == RECORD_FORK && kind == RECORDING_RECORD &&
		    is_ours[record->args[0] % PIDS])
			is_ours[record->tgid % PIDS] = true;
		if (!is_ours[record->tgid % PIDS])
			continue;
		if (kind == RECORDING_RECORD) {
			recorder_put(out, record);
		} else {
			unsigned what = recording_facts(record, &facts);

			recorder_put_process(out, kind, &facts, what);
		}
	}
	proc_facts_done(&facts);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 4 ? fopen(argv[1], "re") : NULL;
	struct recording *in = NULL;
	struct recorder *out = NULL;
	int r = file == NULL ? -EINVAL : recording_open(file, &in);

	if (r == 0)
		r = recorder_open(argv[2], recording_host(in), &out);
	if (r == 0) {
		is_ours[(unsigned)atoi(argv[3]) % PIDS] = true;
		recorder_put_text(out, RECORDING_USERS, STR("root:x:0\nnobody:x:65534\n"));
		recorder_put_text(out, RECORDING_GROUPS, STR("root:x:0\nnogroup:x:65534\n"));
		copy(in, out);
		recorder_flush(out);
		r = recorder_stats(out).error;
	}
	recorder_close(out);
	recording_close(in);
	if (r < 0)
		fprintf(stderr, "trim: %s\n", strerror(-r));
	return r < 0;
}
