/* What one thread needs: tables as long as the rules', memory for derived values, regex limits. */
#include "rules/compiled.h"

enum {
	REGEX_WORKSPACE = 4096, /* ints; a match that needs more does not hold, and is counted */
	REGEX_MATCH_LIMIT = 100000,
	REGEX_DEPTH_LIMIT = 100,
	REGEX_HEAP_KIB = 256,
};

static size_t words_of(size_t bits)
{
	return bits / 64 + 1;
}

static bool regex_init(struct rules_scratch *scratch)
{
	scratch->match = pcre2_match_data_create(1, NULL);
	scratch->limits = pcre2_match_context_create(NULL);
	scratch->workspace = calloc(REGEX_WORKSPACE, sizeof(*scratch->workspace));
	if (scratch->match == NULL || scratch->limits == NULL || scratch->workspace == NULL)
		return false;
	pcre2_set_match_limit(scratch->limits, REGEX_MATCH_LIMIT);
	pcre2_set_depth_limit(scratch->limits, REGEX_DEPTH_LIMIT);
	pcre2_set_heap_limit(scratch->limits, REGEX_HEAP_KIB);
	return true;
}

struct rules_scratch *rules_scratch_new(const struct rules *rules)
{
	CLEANUP(rules_scratch_free_p) struct rules_scratch *scratch = calloc(1, sizeof(*scratch));

	if (scratch == NULL)
		return NULL;
	scratch->rules = rules;
	scratch->slots = calloc(rules->terms_count + 1, sizeof(*scratch->slots));
	scratch->filled = calloc(words_of(rules->terms_count), sizeof(*scratch->filled));
	scratch->known = calloc(words_of(rules->nodes_count), sizeof(*scratch->known));
	scratch->truth = calloc(words_of(rules->nodes_count), sizeof(*scratch->truth));
	scratch->touched = calloc(words_of(rules->nodes_count), sizeof(*scratch->touched));
	scratch->looked = calloc(words_of(rules->terms_count * AFFIX_KINDS), sizeof(*scratch->looked));
	scratch->hit = calloc(words_of(rules->predicates_count), sizeof(*scratch->hit));
	scratch->hits = calloc(rules->predicates_count + 1, sizeof(*scratch->hits));
	scratch->is_chosen = calloc(words_of(rules->rules_count), sizeof(*scratch->is_chosen));
	scratch->chosen = calloc(rules->rules_count + 1, sizeof(*scratch->chosen));
	scratch->text = malloc(RULES_SCRATCH_TEXT);
	if (scratch->slots == NULL || scratch->filled == NULL || scratch->known == NULL ||
	    scratch->truth == NULL || scratch->touched == NULL || scratch->looked == NULL ||
	    scratch->hit == NULL || scratch->hits == NULL || scratch->is_chosen == NULL ||
	    scratch->chosen == NULL || scratch->text == NULL || !regex_init(scratch))
		return NULL;
	return TAKE(scratch);
}

void rules_scratch_free(struct rules_scratch *scratch)
{
	if (scratch == NULL)
		return;
	free(scratch->slots);
	free(scratch->filled);
	free(scratch->known);
	free(scratch->truth);
	free(scratch->touched);
	free(scratch->looked);
	free(scratch->hit);
	free(scratch->hits);
	free(scratch->is_chosen);
	free(scratch->chosen);
	free(scratch->text);
	free(scratch->workspace);
	pcre2_match_data_free(scratch->match);
	pcre2_match_context_free(scratch->limits);
	free(scratch);
}

uint64_t rules_scratch_overflows(const struct rules_scratch *scratch)
{
	return scratch->overflows;
}

void *scratch_take(struct rules_scratch *scratch, size_t size)
{
	size_t start = (scratch->text_used + 15) & ~(size_t)15;

	if (size > RULES_SCRATCH_TEXT || start > RULES_SCRATCH_TEXT - size) {
		scratch->overflows++;
		return NULL;
	}
	scratch->text_used = start + size;
	return scratch->text + start;
}

void scratch_begin(struct rules_scratch *scratch, const struct event *event)
{
	const struct rules *rules = scratch->rules;

	scratch->event = event;
	scratch->text_used = 0;
	memset(scratch->filled, 0, words_of(rules->terms_count) * sizeof(*scratch->filled));
	memset(scratch->looked, 0, words_of(rules->terms_count * AFFIX_KINDS) * sizeof(*scratch->looked));
	/* Of many rules an event touches few: only what it touched is cleared. */
	for (size_t i = 0; i < scratch->touched_count; i++)
		scratch->known[scratch->touched[i]] = 0;
	for (size_t i = 0; i < scratch->hits_count; i++)
		scratch->hit[scratch->hits[i] / 64] = 0;
	scratch->touched_count = scratch->hits_count = 0;
}
