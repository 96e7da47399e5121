/* Open addressing with linear probing, at most two thirds full. */
#include "rules/table.h"

#include <errno.h>
#include <stdlib.h>

enum { CAP_MIN = 16 };

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

static uint64_t word_at(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* Eight bytes at a time, as paths and command lines are long. Keys are ours: see table.h. */
static uint32_t hash_of(struct str key)
{
	uint64_t hash = key.len, last = 0;
	size_t i = 0;

	for (; i + sizeof(last) < key.len; i += sizeof(last))
		hash = mix(hash, word_at(key.at + i));
	if (key.len >= sizeof(last))
		return (uint32_t)mix(hash, word_at(key.at + key.len - sizeof(last)));
	for (; i < key.len; i++)
		last = last << 8 | (unsigned char)key.at[i];
	return (uint32_t)mix(hash, last);
}

static struct table_slot *slot_of(const struct table *table, struct str key, uint32_t hash)
{
	uint32_t at = hash & (table->cap - 1);

	while (table->slots[at].value_plus_1 != 0 &&
	       (table->slots[at].hash != hash || !str_eq(table->slots[at].key, key)))
		at = (at + 1) & (table->cap - 1);
	return &table->slots[at];
}

static int grow(struct table *table)
{
	struct table bigger = { .cap = table->cap == 0 ? CAP_MIN : table->cap * 2,
				.count = table->count };

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < table->cap; i++)
		if (table->slots[i].value_plus_1 != 0)
			*slot_of(&bigger, table->slots[i].key, table->slots[i].hash) =
				table->slots[i];
	free(table->slots);
	*table = bigger;
	return 0;
}

/* The key's slot, or a free one that is counted as the key's. NULL: out of memory. */
static struct table_slot *slot_for(struct table *table, struct str key, uint32_t hash)
{
	struct table_slot *slot;

	if (table->count * 3 >= table->cap * 2 && grow(table) < 0)
		return NULL;
	slot = slot_of(table, key, hash);
	table->count += slot->value_plus_1 == 0;
	return slot;
}

int table_put(struct table *table, struct str key, uint32_t value)
{
	uint32_t hash = hash_of(key);
	struct table_slot *slot = slot_for(table, key, hash);

	if (slot == NULL)
		return -ENOMEM;
	*slot = (struct table_slot){ .key = key, .hash = hash, .value_plus_1 = value + 1 };
	return 0;
}

int table_put_once(struct table *table, struct str key, uint32_t value, uint32_t *ret)
{
	uint32_t hash = hash_of(key);
	struct table_slot *slot = slot_for(table, key, hash);

	if (slot == NULL)
		return -ENOMEM;
	if (slot->value_plus_1 == 0)
		*slot = (struct table_slot){ .key = key, .hash = hash, .value_plus_1 = value + 1 };
	*ret = slot->value_plus_1 - 1;
	return 0;
}

bool table_get(const struct table *table, struct str key, uint32_t *ret)
{
	const struct table_slot *slot;

	if (table->cap == 0)
		return false;
	slot = slot_of(table, key, hash_of(key));
	if (slot->value_plus_1 == 0)
		return false;
	*ret = slot->value_plus_1 - 1;
	return true;
}

void table_done(struct table *table)
{
	free(table->slots);
	*table = (struct table){ 0 };
}
