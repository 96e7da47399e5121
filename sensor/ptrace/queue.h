/* Records on their way from the thread that sees calls to the one that judges them: a ring that one fills
 * and one empties, without locks. What nobody empties is not waited for: the workload must not be held. */
#ifndef SENSOR_PTRACE_QUEUE_H
#define SENSOR_PTRACE_QUEUE_H

#include "sensor/record.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	QUEUE_BYTES = 2 << 20,
	QUEUE_RESERVED = QUEUE_BYTES / 4, /* at its end for processes and privileges only */
};

struct queue;

/* NULL: out of memory. */
struct queue *queue_new(void);
void queue_free(struct queue *queue);

/* False: no room. */
bool queue_put(struct queue *queue, const struct record *record);

/* The oldest, NULL when there is none; stays until queue_next(). */
const struct record *queue_first(struct queue *queue);
void queue_next(struct queue *queue);

#endif
