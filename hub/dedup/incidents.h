/* Incidents: alerts that mean the same (same rule, source and chosen fields) are one, with a count.
 * Keys are compared whole, behind a keyed hash. Bounded: beyond max_open the incident that was quiet
 * for longest is resolved early. One thread; time is the hub's own clock. */
#ifndef HUB_DEDUP_INCIDENTS_H
#define HUB_DEDUP_INCIDENTS_H

#include "base/hash.h"
#include "include/alert.h"

struct incidents;

struct incident {
	uint64_t id;
	uint64_t hash;
	int64_t first_ns, last_ns;
	uint64_t count;
	uint64_t announced;     /* count when a change was last written to the journal */
	int64_t announced_ns;
	enum priority priority; /* the most severe so far */
	bool unannounced;       /* its opening was lost: the next hit opens it */
	bool waits;             /* its opening is not on disk, and may stay away for long */
	bool dirty;             /* count or last differ from what was last written */
	struct incident *quieter, *livelier; /* by last_ns */
	struct incident *next_due, *prev_due; /* by announced_ns */
	struct incident *next, *next_by_id;  /* in their buckets */
	uint32_t key_len;
	char key[];             /* {"rule":…,"source":…,fields…}: JSON */
};

static inline struct str incident_key(const struct incident *incident)
{
	return (struct str){ incident->key, incident->key_len };
}

struct incidents_settings {
	uint32_t max_open;
	int64_t resolve_after_ns;
	int64_t update_interval_ns;
	const struct hash_key *hash_key;
};

/* 0 or -ENOMEM. */
int incidents_new(const struct incidents_settings *settings, struct incidents **ret);
void incidents_free(struct incidents *incidents);

/* Puts back what the journal kept, before the first alert; what was never announced is opened by its next
 * hit. 0 or -ENOMEM. */
int incidents_restore(struct incidents *incidents, struct str key, const struct incident *state);

/* Raises a restored incident to what an alert in the journal says of it. */
void incidents_raise(struct incidents *incidents, uint64_t id, uint64_t count, int64_t last_ns);

/* No id up to this one is given again. */
void incidents_seen_id(struct incidents *incidents, uint64_t id);

/* Counts an alert into its incident, opening it when there is none: ret_opened. NULL: out of memory. */
struct incident *incidents_hit(struct incidents *incidents, struct str key, enum priority priority,
                               int64_t now_ns, bool *ret_opened);

/* Takes back a hit whose commit failed; an incident without hits goes away. When it was the one that
 * opened the incident, the next hit opens it again. */
void incidents_unhit(struct incidents *incidents, uint64_t id, bool opened);

/* Whether what opens the incident waits for something before it goes to disk. */
void incidents_wait(struct incidents *incidents, uint64_t id, bool waits);

/* The next change that is due at `now_ns`: ALERT_ONGOING (announced is brought up to date) or
 * ALERT_RESOLVED (the incident is taken out: the caller frees it with free()); NULL: none. Resolves
 * early, too, while there are more than max_open. */
struct incident *incidents_due(struct incidents *incidents, int64_t now_ns, enum alert_change *ret);

size_t incidents_count(const struct incidents *incidents);
uint64_t incidents_evicted(const struct incidents *incidents);

/* Calls each for every incident that is dirty and marks it clean, oldest change first; at most max. */
size_t incidents_flush(struct incidents *incidents, size_t max,
                       void (*each)(void *userdata, const struct incident *incident), void *userdata);

#endif
