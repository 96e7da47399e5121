/* What the pipeline's own files share: its state, and the steps from a match to a row of the batch.
 * Everything here runs on the pipeline's thread. */
#ifndef HUB_PIPELINE_INNER_H
#define HUB_PIPELINE_INNER_H

#include "hub/batch.h"
#include "hub/dedup/incidents.h"
#include "hub/dedup/window.h"
#include "hub/evaluate/compose.h"
#include "hub/evaluate/opa.h"
#include "hub/normalise/items.h"
#include "hub/normalise/normalise.h"
#include "hub/pipeline.h"
#include "hub/watch/watch.h"

enum {
	POOL_MAX = 2048,             /* batches kept for reuse */
	BATCH_MEMORY = 256 << 20,    /* most one batch may hold */
	BATCH_KEEP = 64 << 10,       /* one that held more gives its memory back */
	HITS_MAX = 64,               /* rules that one event can fire; the rest is cut off, and counted */
	HITS_ROOM,                   /* of whoever asks: one more tells that there are more */
	FINGERPRINT_FIELDS_MAX = 16,
	RAW_MAX = 64 << 10,          /* bytes of another engine's original that stay with its alert */
	RESTORE_ALERTS = 20000,      /* read back at start to bring incidents up to date */
};

enum alert_field_kind {
	ALERT_RULE = 0,
	ALERT_PRIORITY,
	ALERT_SOURCE,
	ALERT_TAGS,
	ALERT_FIELDS,
};

/* What a hub-only rule's output can name beside the event's fields. */
enum watch_value {
	WATCH_COUNT = 0,
	WATCH_KEY,
	WATCH_FIRST_TIME,
	WATCH_LAST_TIME,
	WATCH_VALUE,
	WATCH_VALUES,
};

struct fingerprint_field {
	struct str name;
	bool hostname;
};

struct pipeline {
	struct pipeline_settings settings;
	struct normalise normalise;
	struct window *window;
	struct incidents *incidents;
	struct ruleset *set;
	struct event *event; /* the set's */
	struct fingerprint_field fingerprint[FINGERPRINT_FIELDS_MAX];
	size_t fingerprint_count;
	field_id alert_fields[ALERT_FIELDS]; /* of the set: what an alert adds to its event */
	bool wants_alerts;                   /* the set has rules on alerts */
	struct watches *watches;
	field_id watch_fields[WATCH_VALUES];
	struct buf by, of, note, evidence; /* scratch for one firing */
	bool inside;                         /* what is taken now is the hub's own */
	struct hash_key hash_key;
	struct buf key, text, fields, line, raw; /* scratch for one alert */

	struct opa *opa;
	struct batch *asking, **asking_end; /* batches that wait for verdicts, in order */
	uint64_t asking_bytes;

	int fd;
	_Atomic(struct batch *) finished; /* pushed by the journal's thread, taken by ours */
	struct batch *pool;
	size_t pool_count;
	uint64_t failed;                  /* commits, since the start */
	size_t underway;

	int64_t cut_told_ns;              /* when the log last said that hits were cut off */
	counter cut, events, alerts[PRIORITY_COUNT], rejected, duplicates, unmatched, passed_on, failures;
};

/* Raises an alert: completes `compose` with its incident, writes the line and adds the row. `item` is
 * what it came from (NULL: nothing with fields). 0 or -ENOMEM. */
int raise_alert(struct pipeline *line, struct batch *batch, struct compose *compose,
                struct hash128 identity, const struct item *item);

/* The same for a rule that the pipeline's event matches. */
int raise_rule(struct pipeline *line, struct batch *batch, const struct rule *rule, struct hash128 identity,
               const struct item *item);

/* The same with what OPA said of it (NULL: it was not asked): its message, or that it did not answer. */
int raise_judged(struct pipeline *line, struct batch *batch, const struct rule *rule,
                 struct hash128 identity, const struct item *item, const struct opa_ask *ask);

/* Lays what is said of the alert over the event that it came from. False: out of memory. */
bool raise_become(struct pipeline *line, struct batch *batch, const struct compose *alert);

/* Hands a batch that waits for no verdict to the journal, or ends it with a -errno. */
void pipeline_hand_over(struct pipeline *line, struct batch *batch, int result);

/* The rules that the pipeline's event matches, at most HITS_MAX; room for HITS_ROOM. */
size_t raise_match(struct pipeline *line, const struct rule *hits[HITS_ROOM]);
size_t raise_match_watches(struct pipeline *line, struct watch_hit hits[HITS_ROOM]);

/* The set has changed. */
void raise_use(struct pipeline *line);

/* An alert is an event as well, of source `alert`: raises what rules of that source make of it. */
int raise_from_alert(struct pipeline *line, struct batch *batch, const struct compose *alert,
                     struct hash128 identity, const struct item *item);

/* Another engine's finding is an event of its source as well: raises what rules of that source make of it. */
int raise_from_finding(struct pipeline *line, struct batch *batch, struct hash128 identity,
                       const struct item *item);

/* Who an alert is: the event and the rule. */
struct hash128 identity_of_rule(const struct pipeline *line, struct hash128 event, struct str rule);

/* Adds an incident's row. False: out of memory. */
bool raise_incident(struct batch *batch, const struct incident *incident, bool open);

/* What an event gave to hub-only rules. */
struct watching {
	size_t counted; /* rules to which it matters that it is not taken twice */
	size_t fresh;   /* those of them that it was new to */
	size_t fired;
};

/* Feeds hub-only rules, and raises what fires. `alert`: what the event is, when it is one, and who. 0 or -ENOMEM. */
int watching_take(struct pipeline *line, struct batch *batch, const struct watch_hit *hits, size_t count,
                  const struct compose *alert, struct hash128 identity, const struct item *item,
                  struct watching *ret);

int watching_setup(struct pipeline *line);
int watching_restore(struct pipeline *line);
void watching_turn(struct pipeline *line);   /* another set is worked with */
void watching_use(struct pipeline *line);    /* the set has changed; the former rules are still there */
void watching_submit(struct pipeline *line, struct batch *batch); /* adds the rows of what changed */
void watching_forget(struct pipeline *line, const struct batch *batch);
void watching_tick(struct pipeline *line);

/* Works with another set for a while: what hub-only rules remember stays that of the set in force. */
void pipeline_turn(struct pipeline *line, struct ruleset *set);

/* Incidents that go on or are over, as rows of a batch of their own. */
void changes_tick(struct pipeline *line);

#endif
