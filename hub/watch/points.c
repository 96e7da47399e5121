/* The events that an entry remembers, in the order of their time, and the chains of a sequence. */
#include "hub/watch/inner.h"

#include <stdlib.h>

char *note_new(struct watches *watches, struct str text)
{
	char *note = text.len == 0 || text.len > WATCH_NOTE_LEN_MAX ? NULL : str_dup(text);

	if (note != NULL)
		watches->memory += text.len + 1;
	return note;
}

static void note_free(struct watches *watches, char **note)
{
	if (*note == NULL)
		return;
	watches->memory -= strlen(*note) + 1;
	free(*note);
	*note = NULL;
}

void point_done(struct watches *watches, struct point *point)
{
	note_free(watches, &point->note);
}

void points_clear(struct watches *watches, struct entry *entry)
{
	for (uint32_t i = 0; i < entry->points_count; i++)
		point_done(watches, &entry->points[i]);
	watches->memory -= entry->points_cap * sizeof(*entry->points);
	free(entry->points);
	entry->points = NULL;
	entry->points_count = entry->points_cap = 0;
}

void chain_clear(struct watches *watches, struct chain *chain)
{
	for (uint32_t i = 0; i < chain->len; i++)
		point_done(watches, &chain->steps[i]);
	chain->len = 0;
}

bool points_has(const struct entry *entry, uint64_t identity)
{
	for (uint32_t i = entry->points_count; i-- > 0;)
		if (entry->points[i].identity == identity)
			return true;
	return false;
}

static bool has_room(struct watches *watches, struct entry *entry)
{
	uint32_t cap = entry->points_cap == 0 ? 4 : entry->points_cap * 2;
	struct point *points;

	if (entry->points_count < entry->points_cap)
		return true;
	points = realloc(entry->points, cap * sizeof(*points));
	if (points == NULL)
		return false;
	watches->memory += (cap - entry->points_cap) * sizeof(*points);
	entry->points = points;
	entry->points_cap = cap;
	return true;
}

void points_remove(struct watches *watches, struct entry *entry, uint32_t at)
{
	point_done(watches, &entry->points[at]);
	entry->points_count--;
	memmove(&entry->points[at], &entry->points[at + 1],
		(entry->points_count - at) * sizeof(*entry->points));
}

uint32_t points_insert(struct watches *watches, struct entry *entry, struct point point, uint32_t max)
{
	uint32_t at;

	while (entry->points_count > 0 && entry->points_count >= max)
		points_remove(watches, entry, 0);
	if (!has_room(watches, entry)) {
		point_done(watches, &point);
		return UINT32_MAX;
	}
	for (at = entry->points_count; at > 0 && entry->points[at - 1].time_ns > point.time_ns;)
		at--;
	memmove(&entry->points[at + 1], &entry->points[at],
		(entry->points_count - at) * sizeof(point));
	entry->points[at] = point;
	entry->points_count++;
	/* Notes of the first and of the last ones only. */
	if (entry->points_count > WATCH_NOTES_MAX)
		note_free(watches, &entry->points[entry->points_count - WATCH_NOTES_MAX].note);
	return at;
}

void points_forget(struct watches *watches, struct entry *entry, int64_t before_ns)
{
	uint32_t old = 0;

	while (old < entry->points_count && entry->points[old].time_ns < before_ns)
		point_done(watches, &entry->points[old++]);
	if (old == 0)
		return;
	entry->points_count -= old;
	memmove(entry->points, entry->points + old, entry->points_count * sizeof(*entry->points));
}

bool chains_make(struct watches *watches, struct entry *entry, uint32_t count)
{
	if (entry->chains != NULL)
		return true;
	entry->chains = calloc(count, sizeof(*entry->chains));
	if (entry->chains == NULL)
		return false;
	watches->memory += count * sizeof(*entry->chains);
	return true;
}

bool chain_extend(struct watches *watches, struct chain *to, const struct chain *from, const struct point *point)
{
	struct chain longer = { 0 };

	for (uint32_t i = 0; from != NULL && i < from->len; i++) {
		longer.steps[longer.len] = from->steps[i];
		longer.steps[longer.len++].note = note_new(watches, str_of(from->steps[i].note));
	}
	longer.steps[longer.len] = *point;
	longer.steps[longer.len++].note = note_new(watches, str_of(point->note));
	chain_clear(watches, to);
	*to = longer;
	return true;
}
