/* Rules many times over, each copy with names and constants of its own, to see how cost grows. */
#ifndef BENCH_COPIES_H
#define BENCH_COPIES_H

#include "rules/rules.h"

/* The rules' conditions, macros and lists filled in, as one file: once as they are, then `copies` - 1
 * times with changed paths and names of processes. */
void bench_copies(const struct rules *rules, unsigned copies, struct buf *out);

#endif
