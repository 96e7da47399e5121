/* SipHash-2-4 with a 128-bit result, from the paper's description. */
#include "base/hash.h"

#include <errno.h>
#include <sys/random.h>

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void sip_word(struct hash_state *state, uint64_t word)
{
	state->v[3] ^= word;
	sip_round(state->v);
	sip_round(state->v);
	state->v[0] ^= word;
}

int hash_key_random(struct hash_key *ret)
{
	struct hash_key key;

	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		return errno == 0 ? -EIO : -errno;
	*ret = key;
	return 0;
}

void hash_begin(struct hash_state *state, const struct hash_key *key)
{
	*state = (struct hash_state){ .v = {
		key->k0 ^ 0x736f6d6570736575, key->k1 ^ 0x646f72616e646f6d ^ 0xee,
		key->k0 ^ 0x6c7967656e657261, key->k1 ^ 0x7465646279746573,
	} };
}

static void add_bytes(struct hash_state *state, const char *at, size_t len)
{
	unsigned filled = state->total % 8;

	state->total += len;
	while (len > 0 && filled > 0) {
		state->tail |= (uint64_t)(unsigned char)*at++ << (8 * filled);
		len--;
		if (++filled == 8) {
			sip_word(state, state->tail);
			state->tail = 0;
			filled = 0;
		}
	}
	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, at, 8); /* little endian, as all machines that we build for */
		sip_word(state, word);
	}
	for (size_t i = 0; i < len; i++)
		state->tail |= (uint64_t)(unsigned char)at[i] << (8 * (filled + i));
}

void hash_add_u64(struct hash_state *state, uint64_t value)
{
	add_bytes(state, (const char *)&value, sizeof(value));
}

void hash_add(struct hash_state *state, struct str piece)
{
	add_bytes(state, piece.at, piece.len);
	hash_add_u64(state, piece.len);
}

struct hash128 hash_end(struct hash_state *state)
{
	struct hash128 hash;

	sip_word(state, state->tail | state->total << 56);
	state->v[2] ^= 0xee;
	for (int i = 0; i < 4; i++)
		sip_round(state->v);
	hash.lo = state->v[0] ^ state->v[1] ^ state->v[2] ^ state->v[3];
	state->v[1] ^= 0xdd;
	for (int i = 0; i < 4; i++)
		sip_round(state->v);
	hash.hi = state->v[0] ^ state->v[1] ^ state->v[2] ^ state->v[3];
	return hash;
}

struct hash128 hash128_of(const struct hash_key *key, struct str s)
{
	struct hash_state state;

	hash_begin(&state, key);
	add_bytes(&state, s.at, s.len);
	return hash_end(&state);
}

uint64_t hash64_of(const struct hash_key *key, struct str s)
{
	return hash128_of(key, s).lo;
}
