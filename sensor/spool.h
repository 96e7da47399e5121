/* The spool: batches on disk while the hub does not take them. A queue of records in segment files,
 * oldest read first. Bounded: when it is full the oldest segment goes and what it held is counted.
 * A record is safe from a crash of the sensor as soon as spool_append() returns; from a power cut
 * at spool_sync() at the latest.
 *
 * After a crash a torn last record is cut off; a record whose checksum is wrong ends its segment,
 * and the rest of that segment is counted as corrupt. One thread at a time. */
#ifndef SENSOR_SPOOL_H
#define SENSOR_SPOOL_H

#include "base/buf.h"

enum {
	SPOOL_SEGMENTS = 64,
	SPOOL_SEGMENT_BYTES = 4 << 20,
	SPOOL_RECORD_MAX = 1 << 20, /* bytes of a batch; SPOOL_SEGMENT_BYTES holds several */
};

struct spool;

struct spool_limits {
	unsigned segments;	/* 0: SPOOL_SEGMENTS */
	uint32_t segment_bytes; /* 0: SPOOL_SEGMENT_BYTES */
};

struct spool_stats {
	uint64_t bytes, batches, events; /* waiting */
	uint64_t lost_events;	/* dropped because the spool was full, since it was opened */
	uint64_t corrupt_bytes; /* given up, since it was opened */
};

/* Opens or makes the folder and takes up what an earlier run left. One process at a time: -EBUSY
 * when another holds it. 0 or -errno. */
int spool_open(const char *folder, const struct spool_limits *limits, struct spool **ret);
void spool_close(struct spool *spool);

/* Appends a batch of `events` lines. May drop the oldest segment. 0, -EMSGSIZE, or -errno (-ENOSPC
 * …: nothing was appended). */
int spool_append(struct spool *spool, struct str batch, uint32_t events);

/* The oldest batch into `ret` (replaced), without removing it. 0, -ENOENT when there is none, or
 * -errno. */
int spool_peek(struct spool *spool, struct buf *ret, uint32_t *ret_events);

/* Removes the batch that spool_peek() gave; nothing if it was dropped meanwhile. 0 or -errno. */
int spool_pop(struct spool *spool);

bool spool_is_empty(const struct spool *spool);
int spool_sync(struct spool *spool);
struct spool_stats spool_stats(const struct spool *spool);

#endif
