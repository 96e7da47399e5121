/* The inner side of the table of watches. */
#ifndef HUB_WATCH_INNER_H
#define HUB_WATCH_INNER_H

#include "hub/watch/watch.h"

/* An event that is remembered. */
struct point {
	int64_t time_ns;
	uint64_t identity;
	uint64_t value; /* distinct: the value's hash; sequence: the steps it can be */
	char *note;	/* NULL: none */
};

/* The beginning of a sequence: steps 0 to its place in the entry's chains. */
struct chain {
	uint32_t len; /* 0: there is none */
	struct point steps[WATCH_STEPS_MAX];
};

struct def {
	const struct rule *rule;
	const struct rule_watch *said;
	struct str name; /* the rule's */
	struct entry *oldest, *newest;
};

struct entry {
	struct entry *next;		       /* in its bucket */
	struct entry *older, *newer;	       /* of all, by touched_ns */
	struct entry *def_older, *def_newer;   /* of its rule */
	struct def *def;
	uint64_t hash;
	uint64_t serial; /* of the changes that know it as it was */
	int64_t first_ns, newest_ns, touched_ns, quiet_ns; /* quiet until, that moment included */
	uint64_t fed;
	struct point *points; /* by time */
	uint32_t points_count, points_cap;
	struct chain *chains; /* SEQUENCE: one for each step but the last */
	uint32_t by_len, of_len;
	char key[]; /* by, of */
};

enum { UNDONE_MAX = 1024 };

/* An entry that was taken back, together with what was done to it until then. */
struct undone {
	uint64_t row, serial;
};

struct watches {
	struct watches_settings settings;
	struct def *defs; /* in the order of their rules' addresses */
	size_t defs_count;
	struct entry **buckets;
	size_t buckets_count;
	struct entry *oldest, *newest;
	size_t count, memory;
	uint64_t serial;
	struct hash128 *gone; /* rows to delete */
	size_t gone_count;
	struct undone *undone; /* a ring */
	size_t undone_at;
	struct buf evidence, blob;
	counter late, evicted, expired, fired[WATCH_KINDS];
};

struct watch_change {
	struct watch_change *next;
	struct str name, by, of, before; /* before: empty when there was no entry */
	uint64_t version, after; /* after: the serial of the changes before these; 0: none known */
};

/* watch.c */
struct def *watches_def(struct watches *watches, struct str name, uint64_t version);
struct entry *entry_find(struct watches *watches, struct def *def, struct str by, struct str of);
struct entry *entry_add(struct watches *watches, struct def *def, struct str by, struct str of);
void entry_drop(struct watches *watches, struct entry *entry); /* says nothing to the store */
void entry_touch(struct watches *watches, struct entry *entry, int64_t now_ns);
struct hash128 row_id(const struct watches *watches, const struct def *def, struct str by, struct str of);
void watches_evict(struct watches *watches); /* down to the bounds; the newest entry stays */
void row_gone(struct watches *watches, struct hash128 id);

static inline struct str entry_by(const struct entry *entry)
{
	return (struct str){ entry->key, entry->by_len };
}

static inline struct str entry_of(const struct entry *entry)
{
	return (struct str){ entry->key + entry->by_len, entry->of_len };
}

/* points.c */
char *note_new(struct watches *watches, struct str text);
void point_done(struct watches *watches, struct point *point);
void points_clear(struct watches *watches, struct entry *entry);
void chain_clear(struct watches *watches, struct chain *chain);
bool points_has(const struct entry *entry, uint64_t identity);
/* Where it stands then; UINT32_MAX: out of memory. Takes the point's note. */
uint32_t points_insert(struct watches *watches, struct entry *entry, struct point point, uint32_t max);
void points_forget(struct watches *watches, struct entry *entry, int64_t before_ns);
void points_remove(struct watches *watches, struct entry *entry, uint32_t at);
bool chains_make(struct watches *watches, struct entry *entry, uint32_t count);
bool chain_extend(struct watches *watches, struct chain *to, const struct chain *from, const struct point *point);

/* save.c */
bool changes_note(struct watches *watches, struct watch_changes *changes, struct def *def, struct str by,
		  struct str of, struct entry *entry);
bool entry_load(struct watches *watches, struct def *def, struct str by, struct str of, struct str state);

#endif
