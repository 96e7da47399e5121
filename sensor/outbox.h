/* The outbox: batches on their way to the hub, in order. A short queue in memory in front of which
 * the spool stands: whatever is in the spool is older and goes first. While the hub does not
 * answer, batches go straight to the spool, where a crash of the sensor cannot reach them.
 *
 * One thread puts, one takes. */
#ifndef SENSOR_OUTBOX_H
#define SENSOR_OUTBOX_H

#include "sensor/spool.h"

enum {
	OUTBOX_BATCHES = 8, /* in memory; more spill to the spool */
	OUTBOX_BEHIND = 8192, /* events that wait though the hub answers: more come than it takes */
};

struct outbox;

struct outbox_stats {
	struct spool_stats spool;
	uint64_t queued;      /* batches in memory */
	uint64_t lost_events; /* without a spool, or when it could not be written */
	bool down;	      /* the last delivery failed */
};

/* `spool` may be NULL: then a full queue drops its oldest batch. Takes over the spool. NULL: out of
 * memory, and the spool is still the caller's. */
struct outbox *outbox_new(struct spool *spool);
void outbox_free(struct outbox *outbox);

/* Hands over a batch of `events` lines; the buffer is empty afterwards. */
void outbox_put(struct outbox *outbox, struct buf *batch, uint32_t events);

/* More is put than the hub takes, which answers: OUTBOX_BEHIND events wait, or without a spool as many as there is
 * room for. What waits since the hub was away does not count. */
bool outbox_is_behind(struct outbox *outbox);

/* Nothing is queued, spooled or under way: a batch would leave at once. */
bool outbox_is_idle(struct outbox *outbox);

/* The oldest batch, borrowed until outbox_done(); waits up to `wait_ms`. False: there is none, or
 * outbox_wake() was called. */
bool outbox_take(struct outbox *outbox, int wait_ms, struct str *ret_batch, uint32_t *ret_events);

/* What became of it: delivered, and gone; or not, and back at the front. */
void outbox_done(struct outbox *outbox, bool delivered);

/* Waits `wait_ms`, or until outbox_wake(). */
void outbox_wait(struct outbox *outbox, int wait_ms);

/* Ends all waiting, now and later. */
void outbox_wake(struct outbox *outbox);

/* Everything in memory into the spool, and the spool to the disk. */
void outbox_flush(struct outbox *outbox);

/* The spool to the disk. */
void outbox_sync(struct outbox *outbox);

struct outbox_stats outbox_stats(struct outbox *outbox);

#endif
