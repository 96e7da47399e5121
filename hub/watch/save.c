/* Entries as bytes: for the store, and to take back what a failed commit did. */
#include "hub/watch/inner.h"

#include <errno.h>
#include <stdlib.h>

enum { FORMAT = 1, GONE_PER_COMMIT = 512 };

/* --- writing ------------------------------------------------------------------------------------ */

static void put(struct buf *out, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		buf_add_char(out, (char)(value >> (8 * i) & 0xff));
}

static void put_point(struct buf *out, const struct point *point)
{
	struct str note = str_of(point->note);

	put(out, (uint64_t)point->time_ns);
	put(out, point->identity);
	put(out, point->value);
	put(out, note.len);
	buf_add(out, note);
}

static void entry_save(const struct entry *entry, struct buf *out)
{
	uint32_t chains = entry->chains == NULL ? 0 : entry->def->said->steps - 1;

	buf_clear(out);
	put(out, FORMAT);
	put(out, (uint64_t)entry->first_ns);
	put(out, (uint64_t)entry->newest_ns);
	put(out, (uint64_t)entry->touched_ns);
	put(out, (uint64_t)entry->quiet_ns);
	put(out, entry->fed);
	put(out, entry->points_count);
	for (uint32_t i = 0; i < entry->points_count; i++)
		put_point(out, &entry->points[i]);
	put(out, chains);
	for (uint32_t i = 0; i < chains; i++) {
		put(out, entry->chains[i].len);
		for (uint32_t j = 0; j < entry->chains[i].len; j++)
			put_point(out, &entry->chains[i].steps[j]);
	}
}

/* --- reading ------------------------------------------------------------------------------------ */

struct reader {
	struct str rest;
	bool failed;
};

static uint64_t take(struct reader *reader)
{
	uint64_t value = 0;

	if (reader->rest.len < 8) {
		reader->failed = true;
		return 0;
	}
	for (int i = 0; i < 8; i++)
		value |= (uint64_t)(unsigned char)reader->rest.at[i] << (8 * i);
	reader->rest = str_from(reader->rest, 8);
	return value;
}

static struct point take_point(struct watches *watches, struct reader *reader)
{
	struct point point = { 0 };
	uint64_t len;

	/* One after the other: an initializer has no order. */
	point.time_ns = (int64_t)take(reader);
	point.identity = take(reader);
	point.value = take(reader);
	len = take(reader);
	if (reader->failed || len > reader->rest.len || len > WATCH_NOTE_LEN_MAX) {
		reader->failed = true;
		return point;
	}
	point.note = note_new(watches, str_cut(reader->rest, (size_t)len));
	reader->rest = str_from(reader->rest, (size_t)len);
	return point;
}

static void take_chains(struct watches *watches, struct entry *entry, struct reader *reader)
{
	uint64_t count = take(reader);

	if (count == 0)
		return;
	if (count + 1 != entry->def->said->steps || !chains_make(watches, entry, entry->def->said->steps)) {
		reader->failed = true;
		return;
	}
	for (uint64_t i = 0; i < count && !reader->failed; i++) {
		uint64_t len = take(reader);

		if (len > i + 1)
			reader->failed = true;
		for (uint64_t j = 0; j < len && !reader->failed; j++)
			entry->chains[i].steps[entry->chains[i].len++] = take_point(watches, reader);
	}
}

/* An entry in place of the one that may be there. */
bool entry_load(struct watches *watches, struct def *def, struct str by, struct str of, struct str state)
{
	struct reader reader = { .rest = state };
	struct entry *entry = entry_find(watches, def, by, of);
	uint32_t max = 2 * def->said->count + 64;
	uint64_t count;

	if (entry != NULL)
		entry_drop(watches, entry);
	if (take(&reader) != FORMAT)
		return false;
	entry = entry_add(watches, def, by, of);
	if (entry == NULL)
		return false;
	entry->first_ns = (int64_t)take(&reader);
	entry->newest_ns = (int64_t)take(&reader);
	entry->touched_ns = (int64_t)take(&reader);
	entry->quiet_ns = (int64_t)take(&reader);
	entry->fed = take(&reader);
	count = take(&reader);
	for (uint64_t i = 0; i < count && i <= max && !reader.failed; i++) {
		struct point point = take_point(watches, &reader);

		if (reader.failed || points_insert(watches, entry, point, max) == UINT32_MAX)
			reader.failed = true;
	}
	take_chains(watches, entry, &reader);
	if (reader.failed || reader.rest.len > 0) {
		entry_drop(watches, entry);
		return false;
	}
	return true;
}

/* --- with a commit ------------------------------------------------------------------------------ */

bool changes_note(struct watches *watches, struct watch_changes *changes, struct def *def, struct str by,
		  struct str of, struct entry *entry)
{
	struct watch_change *change;

	if (changes->serial == 0)
		changes->serial = ++watches->serial;
	if (entry != NULL && entry->serial == changes->serial)
		return true;
	change = arena_zalloc(changes->arena, sizeof(*change));
	if (change == NULL)
		return false;
	change->name = arena_str(changes->arena, def->name);
	change->by = arena_str(changes->arena, by);
	change->of = arena_str(changes->arena, of);
	change->version = def->said->version;
	if (entry != NULL) {
		entry_save(entry, &watches->blob);
		change->before = arena_str(changes->arena, buf_str(&watches->blob));
		if (!buf_ok(&watches->blob) || change->before.at == NULL)
			return false;
		change->after = entry->serial;
		entry->serial = changes->serial;
	}
	if (change->name.at == NULL || change->by.at == NULL || change->of.at == NULL)
		return false;
	change->next = changes->first;
	changes->first = change;
	changes->count++;
	return true;
}

static bool add_row(struct watches *watches, const struct watch_changes *changes,
		    const struct watch_change *change, struct watch_row *row)
{
	struct def *def = watches_def(watches, change->name, change->version);
	struct entry *entry;

	if (def == NULL)
		return false; /* gone with its rule */
	entry = entry_find(watches, def, change->by, change->of);
	*row = (struct watch_row){ .id = row_id(watches, def, change->by, change->of), .name = change->name,
				   .version = change->version, .by = change->by, .of = change->of };
	if (entry == NULL)
		return true;
	entry_save(entry, &watches->blob);
	row->touched_ns = entry->touched_ns;
	row->state = arena_str(changes->arena, buf_str(&watches->blob));
	return buf_ok(&watches->blob) && row->state.at != NULL;
}

bool watches_has_gone(const struct watches *watches)
{
	return watches->gone_count > 0;
}

bool watches_build_on(const struct watch_changes *changes, const struct watch_changes *earlier)
{
	if (earlier->serial == 0)
		return false;
	for (const struct watch_change *at = changes->first; at != NULL; at = at->next)
		if (at->after == earlier->serial)
			return true;
	return false;
}

static bool row_lives(const struct watches *watches, struct hash128 id)
{
	const struct entry *entry = watches->buckets[id.lo & (watches->buckets_count - 1)];

	while (entry != NULL && entry->hash != id.lo)
		entry = entry->next;
	return entry != NULL;
}

int watches_rows(struct watches *watches, const struct watch_changes *changes,
		 const struct watch_row **ret, size_t *ret_count)
{
	size_t gone = watches->gone_count < GONE_PER_COMMIT ? watches->gone_count : GONE_PER_COMMIT, count = 0;
	struct watch_row *rows = arena_alloc(changes->arena, (changes->count + gone + 1) * sizeof(*rows));

	if (rows == NULL)
		return -ENOMEM;
	/* First what is gone. An entry of the same key that has come since has a row of its own, here or in
	 * a commit before. */
	for (size_t i = 0; i < gone; i++) {
		struct hash128 id = watches->gone[--watches->gone_count];

		if (!row_lives(watches, id))
			rows[count++] = (struct watch_row){ .id = id };
	}
	for (const struct watch_change *at = changes->first; at != NULL; at = at->next)
		count += add_row(watches, changes, at, &rows[count]);
	*ret = rows;
	*ret_count = count;
	return 0;
}

/* Whether an earlier commit's failure took the entry back already, and this commit's part with it. */
static bool is_undone(const struct watches *watches, uint64_t row, uint64_t serial)
{
	for (size_t i = 0; i < UNDONE_MAX; i++)
		if (watches->undone[i].row == row && watches->undone[i].serial >= serial)
			return true;
	return false;
}

void watches_undo(struct watches *watches, const struct watch_changes *changes)
{
	for (const struct watch_change *at = changes->first; at != NULL; at = at->next) {
		struct def *def = watches_def(watches, at->name, at->version);
		struct entry *entry;
		uint64_t row;

		if (def == NULL)
			continue;
		row = row_id(watches, def, at->by, at->of).lo;
		if (is_undone(watches, row, changes->serial))
			continue;
		entry = entry_find(watches, def, at->by, at->of);
		if (at->before.len > 0)
			entry_load(watches, def, at->by, at->of, at->before);
		else if (entry != NULL)
			entry_drop(watches, entry);
	}
	for (const struct watch_change *at = changes->first; at != NULL; at = at->next) {
		struct def *def = watches_def(watches, at->name, at->version);

		if (def == NULL)
			continue;
		watches->undone[watches->undone_at++ % UNDONE_MAX] = (struct undone){
			.row = row_id(watches, def, at->by, at->of).lo, .serial = watches->serial };
	}
}

bool watches_restore(struct watches *watches, const struct watch_row *row, int64_t now_ns)
{
	struct def *def = watches_def(watches, row->name, row->version);
	struct entry *entry;

	if (def == NULL || !entry_load(watches, def, row->by, row->of, row->state)) {
		row_gone(watches, row->id);
		return false;
	}
	watches_evict(watches); /* rows come oldest first: what was fed last stays */
	entry = entry_find(watches, def, row->by, row->of);
	if (def->said->kind == WATCH_ABSENT &&
	    entry->touched_ns < now_ns + watches->settings.lateness_ns - def->said->within_ns)
		entry->touched_ns = now_ns + watches->settings.lateness_ns - def->said->within_ns;
	return true;
}
