/* What the rules want: the accessors, and the event types and fields that a sensor has to send. */
#include "rules/compiler.h"
#include "rules/text.h"

#include "base/conf.h"

static const char *const hub_sources[] = { "alert", "tocsin", "tracee", "tetragon", "eolh", "guardduty" };

const struct conf_strings rules_hub_sources = { .at = hub_sources, .count = ARRAY_LEN(hub_sources) };

static void want(void *arg, field_id id)
{
	struct rules *rules = arg;

	if (id != FIELD_NONE && id < rules->fields_count)
		rules->wanted_fields[id / 64] |= (uint64_t)1 << (id % 64);
}

static bool reads_flags(field_id base)
{
	return (base >= FIELD_EVT_IS_OPEN_READ && base <= FIELD_EVT_IS_OPEN_CREATE) ||
	       (base >= FIELD_PROC_IS_EXE_WRITABLE && base <= FIELD_PROC_IS_EXE_FROM_MEMFD);
}

static void want_term(struct rules *rules, uint32_t id)
{
	const struct term *term = &rules->terms[id];
	int kind = ancestor_kind(term->base);

	for (uint32_t i = 0; i < term->count; i++)
		want_term(rules, term->items[i]);
	if (term->kind != AST_FIELD)
		return;
	want(rules, term->id);
	derive_inputs(term->base, want, rules);
	if (reads_flags(term->base)) {
		want(rules, rules->arg_flags);
		want(rules, rules->arg_mode);
	}
	for (int i = 1; kind >= 0 && term->is_many && i <= RULES_ANCESTORS_MAX; i++)
		want(rules, rules->ancestors[kind][i]);
}

static void want_format(struct rules *rules, const struct format *format)
{
	for (size_t i = 0; i < format->count; i++)
		if (format->tokens[i].term != NONE)
			want_term(rules, format->tokens[i].term);
}

static void want_node(struct rules *rules, uint32_t id, uint64_t *seen)
{
	const struct node *node = &rules->nodes[id];

	if (seen[id / 64] >> (id % 64) & 1)
		return;
	seen[id / 64] |= (uint64_t)1 << (id % 64);
	if (node->kind == AST_CHECK) {
		const struct predicate *predicate = &rules->predicates[node->first];

		want_term(rules, predicate->term);
		if (predicate->right != NONE)
			want_term(rules, predicate->right);
		return;
	}
	for (uint32_t i = 0; i < node->count; i++)
		want_node(rules, rules->children[node->first + i], seen);
}

static void want_outputs(struct rules *rules, const struct rule *rule)
{
	want_format(rules, &rule->format);
	for (size_t i = 0; i < rule->extras_count; i++)
		want_format(rules, &rule->extras[i].format);
	want_format(rules, &rule->opa_input);
	if (rule->watch == NULL)
		return;
	want_format(rules, &rule->watch->by);
	want_format(rules, &rule->watch->of);
}

bool wanted_mark(struct compiler *c)
{
	struct rules *rules = c->rules;
	size_t words = rules->fields_count / 64 + 1;
	uint64_t *seen = compile_take(c, (rules->nodes_count / 64 + 1) * sizeof(*seen));

	rules->wanted_fields = compile_take(c, words * sizeof(uint64_t));
	if (seen == NULL || rules->wanted_fields == NULL)
		return false;
	for (size_t i = 0; i < rules->rules_count; i++) {
		const struct rule *rule = &rules->rules[i];

		if (!rule->enabled)
			continue;
		want_node(rules, rule->node, seen);
		for (uint32_t j = 0; rule->watch != NULL && j < rule->watch->said.steps; j++)
			want_node(rules, rule->watch->steps[j], seen);
		want_outputs(rules, rule);
	}
	return true;
}

static bool is_about(const struct rules_choice *choice, const struct rule *rule)
{
	struct str pattern = str_of(choice->pattern);

	for (size_t i = 0; choice->by_tag && i < rule->tags_count; i++)
		if (str_eq(rule->tags[i], pattern))
			return true;
	return !choice->by_tag && text_wildcard(pattern, rule->name);
}

bool rules_choice_hits(const struct rules *rules, const struct rules_choice *choice)
{
	for (size_t i = 0; i < rules->rules_count; i++)
		if (is_about(choice, &rules->rules[i]))
			return true;
	return false;
}

size_t rules_count(const struct rules *rules)
{
	return rules->rules_count;
}

const struct rule *rules_at(const struct rules *rules, size_t index)
{
	return index < rules->rules_count ? &rules->rules[index] : NULL;
}

size_t rules_enabled_count(const struct rules *rules)
{
	return rules->enabled_count;
}

struct str rule_name(const struct rule *rule)
{
	return rule->name;
}

struct str rule_description(const struct rule *rule)
{
	return rule->description;
}

struct str rule_source(const struct rule *rule)
{
	return rule->source;
}

struct str rule_output(const struct rule *rule)
{
	return rule->output;
}

struct str rule_condition(const struct rule *rule)
{
	return rule->condition;
}

enum priority rule_priority(const struct rule *rule)
{
	return rule->priority;
}

const struct str *rule_tags(const struct rule *rule, size_t *ret_count)
{
	*ret_count = rule->tags_count;
	return rule->tags;
}

const char *rule_file(const struct rule *rule)
{
	return rule->file;
}

unsigned rule_line(const struct rule *rule)
{
	return rule->line;
}

bool rule_is_enabled(const struct rule *rule)
{
	return rule->enabled;
}

const struct rule_opa *rule_opa(const struct rule *rule)
{
	return rule->opa;
}

struct rule_respond rule_respond(const struct rule *rule)
{
	return rule->respond;
}

const struct rule_watch *rule_watch(const struct rule *rule)
{
	return rule->watch == NULL ? NULL : &rule->watch->said;
}

bool rules_match_all(const struct rules *rules)
{
	return rules->match_all;
}

void rule_add_canonical(const struct rule *rule, struct buf *out)
{
	buf_add(out, rule->canonical);
}

bool rule_wants_type(const struct rule *rule, struct str evt_type)
{
	return type_set_has(&rule->types, evttype_find(evt_type));
}

bool rules_wants_type(const struct rules *rules, struct str evt_type)
{
	return type_set_has(&rules->wanted_types, evttype_find(evt_type));
}

bool rules_next_type(const struct rules *rules, size_t *cursor, struct str *ret)
{
	if (*cursor < EVTTYPE_FIRST)
		*cursor = EVTTYPE_FIRST;
	for (; *cursor < evttypes_count(); ++*cursor) {
		if (type_set_has(&rules->wanted_types, *cursor)) {
			*ret = evttype_name((*cursor)++);
			return true;
		}
	}
	return false;
}

bool rules_wants_all_types(const struct rules *rules)
{
	return type_set_is_all(&rules->wanted_types);
}

bool rules_next_field(const struct rules *rules, size_t *cursor, field_id *ret)
{
	for (; *cursor < rules->fields_count; ++*cursor) {
		if (rules->wanted_fields[*cursor / 64] >> (*cursor % 64) & 1) {
			*ret = (field_id)(*cursor)++;
			return true;
		}
	}
	return false;
}

static bool is_param(const struct term *term, struct str name)
{
	return (term->base == FIELD_EVT_ARG || term->base == FIELD_EVT_RAWARG) && str_eq(term->arg, name);
}

/* Whether an enabled rule has a field of this kind. */
static bool wants_any(const struct rules *rules, bool (*is_it)(const struct term *term))
{
	for (uint32_t i = 0; i < rules->terms_count; i++) {
		const struct term *term = &rules->terms[i];

		if (term->kind == AST_FIELD && term->id < rules->fields_count && is_it(term) &&
		    (rules->wanted_fields[term->id / 64] >> (term->id % 64) & 1))
			return true;
	}
	return false;
}

static bool is_data(const struct term *term)
{
	return term->base == FIELD_EVT_BUFFER || is_param(term, STR("data"));
}

static bool is_environment(const struct term *term)
{
	return term->base == FIELD_PROC_ENV || term->base == FIELD_PROC_AENV || is_param(term, STR("env"));
}

bool rules_wants_data(const struct rules *rules)
{
	return wants_any(rules, is_data);
}

static bool is_standard(const struct term *term)
{
	return term->base >= FIELD_PROC_STDIN_TYPE && term->base <= FIELD_PROC_STDERR_TYPE;
}

bool rules_wants_standard(const struct rules *rules)
{
	return wants_any(rules, is_standard);
}

bool rules_wants_environment(const struct rules *rules)
{
	return wants_any(rules, is_environment);
}

bool rules_next_text(const struct rules *rules, field_id field, uint64_t *cursor, struct str *ret)
{
	for (uint32_t i = (uint32_t)(*cursor >> 32); i < rules->predicates_count; i++, *cursor = (uint64_t)i << 32) {
		const struct predicate *predicate = &rules->predicates[i];
		const struct term *term = &rules->terms[predicate->term];
		uint32_t at = (uint32_t)*cursor;

		if (term->kind != AST_FIELD || term->base != field || predicate->class != CLASS_TEXT ||
		    (predicate->op != OP_EQ && predicate->op != OP_IN) || at >= predicate->count)
			continue;
		*ret = predicate->literals[at].text;
		(*cursor)++;
		return true;
	}
	return false;
}

bool rules_wants_source(const struct rules *rules, struct str source)
{
	for (size_t i = 0; i < rules->rules_count; i++)
		if (rules->rules[i].enabled && str_eq(rules->rules[i].source, source))
			return true;
	return false;
}

static void add_fields(const char *before, bool hostname, const struct format *format, struct buf *out)
{
	bool first = true;

	if (!hostname && format->count == 0)
		return;
	buf_addf(out, " %s ", before);
	if (hostname) {
		buf_add(out, STR("hostname"));
		first = false;
	}
	for (size_t i = 0; i < format->count; i++) {
		if (format->tokens[i].term == NONE)
			continue;
		buf_add(out, first ? STR("") : STR(", "));
		buf_add(out, format->tokens[i].text);
		first = false;
	}
}

void rule_watch_add(const struct rule *rule, struct buf *out)
{
	const struct watch_code *watch = rule->watch;

	if (watch == NULL)
		return;
	buf_addf(out, "%s:", watch_kind_name(watch->said.kind));
	if (watch->said.count > 0)
		buf_addf(out, " %u", watch->said.count);
	if (watch->said.steps > 1)
		buf_addf(out, " %u steps", watch->said.steps);
	add_fields("of", watch->of_hostname, &watch->of, out);
	buf_add(out, STR(" within "));
	conf_add_duration(watch->said.within_ns / 1000000, out);
	add_fields("by", watch->by_hostname, &watch->by, out);
	if (watch->said.learn_ns > 0) {
		buf_add(out, STR(", after learning for "));
		conf_add_duration(watch->said.learn_ns / 1000000, out);
	}
}
