/* Metadata of containers, by id. A thread of its own asks files and sockets; who makes events only
 * looks into a table and never waits. All functions are for the one thread that makes events.
 *
 * Bounded: CONTAINERS_MAX entries and CONTAINERS_BYTES, the one not asked for longest goes first;
 * CONTAINERS_QUEUE questions. Answers are asked for again after CONTAINERS_KNOWN_S; that nobody
 * knows a container is remembered too, first briefly (its runtime may still be writing), then for
 * CONTAINERS_UNKNOWN_S. */
#ifndef SENSOR_CONTAINERS_CONTAINERS_H
#define SENSOR_CONTAINERS_CONTAINERS_H

#include "base/metrics.h"
#include "sensor/containers/way.h"

enum {
	CONTAINERS_MAX = 1024,
	CONTAINERS_BYTES = 8 << 20,
	CONTAINERS_QUEUE = 256,
	CONTAINERS_KNOWN_S = 300,
	CONTAINERS_UNKNOWN_S = 10,
	CONTAINERS_RETRY_MS = 10, /* first; then four times as long each time */
};

struct containers;

struct containers_settings {
	const char *root; /* as of struct way_question; outlives the containers */
	unsigned wait_ms; /* for so long a first answer is worth waiting for; 0: never */
	bool silent; /* nobody is asked */
};

enum containers_state {
	CONTAINERS_UNKNOWN = 0, /* and nothing to wait for */
	CONTAINERS_WAITING,	/* asked for not long ago */
	CONTAINERS_KNOWN,
};

struct containers_stats {
	uint64_t entries, bytes;
	uint64_t hits;	   /* found */
	uint64_t misses;   /* not in the table: asked for */
	uint64_t negative; /* known to be unknown */
	uint64_t evicted;
	uint64_t refused; /* questions that found no place in the queue */
	uint64_t cut;	  /* containers with labels or mounts beyond the bounds */
	struct {
		uint64_t answered, unknown, failed;
	} by_way[WAYS];
	struct histogram latency; /* from the question to the answer in the table */
};

/* 0 or -errno. The thread is started by the first question. */
int containers_new(const struct containers_settings *settings, struct containers **ret);
void containers_free(struct containers *containers);

/* What is known of a container, and asks for it if need be. The box stays until the next call of any
 * of these functions. */
const struct box *containers_find(struct containers *containers, const struct container_id *id,
				  enum containers_state *ret_state);

/* When a container in the table began: the earliest start, in ns since boot, of all first processes that
 * were seen in it (a namespace of processes within it has one, too). `seen_ns` is such a start, 0 for none.
 * 0: not known. */
uint64_t containers_start(struct containers *containers, const struct container_id *id, uint64_t seen_ns);

/* The time (clock_mono()), and the answers that came. True: there were some. */
bool containers_tick(struct containers *containers, int64_t now);

/* Whether answers wait for containers_tick(). Costs a load. */
bool containers_have_answers(const struct containers *containers);

const struct containers_stats *containers_stats(const struct containers *containers);

/* Families for /metrics. */
void containers_add_metrics(const struct containers_stats *stats, struct metrics *metrics);

#endif
