/* Collecting what a load knows, before the loader forgets it. */
#include "rules/describe.h"

#include "rules/compiler.h"

#include <stdlib.h>

enum { ARENA_MAX = 256 << 20 };

/* What is being described, and where it goes. */
struct work {
	struct loader *loader;
	const struct rules *rules;
	struct arena *arena;
	bool ok;
};

void rules_description_init(struct rules_description *description)
{
	*description = (struct rules_description){ 0 };
	arena_init(&description->arena, ARENA_MAX);
}

void rules_description_done(struct rules_description *description)
{
	arena_done(&description->arena);
}

static struct str keep(struct work *work, struct str text)
{
	struct str copy = arena_str(work->arena, text);

	work->ok &= copy.at != NULL;
	return copy.at == NULL ? STR("") : copy;
}

static void add_word(struct work *work, struct words *words, struct str word)
{
	if (words->count == words->cap) {
		size_t cap = words->cap == 0 ? 8 : words->cap * 2;
		struct str *at = arena_alloc(work->arena, cap * sizeof(*at));

		work->ok &= at != NULL;
		if (at == NULL)
			return;
		if (words->count > 0)
			memcpy(at, words->at, words->count * sizeof(*at));
		words->at = at;
		words->cap = cap;
	}
	words->at[words->count++] = keep(work, word);
}

/* In its place; not a second time. */
static void add_once(struct work *work, struct words *words, struct str word)
{
	size_t low = 0, high = words->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = str_cmp(word, words->at[middle]);

		if (order == 0)
			return;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	add_word(work, words, word);
	if (!work->ok)
		return;
	word = words->at[words->count - 1];
	memmove(&words->at[low + 1], &words->at[low], (words->count - 1 - low) * sizeof(word));
	words->at[low] = word;
}

static void add_term(struct work *work, struct words *fields, const struct ast_term *term)
{
	struct buf name = { 0 };

	for (size_t i = 0; i < term->count; i++)
		add_term(work, fields, term->items[i]);
	if (term->kind != AST_FIELD)
		return;
	buf_add(&name, term->name);
	if (term->has_arg)
		buf_addf(&name, "[%.*s]", STR_ARG(term->arg));
	add_once(work, fields, buf_str(&name));
	buf_done(&name);
}

/* The operators and fields of a condition, through its macros. */
static void walk(struct work *work, struct described *into, const struct ast *ast)
{
	if (ast->kind == AST_MACRO && ast->macro != NULL && ast->macro->ast != NULL)
		walk(work, into, ast->macro->ast);
	for (size_t i = 0; i < ast->count; i++)
		walk(work, into, ast->items[i]);
	if (ast->kind != AST_CHECK)
		return;
	add_once(work, &into->operators, ast->is_doubled ? STR("==") : str_of(op_name(ast->op)));
	if (ast->modifier != MODIFIER_NONE)
		add_once(work, &into->operators, str_of(modifier_name(ast->modifier)));
	add_term(work, &into->fields, ast->left);
	if (ast->right != NULL)
		add_term(work, &into->fields, ast->right);
}

/* The macros and lists that a condition names itself, before anything is filled in. */
static void walk_names(struct work *work, struct described *into, const struct ast *ast)
{
	uint32_t unused;

	if (ast->kind == AST_MACRO)
		add_once(work, &into->macros, ast->name);
	for (size_t i = 0; i < ast->count; i++)
		walk_names(work, into, ast->items[i]);
	for (size_t i = 0; ast->kind == AST_CHECK && i < ast->values_count; i++)
		if (table_get(&work->loader->list_names, ast->values[i].text, &unused))
			add_once(work, &into->lists, ast->values[i].text);
}

static void describe_text(struct work *work, struct described *into, const struct pieces *condition)
{
	struct parse_error error;
	struct ast *ast;

	into->condition = keep(work, pieces_join(work->loader, condition));
	/* A list may stand where only its items make sense: then there is no tree of the names. */
	if (ast_parse(into->condition, RULES_DEPTH_MAX, work->loader->arena, &ast, &error) == 0)
		walk_names(work, into, ast);
}

static void describe_node(struct work *work, struct described *into, const struct yaml *node)
{
	into->file = keep(work, str_of(node->file->name)).at;
	into->line = node->line;
}

/* Fields and comparisons are one word or several. */
static void add_yaml(struct work *work, struct words *words, const struct yaml *node)
{
	for (size_t i = 0; node->kind == YAML_SEQUENCE && i < node->count; i++)
		add_yaml(work, words, node->items[i]);
	if (node->kind == YAML_SCALAR)
		add_once(work, words, str_trim(node->text));
}

static void describe_exception(struct work *work, struct described *into,
			       const struct exception *exception)
{
	add_once(work, &into->exception_names, exception->name);
	if (exception->fields != NULL)
		add_yaml(work, &into->exception_fields, exception->fields);
	if (exception->comps != NULL)
		add_yaml(work, &into->exception_operators, exception->comps);
	else if (exception->fields != NULL)
		add_once(work, &into->exception_operators,
			 exception->fields->kind == YAML_SEQUENCE ? STR("=") : STR("in"));
}

static void describe_rule(struct work *work, struct described *into, const struct rule_item *item)
{
	into->name = keep(work, item->name);
	into->source = keep(work, item->source);
	into->priority = item->priority;
	into->enabled = item->enabled;
	into->source_is_unknown = item->source_is_unknown;
	into->capture = item->capture;
	into->capture_ms = item->capture_ms;
	into->description = keep(work, pieces_join(work->loader, &item->description));
	into->output = keep(work, pieces_join(work->loader, &item->output));
	for (size_t i = 0; i < item->tags_count; i++)
		add_once(work, &into->tags, item->tags[i]);
	for (size_t i = 0; i < item->exceptions_count; i++)
		describe_exception(work, into, &item->exceptions[i]);
	describe_text(work, into, &item->condition);
	into->index = SIZE_MAX;
}

/* What the compiler made of it. */
static void describe_compiled(struct work *work, struct described *into, const struct rule_item *item,
			      size_t index)
{
	const struct rule *rule = &work->rules->rules[index];

	into->index = index;
	into->canonical = keep(work, rule->canonical);
	into->has_types = true;
	into->types = rule->types;
	if (item->ast != NULL)
		walk(work, into, item->ast);
	for (size_t i = 0; i < rule->format.count; i++)
		if (rule->format.tokens[i].term != NONE && rule->format.tokens[i].in_fields)
			add_once(work, &into->output_fields, rule->format.tokens[i].text);
}

static void describe_macro(struct work *work, struct described *into, const struct macro *macro)
{
	struct buf canonical = { .max = RULES_TEXT_MAX };
	struct type_pair types = { 0 };

	into->name = keep(work, macro->name);
	into->used = macro->used;
	describe_text(work, into, &macro->condition);
	if (macro->ast == NULL)
		return;
	walk(work, into, macro->ast);
	ast_print(&canonical, macro->ast);
	if (buf_ok(&canonical))
		into->canonical = keep(work, buf_str(&canonical));
	buf_done(&canonical);
	into->has_types = evttypes_of(macro->ast, &types, NULL);
	into->types = types.can;
}

static void describe_list(struct work *work, struct described *into, const struct list *list)
{
	uint32_t unused;

	into->name = keep(work, list->name);
	into->used = list->used;
	for (size_t i = 0; i < list->count; i++) {
		add_word(work, &into->items, list->items[i]);
		if (table_get(&work->loader->list_names, list->items[i], &unused))
			add_once(work, &into->lists, list->items[i]);
	}
	for (size_t i = 0; i < list->resolved_count; i++)
		add_word(work, &into->resolved, list->resolved[i]);
}

static void describe_plugins(struct work *work, struct rules_description *description)
{
	for (size_t i = 0; i < work->loader->requirements_count; i++) {
		const struct requirement *requirement = &work->loader->requirements[i];
		struct buf text = { 0 };

		for (size_t j = 0; j < requirement->count; j++)
			buf_addf(&text, "%s%.*s %.*s", j > 0 ? " or " : "", STR_ARG(requirement->names[j]),
				 STR_ARG(requirement->versions[j]));
		add_word(work, &description->plugins, buf_str(&text));
		buf_done(&text);
	}
}

static struct described *take(struct work *work, size_t count)
{
	struct described *items = arena_zalloc(work->arena, (count + 1) * sizeof(*items));

	work->ok &= items != NULL;
	return items;
}

/* Rules were compiled in this order, those that were skipped left out. */
static void describe_rules(struct work *work, struct rules_description *description)
{
	struct loader *loader = work->loader;
	size_t index = 0;

	for (size_t i = 0; i < loader->rules_count && work->ok; i++) {
		struct described *into = &description->rules[i];

		describe_node(work, into, loader->rules[i]->node);
		describe_rule(work, into, loader->rules[i]);
		if (index < work->rules->rules_count &&
		    str_eq(work->rules->rules[index].name, loader->rules[i]->name))
			describe_compiled(work, into, loader->rules[i], index++);
	}
	description->rules_count = loader->rules_count;
}

bool describe_all(struct compiler *c, struct rules_description *description)
{
	struct loader *loader = c->loader;
	struct work work = { .loader = loader, .rules = c->rules, .arena = &description->arena, .ok = true };

	description->rules = take(&work, loader->rules_count);
	description->macros = take(&work, loader->macros_count);
	description->lists = take(&work, loader->lists_count);
	if (!work.ok)
		return false;
	describe_rules(&work, description);
	for (size_t i = 0; i < loader->macros_count && work.ok; i++) {
		describe_node(&work, &description->macros[i], loader->macros[i]->node);
		describe_macro(&work, &description->macros[i], loader->macros[i]);
	}
	for (size_t i = 0; i < loader->lists_count && work.ok; i++) {
		describe_node(&work, &description->lists[i], loader->lists[i].node);
		describe_list(&work, &description->lists[i], &loader->lists[i]);
	}
	description->macros_count = loader->macros_count;
	description->lists_count = loader->lists_count;
	description->engine_version = keep(&work, loader->engine_version);
	describe_plugins(&work, description);
	return work.ok;
}
