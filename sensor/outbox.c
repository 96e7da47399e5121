/* Batches on their way: memory, spool, and the one in flight. */
#include "sensor/outbox.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct batch {
	struct buf body;
	uint32_t events;
};

struct outbox {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct spool *spool;
	struct batch queue[OUTBOX_BATCHES];
	unsigned first, count;
	struct batch flight;	     /* taken and not yet done */
	bool flying, flight_spooled; /* ... and its bytes are (also) at the spool's front */
	bool down, woken;
	bool behind;
	bool catches_up; /* what it did not take when it was away is still on its way */
	uint64_t lost_events;
};

struct outbox *outbox_new(struct spool *spool)
{
	struct outbox *outbox = calloc(1, sizeof(*outbox));
	pthread_condattr_t attr;

	if (outbox == NULL)
		return NULL;
	outbox->spool = spool;
	pthread_mutex_init(&outbox->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&outbox->changed, &attr);
	pthread_condattr_destroy(&attr);
	return outbox;
}

void outbox_free(struct outbox *outbox)
{
	if (outbox == NULL)
		return;
	for (unsigned i = 0; i < OUTBOX_BATCHES; i++)
		buf_done(&outbox->queue[i].body);
	buf_done(&outbox->flight.body);
	spool_close(outbox->spool);
	pthread_cond_destroy(&outbox->changed);
	pthread_mutex_destroy(&outbox->lock);
	free(outbox);
}

static bool to_spool(struct outbox *outbox, const struct batch *batch)
{
	return outbox->spool != NULL &&
	       spool_append(outbox->spool, buf_str(&batch->body), batch->events) == 0;
}

static void queue_shift(struct outbox *outbox)
{
	buf_clear(&outbox->queue[outbox->first].body);
	outbox->first = (outbox->first + 1) % OUTBOX_BATCHES;
	outbox->count--;
}

/* All that is in memory, oldest first. False: the disk does not take it, the rest stays in memory.
 */
static bool spill(struct outbox *outbox)
{
	if (outbox->flying && !outbox->flight_spooled) {
		if (!to_spool(outbox, &outbox->flight))
			return false;
		outbox->flight_spooled = true;
	}
	while (outbox->count > 0) {
		if (!to_spool(outbox, &outbox->queue[outbox->first]))
			return false;
		queue_shift(outbox);
	}
	return true;
}

/* Behind all others in memory; when there is no room the oldest goes. */
static void enqueue(struct outbox *outbox, struct buf *batch, uint32_t events)
{
	struct batch *to;
	struct buf swap;

	if (outbox->count == OUTBOX_BATCHES) {
		outbox->lost_events += outbox->queue[outbox->first].events;
		queue_shift(outbox);
	}
	to = &outbox->queue[(outbox->first + outbox->count++) % OUTBOX_BATCHES];
	swap = to->body;
	to->body = *batch;
	to->events = events;
	swap.max = batch->max;
	*batch = swap;
}

/* Until a quarter is left: it is not to change with each batch. */
static bool is_behind(const struct outbox *outbox)
{
	const unsigned part = outbox->behind ? 4 : 1;
	uint64_t waiting = 0;

	if (outbox->down || outbox->catches_up)
		return false;
	if (outbox->spool == NULL)
		return outbox->count >= OUTBOX_BATCHES / part;
	for (unsigned i = 0; i < outbox->count; i++)
		waiting += outbox->queue[(outbox->first + i) % OUTBOX_BATCHES].events;
	return waiting + spool_stats(outbox->spool).events >= OUTBOX_BEHIND / part;
}

void outbox_put(struct outbox *outbox, struct buf *batch, uint32_t events)
{
	bool spilled = false;

	pthread_mutex_lock(&outbox->lock);
	outbox->behind = is_behind(outbox);
	if (outbox->down || outbox->count == OUTBOX_BATCHES)
		spilled = spill(outbox);
	if (!outbox->down || !spilled || !to_spool(outbox, &(struct batch){ *batch, events }))
		enqueue(outbox, batch, events);
	buf_clear(batch);
	pthread_cond_signal(&outbox->changed);
	pthread_mutex_unlock(&outbox->lock);
}

static struct timespec deadline(int wait_ms)
{
	int64_t at = clock_mono() + wait_ms * NS_PER_MS;

	return (struct timespec){ at / NS_PER_S, at % NS_PER_S };
}

static bool has_batch(const struct outbox *outbox)
{
	return outbox->count > 0 || (outbox->spool != NULL && !spool_is_empty(outbox->spool));
}

bool outbox_is_behind(struct outbox *outbox)
{
	bool behind;

	pthread_mutex_lock(&outbox->lock);
	behind = outbox->behind;
	pthread_mutex_unlock(&outbox->lock);
	return behind;
}

bool outbox_is_idle(struct outbox *outbox)
{
	bool idle;

	pthread_mutex_lock(&outbox->lock);
	idle = !outbox->down && !outbox->flying && !has_batch(outbox);
	pthread_mutex_unlock(&outbox->lock);
	return idle;
}

static bool take(struct outbox *outbox)
{
	if (outbox->spool != NULL &&
	    spool_peek(outbox->spool, &outbox->flight.body, &outbox->flight.events) == 0) {
		outbox->flight_spooled = true;
	} else if (outbox->count > 0) {
		struct batch *batch = &outbox->queue[outbox->first], swap = outbox->flight;

		outbox->flight = *batch;
		*batch = swap;
		queue_shift(outbox);
		outbox->flight_spooled = false;
	} else {
		return false;
	}
	outbox->flying = true;
	return true;
}

bool outbox_take(struct outbox *outbox, int wait_ms, struct str *ret_batch, uint32_t *ret_events)
{
	struct timespec until = deadline(wait_ms);
	bool taken;

	pthread_mutex_lock(&outbox->lock);
	while (!has_batch(outbox) && !outbox->woken)
		if (pthread_cond_timedwait(&outbox->changed, &outbox->lock, &until) == ETIMEDOUT)
			break;
	taken = take(outbox);
	if (taken) {
		*ret_batch = buf_str(&outbox->flight.body);
		*ret_events = outbox->flight.events;
	}
	pthread_mutex_unlock(&outbox->lock);
	return taken;
}

/* Removes the flight from the spool's front, if it has not been dropped from there for want of
 * room. */
static void forget_spooled(struct outbox *outbox)
{
	struct buf front = { 0 };
	uint32_t events;

	if (spool_peek(outbox->spool, &front, &events) == 0 &&
	    str_eq(buf_str(&front), buf_str(&outbox->flight.body)))
		spool_pop(outbox->spool);
	buf_done(&front);
}

void outbox_done(struct outbox *outbox, bool delivered)
{
	pthread_mutex_lock(&outbox->lock);
	if (delivered && outbox->flight_spooled)
		forget_spooled(outbox);
	if (!delivered)
		spill(outbox);
	if (!delivered && !outbox->flight_spooled)
		outbox->lost_events += outbox->flight.events;
	outbox->down = !delivered;
	outbox->flying = false;
	outbox->catches_up = !delivered || (outbox->catches_up && has_batch(outbox));
	outbox->behind = is_behind(outbox);
	buf_clear(&outbox->flight.body);
	pthread_mutex_unlock(&outbox->lock);
}

void outbox_wait(struct outbox *outbox, int wait_ms)
{
	struct timespec until = deadline(wait_ms);

	pthread_mutex_lock(&outbox->lock);
	while (!outbox->woken)
		if (pthread_cond_timedwait(&outbox->changed, &outbox->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&outbox->lock);
}

void outbox_wake(struct outbox *outbox)
{
	pthread_mutex_lock(&outbox->lock);
	outbox->woken = true;
	pthread_cond_broadcast(&outbox->changed);
	pthread_mutex_unlock(&outbox->lock);
}

void outbox_flush(struct outbox *outbox)
{
	pthread_mutex_lock(&outbox->lock);
	spill(outbox);
	if (outbox->spool != NULL)
		spool_sync(outbox->spool);
	pthread_mutex_unlock(&outbox->lock);
}

void outbox_sync(struct outbox *outbox)
{
	pthread_mutex_lock(&outbox->lock);
	if (outbox->spool != NULL)
		spool_sync(outbox->spool);
	pthread_mutex_unlock(&outbox->lock);
}

struct outbox_stats outbox_stats(struct outbox *outbox)
{
	struct outbox_stats stats = { 0 };

	pthread_mutex_lock(&outbox->lock);
	if (outbox->spool != NULL)
		stats.spool = spool_stats(outbox->spool);
	stats.queued = outbox->count;
	stats.lost_events = outbox->lost_events;
	stats.down = outbox->down;
	pthread_mutex_unlock(&outbox->lock);
	return stats;
}
