/* Time. Event time is int64_t nanoseconds since the epoch (wall clock); timers use the monotonic
 * clock; the two are never mixed. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/buf.h"

#define NS_PER_S  ((int64_t)1000000000)
#define NS_PER_MS ((int64_t)1000000)

/* Wall clock, ns since the epoch. */
int64_t clock_now(void);

/* Monotonic clock, ns; for timers and durations only. */
int64_t clock_mono(void);

/* RFC 3339 with up to nine (more are cut) decimals and Z or an offset: "2026-11-20T12:00:00.1Z".
 * Years 1970 to 2261. Lower-case t and z and a blank for T are taken too, and an offset without a
 * colon ("+0000", as Falco's evt.time.iso8601 prints it). */
bool clock_parse(struct str text, int64_t *ret_ns);

/* "2026-11-20T12:00:00.123456789Z", always nine decimals. */
void buf_add_time(struct buf *buf, int64_t ns);

#endif
