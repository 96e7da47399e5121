/* Choosing the fragments of literals, and finding them in values. */
#include "rules/fragments.h"

#include "rules/affixes.h"
#include "rules/postings.h"
#include "rules/text.h"

enum {
	FRAGMENT = 3,
	HASH_BITS_MIN = 10,
	HASH_BITS_MAX = 16,
	ROOM = 16, /* hashes for each fragment */
	CROWDED = 200,
	FEW = 2, /* as many literals are sooner looked for one by one */
};

/* Upper and lower case meet: what is looked for regardless of case needs no second look. Other bytes meet
 * too, which the comparison in full sets right. */
static inline uint32_t hash_of(const char *at, unsigned shift)
{
	uint32_t bytes = (uint32_t)(unsigned char)at[0] | (uint32_t)(unsigned char)at[1] << 8 |
			 (uint32_t)(unsigned char)at[2] << 16;

	return (bytes | 0x202020) * 2654435769u >> shift;
}

/* ---- making ---- */

/* Where the next run of bytes begins that a value must have as they are, and its length; 0: there is none. */
static size_t next_run(enum op op, struct str literal, size_t *at)
{
	size_t len = 0;

	if (op == OP_CONTAINS || op == OP_ICONTAINS)
		return literal.len - *at;
	while (*at < literal.len && strchr("*?", literal.at[*at]) != NULL)
		++*at;
	while (*at + len < literal.len && strchr("*?", literal.at[*at + len]) == NULL)
		len++;
	return len;
}

bool fragments_can(enum op op, struct str literal)
{
	bool is_glob = op == OP_GLOB || op == OP_IGLOB;

	/* What stands in a set is none of it. */
	if (is_glob && (memchr(literal.at, '[', literal.len) != NULL || memchr(literal.at, '\\', literal.len) != NULL ||
			memchr(literal.at, '\0', literal.len) != NULL))
		return false;
	for (size_t at = 0, len; (len = next_run(op, literal, &at)) > 0; at += len)
		if (len >= FRAGMENT)
			return true;
	return false;
}

/* Roughly how often the byte stands in paths and command lines. */
static unsigned commonness(char c)
{
	if (c == '/' || memchr("aeinorst", text_lower(c), 8) != NULL)
		return 8;
	return (c >= 'a' && c <= 'z') || c == ' ' || c == '-' || c == '.' ? 5 : 2;
}

struct choosing {
	struct fragments *fragments;
	uint8_t *crowd; /* by hash: how many have it already */
};

/* The three bytes that are least common and whose hash fewest others have. */
static uint32_t choose(const struct choosing *choosing, enum op op, struct str literal)
{
	uint32_t best = 0;
	unsigned least = UINT32_MAX;

	for (size_t at = 0, len; (len = next_run(op, literal, &at)) > 0; at += len) {
		for (size_t i = at; i + FRAGMENT <= at + len; i++) {
			unsigned common = choosing->crowd[hash_of(literal.at + i, choosing->fragments->shift)] * 4u;

			for (size_t j = 0; j < FRAGMENT; j++)
				common += commonness(literal.at[i + j]);
			if (common >= least)
				continue;
			least = common;
			best = (uint32_t)i;
		}
	}
	return best;
}

static uint32_t hash_of_fragment(const struct rules *rules, const struct fragments *fragments,
				 const struct fragment *fragment)
{
	const struct predicate *predicate = &rules->predicates[fragment->predicate];

	return hash_of(predicate->literals[fragment->literal].text.at + fragment->offset, fragments->shift);
}

static void choose_all(struct choosing *choosing, const struct rules *rules, const uint32_t *predicates,
		       size_t count)
{
	struct fragments *fragments = choosing->fragments;
	size_t filled = 0;

	for (size_t i = 0; i < count; i++) {
		const struct predicate *predicate = &rules->predicates[predicates[i]];

		for (uint32_t j = 0; j < predicate->count; j++) {
			struct fragment *fragment = &fragments->all[filled++];
			uint32_t hash;

			*fragment = (struct fragment){ .predicate = predicates[i], .literal = j,
						       .offset = choose(choosing, predicate->op,
									predicate->literals[j].text) };
			hash = hash_of_fragment(rules, fragments, fragment);
			choosing->crowd[hash] = (uint8_t)(choosing->crowd[hash] + (choosing->crowd[hash] < CROWDED));
			fragments->has[hash / 64] |= (uint64_t)1 << (hash % 64);
		}
	}
}

static bool post(struct compiler *c, struct fragments *fragments, uint32_t hashes)
{
	struct filling filling = { .postings = &fragments->by_hash };

	if (!postings_begin(c, &fragments->by_hash, hashes))
		return false;
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < fragments->count; i++)
			postings_add(&filling, hash_of_fragment(c->rules, fragments, &fragments->all[i]), i);
		if (pass == 0 && !postings_fill(c, &filling, hashes))
			return false;
	}
	return true;
}

bool fragments_make(struct compiler *c, uint32_t term, const uint32_t *predicates, size_t count)
{
	struct fragments *fragments = &c->rules->terms[term].inside;
	struct choosing choosing = { .fragments = fragments };
	unsigned bits = HASH_BITS_MIN;
	size_t literals = 0;

	for (size_t i = 0; i < count; i++)
		literals += c->rules->predicates[predicates[i]].count;
	while (bits < HASH_BITS_MAX && (size_t)1 << bits < literals * ROOM)
		bits++;
	fragments->shift = 32 - bits;
	fragments->has = compile_take(c, ((size_t)1 << bits) / 8);
	fragments->all = compile_take(c, literals * sizeof(*fragments->all));
	choosing.crowd = arena_zalloc(c->loader->arena, (size_t)1 << bits);
	if (fragments->has == NULL || fragments->all == NULL || choosing.crowd == NULL)
		return false;
	fragments->count = (uint32_t)literals;
	choose_all(&choosing, c->rules, predicates, count);
	return post(c, fragments, 1u << bits);
}

/* ---- looking ---- */

/* Whether the fragment's literal is in the value when the three bytes stand at `at`. */
static bool fragment_holds(const struct predicate *predicate, const struct fragment *fragment, struct str value,
			   size_t at)
{
	struct str literal = predicate->literals[fragment->literal].text;
	struct str part;

	if (predicate->op != OP_CONTAINS && predicate->op != OP_ICONTAINS)
		return text_holds(predicate->op, value, literal);
	if (at < fragment->offset)
		return false;
	part = str_cut(str_from(value, at - fragment->offset), literal.len);
	return part.len == literal.len && text_holds(predicate->op, part, literal);
}

static void compare(struct rules_scratch *scratch, const struct fragment *fragment, struct str value, size_t at)
{
	uint32_t number = fragment->predicate;

	if ((scratch->hit[number / 64] >> (number % 64) & 1) == 0 &&
	    fragment_holds(&scratch->rules->predicates[number], fragment, value, at))
		affix_hit(scratch, number);
}

static void look_for_each(struct rules_scratch *scratch, const struct fragments *fragments, struct str value)
{
	for (uint32_t i = 0; i < fragments->count; i++) {
		const struct fragment *fragment = &fragments->all[i];
		const struct predicate *predicate = &scratch->rules->predicates[fragment->predicate];

		if (text_holds(predicate->op, value, predicate->literals[fragment->literal].text))
			affix_hit(scratch, fragment->predicate);
	}
}

void fragments_look(struct rules_scratch *scratch, const struct fragments *fragments, struct str value)
{
	const struct postings *by_hash = &fragments->by_hash;

	if (fragments->count <= FEW) {
		look_for_each(scratch, fragments, value);
		return;
	}
	for (size_t i = 0; i + FRAGMENT <= value.len; i++) {
		uint32_t hash = hash_of(value.at + i, fragments->shift);

		if ((fragments->has[hash / 64] >> (hash % 64) & 1) == 0)
			continue;
		for (uint32_t j = by_hash->first[hash]; j < by_hash->first[hash + 1]; j++)
			compare(scratch, &fragments->all[by_hash->at[j]], value, i);
	}
}
