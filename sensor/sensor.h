/* The sensor as a whole: the only place that knows which part comes after which.
 *
 *   probe → record → enrich (process table) → prefilter → batch → outbox → push
 */
#ifndef SENSOR_SENSOR_H
#define SENSOR_SENSOR_H

#include "sensor/options.h"
#include "sensor/probe.h"

enum {
	SENSOR_BATCH_EVENTS = 512,
	SENSOR_BATCH_BYTES = 256 << 10,
	SENSOR_BATCH_MS = 100, /* an event waits at most */
	SENSOR_AT_ONCE_MS = 20, /* events are sent at once, if that is not oftener than this at length */
	SENSOR_AT_ONCE_BURST = 25, /* ... but so often in a row */
	SENSOR_POLL_MS = 50, /* at most, for nothing, while something is under way: what comes ends the wait */
	SENSOR_IDLE_MS = 250, /* ... while nothing is */
	SENSOR_POLICY_MS = 100, /* looks for other rules */
};

struct keeper;

/* Runs until a signal or, with a command, until that has ended and all that came of it. `keeper`: who keeps watch
 * over us then. The exit status. */
int sensor_run(const struct options *options, const struct probe_ops *probe, struct keeper *keeper);

/* Tells sensor_run() of a signal (below 32): it passes it on to the command, or ends. Safe in a
 * handler. `from`: the process that sent it, or 0. */
void sensor_signal(int number, unsigned from);

#endif
