/* The contract of an output driver. A driver knows one protocol: it renders, sends, and says what
 * became of each alert. Queueing, backoff, retries, holding, giving up, order and the dead letters
 * belong to hub/deliver, once for all. A driver never retries, never logs, never blocks for longer
 * than its timeouts. One worker thread owns one `state`, so a driver needs no locks. */
#ifndef INCLUDE_OUTPUT_H
#define INCLUDE_OUTPUT_H

#include "include/alert.h"
#include "include/conf.h"

enum output_verdict {
	OUTPUT_UNTRIED = 0, /* not sent (an earlier one of its key failed, or the call ended early) */
	OUTPUT_DELIVERED,   /* the far side has it */
	OUTPUT_LATER,       /* it may take it later: back off, try again */
	OUTPUT_NEVER,       /* it will never take this one: to the dead letters */
	OUTPUT_BROKEN,      /* it takes nothing as configured (401, 403, 404, bad certificate, unknown
	                       topic): hold everything, alarm, probe slowly */
};

enum { OUTPUT_NOTE_MAX = 200 };

/* One alert × one output, for one call of send(). */
struct delivery {
	struct alert *alert;          /* read with alert_read() where the driver needs fields */
	uint64_t order;               /* alerts of one order key are sent one after the other; 0: any */
	enum output_verdict verdict;  /* set by the driver */
	unsigned retry_after_ms;      /* the far side's own wish, 0: none */
	char note[OUTPUT_NOTE_MAX];   /* why, for people: "HTTP 429 Too Many Requests"; no secrets */
};

/* What the engine gives to every send(). */
struct output_call {
	struct delivery *deliveries;
	size_t count;           /* 1 … the driver's batch_max */
	unsigned concurrency;   /* requests that may be under way at once (the engine adapts it) */
	struct arena *arena;    /* for alert_read() and rendering; reset by the engine after the call */
};

struct output_ops {
	const char *type;                /* `type:` in the configuration */
	const char *summary;             /* one line, for people */
	const struct conf_field *fields; /* ends with an empty row; settings of its own */
	size_t conf_size;
	size_t batch_max;                /* deliveries in one call, at most OUTPUT_BATCH_MAX */
	bool changes;                    /* by default only an incident's changes: chat and pagers */

	/* Makes what a worker needs. Connects lazily: a far side that is down is not an error here.
	 * 0, or -errno with a text in `note` (OUTPUT_NOTE_MAX bytes). */
	int (*open)(const void *conf, const char *name, void **ret_state, char *note);

	/* Sends and sets every delivery's verdict. Deliveries stand in journal order; those of one order
	 * key must not overtake each other: once one of them is not DELIVERED or NEVER, the ones behind
	 * it with the same key stay UNTRIED. */
	void (*send)(void *state, struct output_call *call);

	/* Accepts NULL. */
	void (*close)(void *state);

	/* Optional: a cross-field check of one output's settings at load. False with a text in note. */
	bool (*check)(const void *conf, char *note);
};

enum { OUTPUT_BATCH_MAX = 512 };

/* All drivers, ends with NULL (outputs/drivers.c). */
extern const struct output_ops *const output_drivers[];

/* By `type:`, or NULL. */
const struct output_ops *output_driver_find(struct str type);

/* The usual reading of an HTTP status; a driver adds what its service does differently. */
enum output_verdict output_verdict_of_http(int status);

#endif
