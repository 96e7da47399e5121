/* The bump allocator: a list of blocks that double in size, the newest one in use. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { ARENA_FIRST = 4096, ARENA_LARGEST = 1 << 20 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t used;
	alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena, size_t limit)
{
	*arena = (struct arena){ .limit = limit };
}

static struct arena_block *arena_grow(struct arena *arena, size_t size)
{
	size_t want = arena->blocks == NULL ? ARENA_FIRST : arena->blocks->size * 2;
	struct arena_block *block;

	if (want > ARENA_LARGEST)
		want = ARENA_LARGEST;
	if (want < size)
		want = size;
	block = malloc(sizeof(*block) + want);
	if (block == NULL)
		return NULL;
	block->next = arena->blocks;
	block->size = want;
	block->used = 0;
	arena->blocks = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->blocks;
	size_t padded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	void *at;

	if (padded < size || padded > arena->limit || arena->used > arena->limit - padded) {
		arena->was_full = true;
		return NULL;
	}
	if (block == NULL || block->size - block->used < padded) {
		block = arena_grow(arena, padded);
		if (block == NULL)
			return NULL;
	}
	at = block->bytes + block->used;
	block->used += padded;
	arena->used += padded;
	return at;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
	void *at = arena_alloc(arena, size);

	return at == NULL ? NULL : memset(at, 0, size);
}

struct str arena_str(struct arena *arena, struct str s)
{
	char *copy = arena_alloc(arena, s.len + 1);

	if (copy == NULL)
		return (struct str){ 0 };
	if (s.len > 0)
		memcpy(copy, s.at, s.len);
	copy[s.len] = '\0';
	return (struct str){ .at = copy, .len = s.len };
}

void arena_reset(struct arena *arena)
{
	struct arena_block *keep = arena->blocks;

	arena->used = 0;
	arena->was_full = false;
	if (keep == NULL)
		return;
	for (struct arena_block *block = keep->next, *next; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	keep->next = NULL;
	keep->used = 0;
}

void arena_done(struct arena *arena)
{
	for (struct arena_block *block = arena->blocks, *next; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	arena->blocks = NULL;
	arena->used = 0;
	arena->was_full = false;
}
