/* Making the guards and the lists that they are looked up in; looking them up. */
#include "rules/guards.h"

#include "rules/affixes.h"
#include "rules/postings.h"

#include <stdlib.h>

enum { SPLITS_TRIED_MAX = 4 };

/* ---- which predicates guard a node, for one event type ---- */

/* What is known of a node when the event is of the type: its truth, or predicates of which one must hold
 * for it to hold, or nothing. */
enum known {
	KNOWN_NOTHING = 0,
	KNOWN_TRUE,
	KNOWN_FALSE,
	KNOWN_GUARD,
};

struct guard {
	enum known known;
	uint32_t count, tests; /* how many of the predicates must be tested each by itself */
	const uint32_t *predicates;
	float chance;
};

/* A predicate that guards a rule, for some type. */
struct pair {
	uint32_t predicate, rule;
};

struct making {
	struct compiler *c;
	size_t type;
	uint32_t split; /* this predicate is known to hold, or not; NONE: none is */
	bool split_holds;
	struct guard *of; /* by node, when its stamp is now's */
	uint32_t *stamps, now;
	struct guard *rule_guards; /* by rule, for the type */
	struct pair *pairs;
	size_t pairs_count, pairs_cap, memory;
};

/* A guard that mostly holds would only cost. */
static const float chance_max = 0.45f;

static bool has_guarding_words(const struct rules *rules, const struct predicate *predicate)
{
	const struct term *term = &rules->terms[predicate->term];

	/* The type has been looked at by then. */
	return predicate->has_words && predicate->op != OP_NE && predicate->count > 0 && !term->is_list &&
	       term->base != FIELD_EVT_TYPE && term->base != FIELD_SYSCALL_TYPE;
}

/* Whether a check on the event's type holds for the type; it says nothing for types without a name. */
static enum known type_holds(const struct making *m, const struct predicate *predicate)
{
	const struct term *term = &m->c->rules->terms[predicate->term];
	bool hit = false;

	if (term->kind != AST_FIELD || term->base != FIELD_EVT_TYPE || !predicate->has_words ||
	    m->type < EVTTYPE_FIRST)
		return KNOWN_NOTHING;
	for (uint32_t i = 0; i < predicate->count && !hit; i++)
		hit = str_eq(predicate->literals[i].text, evttype_name(m->type));
	return hit == (predicate->op != OP_NE) ? KNOWN_TRUE : KNOWN_FALSE;
}

/* Many names of very many are still seldom met. */
static float chance_of(const struct predicate *predicate, float chance)
{
	static const float one_max = 0.11f, many = 0.2f;

	return predicate->count > 1 && chance > many && chance / (float)predicate->count < one_max ? many : chance;
}

/* What is quickly told of a value that has few: many rules ask the same. */
static bool is_quick_test(const struct rules *rules, const struct predicate *predicate)
{
	const struct term *term = &rules->terms[predicate->term];

	return (predicate->class == CLASS_BOOL || predicate->class == CLASS_NUMBER) && predicate->right == NONE &&
	       predicate->count <= TEST_LITERALS_MAX && term->kind == AST_FIELD && !term->is_list && !term->is_many;
}

static struct guard guard_of_check(struct making *m, const struct node *node)
{
	const struct rules *rules = m->c->rules;
	const struct predicate *predicate = &rules->predicates[node->first];
	struct guard guard = { .known = type_holds(m, predicate) };
	bool is_found = predicate->affix_plus_1 > 0 || has_guarding_words(rules, predicate);
	float chance = chance_of(predicate, node->chance);

	if (node->first == m->split)
		guard.known = m->split_holds ? KNOWN_TRUE : KNOWN_FALSE;
	if (guard.known == KNOWN_NOTHING && chance <= chance_max && (is_found || is_quick_test(rules, predicate)))
		guard = (struct guard){ .known = KNOWN_GUARD, .count = 1, .tests = !is_found,
					.predicates = &node->first, .chance = chance };
	return guard;
}

static const struct guard *guard_of(struct making *m, uint32_t node);

static struct guard guard_of_not(struct making *m, const struct node *node)
{
	switch (guard_of(m, m->c->rules->children[node->first])->known) {
	case KNOWN_TRUE: return (struct guard){ .known = KNOWN_FALSE };
	case KNOWN_FALSE: return (struct guard){ .known = KNOWN_TRUE };
	default: return (struct guard){ 0 };
	}
}

/* A test is made for each event, what is found by a value is not. */
static bool is_better(const struct guard *guard, const struct guard *than)
{
	if (guard->known != KNOWN_GUARD || than->known != KNOWN_GUARD)
		return than->known != KNOWN_GUARD;
	if (guard->tests != than->tests)
		return guard->tests < than->tests;
	return guard->chance < than->chance;
}

static struct guard guard_of_and(struct making *m, const struct node *node)
{
	struct guard best = { .known = KNOWN_TRUE };

	for (uint32_t i = 0; i < node->count; i++) {
		const struct guard *guard = guard_of(m, m->c->rules->children[node->first + i]);

		if (guard->known == KNOWN_FALSE)
			return *guard;
		if (guard->known == KNOWN_TRUE)
			continue;
		if (is_better(guard, &best))
			best = *guard;
	}
	return best;
}

/* The children's guards in one. */
static struct guard join(struct making *m, const struct node *node, struct guard all)
{
	uint32_t *predicates;

	m->memory += all.count * sizeof(*predicates);
	predicates = m->memory > GUARDS_MEMORY_MAX
			     ? NULL : arena_alloc(m->c->loader->arena, all.count * sizeof(*predicates));
	if (predicates == NULL)
		return (struct guard){ 0 };
	all.predicates = predicates;
	for (uint32_t i = 0; i < node->count; i++) {
		const struct guard *guard = guard_of(m, m->c->rules->children[node->first + i]);

		if (guard->known != KNOWN_GUARD)
			continue;
		memcpy(predicates, guard->predicates, guard->count * sizeof(*predicates));
		predicates += guard->count;
	}
	return all;
}

static struct guard guard_of_or(struct making *m, const struct node *node)
{
	struct guard all = { .known = KNOWN_FALSE };
	const struct guard *only = NULL;
	bool nothing = false;

	for (uint32_t i = 0; i < node->count; i++) {
		const struct guard *guard = guard_of(m, m->c->rules->children[node->first + i]);

		if (guard->known == KNOWN_TRUE)
			return *guard;
		nothing |= guard->known == KNOWN_NOTHING;
		if (guard->known != KNOWN_GUARD)
			continue;
		only = all.known == KNOWN_GUARD ? NULL : guard;
		all.known = KNOWN_GUARD;
		all.count += guard->count;
		all.tests += guard->tests;
		all.chance += guard->chance;
	}
	if (nothing || all.chance > chance_max || all.count > GUARD_PREDICATES_MAX ||
	    all.tests > GUARD_TESTS_MAX)
		return (struct guard){ 0 };
	if (all.known != KNOWN_GUARD)
		return all;
	return only != NULL ? *only : join(m, node, all);
}

/* As deep as conditions nest, which is bounded. */
static const struct guard *guard_of(struct making *m, uint32_t number)
{
	const struct node *node = &m->c->rules->nodes[number];
	struct guard guard = { 0 };

	if (m->stamps[number] == m->now)
		return &m->of[number];
	switch (node->kind) {
	case AST_CHECK: guard = guard_of_check(m, node); break;
	case AST_NOT: guard = guard_of_not(m, node); break;
	case AST_AND: guard = guard_of_and(m, node); break;
	case AST_OR: guard = guard_of_or(m, node); break;
	default: break;
	}
	m->of[number] = guard;
	m->stamps[number] = m->now;
	return &m->of[number];
}

/* ---- postings ---- */

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->predicate != y->predicate)
		return x->predicate < y->predicate ? -1 : 1;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

/* The same pair comes from several types. */
static void sort_pairs(struct making *m)
{
	size_t kept = 0;

	if (m->pairs_count > 0)
		qsort(m->pairs, m->pairs_count, sizeof(*m->pairs), compare_pairs);
	for (size_t i = 0; i < m->pairs_count; i++)
		if (kept == 0 || compare_pairs(&m->pairs[kept - 1], &m->pairs[i]) != 0)
			m->pairs[kept++] = m->pairs[i];
	m->pairs_count = kept;
}

static void add_guards(struct making *m, struct filling *filling)
{
	for (size_t i = 0; i < m->pairs_count; i++)
		postings_add(filling, m->pairs[i].predicate, m->pairs[i].rule);
}

static bool post_rules(struct making *m)
{
	struct rules *rules = m->c->rules;
	struct filling filling = { .postings = &rules->guarded };

	sort_pairs(m);
	if (!postings_begin(m->c, &rules->guarded, rules->predicates_count))
		return false;
	add_guards(m, &filling);
	if (!postings_fill(m->c, &filling, rules->predicates_count))
		return false;
	add_guards(m, &filling);
	return true;
}

static bool guards_any(const struct rules *rules, uint32_t predicate)
{
	return rules->guarded.first[predicate] != rules->guarded.first[predicate + 1];
}

static void add_words(struct compiler *c, struct filling *fillings)
{
	struct rules *rules = c->rules;

	for (uint32_t i = 0; i < rules->predicates_count; i++) {
		const struct predicate *predicate = &rules->predicates[i];
		const uint32_t *words = predicate->count == 1 ? &predicate->word : predicate->words;

		if (!has_guarding_words(rules, predicate) || !guards_any(rules, i))
			continue;
		for (uint32_t j = 0; j < predicate->count; j++)
			postings_add(&fillings[predicate->term], words[j], i);
	}
}

static bool post_words(struct compiler *c)
{
	struct rules *rules = c->rules;
	struct filling *fillings =
		arena_zalloc(c->loader->arena, (rules->terms_count + 1) * sizeof(*fillings));

	if (fillings == NULL)
		return false;
	for (uint32_t i = 0; i < rules->terms_count; i++) {
		fillings[i].postings = &rules->terms[i].by_word;
		if (!postings_begin(c, &rules->terms[i].by_word, rules->terms[i].words.count))
			return false;
	}
	add_words(c, fillings);
	for (uint32_t i = 0; i < rules->terms_count; i++)
		if (!postings_fill(c, &fillings[i], rules->terms[i].words.count))
			return false;
	add_words(c, fillings);
	return true;
}

/* ---- lists by type ---- */

/* Lists that are being made, type after type. */
struct lists {
	uint32_t *at;
	size_t count, cap;
};

static bool push(struct compiler *c, struct lists *lists, uint32_t number)
{
	if (!compile_grow(c, (void **)&lists->at, lists->count, &lists->cap, sizeof(*lists->at)))
		return false;
	lists->at[lists->count++] = number;
	return true;
}

static bool add_pairs(struct making *m, uint32_t rule, const struct guard *guard)
{
	for (uint32_t i = 0; i < guard->count; i++) {
		void *bigger = load_grow(m->c->loader, m->pairs, m->pairs_count, &m->pairs_cap,
					 sizeof(*m->pairs));

		if (bigger == NULL)
			return false;
		m->pairs = bigger;
		m->pairs[m->pairs_count++] =
			(struct pair){ .predicate = guard->predicates[i], .rule = rule };
	}
	return true;
}

static uint32_t look_of(const struct rules *rules, uint32_t number)
{
	const struct predicate *predicate = &rules->predicates[number];

	if (predicate->affix_plus_1 > 0)
		return predicate->term * LOOKS + predicate->affix_plus_1 - 1;
	if (has_guarding_words(rules, predicate))
		return predicate->term * LOOKS + LOOK_WORD;
	return number * LOOKS + LOOK_TEST;
}

static bool add_looks(struct making *m, const struct guard *guard, struct lists *looks, size_t from)
{
	for (uint32_t i = 0; i < guard->count; i++) {
		uint32_t look = look_of(m->c->rules, guard->predicates[i]);
		size_t j = from;

		while (j < looks->count && looks->at[j] != look)
			j++;
		if (j == looks->count && !push(m->c, looks, look))
			return false;
	}
	return true;
}

/* The guards of the type's rules. How many have one. */
static uint32_t find_guards(struct making *m, const struct source *source)
{
	uint32_t guarded = 0;

	m->now++;
	for (uint32_t i = source->first[m->type]; i < source->first[m->type + 1]; i++) {
		uint32_t rule = source->by_type[i];

		m->rule_guards[rule] = *guard_of(m, m->c->rules->rules[rule].node);
		guarded += m->rule_guards[rule].known == KNOWN_GUARD;
	}
	return guarded;
}

/* One case's lists, behind those of earlier ones. */
static bool list_case(struct making *m, const struct source *source, struct lists *unguarded,
		      struct lists *looks)
{
	size_t from = looks->count;
	bool few = find_guards(m, source) < GUARDED_MIN || m->memory > GUARDS_MEMORY_MAX;

	for (uint32_t i = source->first[m->type]; i < source->first[m->type + 1]; i++) {
		uint32_t rule = source->by_type[i];
		const struct guard *guard = &m->rule_guards[rule];

		if (few || guard->known != KNOWN_GUARD) {
			if (guard->known != KNOWN_FALSE && !push(m->c, unguarded, rule))
				return false;
			continue;
		}
		m->memory += guard->count * sizeof(struct pair);
		if (!add_pairs(m, rule, guard) || !add_looks(m, guard, looks, from))
			return false;
	}
	return true;
}

static bool is_open_flag(const struct rules *rules, const struct predicate *predicate)
{
	field_id base = rules->terms[predicate->term].base;

	return is_quick_test(rules, predicate) &&
	       (base == FIELD_EVT_IS_OPEN_WRITE || base == FIELD_EVT_IS_OPEN_READ || base == FIELD_EVT_IS_OPEN_EXEC ||
		base == FIELD_EVT_IS_OPEN_CREATE);
}

/* How many of the type's rules cannot hold when the predicate does not. */
static uint32_t count_needs(struct making *m, const struct source *source, uint32_t predicate)
{
	uint32_t count = 0;

	m->split = predicate;
	m->split_holds = false;
	find_guards(m, source);
	for (uint32_t i = source->first[m->type]; i < source->first[m->type + 1]; i++)
		count += m->rule_guards[source->by_type[i]].known == KNOWN_FALSE;
	return count;
}

/* Opens are by far the most frequent, mostly for reading, and most rules want those for writing. */
static uint32_t find_split(struct making *m, const struct source *source)
{
	const struct rules *rules = m->c->rules;
	uint32_t count = source->first[m->type + 1] - source->first[m->type], best = NONE, most = count / 4;

	if (m->type < EVTTYPE_FIRST || !str_starts(evttype_name(m->type), STR("open")) || count < GUARDED_MIN)
		return NONE;
	for (uint32_t i = 0, tried = 0; i < rules->predicates_count && tried < SPLITS_TRIED_MAX; i++) {
		uint32_t needs;

		if (!is_open_flag(rules, &rules->predicates[i]))
			continue;
		tried++;
		needs = count_needs(m, source, i);
		if (needs <= most)
			continue;
		most = needs;
		best = i;
	}
	return best;
}

static bool list_type(struct making *m, struct source *source, struct lists *unguarded, struct lists *looks)
{
	bool ok = true;

	source->split[m->type] = find_split(m, source);
	m->split = source->split[m->type];
	for (size_t holds = 0; holds < 2 && ok; holds++) {
		source->unguarded.first[m->type * 2 + holds] = (uint32_t)unguarded->count;
		source->looks.first[m->type * 2 + holds] = (uint32_t)looks->count;
		m->split_holds = holds == 1;
		if (holds == 0 || m->split != NONE)
			ok = list_case(m, source, unguarded, looks);
	}
	return ok;
}

static bool list_source(struct making *m, struct source *source)
{
	struct lists unguarded = { 0 }, looks = { 0 };

	for (m->type = 0; m->type < evttypes_count(); m->type++)
		if (!list_type(m, source, &unguarded, &looks))
			return false;
	source->unguarded.first[evttypes_count() * 2] = (uint32_t)unguarded.count;
	source->looks.first[evttypes_count() * 2] = (uint32_t)looks.count;
	source->unguarded.numbers = unguarded.at;
	source->looks.numbers = looks.at;
	return true;
}

static bool number_types(struct rules *rules)
{
	for (size_t i = EVTTYPE_FIRST; i < evttypes_count(); i++)
		if (table_put(&rules->types, evttype_name(i), (uint32_t)i) < 0)
			return false;
	return true;
}

static bool making_init(struct making *m)
{
	struct arena *arena = m->c->loader->arena;
	const struct rules *rules = m->c->rules;

	m->of = arena_zalloc(arena, (rules->nodes_count + 1) * sizeof(*m->of));
	m->stamps = arena_zalloc(arena, (rules->nodes_count + 1) * sizeof(*m->stamps));
	m->rule_guards = arena_zalloc(arena, (rules->rules_count + 1) * sizeof(*m->rule_guards));
	return m->of != NULL && m->stamps != NULL && m->rule_guards != NULL;
}

bool guards_make(struct compiler *c)
{
	struct making m = { .c = c };
	bool ok = making_init(&m) && number_types(c->rules) && affixes_make(c);

	for (size_t i = 0; i < c->rules->sources_count && ok; i++)
		ok = list_source(&m, &c->rules->sources[i]);
	ok = ok && post_rules(&m) && post_words(c);
	if (!ok)
		c->loader->out_of_memory = true;
	return ok;
}

/* ---- choosing ---- */

static void choose(struct rules_scratch *scratch, uint32_t predicate, uint32_t source, size_t type)
{
	const struct rules *rules = scratch->rules;

	for (uint32_t i = rules->guarded.first[predicate]; i < rules->guarded.first[predicate + 1]; i++) {
		uint32_t number = rules->guarded.at[i];
		const struct rule *rule = &rules->rules[number];
		uint64_t bit = (uint64_t)1 << (number % 64);

		if (rule->source_number != source || !type_set_has(&rule->types, type) ||
		    (scratch->is_chosen[number / 64] & bit) != 0)
			continue;
		scratch->is_chosen[number / 64] |= bit;
		scratch->chosen[scratch->chosen_count++] = number;
	}
}

static void choose_by_words(struct rules_scratch *scratch, const struct term *term, struct slot *slot,
			    uint32_t source, size_t type)
{
	for (uint32_t i = 0; i < slot->count; i++) {
		const struct value *value = &slot->values[i];
		uint32_t word = value == &slot->value ? slot->word : WORD_UNKNOWN;

		if (word == WORD_UNKNOWN)
			word = word_of(term, value);
		if (value == &slot->value)
			slot->word = word;
		if (word == WORD_NONE)
			continue;
		for (uint32_t j = term->by_word.first[word]; j < term->by_word.first[word + 1]; j++)
			choose(scratch, term->by_word.at[j], source, type);
	}
}

/* False: a value that is not a text. */
static bool choose_by_affix(struct rules_scratch *scratch, uint32_t term, enum affix kind, uint32_t source, size_t type)
{
	size_t before;

	/* What an earlier question left in `hit` has been chosen from, or is another look's. */
	term_values(scratch, term);
	before = scratch->hits_count;
	if (!affixes_look(scratch, term, kind))
		return false;
	for (size_t i = before; i < scratch->hits_count; i++)
		choose(scratch, scratch->hits[i], source, type);
	return true;
}

static bool choose_by_look(struct rules_scratch *scratch, uint32_t look, uint32_t source, size_t type)
{
	uint32_t number = look / LOOKS;

	switch (look % LOOKS) {
	case LOOK_TEST:
		if (predicate_holds(scratch, &scratch->rules->predicates[number]))
			choose(scratch, number, source, type);
		return true;
	case LOOK_WORD:
		term_values(scratch, number);
		choose_by_words(scratch, &scratch->rules->terms[number], &scratch->slots[number], source, type);
		return true;
	default: return choose_by_affix(scratch, number, look % LOOKS, source, type);
	}
}

static int compare_numbers(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void sort_chosen(struct rules_scratch *scratch)
{
	uint32_t *at = scratch->chosen;

	if (scratch->chosen_count > 16) {
		qsort(at, scratch->chosen_count, sizeof(*at), compare_numbers);
		return;
	}
	for (uint32_t i = 1; i < scratch->chosen_count; i++) {
		uint32_t number = at[i], j = i;

		for (; j > 0 && at[j - 1] > number; j--)
			at[j] = at[j - 1];
		at[j] = number;
	}
}

bool guards_choose(struct rules_scratch *scratch, const struct source *source, size_t type, size_t *ret_case)
{
	uint32_t number = (uint32_t)(source - scratch->rules->sources), split = source->split[type];
	const uint32_t *looks = source->looks.numbers;
	size_t at = type * 2;
	bool ok = true;

	if (split != NONE && predicate_holds(scratch, &scratch->rules->predicates[split]))
		at++;
	*ret_case = at;
	scratch->chosen_count = 0;
	for (uint32_t i = source->looks.first[at]; i < source->looks.first[at + 1] && ok; i++)
		ok = choose_by_look(scratch, looks[i], number, type);
	for (uint32_t i = 0; i < scratch->chosen_count; i++)
		scratch->is_chosen[scratch->chosen[i] / 64] = 0;
	sort_chosen(scratch);
	return ok;
}
