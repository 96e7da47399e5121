/* Matching: an event's type selects the rules, and each distinct node of their conditions is
 * evaluated at most once an event, whichever rule asks first. */
#include "rules/eval.h"

#include "rules/guards.h"

static bool node_holds(struct rules_scratch *scratch, uint32_t id);

static bool node_compute(struct rules_scratch *scratch, const struct node *node)
{
	const struct rules *rules = scratch->rules;
	bool decisive = node->kind == AST_OR;

	if (node->kind == AST_CHECK)
		return predicate_holds(scratch, &rules->predicates[node->first]);
	if (node->kind == AST_NOT)
		return !node_holds(scratch, rules->children[node->first]);
	for (uint32_t i = 0; i < node->count; i++)
		if (node_holds(scratch, rules->children[node->first + i]) == decisive)
			return decisive;
	return !decisive;
}

static bool node_holds(struct rules_scratch *scratch, uint32_t id)
{
	uint64_t bit = (uint64_t)1 << (id % 64);
	bool holds;

	if (scratch->plain)
		return node_compute(scratch, &scratch->rules->nodes[id]);
	if ((scratch->known[id / 64] & bit) != 0)
		return (scratch->truth[id / 64] & bit) != 0;
	holds = node_compute(scratch, &scratch->rules->nodes[id]);
	if (scratch->known[id / 64] == 0)
		scratch->touched[scratch->touched_count++] = id / 64;
	scratch->known[id / 64] |= bit;
	if (holds)
		scratch->truth[id / 64] |= bit;
	else
		scratch->truth[id / 64] &= ~bit;
	return holds;
}

static const struct source *source_of(const struct rules *rules, struct str name)
{
	if (name.len == 0)
		name = STR("syscall");
	for (size_t i = 0; i < rules->sources_count; i++)
		if (str_eq(rules->sources[i].name, name))
			return &rules->sources[i];
	return NULL;
}

static size_t type_of(const struct rules *rules, const struct event *event)
{
	const struct value *type = event_get(event, FIELD_EVT_TYPE);
	uint32_t number = EVTTYPE_OTHER;

	if (type->kind != VALUE_STR || type->len == 0)
		return EVTTYPE_ABSENT;
	table_get(&rules->types, value_as_str(type), &number);
	return number;
}

/* Whether nothing after this hit counts. */
static bool is_last(const struct rules *rules, const struct rule *rule)
{
	return !rules->match_all && rule->opa == NULL;
}

/* Rules in definition order: two lists, each in that order, one of which may be empty. A rule stands in both
 * when it has a guard for some other type, whose values this event has, too. */
struct order {
	const uint32_t *at[2];
	uint32_t left[2];
};

static struct order order_of(struct rules_scratch *scratch, const struct source *source, size_t type)
{
	uint32_t from = source->first[type];
	size_t at;

	if (!guards_choose(scratch, source, type, &at))
		return (struct order){ .at = { source->by_type + from },
				       .left = { source->first[type + 1] - from } };
	from = source->unguarded.first[at];
	return (struct order){
		.at = { scratch->chosen, source->unguarded.numbers + from },
		.left = { scratch->chosen_count, source->unguarded.first[at + 1] - from },
	};
}

static bool next_rule(struct order *order, uint32_t *ret)
{
	int list = order->left[0] == 0 || (order->left[1] > 0 && *order->at[1] < *order->at[0]);

	if (order->left[list] == 0)
		return false;
	*ret = *order->at[list];
	for (list = 0; list < 2; list++)
		if (order->left[list] > 0 && *order->at[list] == *ret) {
			order->left[list]--;
			order->at[list]++;
		}
	return true;
}

/* The rule in whose name a sensor has responded; NULL: none has, or it is not known here. */
static const struct rule *responder_of(const struct rules *rules, const struct event *event)
{
	const struct value *name = event_get(event, FIELD_RESPOND_RULE);

	for (size_t i = 0; name->kind == VALUE_STR && i < rules->rules_count; i++) {
		const struct rule *rule = &rules->rules[i];

		if (rule->enabled && rule->respond.action != RESPOND_NONE && str_eq(rule->name, value_as_str(name)))
			return rule;
	}
	return NULL;
}

size_t rules_match(const struct rules *rules, struct rules_scratch *scratch,
		   const struct event *event, const struct rule **hits, size_t max)
{
	const struct source *source = source_of(rules, event->source);
	const struct rule *responder = responder_of(rules, event);
	struct order order;
	size_t count = 0;
	uint32_t number;

	scratch_begin(scratch, event);
	if (source == NULL)
		return 0;
	if (responder != NULL && count < max)
		hits[count++] = responder;
	if (responder != NULL && is_last(rules, responder))
		return count;
	order = order_of(scratch, source, type_of(rules, event));
	while (count < max && next_rule(&order, &number)) {
		const struct rule *rule = &rules->rules[number];

		if (rule == responder || !node_holds(scratch, rule->node))
			continue;
		hits[count++] = rule;
		if (is_last(rules, rule))
			break;
	}
	return count;
}

static uint32_t steps_of(struct rules_scratch *scratch, const struct watch_code *watch)
{
	uint32_t steps = 0;

	for (uint32_t i = 0; i < watch->said.steps; i++)
		if (node_holds(scratch, watch->steps[i]))
			steps |= 1u << i;
	return steps;
}

size_t rules_match_watches(const struct rules *rules, struct rules_scratch *scratch,
			   const struct event *event, struct watch_hit *hits, size_t max)
{
	const struct source *source = source_of(rules, event->source);
	size_t type, count = 0;

	if (source == NULL || source->watches == NULL)
		return 0;
	type = type_of(rules, event);
	for (uint32_t i = source->watches->first[type];
	     i < source->watches->first[type + 1] && count < max; i++) {
		const struct rule *rule = &rules->rules[source->watches->rules[i]];

		if (node_holds(scratch, rule->node))
			hits[count++] = (struct watch_hit){ .rule = rule,
							    .steps = steps_of(scratch, rule->watch) };
	}
	return count;
}

size_t rules_match_plain(const struct rules *rules, struct rules_scratch *scratch,
			 const struct event *event, const struct rule **hits, size_t max)
{
	const struct rule *responder = responder_of(rules, event);
	size_t count = 0;

	scratch_begin(scratch, event);
	scratch->plain = true;
	if (responder != NULL && count < max)
		hits[count++] = responder;
	if (responder != NULL && is_last(rules, responder))
		max = count;
	for (size_t i = 0; i < rules->rules_count && count < max; i++) {
		const struct rule *rule = &rules->rules[i];
		struct str source = event->source.len == 0 ? STR("syscall") : event->source;

		if (!rule->enabled || rule->watch != NULL || rule == responder || !str_eq(rule->source, source) ||
		    !node_holds(scratch, rule->node))
			continue;
		hits[count++] = rule;
		if (is_last(rules, rule))
			break;
	}
	scratch->plain = false;
	return count;
}
