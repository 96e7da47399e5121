/* Somebody looks on at this node from the hub: for a bounded time, events that match a condition are sent
 * there, beside what rules send. A thread of its own sends them, and says each second that it goes on; when
 * the hub answers that nobody looks on any more, it is over.
 *
 * Bounded: `rate` events a second and TAIL_BYTES on the way; what is beyond is counted, and the hub told. */
#ifndef SENSOR_TAIL_H
#define SENSOR_TAIL_H

#include "base/http.h"
#include "include/event.h"
#include "sensor/wire.h"

enum {
	TAIL_BYTES = 1 << 20,
	TAIL_SEND_MS = 100,
	TAIL_SAY_MS = 1000,
	TAIL_MS_MAX = 10 * 60 * 1000,
	TAIL_RATE_MAX = 1000,
	TAIL_ID_LEN = 20, /* digits */
};

/* What the hub asks for. */
struct tail_order {
	char id[TAIL_ID_LEN + 1]; /* "": nothing */
	uint64_t ms, rate;
	bool follow; /* what matches and all that it begins */
};

struct tail;

struct tail_settings {
	const char *hub, *token; /* outlive the tail */
	const struct http_settings *http;
};

/* 0 or -errno. */
int tail_start(const struct tail_settings *settings, const struct tail_order *order, struct tail **ret);

/* Tells the hub, and frees. Accepts NULL. */
void tail_stop(struct tail *tail);

void tail_put(struct tail *tail, const struct event *event, const struct fields *fields,
	      const struct wire_sensor *sensor);

/* The time is over, or nobody looks on any more, and all is sent: tail_stop() does not wait. */
bool tail_is_over(const struct tail *tail);

const char *tail_id(const struct tail *tail);

#endif
