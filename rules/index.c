/* Which rules of a source there are for each event type, and which types any rule wants. */
#include "rules/work.h"

/* Most rules have few of the many types. */
static bool list_by_type(struct compiler *c, struct source *source, const uint32_t *own, size_t own_count)
{
	uint32_t next[EVTTYPE_WORDS * 64 + 1] = { 0 }, total = 0;
	const struct rule *rules = c->rules->rules;

	for (size_t i = 0; i < own_count; i++)
		for (size_t type = 0; type_set_next(&rules[own[i]].types, &type); type++)
			next[type]++;
	for (size_t type = 0; type <= evttypes_count(); type++) {
		source->first[type] = total;
		total += next[type];
		next[type] = source->first[type];
	}
	source->by_type = compile_take(c, ((size_t)total + 1) * sizeof(*source->by_type));
	if (source->by_type == NULL)
		return false;
	for (size_t i = 0; i < own_count; i++)
		for (size_t type = 0; type_set_next(&rules[own[i]].types, &type); type++)
			source->by_type[next[type]++] = own[i];
	return true;
}

/* The rules of a source, type by type, in definition order. */
static bool index_source(struct compiler *c, struct source *source)
{
	const struct rules *rules = c->rules;
	uint32_t *own = arena_alloc(c->loader->arena, (rules->rules_count + 1) * sizeof(*own));
	size_t own_count = 0;

	if (own == NULL) {
		c->loader->out_of_memory = true;
		return false;
	}
	for (size_t i = 0; i < rules->rules_count; i++) {
		if (!str_eq(rules->rules[i].source, source->name))
			continue;
		rules->rules[i].source_number = (uint32_t)(source - rules->sources);
		if (rules->rules[i].enabled && rules->rules[i].watch == NULL)
			own[own_count++] = (uint32_t)i;
	}
	return list_by_type(c, source, own, own_count);
}

/* The same of the hub-only rules, of which there are few. */
static bool index_watches(struct compiler *c, struct source *source)
{
	const struct rules *rules = c->rules;
	struct by_type *index;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < rules->rules_count; i++)
		if (rules->rules[i].enabled && rules->rules[i].watch != NULL &&
		    str_eq(rules->rules[i].source, source->name))
			for (size_t type = 0; type < evttypes_count(); type++)
				total += type_set_has(&rules->rules[i].types, type);
	if (total == 0)
		return true;
	index = compile_take(c, sizeof(*index));
	if (index == NULL)
		return false;
	index->rules = compile_take(c, total * sizeof(*index->rules));
	if (index->rules == NULL)
		return false;
	for (size_t type = 0; type < evttypes_count(); type++) {
		index->first[type] = (uint32_t)at;
		for (size_t i = 0; i < rules->rules_count; i++)
			if (rules->rules[i].enabled && rules->rules[i].watch != NULL &&
			    str_eq(rules->rules[i].source, source->name) &&
			    type_set_has(&rules->rules[i].types, type))
				index->rules[at++] = (uint32_t)i;
	}
	index->first[evttypes_count()] = (uint32_t)at;
	source->watches = index;
	return true;
}

/* `told` is known of the children, which stand before it: nodes are shared, so each is looked at once. */
static bool is_told_anyway(const struct rules *rules, const struct node *node, const bool *told)
{
	const struct term *term;
	size_t count = 0;

	if (node->kind == AST_CHECK) {
		term = &rules->terms[rules->predicates[node->first].term];
		return term->kind == AST_FIELD && term->base >= FIELD_SECCOMP_ACTION && term->base <= FIELD_SECCOMP_ARGS;
	}
	if (node->kind != AST_AND && node->kind != AST_OR)
		return false;
	for (uint32_t i = 0; i < node->count; i++) {
		uint32_t child = rules->children[node->first + i];

		count += child < (size_t)(node - rules->nodes) && told[child];
	}
	return node->kind == AST_AND ? count > 0 : count == node->count;
}

/* A rule that is only true of what a profile of system calls says wants no type: a sensor tells that unasked. */
static bool collect_types(struct rules *rules)
{
	autofree bool *told = calloc(rules->nodes_count + 1, sizeof(*told));

	if (told == NULL)
		return false;
	for (size_t i = 0; i < rules->nodes_count; i++)
		told[i] = is_told_anyway(rules, &rules->nodes[i], told);
	for (size_t i = 0; i < rules->rules_count; i++) {
		const struct rule *rule = &rules->rules[i];

		if (!rule->enabled || !str_eq(rule->source, syscall_source) ||
		    (rule->node < rules->nodes_count && told[rule->node]))
			continue;
		for (size_t j = 0; j < EVTTYPE_WORDS; j++)
			rules->wanted_types.words[j] |= rule->types.words[j];
	}
	return true;
}

bool index_sources(struct compiler *c)
{
	const struct rules_settings *settings = c->loader->settings;
	struct rules *rules = c->rules;

	rules->sources = compile_take(c, (settings->sources.count + 1) * sizeof(*rules->sources));
	if (rules->sources == NULL)
		return false;
	rules->sources[0].name = syscall_source;
	rules->sources_count = 1;
	for (size_t i = 0; i < settings->sources.count; i++)
		rules->sources[rules->sources_count++].name =
			compile_str(c, str_of(settings->sources.at[i]));
	for (size_t i = 0; i < rules->sources_count; i++)
		if (!index_source(c, &rules->sources[i]) || !index_watches(c, &rules->sources[i]))
			return false;
	if (!collect_types(rules))
		c->loader->out_of_memory = true;
	return !c->loader->out_of_memory;
}
