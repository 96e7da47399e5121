/* The identity window: what was taken in the last minutes, so that the same event sent twice is one
 * event. Bounded by age and by count; the oldest go first and are counted. Identities are 128-bit
 * keyed hashes, so nobody can make two different events meet. One thread. */
#ifndef HUB_DEDUP_WINDOW_H
#define HUB_DEDUP_WINDOW_H

#include "base/hash.h"

struct window;

/* `entries_max` identities for `window_ns`. Memory: 28 bytes an entry, taken as it fills.
 * 0 or -ENOMEM. */
int window_new(uint32_t entries_max, int64_t window_ns, struct window **ret);
void window_free(struct window *window);

/* True when the identity is there; else adds it, seen at `now_ns` (never going back). */
bool window_seen(struct window *window, struct hash128 identity, int64_t now_ns);

/* Takes an identity out again: its commit failed. */
void window_forget(struct window *window, struct hash128 identity);

size_t window_count(const struct window *window);

/* How many left before their time because the window was full. */
uint64_t window_evicted(const struct window *window);

#endif
