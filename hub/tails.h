/* Somebody looks on at a node: the API asks, the node's sensor is told when it asks for its rules, and what
 * it then sends of matching events is handed through. Nothing of this is kept, and these are no alerts.
 *
 * Bounded: TAILS_MAX at a time, one for a node, TAIL_MS_MAX each, TAIL_PENDING_MAX bytes on the way; what
 * does not fit is counted and left out. Any thread. */
#ifndef HUB_TAILS_H
#define HUB_TAILS_H

#include "base/buf.h"

enum {
	TAILS_MAX = 16,
	TAIL_MS_DEFAULT = 30 * 1000,
	TAIL_MS_MAX = 10 * 60 * 1000,
	TAIL_RATE_DEFAULT = 200, /* events a second */
	TAIL_RATE_MAX = 1000,
	TAIL_PENDING_MAX = 2 << 20,
	TAIL_TAKE_MS = 5 * 1000, /* a sensor that asks for rules is there within this */
	TAIL_QUIET_MS = 10 * 1000, /* a sensor says at least every second that it goes on */
	TAIL_NODE_MAX = 255,
};

struct tails;

struct tail_request {
	struct str node;   /* a hostname */
	struct str filter; /* a condition, checked */
	uint64_t ms, rate;
	bool follow; /* whatever a process does from then on, and those that it begins */
};

/* How far a tail has got. */
struct tail_state {
	bool taken;	    /* the sensor knows */
	bool ended;	    /* nothing more comes: `why` */
	const char *why;    /* for people */
	uint64_t events, withheld;
};

/* NULL: out of memory, or no descriptor is left. */
struct tails *tails_new(void);
void tails_free(struct tails *tails);

/* ---- who looks on ---- */

/* 0 and an id that cannot be guessed; -EBUSY: this node has one; -EAGAIN: there are too many; else -errno. */
int tails_open(struct tails *tails, const struct tail_request *request, uint64_t *ret_id);

/* Appends what came since the last time, a JSON object a line, and says how it stands. */
void tails_take(struct tails *tails, uint64_t id, struct buf *out, struct tail_state *ret);

/* The sensor is told to stop when it next sends something. */
void tails_close(struct tails *tails, uint64_t id);

/* ---- the sensor's side ---- */

/* To be watched for input: a sensor that waits may be asked for. tails_hear() takes that back. */
int tails_fd(const struct tails *tails);
void tails_hear(struct tails *tails);

/* Whether somebody wants to look on at this node and no sensor of it has been told; then appends the order,
 * as the sensor reads it. */
bool tails_order(struct tails *tails, struct str node, struct buf *out);

/* Events of a sensor, a line each, and how many more it left out. `end`: "stop" when the sensor stops,
 * anything else when the time is over, NULL while it goes on. False: nobody looks on any more. */
bool tails_put(struct tails *tails, uint64_t id, struct str lines, uint64_t withheld, const char *end);

#endif
