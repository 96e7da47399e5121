/* The field registry: an open-addressing table over the catalogue and what was interned after it. */
#include "include/fields.h"

#include "base/arena.h"
#include "base/hash.h"

#include <stdlib.h>

enum { SLOTS = FIELDS_MAX * 2 };

struct fields {
	struct arena arena; /* interned names */
	size_t count;       /* ids in use, 0 included */
	struct str names[FIELDS_MAX];
	field_id slots[SLOTS];
};

static const struct field_info catalogue[FIELD_CATALOGUE_END] = {
#define FIELD(id, text, kind, form, flag)                                       \
	[FIELD_##id] = { .name = { text, sizeof(text) - 1 },                    \
		         .type = FIELD_TYPE_##kind, .format = FIELD_FORMAT_##form, .flags = flag },
#include "include/fields.def"
#undef FIELD
};

/* Not keyed: names here come from rules and settings, not from strangers, and lookups with a stranger's
 * keys never insert. */
static size_t slot_of(struct str name)
{
	return hash_fnv(FNV_START, name) & (SLOTS - 1);
}

/* The slot that holds the name, or the free one where it belongs. */
static size_t slot_find(const struct fields *fields, struct str name)
{
	size_t slot = slot_of(name);

	while (fields->slots[slot] != FIELD_NONE && !str_eq(fields->names[fields->slots[slot]], name))
		slot = (slot + 1) & (SLOTS - 1);
	return slot;
}

struct fields *fields_new(void)
{
	struct fields *fields = calloc(1, sizeof(*fields));

	if (fields == NULL)
		return NULL;
	arena_init(&fields->arena, 4 << 20);
	for (field_id id = 1; id < FIELD_CATALOGUE_END; id++) {
		fields->names[id] = catalogue[id].name;
		fields->slots[slot_find(fields, catalogue[id].name)] = id;
	}
	fields->count = FIELD_CATALOGUE_END;
	return fields;
}

void fields_free(struct fields *fields)
{
	if (fields == NULL)
		return;
	arena_done(&fields->arena);
	free(fields);
}

field_id fields_intern(struct fields *fields, struct str name)
{
	field_id *slot = &fields->slots[slot_find(fields, name)];
	struct str copy;

	if (*slot != FIELD_NONE)
		return *slot;
	if (fields->count == FIELDS_MAX)
		return FIELD_NONE;
	copy = arena_str(&fields->arena, name);
	if (copy.at == NULL)
		return FIELD_NONE;
	*slot = (field_id)fields->count++;
	fields->names[*slot] = copy;
	return *slot;
}

field_id fields_find(const struct fields *fields, struct str name)
{
	return fields->slots[slot_find(fields, name)];
}

struct str fields_name(const struct fields *fields, field_id id)
{
	return id < fields->count ? fields->names[id] : (struct str){ 0 };
}

size_t fields_count(const struct fields *fields)
{
	return fields->count;
}

const struct field_info *field_info_at(field_id id)
{
	return id != FIELD_NONE && id < FIELD_CATALOGUE_END ? &catalogue[id] : NULL;
}

const struct field_info *field_info(struct str name)
{
	for (field_id id = 1; id < FIELD_CATALOGUE_END; id++)
		if (str_eq(catalogue[id].name, name))
			return &catalogue[id];
	return NULL;
}
