/* Events that wait for their container's metadata, in the order in which they happened. Copies:
 * the record and the process table move on meanwhile. Bounded by HOLD_EVENTS and HOLD_BYTES; what
 * finds no place does not wait. */
#ifndef SENSOR_HOLD_H
#define SENSOR_HOLD_H

#include "include/event.h"
#include "sensor/container.h"

enum { HOLD_EVENTS = 256, HOLD_BYTES = 4 << 20 };

struct hold;

struct hold_stats {
	uint64_t held;	  /* events that waited */
	uint64_t refused; /* that found no place */
	uint64_t waiting; /* that wait now */
};

struct hold *hold_new(void);
void hold_free(struct hold *hold);

/* Copies the event. `sure` is handed back with it. False: no place, or out of memory. */
bool hold_put(struct hold *hold, const struct event *event, const struct container_id *id, bool sure);

bool hold_is_empty(const struct hold *hold);

/* Hands over, oldest first, the events of containers for which `ready` is true, filled into `event`
 * (which has room for the fields of the events that were put in); they are gone then. */
void hold_release(struct hold *hold, struct event *event,
		  bool (*ready)(const struct container_id *id, void *userdata),
		  void (*take)(struct event *event, const struct container_id *id, bool sure,
			       void *userdata),
		  void *userdata);

struct hold_stats hold_stats(const struct hold *hold);

#endif
