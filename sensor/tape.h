/* The sensor's two ends of a recording: keeps one of what is observed, or plays one back. Says what
 * became of it. */
#ifndef SENSOR_TAPE_H
#define SENSOR_TAPE_H

#include "sensor/names.h"
#include "sensor/options.h"
#include "sensor/replay.h"

struct tape {
	struct recorder *recorder; /* NULL: nothing is kept */
	struct replay *replay;	   /* NULL: the machine itself is observed */
};

/* Opens what is to be played back, if anything is. 0 or -errno, and the reason was logged. */
int tape_open(struct tape *tape, const struct options *options);

/* Begins to keep what is observed, if that was asked for: to be called before the process table is filled,
 * whose reading of /proc is kept, too. 0 or -errno, and the reason was logged. */
int tape_record(struct tape *tape, const struct options *options, const struct recording_host *host,
		const struct names *users, const struct names *groups, struct procs *procs);

/* Logs the account: `emitted` events came of it. */
void tape_close(struct tape *tape, const struct options *options, uint64_t emitted);

#endif
