/* The table of open incidents: buckets by hash, a list by last hit (for resolving and evicting), and a
 * list by last announcement (for "still going"). All constant time. */
#include "hub/dedup/incidents.h"

#include <errno.h>
#include <stdlib.h>

struct incidents {
	struct incidents_settings settings;
	struct incident **buckets, **by_id;
	uint32_t mask;
	size_t dirty;
	size_t count;
	uint64_t last_id;
	uint64_t evicted;
	struct incident *quietest, *liveliest;
	struct incident *due_first, *due_last;
};

int incidents_new(const struct incidents_settings *settings, struct incidents **ret)
{
	struct incidents *incidents = calloc(1, sizeof(*incidents));
	uint32_t buckets = 64;

	if (incidents == NULL)
		return -ENOMEM;
	while (buckets < settings->max_open)
		buckets *= 2;
	incidents->settings = *settings;
	incidents->mask = buckets - 1;
	incidents->buckets = calloc(buckets, sizeof(struct incident *));
	incidents->by_id = calloc(buckets, sizeof(struct incident *));
	if (incidents->buckets == NULL || incidents->by_id == NULL) {
		incidents_free(incidents);
		return -ENOMEM;
	}
	*ret = incidents;
	return 0;
}

void incidents_free(struct incidents *incidents)
{
	if (incidents == NULL)
		return;
	for (struct incident *at = incidents->quietest, *next; at != NULL; at = next) {
		next = at->livelier;
		free(at);
	}
	free(incidents->buckets);
	free(incidents->by_id);
	free(incidents);
}

/* --- the two lists and the table ---------------------------------------------------------------- */

static void activity_remove(struct incidents *incidents, struct incident *incident)
{
	if (incident->quieter != NULL)
		incident->quieter->livelier = incident->livelier;
	else
		incidents->quietest = incident->livelier;
	if (incident->livelier != NULL)
		incident->livelier->quieter = incident->quieter;
	else
		incidents->liveliest = incident->quieter;
	incident->quieter = incident->livelier = NULL;
}

static void activity_add(struct incidents *incidents, struct incident *incident)
{
	incident->quieter = incidents->liveliest;
	incident->livelier = NULL;
	if (incidents->liveliest != NULL)
		incidents->liveliest->livelier = incident;
	else
		incidents->quietest = incident;
	incidents->liveliest = incident;
}

static void due_add(struct incidents *incidents, struct incident *incident)
{
	incident->next_due = NULL;
	incident->prev_due = incidents->due_last;
	if (incidents->due_last != NULL)
		incidents->due_last->next_due = incident;
	else
		incidents->due_first = incident;
	incidents->due_last = incident;
}

static void due_remove(struct incidents *incidents, struct incident *incident)
{
	if (incident->prev_due != NULL)
		incident->prev_due->next_due = incident->next_due;
	else
		incidents->due_first = incident->next_due;
	if (incident->next_due != NULL)
		incident->next_due->prev_due = incident->prev_due;
	else
		incidents->due_last = incident->prev_due;
}

static void table_remove(struct incidents *incidents, struct incident *incident)
{
	struct incident **at = &incidents->buckets[incident->hash & incidents->mask];

	while (*at != incident)
		at = &(*at)->next;
	*at = incident->next;
	at = &incidents->by_id[incident->id & incidents->mask];
	while (*at != incident)
		at = &(*at)->next_by_id;
	*at = incident->next_by_id;
	incidents->count--;
	incidents->dirty -= incident->dirty;
}

static void set_dirty(struct incidents *incidents, struct incident *incident, bool dirty)
{
	incidents->dirty += (size_t)dirty - (size_t)incident->dirty;
	incident->dirty = dirty;
}

static struct incident *add(struct incidents *incidents, struct str key, uint64_t hash, uint64_t id)
{
	struct incident *incident = calloc(1, sizeof(*incident) + key.len);
	struct incident **bucket = &incidents->buckets[hash & incidents->mask];

	if (incident == NULL)
		return NULL;
	incident->hash = hash;
	incident->key_len = (uint32_t)key.len;
	memcpy(incident->key, key.at, key.len);
	incident->next = *bucket;
	*bucket = incident;
	incident->id = id;
	incident->next_by_id = incidents->by_id[id & incidents->mask];
	incidents->by_id[id & incidents->mask] = incident;
	incidents->count++;
	activity_add(incidents, incident);
	return incident;
}

static struct incident *find_id(const struct incidents *incidents, uint64_t id)
{
	struct incident *incident = incidents->by_id[id & incidents->mask];

	while (incident != NULL && incident->id != id)
		incident = incident->next_by_id;
	return incident;
}

static struct incident *take_out(struct incidents *incidents, struct incident *incident)
{
	table_remove(incidents, incident);
	activity_remove(incidents, incident);
	due_remove(incidents, incident);
	return incident;
}

/* --- what the rooms use ------------------------------------------------------------------------- */

int incidents_restore(struct incidents *incidents, struct str key, const struct incident *state)
{
	struct incident *incident =
		add(incidents, key, hash64_of(incidents->settings.hash_key, key), state->id);

	if (incident == NULL)
		return -ENOMEM;
	incident->first_ns = state->first_ns;
	incident->last_ns = state->last_ns;
	incident->count = state->count;
	incident->announced = state->announced;
	incident->announced_ns = state->announced_ns;
	incident->unannounced = state->announced == 0;
	incident->priority = state->priority;
	due_add(incidents, incident);
	incidents_seen_id(incidents, state->id);
	return 0;
}

void incidents_raise(struct incidents *incidents, uint64_t id, uint64_t count, int64_t last_ns)
{
	struct incident *incident = find_id(incidents, id);

	if (incident == NULL || incident->count >= count)
		return;
	incident->count = count;
	set_dirty(incidents, incident, true);
	if (incident->last_ns < last_ns)
		incident->last_ns = last_ns;
	activity_remove(incidents, incident);
	activity_add(incidents, incident);
}

void incidents_seen_id(struct incidents *incidents, uint64_t id)
{
	if (incidents->last_id < id)
		incidents->last_id = id;
}

struct incident *incidents_hit(struct incidents *incidents, struct str key, enum priority priority,
                               int64_t now_ns, bool *ret_opened)
{
	uint64_t hash = hash64_of(incidents->settings.hash_key, key);
	struct incident *incident = incidents->buckets[hash & incidents->mask];

	while (incident != NULL && !(incident->hash == hash && str_eq(incident_key(incident), key)))
		incident = incident->next;
	*ret_opened = incident == NULL || incident->unannounced;
	if (incident == NULL) {
		incident = add(incidents, key, hash, incidents->last_id + 1);
		if (incident == NULL)
			return NULL;
		incidents->last_id++;
		incident->first_ns = incident->announced_ns = now_ns;
		incident->announced = 1;
		incident->priority = priority;
		due_add(incidents, incident);
	} else if (incident != incidents->liveliest) {
		activity_remove(incidents, incident);
		activity_add(incidents, incident);
	}
	incident->unannounced = false;
	incident->last_ns = now_ns;
	incident->count++;
	set_dirty(incidents, incident, !*ret_opened); /* a new one is written with its first alert */
	if (priority < incident->priority)
		incident->priority = priority;
	return incident;
}

void incidents_unhit(struct incidents *incidents, uint64_t id, bool opened)
{
	struct incident *incident = find_id(incidents, id);

	if (incident == NULL)
		return;
	incident->unannounced |= opened;
	if (--incident->count > 0)
		return;
	free(take_out(incidents, incident));
}

void incidents_wait(struct incidents *incidents, uint64_t id, bool waits)
{
	struct incident *incident = find_id(incidents, id);

	if (incident != NULL)
		incident->waits = waits;
}

struct incident *incidents_due(struct incidents *incidents, int64_t now_ns, enum alert_change *ret)
{
	struct incident *quietest = incidents->quietest, *first = incidents->due_first;

	/* A clock that was set back: what stands in the future would hold up all behind it. */
	if (quietest != NULL && quietest->last_ns > now_ns)
		quietest->last_ns = now_ns;
	if (first != NULL && first->announced_ns > now_ns)
		first->announced_ns = now_ns;
	if (quietest != NULL && incidents->count > incidents->settings.max_open) {
		incidents->evicted++;
		*ret = ALERT_RESOLVED;
		return take_out(incidents, quietest);
	}
	if (quietest != NULL && now_ns - quietest->last_ns >= incidents->settings.resolve_after_ns) {
		*ret = ALERT_RESOLVED;
		return take_out(incidents, quietest);
	}
	while (incidents->due_first != NULL &&
	       now_ns - incidents->due_first->announced_ns >= incidents->settings.update_interval_ns) {
		struct incident *incident = incidents->due_first;
		bool grown = incident->count > incident->announced;

		incident->announced = incident->count;
		incident->announced_ns = now_ns;
		due_remove(incidents, incident);
		due_add(incidents, incident);
		if (grown) {
			*ret = ALERT_ONGOING;
			return incident;
		}
	}
	return NULL;
}

size_t incidents_count(const struct incidents *incidents)
{
	return incidents->count;
}

uint64_t incidents_evicted(const struct incidents *incidents)
{
	return incidents->evicted;
}

size_t incidents_flush(struct incidents *incidents, size_t max,
                       void (*each)(void *userdata, const struct incident *incident), void *userdata)
{
	size_t done = 0;

	for (struct incident *at = incidents->liveliest; at != NULL && done < max && incidents->dirty > 0;
	     at = at->quieter) {
		if (!at->dirty)
			continue;
		set_dirty(incidents, at, false);
		each(userdata, at);
		done++;
	}
	return done;
}
