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
	SENSOR_BATCH_MS = 100,
	SENSOR_POLL_MS = 20,
};

/* Runs until a signal or, with a command, until that has ended. The exit status. */
int sensor_run(const struct options *options, const struct probe_ops *probe);

/* Asks sensor_run() to end; safe in a signal handler. */
void sensor_stop(void);

#endif
