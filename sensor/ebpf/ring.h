/* One of the kernel's ring buffers, read in place. Apart from libbpf's reader because two rings are to be
 * read as one, in the order in which things happened: that needs a look at what comes next without
 * taking it. */
#ifndef SENSOR_EBPF_RING_H
#define SENSOR_EBPF_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring {
	uint64_t *consumer;	  /* how far we have read: the kernel looks at it */
	const uint64_t *producer; /* the page before the data */
	const uint8_t *data;
	size_t mask, mapped;
	uint64_t at, end, step; /* positions; bytes of what ring_peek() showed */
	unsigned untold;	/* records taken since the kernel was told */
};

/* Maps the ring behind `fd`, which has `bytes` (a power of two). 0 or -errno. */
int ring_open(struct ring *ring, int fd, size_t bytes);
void ring_close(struct ring *ring);

/* The next record, or NULL: none is there, or it is still being written. Stays where it is. */
const void *ring_peek(struct ring *ring, size_t *ret_len);

/* Gives up what ring_peek() showed. */
void ring_take(struct ring *ring);

/* Tells the kernel how much room there is; ring_take() does so only now and then. */
void ring_tell(struct ring *ring);

#endif
