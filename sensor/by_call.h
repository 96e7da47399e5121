/* Counters by system call and cause, for what goes wrong: few calls are ever in it. Rows are those of
 * plan.h (PLAN_LOST_*). Labels stay within the table of calls: what is not in it is "other". */
#ifndef SENSOR_BY_CALL_H
#define SENSOR_BY_CALL_H

#include "base/buf.h"
#include "base/metrics.h"
#include "sensor/plan.h"
#include "sensor/record.h"

enum { BY_CALL_CAUSES = 3, BY_CALL_TOP = 8 };

struct by_call {
	uint64_t at[PLAN_LOST_ROWS][BY_CALL_CAUSES];
};

void by_call_note(struct by_call *counts, const struct record *record, unsigned cause);
uint64_t by_call_sum(const struct by_call *counts, unsigned cause);

/* {"openat":{"ring":3,"budget":17},…}: the BY_CALL_TOP calls that have most. `causes` ends with NULL. */
void by_call_add_json(const struct by_call *counts, const char *const *causes, struct buf *out);

/* Samples of the current family with the labels call and cause, none for what is 0. */
void by_call_add_metrics(const struct by_call *counts, const char *const *causes, struct metrics *metrics);

#endif
