/* A ring of identities in order of arrival, and an open-addressing table of positions in it. */
#include "hub/dedup/window.h"

#include <errno.h>
#include <stdlib.h>

struct entry {
	struct hash128 identity;
	int64_t seen_ns; /* 0: forgotten */
};

struct window {
	struct entry *ring;
	uint32_t *slots;    /* position in the ring + 1; 0: free */
	uint32_t cap, mask;
	uint32_t head;      /* the oldest */
	uint32_t count;     /* entries in the ring, forgotten ones included */
	uint32_t live;
	int64_t window_ns;
	uint64_t evicted;
};

int window_new(uint32_t entries_max, int64_t window_ns, struct window **ret)
{
	struct window *window = calloc(1, sizeof(*window));
	uint32_t slots = 64;

	if (window == NULL)
		return -ENOMEM;
	while (slots < entries_max * 2u)
		slots *= 2;
	window->cap = entries_max;
	window->mask = slots - 1;
	window->window_ns = window_ns;
	window->ring = calloc(entries_max, sizeof(*window->ring));
	window->slots = calloc(slots, sizeof(*window->slots));
	if (window->ring == NULL || window->slots == NULL) {
		window_free(window);
		return -ENOMEM;
	}
	*ret = window;
	return 0;
}

void window_free(struct window *window)
{
	if (window == NULL)
		return;
	free(window->ring);
	free(window->slots);
	free(window);
}

/* The slot that holds the identity, or the free one where it would go. */
static uint32_t find(const struct window *window, struct hash128 identity)
{
	uint32_t slot = (uint32_t)identity.lo & window->mask;

	while (window->slots[slot] != 0 &&
	       !hash128_eq(window->ring[window->slots[slot] - 1].identity, identity))
		slot = (slot + 1) & window->mask;
	return slot;
}

/* Frees a slot and moves up what was displaced by it, so that no search ends too early. */
static void clear_slot(struct window *window, uint32_t slot)
{
	uint32_t hole = slot, next = slot;

	for (;;) {
		uint32_t home;

		next = (next + 1) & window->mask;
		if (window->slots[next] == 0)
			break;
		home = (uint32_t)window->ring[window->slots[next] - 1].identity.lo & window->mask;
		if (((next - home) & window->mask) < ((next - hole) & window->mask))
			continue;
		window->slots[hole] = window->slots[next];
		hole = next;
	}
	window->slots[hole] = 0;
	window->live--;
}

static void drop_oldest(struct window *window)
{
	struct entry *entry = &window->ring[window->head];

	if (entry->seen_ns != 0) {
		uint32_t slot = find(window, entry->identity);

		if (window->slots[slot] == window->head + 1)
			clear_slot(window, slot);
	}
	window->head = (window->head + 1) % window->cap;
	window->count--;
}

static void expire(struct window *window, int64_t now_ns)
{
	while (window->count > 0) {
		const struct entry *oldest = &window->ring[window->head];

		if (oldest->seen_ns != 0 && now_ns - oldest->seen_ns < window->window_ns)
			break;
		drop_oldest(window);
	}
}

bool window_seen(struct window *window, struct hash128 identity, int64_t now_ns)
{
	uint32_t slot, at;

	expire(window, now_ns);
	slot = find(window, identity);
	if (window->slots[slot] != 0)
		return true;
	if (window->count == window->cap) {
		window->evicted += window->ring[window->head].seen_ns != 0;
		drop_oldest(window);
		slot = find(window, identity);
	}
	at = (window->head + window->count) % window->cap;
	window->ring[at] = (struct entry){ .identity = identity, .seen_ns = now_ns };
	window->slots[slot] = at + 1;
	window->count++;
	window->live++;
	return false;
}

void window_forget(struct window *window, struct hash128 identity)
{
	uint32_t slot = find(window, identity);

	if (window->slots[slot] == 0)
		return;
	window->ring[window->slots[slot] - 1].seen_ns = 0;
	clear_slot(window, slot);
}

size_t window_count(const struct window *window)
{
	return window->live;
}

uint64_t window_evicted(const struct window *window)
{
	return window->evicted;
}
