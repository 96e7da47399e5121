/* A set-associative table: a verdict has WAYS places, and the one that would end first gives way. */
#include "hub/evaluate/opa_inner.h"

#include <stdlib.h>

enum { SETS = 2048, WAYS = 4, MESSAGE_BYTES_MAX = 4 << 20 };

struct entry {
	struct hash128 key;
	int64_t until_ns; /* 0: free */
	char *message;
	uint32_t len;
	enum opa_verdict verdict;
};

struct opa_cache {
	size_t count, bytes;
	struct entry entries[SETS][WAYS];
};

struct opa_cache *opa_cache_new(void)
{
	return calloc(1, sizeof(struct opa_cache));
}

void opa_cache_free(struct opa_cache *cache)
{
	if (cache == NULL)
		return;
	for (size_t i = 0; i < SETS; i++)
		for (size_t j = 0; j < WAYS; j++)
			free(cache->entries[i][j].message);
	free(cache);
}

size_t opa_cache_count(const struct opa_cache *cache)
{
	return cache->count;
}

static void drop(struct opa_cache *cache, struct entry *entry)
{
	if (entry->until_ns == 0)
		return;
	cache->bytes -= entry->len;
	cache->count--;
	free(entry->message);
	*entry = (struct entry){ 0 };
}

bool opa_cache_get(struct opa_cache *cache, struct hash128 key, int64_t now_ns, enum opa_verdict *ret,
                   struct str *ret_message)
{
	struct entry *set = cache->entries[key.lo % SETS];

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].until_ns == 0 || !hash128_eq(set[i].key, key))
			continue;
		if (set[i].until_ns <= now_ns) {
			drop(cache, &set[i]);
			return false;
		}
		*ret = set[i].verdict;
		*ret_message = (struct str){ set[i].message, set[i].len };
		return true;
	}
	return false;
}

void opa_cache_put(struct opa_cache *cache, struct hash128 key, int64_t now_ns, int64_t until_ns,
                   enum opa_verdict verdict, struct str message)
{
	struct entry *set = cache->entries[key.lo % SETS], *place = &set[0];
	char *copy = NULL;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].until_ns <= now_ns || hash128_eq(set[i].key, key))
			drop(cache, &set[i]);
		if (set[i].until_ns < place->until_ns)
			place = &set[i];
	}
	drop(cache, place);
	if (cache->bytes + message.len > MESSAGE_BYTES_MAX)
		return; /* such a verdict is asked for again */
	if (message.len > 0) {
		copy = malloc(message.len);
		if (copy == NULL)
			return;
		memcpy(copy, message.at, message.len);
	}
	*place = (struct entry){ .key = key, .until_ns = until_ns, .message = copy,
		                 .len = (uint32_t)message.len, .verdict = verdict };
	cache->bytes += message.len;
	cache->count++;
}
