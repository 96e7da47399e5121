/* What hub-only rules remember between events: a bounded table of entries, one for each rule and the
 * values of its `by`. No network, no disk, no clock of its own; one thread. rules/watch.h says which events
 * feed a rule; what is fed here decides when it fires.
 *
 * Time is the event's. An event that is older than the newest one of its entry by more than the lateness
 * is counted and dropped; one that claims to be further than that in the future counts as of now. Events
 * of an entry may come in any order within the lateness. An event that an entry holds already (by its
 * identity) is not taken again. Below, "within" is the rule's, and an interval of that length has both
 * its ends in it.
 *
 * threshold   fires with the event that makes `count` of them lie within `within`. Then the entry is quiet
 *             until `within` after the last of these events: what happens until then is neither counted
 *             nor kept; what comes after begins a new count.
 * distinct    the same of different values of `of`. A value counts at the last time that it was seen.
 * sequence    fires with the event that completes a chain of the steps in their order in time, from first
 *             to last within `within`. One event is one step at most. Of several chains the one that began
 *             last is kept for each step: it is the one with the most time left. After it fired the
 *             entry begins anew. Across hosts when `hostname` is not among `by`. Among events that come
 *             out of order, the last SEQUENCE_LATE_MAX of an entry are put into their order.
 * first_seen  fires for a value of `of` that was not seen for `within` (or never), by `by`. During the
 *             first `learn` of a key's life nothing fires. A value that had to leave the table fires anew.
 * absent      fires when nothing fed the entry for `within`, by the clock of the hub, since the
 *             sensor's may stand still; once: the entry is gone then, until something feeds it again. After a
 *             start, restored entries have the lateness as a grace for senders to come back.
 *
 * Bounds: `entries_max` entries and `memory_max` bytes; beyond, the entry that was fed longest ago goes,
 * counted. An entry keeps at most 2 * count + 64 events and the notes of WATCH_NOTES_MAX of them. */
#ifndef HUB_WATCH_WATCH_H
#define HUB_WATCH_WATCH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "rules/watch.h"

enum {
	WATCH_NOTES_MAX = 17,	/* what an alert lists of what it came from: the first and the last 16 */
	WATCH_NOTE_LEN_MAX = 512, /* bytes of one; a longer one is left out */
	SEQUENCE_LATE_MAX = 16,
	WATCH_GONE_MAX = 4096, /* rows to delete that wait for a commit */
};

struct watches;

struct watches_settings {
	uint32_t entries_max;
	size_t memory_max;
	int64_t lateness_ns;
	const struct hash_key *hash_key;
};

/* An event that feeds a rule. */
struct watch_match {
	const struct rule *rule;
	uint32_t steps;		/* see struct watch_hit */
	int64_t time_ns, now_ns; /* the event's, the hub's */
	struct str by, of;	/* from rules_watch_keys(); of: empty without a value */
	uint64_t identity;
	struct str note; /* JSON: what the event was, for the alert's evidence */
};

/* An alert to raise. Borrowed until the next call. */
struct watch_firing {
	const struct rule *rule;
	uint64_t count;
	int64_t first_ns, last_ns; /* of what it came from; absent: last is when it was missed */
	struct str by, of;	   /* JSON objects; of: the value that completed it, or empty */
	struct str evidence;	   /* JSON array */
};

/* What one commit changes, to be written with it and to be taken back with it. */
struct watch_change;

struct watch_changes {
	struct arena *arena;
	uint64_t serial; /* 0: nothing yet */
	struct watch_change *first;
	size_t count;
};

/* A row of the store. state.len 0: delete it. */
struct watch_row {
	struct hash128 id;
	struct str name, by, of, state;
	uint64_t version;
	int64_t touched_ns;
};

int watches_new(const struct watches_settings *settings, struct watches **ret);
void watches_free(struct watches *watches);

/* Other rules from now on (NULL: none). State of rules with the same name and version goes on, the rest
 * is forgotten. The rules outlive their use. 0 or -ENOMEM. */
int watches_use(struct watches *watches, const struct rules *rules);

/* 1: it fires, 0, or -ENOMEM. A rule that is not of the rules in use feeds the one that means the same. */
int watches_feed(struct watches *watches, const struct watch_match *match,
		 struct watch_changes *changes, struct watch_firing *ret);

/* The next `absent` that is due, or false; forgets what is over. Once a second. */
bool watches_due(struct watches *watches, int64_t now_ns, struct watch_changes *changes,
		 struct watch_firing *ret);

/* Puts back what a store kept, in the order of touched_ns, after watches_use(). False: the row means
 * nothing any more, and is deleted with the next commit. */
bool watches_restore(struct watches *watches, const struct watch_row *row, int64_t now_ns);

/* The rows of what changed and of what is to be deleted, in the changes' arena. */
int watches_rows(struct watches *watches, const struct watch_changes *changes,
		 const struct watch_row **ret, size_t *ret_count);

/* Whether rows are to be deleted without any change. */
bool watches_has_gone(const struct watches *watches);

/* Whether some entry was changed by `earlier` and next by these: they must not be on disk before it. */
bool watches_build_on(const struct watch_changes *changes, const struct watch_changes *earlier);

/* The commit failed: each entry is again what it was before it. What later commits did to the same entry
 * goes with it: too little is remembered then, never something twice. */
void watches_undo(struct watches *watches, const struct watch_changes *changes);

size_t watches_count(const struct watches *watches);
void watches_metrics(struct watches *watches, struct metrics *metrics);

#endif
