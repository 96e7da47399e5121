/* A ring of records, each in one piece: one that does not fit before the end begins at the start. */
#include "sensor/ptrace/queue.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct queue {
	_Alignas(64) _Atomic uint64_t put; /* bytes ever put in, and ... */
	_Alignas(64) _Atomic uint64_t got; /* ... taken out */
	char bytes[QUEUE_BYTES];
};

struct queue *queue_new(void)
{
	struct queue *queue = aligned_alloc(64, (sizeof(*queue) + 63) & ~63UL);

	if (queue == NULL)
		return NULL;
	atomic_init(&queue->put, 0);
	atomic_init(&queue->got, 0);
	return queue;
}

void queue_free(struct queue *queue)
{
	free(queue);
}

static size_t size_of(const struct record *record)
{
	return (record->len + 7) & ~7UL;
}

bool queue_put(struct queue *queue, const struct record *record)
{
	uint64_t put = atomic_load_explicit(&queue->put, memory_order_relaxed);
	uint64_t used = put - atomic_load_explicit(&queue->got, memory_order_acquire);
	size_t at = put % QUEUE_BYTES, skipped = QUEUE_BYTES - at < size_of(record) ? QUEUE_BYTES - at : 0;
	size_t room = record->class <= RECORD_CLASS_PRIVILEGE ? QUEUE_BYTES : QUEUE_BYTES - QUEUE_RESERVED;

	if (used + skipped + size_of(record) > room)
		return false;
	if (skipped > 0)
		memset(queue->bytes + at, 0, sizeof(record->len)); /* a length of 0: go on at the start */
	memcpy(queue->bytes + (skipped > 0 ? 0 : at), record, record->len);
	atomic_store_explicit(&queue->put, put + skipped + size_of(record), memory_order_release);
	return true;
}

const struct record *queue_first(struct queue *queue)
{
	uint64_t got = atomic_load_explicit(&queue->got, memory_order_relaxed);
	const struct record *record = (const struct record *)(queue->bytes + got % QUEUE_BYTES);

	if (got == atomic_load_explicit(&queue->put, memory_order_acquire))
		return NULL;
	return record->len != 0 ? record : (const struct record *)queue->bytes;
}

void queue_next(struct queue *queue)
{
	uint64_t got = atomic_load_explicit(&queue->got, memory_order_relaxed);
	const struct record *record = (const struct record *)(queue->bytes + got % QUEUE_BYTES);

	if (record->len == 0) {
		got += QUEUE_BYTES - got % QUEUE_BYTES;
		record = (const struct record *)queue->bytes;
	}
	atomic_store_explicit(&queue->got, got + size_of(record), memory_order_release);
}
