/* Events as a busy host makes them, from a fixed seed: mostly files opened for reading, by programs and
 * with paths of which few are frequent and many are rare. About one in two hundred is made to match a rule
 * of Falco's or ours. As sensors send them, one JSON object each. */
#ifndef BENCH_EVENTS_H
#define BENCH_EVENTS_H

#include "base/buf.h"

/* Appends event `number` of the stream. The same number gives the same event. */
void bench_event(uint64_t number, struct buf *out);

#endif
