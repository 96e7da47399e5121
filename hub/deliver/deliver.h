/* The delivery engine: one worker thread per output, each a reader of the journal with a cursor. It
 * asks the routes what an output gets, hands batches to the driver, and turns verdicts into progress,
 * backoff, hold, and dead letters. */
#ifndef HUB_DELIVER_H
#define HUB_DELIVER_H

#include "base/metrics.h"
#include "hub/config.h"
#include "hub/journal/journal.h"

struct deliver;

enum deliver_state {
	DELIVER_IDLE = 0,  /* nothing to do */
	DELIVER_WORKING,
	DELIVER_BACKOFF,   /* the far side is away or overloaded: trying again */
	DELIVER_HOLD,      /* the far side refuses us as configured: probing slowly */
};

struct deliver_status {
	const char *name, *type;
	enum deliver_state state;
	uint64_t cursor;        /* everything up to here is settled */
	uint64_t lag;           /* positions behind the end that are not settled */
	int64_t oldest_ns;      /* age of the oldest unsettled alert, 0: none */
	uint64_t delivered, suppressed, dead, replaying;
	uint64_t attempts, failures;
	unsigned concurrency;
	int64_t next_try_ms;    /* until the next attempt; 0: now */
	int64_t last_ok_ns;     /* wall clock of the last delivery, 0: never */
	char note[OUTPUT_NOTE_MAX]; /* the last failure */
};

/* Starts a worker for each configured output. The configuration and journal must outlive it. 0 or -errno
 * with a text in `error` (256 bytes). */
int deliver_start(const struct config *config, struct journal *journal, struct deliver **ret,
                  char *error);

/* Stops: sends under way get `grace_ms` to end; progress is written. False when a worker is still inside
 * its driver: its memory, the journal and the configuration must then live until the process ends.
 * Accepts NULL. */
bool deliver_stop(struct deliver *deliver, int64_t grace_ms);

size_t deliver_count(const struct deliver *deliver);
void deliver_status(struct deliver *deliver, size_t index, struct deliver_status *ret);

/* Tries an output now that backs off or holds. False when there is none of that name. */
bool deliver_kick(struct deliver *deliver, struct str name);

void deliver_metrics(struct deliver *deliver, struct metrics *metrics);

#endif
