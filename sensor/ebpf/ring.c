/* Reading a ring buffer of the kernel: two pages of positions, then the data, seen twice in a row so
 * that a record that wraps is in one piece. */
#include "sensor/ebpf/ring.h"

#include "sensor/record.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	TELL_RECORDS = 32, /* the position shares a line with what every event in the kernel reads */
	BUSY_LOOKS = 2000, /* a record is being written for a few microseconds at most */
};

int ring_open(struct ring *ring, int fd, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	/* Of the second view only what the longest record can reach into: each page counts as ours. */
	size_t mapped = page + bytes + ((RECORD_MAX + BPF_RINGBUF_HDR_SZ + page - 1) & ~(page - 1));
	void *at;

	*ring = (struct ring){ .mask = bytes - 1 };
	at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	ring->consumer = at;
	at = mmap(NULL, mapped, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (at == MAP_FAILED)
		return -errno;
	ring->producer = at;
	ring->data = (const uint8_t *)at + page;
	ring->mapped = mapped;
	return 0;
}

void ring_close(struct ring *ring)
{
	if (ring->consumer != NULL)
		munmap(ring->consumer, (size_t)sysconf(_SC_PAGESIZE));
	if (ring->producer != NULL)
		munmap((void *)(uintptr_t)ring->producer, ring->mapped);
	*ring = (struct ring){ 0 };
}

/* The length and state in front of a record. */
static uint32_t head_of(const struct ring *ring)
{
	const uint32_t *head = (const void *)&ring->data[ring->at & ring->mask];
	uint32_t value = __atomic_load_n(head, __ATOMIC_ACQUIRE);

	for (int i = 0; (value & BPF_RINGBUF_BUSY_BIT) && i < BUSY_LOOKS; i++)
		value = __atomic_load_n(head, __ATOMIC_ACQUIRE);
	return value;
}

const void *ring_peek(struct ring *ring, size_t *ret_len)
{
	for (;; ring_take(ring)) {
		uint32_t head, len;

		if (ring->at >= ring->end)
			ring->end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
		if (ring->at >= ring->end)
			return NULL;
		head = head_of(ring);
		if (head & BPF_RINGBUF_BUSY_BIT)
			return NULL;
		len = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		ring->step = (len + BPF_RINGBUF_HDR_SZ + 7) & ~7ULL;
		*ret_len = len;
		if (!(head & BPF_RINGBUF_DISCARD_BIT))
			return &ring->data[(ring->at & ring->mask) + BPF_RINGBUF_HDR_SZ];
	}
}

void ring_take(struct ring *ring)
{
	ring->at += ring->step;
	if (++ring->untold >= TELL_RECORDS)
		ring_tell(ring);
}

void ring_tell(struct ring *ring)
{
	ring->untold = 0;
	__atomic_store_n(ring->consumer, ring->at, __ATOMIC_RELEASE);
}
