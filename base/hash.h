/* Keyed hashing. SipHash-2-4 (Aumasson, Bernstein 2012): without the 128-bit key nobody can make two
 * inputs meet, so it may stand for identity where a stranger chooses the bytes. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

struct hash_key {
	uint64_t k0, k1;
};

struct hash128 {
	uint64_t lo, hi;
};

/* A running hash: feed pieces of any length; each piece is closed off with its length, so that
 * ("ab", "c") and ("a", "bc") differ. */
struct hash_state {
	uint64_t v[4];
	uint64_t tail;
	uint64_t total;
};

/* A random key from the kernel. 0, or -errno. */
int hash_key_random(struct hash_key *ret);

void hash_begin(struct hash_state *state, const struct hash_key *key);
void hash_add(struct hash_state *state, struct str piece);
void hash_add_u64(struct hash_state *state, uint64_t value);
struct hash128 hash_end(struct hash_state *state);

/* FNV-1a (Fowler, Noll, Vo), 32 bit: for tables whose keys are ours, or where keys that meet cost no
 * more than a look. Not keyed: never for identity. `start` is FNV_START, or a seed. */
#define FNV_START 2166136261u

static inline uint32_t hash_fnv(uint32_t start, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		start = (start ^ (unsigned char)s.at[i]) * 16777619u;
	return start;
}

/* One input at once. */
struct hash128 hash128_of(const struct hash_key *key, struct str s);
uint64_t hash64_of(const struct hash_key *key, struct str s);

static inline bool hash128_eq(struct hash128 a, struct hash128 b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

#endif
