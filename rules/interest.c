/* A condition is reduced, from its checks upwards, to: never, always, or a list of facts of which one
 * must be so. Of an `and` the list that seldom holds will do; an `or` needs the lists of all. */
#include "rules/interest_inner.h"

#include "rules/facts.h"

#include <stdlib.h>

enum {
	ARENA_MAX = 32 << 20, /* bytes of one answer while it is made */
};

/* ---- checks ---- */

static enum truth truth_of(bool yes, bool no)
{
	return yes ? TRUTH_YES : no ? TRUTH_NO : TRUTH_UNKNOWN;
}

static enum truth truth_not(enum truth truth)
{
	return truth == TRUTH_YES ? TRUTH_NO : truth == TRUTH_NO ? TRUTH_YES : truth;
}

static enum truth number_is(const struct rules_known *known, enum op op, __int128 number)
{
	const __int128 min = known->min, max = known->max;

	switch (op) {
	case OP_EQ:
	case OP_IN: return truth_of(min == max && min == number, number < min || number > max);
	case OP_NE: return truth_not(number_is(known, OP_EQ, number));
	case OP_LT: return truth_of(max < number, min >= number);
	case OP_LE: return truth_of(max <= number, min > number);
	case OP_GT: return truth_of(min > number, max <= number);
	case OP_GE: return truth_of(min >= number, max < number);
	default: return TRUTH_UNKNOWN;
	}
}

static enum truth text_is(const struct rules_known *known, enum op op, struct str text)
{
	bool first, second;

	if (known->isnt != NULL && (op == OP_EQ || op == OP_IN))
		return truth_of(false, str_eq(text, str_of(known->isnt)));
	first = known->isnt == NULL && str_eq(text, str_of(known->texts[0]));
	second = known->texts[1] == NULL ? first : str_eq(text, str_of(known->texts[1]));
	if (op == OP_EQ || op == OP_IN)
		return truth_of(first && second, !first && !second);
	return op == OP_NE ? truth_not(text_is(known, OP_EQ, text)) : TRUTH_UNKNOWN;
}

/* The literals themselves are networks of their own to who asks. */
static enum truth network_is(const struct rules_known *known, const struct predicate *predicate,
			     const struct literal *literal)
{
	const struct net_prefix *within = known->within;
	enum truth truth;

	if (predicate->class == CLASS_NETWORK)
		truth = truth_of(literal->net.bits <= within->bits && net_prefix_has(&literal->net, &within->addr), true);
	else if (predicate->class == CLASS_ADDRESS)
		truth = truth_of(within->bits == within->addr.len * 8 && net_addr_eq(&literal->addr, &within->addr), true);
	else
		return TRUTH_UNKNOWN;
	return predicate->op == OP_NE ? truth_not(truth) : truth;
}

static enum truth literal_holds(const struct rules_known *known, const struct predicate *predicate,
				const struct literal *literal)
{
	if (known->within != NULL)
		return network_is(known, predicate, literal);
	if (known->texts[0] != NULL || known->isnt != NULL)
		return predicate->class == CLASS_TEXT ? text_is(known, predicate->op, literal->text)
						      : TRUTH_UNKNOWN;
	if (predicate->class == CLASS_BOOL)
		return number_is(known, predicate->op, literal->truth);
	return predicate->class == CLASS_NUMBER ? number_is(known, predicate->op, literal->number)
						: TRUTH_UNKNOWN;
}

/* Two texts are known and the list has them both: one at a time cannot tell. */
static bool has_all_texts(const struct rules_known *known, const struct predicate *predicate)
{
	size_t found = 0, wanted = known->texts[1] != NULL ? 2 : 1;

	for (size_t k = 0; k < wanted; k++)
		for (uint32_t i = 0; i < predicate->count; i++)
			if (str_eq(predicate->literals[i].text, str_of(known->texts[k]))) {
				found++;
				break;
			}
	return found == wanted;
}

static enum truth known_holds(const struct rules_known *known, const struct predicate *predicate)
{
	bool any_unknown = false;

	if (predicate->op == OP_EXISTS)
		return TRUTH_YES;
	if (predicate->right != NONE || predicate->modifier != MODIFIER_NONE)
		return TRUTH_UNKNOWN;
	if (predicate->op == OP_IN && predicate->class == CLASS_TEXT && known->texts[0] != NULL &&
	    has_all_texts(known, predicate))
		return TRUTH_YES;
	for (uint32_t i = 0; i < predicate->count; i++) {
		enum truth truth = literal_holds(known, predicate, &predicate->literals[i]);

		if (truth == TRUTH_YES)
			return truth;
		any_unknown |= truth == TRUTH_UNKNOWN;
	}
	return any_unknown || predicate->count == 0 ? TRUTH_UNKNOWN : TRUTH_NO;
}

static const struct rules_known *find_known(const struct rules_interest *interest,
					    const struct term *term)
{
	for (size_t i = 0; term->kind == AST_FIELD && i < interest->asked.known_count; i++)
		if (interest->asked.known[i].field == term->base)
			return &interest->asked.known[i];
	return NULL;
}

/* A parameter that such events do not have. */
static bool is_no_param(const struct rules_asked *asked, const struct rules *rules, const struct predicate *predicate)
{
	bool last;
	const struct term *term = facts_field(rules, predicate, &last);

	if (asked->params == NULL || term->kind != AST_FIELD || term->base != FIELD_EVT_ARG || term->index >= 0)
		return false;
	for (size_t i = 0; i < asked->params_count; i++)
		if (str_eq(term->arg, str_of(asked->params[i].name)))
			return false;
	return true;
}

/* Of two ends one is known: that neither is what is asked for is not. */
static enum truth ends_hold(const struct rules_known *known, const struct term *term, const struct predicate *predicate)
{
	enum truth truth = known_holds(known, predicate);
	enum truth other = predicate->op == OP_NE ? TRUTH_YES : TRUTH_NO;

	return term->two_sided && truth == other ? TRUTH_UNKNOWN : truth;
}

static const struct answer always = { .verdict = RULES_ALWAYS, .chance = 1.0f };

enum truth interest_truth(const struct rules_interest *interest, const struct predicate *predicate)
{
	const struct term *term = &interest->rules->terms[predicate->term];
	const struct rules_known *known = find_known(interest, term);

	if (is_no_param(&interest->asked, interest->rules, predicate))
		return TRUTH_NO;
	return known == NULL ? TRUTH_UNKNOWN : known->absent ? TRUTH_NO : ends_hold(known, term, predicate);
}

static struct answer answer_of_check(struct rules_interest *interest, const struct node *node)
{
	const struct predicate *predicate = &interest->rules->predicates[node->first];
	enum truth truth = interest_truth(interest, predicate);
	struct answer answer = { .verdict = RULES_IF };

	if (truth == TRUTH_NO)
		return (struct answer){ .verdict = RULES_NEVER };
	if (truth == TRUTH_YES)
		return (struct answer){ .verdict = RULES_ALWAYS, .is_certain = true, .chance = 1.0f };
	answer.facts = facts_of(&interest->asked, interest->rules, predicate, &interest->arena, &answer.count,
				&answer.chance);
	return answer.facts != NULL ? answer : always;
}

/* ---- and, or, not ---- */

static const struct answer *answer_of(struct rules_interest *interest, uint32_t number);

static const struct answer *child(struct rules_interest *interest, const struct node *node, uint32_t i)
{
	return answer_of(interest, interest->rules->children[node->first + i]);
}

static struct answer answer_of_not(struct rules_interest *interest, const struct node *node)
{
	const struct answer *answer = child(interest, node, 0);

	if (answer->verdict == RULES_NEVER)
		return (struct answer){ .verdict = RULES_ALWAYS, .is_certain = true, .chance = 1.0f };
	return answer->is_certain ? (struct answer){ .verdict = RULES_NEVER } : always;
}

static struct answer answer_of_and(struct rules_interest *interest, const struct node *node)
{
	struct answer best = { .verdict = RULES_ALWAYS, .is_certain = true, .chance = 1.0f };

	for (uint32_t i = 0; i < node->count; i++) {
		const struct answer *answer = child(interest, node, i);
		bool is_certain = best.is_certain && answer->is_certain;

		if (answer->verdict == RULES_NEVER)
			return *answer;
		if (answer->verdict == RULES_IF &&
		    (best.verdict != RULES_IF || answer->chance < best.chance))
			best = *answer;
		best.is_certain = is_certain;
	}
	return best;
}

/* The children's facts in one list. */
static struct answer join(struct rules_interest *interest, const struct node *node, struct answer all)
{
	struct rules_fact *facts =
		all.count > RULES_FACTS_MAX ? NULL : arena_alloc(&interest->arena, all.count * sizeof(*facts));

	if (facts == NULL)
		return always;
	all.facts = facts;
	for (uint32_t i = 0; i < node->count; i++) {
		const struct answer *answer = child(interest, node, i);

		if (answer->verdict != RULES_IF)
			continue;
		memcpy(facts, answer->facts, answer->count * sizeof(*facts));
		facts += answer->count;
	}
	return all;
}

static struct answer answer_of_or(struct rules_interest *interest, const struct node *node)
{
	struct answer all = { .verdict = RULES_NEVER };
	bool is_always = false;

	for (uint32_t i = 0; i < node->count; i++) {
		const struct answer *answer = child(interest, node, i);

		if (answer->is_certain)
			return *answer;
		is_always |= answer->verdict == RULES_ALWAYS;
		if (answer->verdict != RULES_IF)
			continue;
		all.verdict = RULES_IF;
		all.count += answer->count;
		all.chance += answer->chance;
	}
	if (is_always)
		return always;
	return all.verdict == RULES_IF ? join(interest, node, all) : all;
}

/* As deep as conditions nest, which is bounded. */
static const struct answer *answer_of(struct rules_interest *interest, uint32_t number)
{
	const struct node *node = &interest->rules->nodes[number];
	struct answer answer = always;

	if (interest->stamps[number] == interest->now)
		return &interest->of[number];
	switch (node->kind) {
	case AST_CHECK: answer = answer_of_check(interest, node); break;
	case AST_NOT: answer = answer_of_not(interest, node); break;
	case AST_AND: answer = answer_of_and(interest, node); break;
	case AST_OR: answer = answer_of_or(interest, node); break;
	default: break;
	}
	interest->of[number] = answer;
	interest->stamps[number] = interest->now;
	return &interest->of[number];
}

/* ---- all rules ---- */

struct rules_interest *rules_interest_new(const struct rules *rules)
{
	struct rules_interest *interest = calloc(1, sizeof(*interest));

	if (interest == NULL)
		return NULL;
	interest->rules = rules;
	arena_init(&interest->arena, ARENA_MAX);
	interest->of = calloc(rules->nodes_count + 1, sizeof(*interest->of));
	interest->stamps = calloc(rules->nodes_count + 1, sizeof(*interest->stamps));
	interest->facts = malloc(RULES_FACTS_MAX * sizeof(*interest->facts));
	if (interest->of == NULL || interest->stamps == NULL || interest->facts == NULL) {
		rules_interest_free(interest);
		return NULL;
	}
	return interest;
}

void rules_interest_free(struct rules_interest *interest)
{
	if (interest == NULL)
		return;
	arena_done(&interest->arena);
	free(interest->of);
	free(interest->stamps);
	free(interest->facts);
	free(interest);
}

static const struct source *find_source(const struct rules *rules)
{
	for (size_t i = 0; i < rules->sources_count; i++)
		if (str_eq(rules->sources[i].name, STR("syscall")))
			return &rules->sources[i];
	return NULL;
}

/* Facts of one list of rules, behind those in `out`. */
static enum rules_verdict ask_rules(struct rules_interest *interest, const uint32_t *numbers,
				    size_t count, struct rules_fact *out, size_t *used,
				    const struct rule **ret_because)
{
	enum rules_verdict verdict = RULES_NEVER;

	for (size_t i = 0; i < count; i++) {
		const struct rule *rule = &interest->rules->rules[numbers[i]];
		const struct answer *answer = answer_of(interest, rule->node);

		if (answer->verdict == RULES_NEVER)
			continue;
		if (answer->verdict == RULES_ALWAYS || *used + answer->count > RULES_FACTS_MAX) {
			*ret_because = answer->verdict == RULES_ALWAYS ? rule : NULL;
			return RULES_ALWAYS;
		}
		if (*ret_because == NULL)
			*ret_because = rule;
		memcpy(out + *used, answer->facts, answer->count * sizeof(*out));
		*used += answer->count;
		verdict = RULES_IF;
	}
	return verdict;
}

void interest_begin(struct rules_interest *interest, const struct rules_asked *asked)
{
	arena_reset(&interest->arena);
	interest->now++;
	interest->asked = *asked;
}

enum rules_verdict rules_interest_ask_one(struct rules_interest *interest, size_t rule, const struct rules_asked *asked,
					  const struct rules_fact **ret_facts, size_t *ret_count)
{
	const struct answer *answer;

	interest_begin(interest, asked);
	answer = answer_of(interest, interest->rules->rules[rule].node);
	*ret_facts = answer->facts;
	*ret_count = answer->verdict == RULES_IF ? answer->count : 0;
	return answer->verdict;
}

enum rules_verdict rules_interest_surely(struct rules_interest *interest, size_t rule,
					 const struct rules_known *known, size_t known_count)
{
	const struct rules_asked asked = { .known = known, .known_count = known_count };
	const struct answer *answer;

	interest_begin(interest, &asked);
	answer = answer_of(interest, interest->rules->rules[rule].node);
	return answer->is_certain ? RULES_ALWAYS : answer->verdict == RULES_NEVER ? RULES_NEVER : RULES_IF;
}

enum rules_verdict rules_interest_ask(struct rules_interest *interest, const struct rules_asked *asked,
				      const struct rules_fact **ret_facts, size_t *ret_count,
				      const struct rule **ret_because)
{
	const struct source *source = find_source(interest->rules);
	size_t type = evttype_find(asked->evt_type);
	enum rules_verdict ordinary, watches = RULES_NEVER;
	struct rules_fact *facts = interest->facts;

	*ret_count = 0;
	*ret_because = NULL;
	*ret_facts = facts;
	interest_begin(interest, asked);
	if (source == NULL)
		return RULES_NEVER;
	ordinary = ask_rules(interest, source->by_type + source->first[type],
			     source->first[type + 1] - source->first[type], facts, ret_count,
			     ret_because);
	if (ordinary != RULES_ALWAYS && source->watches != NULL)
		watches = ask_rules(interest, source->watches->rules + source->watches->first[type],
				    source->watches->first[type + 1] - source->watches->first[type],
				    facts, ret_count, ret_because);
	return ordinary > watches ? ordinary : watches;
}
