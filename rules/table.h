/* A map from byte strings to numbers: names at load time, a field's literals at match time. Keys
 * are borrowed. Only loading inserts, so a stranger's keys can be looked up but never fill it. */
#ifndef RULES_TABLE_H
#define RULES_TABLE_H

#include "base/str.h"

struct table_slot {
	struct str key;
	uint32_t hash;
	uint32_t value_plus_1; /* 0: free */
};

struct table {
	struct table_slot *slots;
	uint32_t cap; /* a power of two, or 0 */
	uint32_t count;
};

/* Adds or replaces. 0 or -ENOMEM. */
int table_put(struct table *table, struct str key, uint32_t value);

/* Adds it unless it is there; *ret is the value that is there then. 0 or -ENOMEM. */
int table_put_once(struct table *table, struct str key, uint32_t value, uint32_t *ret);

/* False when there is none; `ret` is then left alone. */
bool table_get(const struct table *table, struct str key, uint32_t *ret);

void table_done(struct table *table);

#endif
