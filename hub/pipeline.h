/* The way of an event, written down once: normalise → (seen before?) → evaluate → fingerprint →
 * journal → the request's answer. Everything but the journal's writing happens on the thread that owns
 * the pipeline; pipeline_fd() tells it when commits are on disk. */
#ifndef HUB_PIPELINE_H
#define HUB_PIPELINE_H

#include "base/metrics.h"
#include "hub/config.h"
#include "hub/dedup/sensors.h"
#include "hub/evaluate/ruleset.h"
#include "hub/journal/journal.h"
#include "hub/watch/watch.h"

struct pipeline;

struct pipeline_settings {
	const struct config *config;
	struct journal *journal;
	struct ruleset *set;        /* to begin with; the pipeline takes a reference of its own */
	struct sensors *sensors;
};

enum item_verdict {
	ITEM_ACCEPTED = 0, /* led to one or more alerts */
	ITEM_UNMATCHED,    /* a good event that no rule matched */
	ITEM_DUPLICATE,
	ITEM_REJECTED,
};

struct item_error {
	uint32_t index;
	size_t offset;
	const char *reason;
};

enum { BATCH_ERRORS_MAX = 100 };

/* One request's worth of work, from its first item to its answer. Pooled; ends with done(). */
struct batch {
	struct journal_commit commit; /* first: the journal knows only this */
	struct pipeline *pipeline;
	struct batch *next;
	struct arena arena;
	struct journal_alert *alerts;
	size_t alerts_cap;
	struct batch_sensor *marks;
	size_t marks_count;
	struct journal_incident *incidents;
	size_t incidents_count;
	struct parked *parked, **parked_end, *judged; /* events that wait for verdicts; that had them */
	size_t open;                  /* questions that have no answer yet */
	struct watch_changes watch;   /* of hub-only rules */
	struct hash128 *fed;          /* marked as seen for them */
	size_t fed_count, fed_cap;
	bool depends;                 /* it called something a duplicate … */
	uint64_t failed_before;       /* … when so many commits had failed: another one fails it too */
	int result;

	uint8_t *verdicts;            /* enum item_verdict, one per item */
	size_t items, items_cap;
	size_t counts[ITEM_REJECTED + 1];
	struct item_error *errors;    /* the first BATCH_ERRORS_MAX */
	size_t errors_count;

	/* The owner's: called on the pipeline's thread when what was accepted is on disk (0), or could not
	 * be put there (-ENOSPC, …: nothing of it was taken; send it again). Returns the batch after. */
	void (*done)(struct batch *batch, int result);
	void *userdata;
	struct str sender; /* address that the body came from; its text outlives pipeline_take() */
};

/* 0 or -errno. Rebuilds the dedup window, incidents and sensors from the journal. */
int pipeline_new(const struct pipeline_settings *settings, struct pipeline **ret);

/* Other rules from the next request on: a request is evaluated by one set. Takes a reference. */
void pipeline_use(struct pipeline *pipeline, struct ruleset *set);

/* After the journal is closed (all commits are done). */
void pipeline_free(struct pipeline *pipeline);

/* An empty batch, or NULL when out of memory. */
struct batch *batch_new(struct pipeline *pipeline);
void batch_free(struct batch *batch);

/* Takes every item of a body (one value, an array, or values one after the other) into the batch. More
 * than ingest.max_batch items: the rest is one rejected item. 0 or -ENOMEM (then nothing counts: free the
 * batch with batch_abandon()). */
int pipeline_take(struct pipeline *pipeline, struct batch *batch, struct str body);

/* Gives up a batch that was not submitted: what it marked as seen is forgotten. */
void batch_abandon(struct batch *batch);

/* Hands the batch to the journal, once the verdicts that its events need are in; done() follows, also when there is nothing to write. */
void pipeline_submit(struct pipeline *pipeline, struct batch *batch);

/* Readable when pipeline_collect() has something to do; it calls done() of what is finished. */
int pipeline_fd(const struct pipeline *pipeline);
void pipeline_collect(struct pipeline *pipeline);

/* Once a second: incidents that go on or are over, and counts that changed, go to the journal. */
void pipeline_tick(struct pipeline *pipeline);

/* Events of the hub itself, source `tocsin`, as NDJSON: evaluated like a sensor's. Nobody else may send
 * that source. pipeline_wants_own() says whether any rule would look at them. */
void pipeline_raise(struct pipeline *pipeline, struct str events);
bool pipeline_wants_own(const struct pipeline *pipeline);

/* Requests whose alerts could not be put on disk, since the start. */
uint64_t pipeline_failures(const struct pipeline *pipeline);

/* Bytes of batches that wait, for verdicts or for the disk. */
uint64_t pipeline_waiting(const struct pipeline *pipeline);

/* Batches submitted that are not done. */
size_t pipeline_underway(const struct pipeline *pipeline);

void pipeline_metrics(struct pipeline *pipeline, struct metrics *metrics);

#endif
