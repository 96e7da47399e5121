/* A bump allocator: what one event, one request or one loaded rule set needs is taken from it piece
 * by piece and given back at once. Pointers live until the next arena_reset() or arena_done().
 * One thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first */
	size_t used;                /* bytes handed out since the last reset */
	size_t limit;               /* arena_alloc() fails beyond it */
	bool was_full;              /* it did, since the last reset */
};

/* An arena that hands out at most `limit` bytes. Allocates nothing yet. */
void arena_init(struct arena *arena, size_t limit);

/* `size` bytes, aligned for any type, not cleared; NULL at the limit or out of memory. */
void *arena_alloc(struct arena *arena, size_t size);

/* The same, cleared. */
void *arena_zalloc(struct arena *arena, size_t size);

/* A copy of the bytes, NUL-terminated beyond its length. `at` is NULL when out of memory. */
struct str arena_str(struct arena *arena, struct str s);

/* Gives everything back but keeps the largest block for the next round. */
void arena_reset(struct arena *arena);

/* Frees all; the arena can be used again as after arena_init(). */
void arena_done(struct arena *arena);

#endif
