/* Events for `tocsin rules bench` when none are given: a made-up mix of what a busy host does. */
#ifndef CLI_RULES_BENCH_H
#define CLI_RULES_BENCH_H

#include "base/buf.h"

/* `count` events, one JSON object a line; always the same. */
void bench_events(size_t count, struct buf *out);

#endif
