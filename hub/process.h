/* What the process itself costs: process_… and build families, under Prometheus's usual names. */
#ifndef HUB_PROCESS_H
#define HUB_PROCESS_H

#include "base/metrics.h"

void process_metrics(struct metrics *metrics, int64_t started_ns);

/* As many open files as the hard limit allows: each connection is one. */
void process_raise_limits(void);

#endif
