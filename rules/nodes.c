/* Conditions into nodes: every distinct one once, children in the order of their cost, never_true
 * folded away. */
#include "rules/affixes.h"
#include "rules/compiler.h"

#include <stdlib.h>

enum {
	COST_MAX = 1 << 20,
	WORD_BITS_MAX = 8192,
};

static uint32_t check_cost(const struct rules *rules, const struct predicate *predicate)
{
	static const uint8_t costs[OP_COUNT] = {
		[OP_EXISTS] = 1,     [OP_EQ] = 2,	  [OP_NE] = 2,	       [OP_LT] = 2,
		[OP_LE] = 2,	     [OP_GT] = 2,	  [OP_GE] = 2,	       [OP_CONTAINS] = 12,
		[OP_ICONTAINS] = 30, [OP_BCONTAINS] = 12, [OP_STARTSWITH] = 3, [OP_BSTARTSWITH] = 3,
		[OP_ENDSWITH] = 3,   [OP_GLOB] = 20,	  [OP_IGLOB] = 25,     [OP_REGEX] = 200,
		[OP_IN] = 3,	     [OP_INTERSECTS] = 3, [OP_PMATCH] = 20,
	};
	const struct term *term = &rules->terms[predicate->term];
	uint32_t cost = costs[predicate->op];

	if (predicate->modifier != MODIFIER_NONE)
		cost += cost * predicate->count;
	if (term->is_many)
		cost = cost * 4 + 20;
	if (term->kind == AST_CALL || predicate->right != NONE)
		cost += 30;
	if (affix_of(rules, predicate) != AFFIX_KINDS)
		cost = 5; /* all of the term's are looked for at once */
	/* The type is the most telling and nearly free: rules say it first, and so do we. */
	if (term->base == FIELD_EVT_TYPE && term->kind == AST_FIELD)
		cost = 0;
	return cost;
}

/* Names of flags, of which any event has some. */
static bool has_flags(const struct term *term)
{
	return term->base == FIELD_THREAD_CAP_EFFECTIVE || term->base == FIELD_THREAD_CAP_PERMITTED ||
	       term->base == FIELD_THREAD_CAP_INHERITABLE ||
	       (term->base == FIELD_EVT_ARG && (str_eq(term->arg, STR("flags")) || str_eq(term->arg, STR("mode"))));
}

/* What few bytes say many texts have. */
static float part_chance(const struct predicate *predicate)
{
	enum { SHORT = 4 };
	float chance = 0;

	for (uint32_t i = 0; i < predicate->count; i++)
		chance += predicate->literals[i].text.len <= SHORT ? 0.1f : 0.01f;
	return chance < 0.9f ? chance : 0.9f;
}

/* That a field has one of its usual few values is likely, a name or path is one of many. */
static float one_chance(const struct term *term)
{
	if (has_flags(term))
		return 0.3f;
	switch (term->base) {
	case FIELD_EVT_TYPE: return 0.2f;
	case FIELD_EVT_DIR: return 0.9f;
	case FIELD_CONTAINER_ID:
	case FIELD_FD_TYPECHAR:
	case FIELD_FD_TYPE:
	case FIELD_FD_L4PROTO:
	case FIELD_USER_NAME:
	case FIELD_USER_UID: return 0.5f;
	default: break;
	}
	switch (term->class) {
	case CLASS_BOOL: return 0.3f;
	case CLASS_NUMBER:
	case CLASS_REAL: return 0.1f;
	default: return 0.01f;
	}
}

static float check_chance(const struct rules *rules, const struct predicate *predicate)
{
	const struct term *term = &rules->terms[predicate->term];
	float chance = one_chance(term) * (float)(predicate->count == 0 ? 1 : predicate->count);

	if (term->is_many)
		chance *= 4;
	if (chance > 0.9f)
		chance = 0.9f;
	switch (predicate->op) {
	case OP_EXISTS: return 0.9f;
	case OP_NE: return 1 - chance;
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE: return 0.5f;
	case OP_CONTAINS:
	case OP_ICONTAINS:
	case OP_STARTSWITH:
	case OP_ENDSWITH:
		if (predicate->right == NONE && term->class == CLASS_TEXT && !has_flags(term) && !term->is_many)
			return part_chance(predicate);
		return chance;
	default: return chance;
	}
}

static void node_key(struct compiler *c, const struct node *node, const uint32_t *children)
{
	key_begin(c);
	key_add(&c->key, node->kind);
	buf_add(&c->key, (struct str){ (const char *)children, node->count * sizeof(*children) });
}

static bool add_children(struct compiler *c, struct node *node, const uint32_t *children)
{
	struct rules *rules = c->rules;

	node->first = rules->children_count;
	for (uint32_t i = 0; i < node->count; i++) {
		if (!compile_grow(c, (void **)&rules->children, rules->children_count,
				  &c->children_cap, sizeof(*children)))
			return false;
		rules->children[rules->children_count++] = children[i];
	}
	return true;
}

static bool node_add(struct compiler *c, struct node node, uint32_t *ret)
{
	struct rules *rules = c->rules;

	if (!compile_grow(c, (void **)&rules->nodes, rules->nodes_count, &c->nodes_cap, sizeof(node)))
		return false;
	rules->nodes[rules->nodes_count] = node;
	*ret = rules->nodes_count++;
	return true;
}

static bool node_intern(struct compiler *c, struct node node, const uint32_t *children,
			uint32_t *ret)
{
	node_key(c, &node, children);
	if (key_find(c, &c->node_names, ret))
		return true;
	return buf_ok(&c->key) && add_children(c, &node, children) && node_add(c, node, ret) &&
	       key_keep(c, &c->node_names, *ret);
}

bool compile_init(struct compiler *c)
{
	/* No operands: `and` of nothing is true, `or` of nothing is false. */
	return node_intern(c, (struct node){ .kind = AST_AND, .chance = 1 }, NULL, &c->node_true) &&
	       node_intern(c, (struct node){ .kind = AST_OR }, NULL, &c->node_false);
}

void compile_done(struct compiler *c)
{
	table_done(&c->term_names);
	table_done(&c->predicate_names);
	table_done(&c->node_names);
	buf_done(&c->key);
}

void key_begin(struct compiler *c)
{
	c->key.max = RULES_TEXT_MAX * 8;
	buf_clear(&c->key);
}

bool key_find(struct compiler *c, const struct table *names, uint32_t *ret)
{
	if (!buf_ok(&c->key))
		c->loader->out_of_memory = true;
	return buf_ok(&c->key) && table_get(names, buf_str(&c->key), ret);
}

bool key_keep(struct compiler *c, struct table *names, uint32_t number)
{
	struct str kept = arena_str(c->loader->arena, buf_str(&c->key));

	if (kept.at == NULL || table_put(names, kept, number) < 0)
		c->loader->out_of_memory = true;
	return !c->loader->out_of_memory;
}

/* A check's node is known by its predicate, of which it is the only one. */
static bool leaf_intern(struct compiler *c, struct node node, uint32_t *ret)
{
	struct predicate *predicate = &c->rules->predicates[node.first];

	if (predicate->node_plus_1 == 0) {
		if (!node_add(c, node, ret))
			return false;
		predicate->node_plus_1 = *ret + 1;
	}
	*ret = predicate->node_plus_1 - 1;
	return true;
}

static bool compile_leaf(struct compiler *c, const struct ast *ast, uint32_t *ret)
{
	struct node node = { .kind = AST_CHECK };
	struct type_pair types;
	uint32_t predicate;

	if (!compile_check(c, ast, &predicate))
		return false;
	if (!evttypes_of(ast, &types, NULL))
		return complain(c, RULES_ERR_COMPILE_CONDITION, ast->at,
				"evt.type cannot be transformed or compared to a field");
	if (ast->left->kind == AST_FIELD && str_eq(ast->left->name, STR("evt.num")) &&
	    type_set_count(&types.can) == 0) {
		*ret = c->node_false;
		return true;
	}
	node.first = predicate;
	node.cost = check_cost(c->rules, &c->rules->predicates[predicate]);
	node.chance = check_chance(c->rules, &c->rules->predicates[predicate]);
	return leaf_intern(c, node, ret);
}

static bool compile_not(struct compiler *c, const struct ast *ast, uint32_t *ret)
{
	uint32_t child;

	if (!compile_condition(c, ast->items[0], &child))
		return false;
	if (child == c->node_false || child == c->node_true) {
		*ret = child == c->node_false ? c->node_true : c->node_false;
		return true;
	}
	return node_intern(
		c,
		(struct node){ .kind = AST_NOT, .count = 1, .cost = c->rules->nodes[child].cost,
				.chance = 1 - c->rules->nodes[child].chance },
		&child, ret);
}

static int compare_keys(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* By what a child costs for the chance that it decides, then by number. Drops what stands twice. */
static uint32_t sort_children(struct compiler *c, enum ast_kind kind, uint32_t *children,
			      uint32_t count)
{
	uint64_t *keys = arena_alloc(c->loader->arena, (count + 1) * sizeof(*keys));
	uint32_t kept = 0;

	if (keys == NULL) {
		c->loader->out_of_memory = true;
		return count;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct node *node = &c->rules->nodes[children[i]];
		float decides = kind == AST_AND ? 1 - node->chance : node->chance;
		float rank = (float)node->cost * 64 / (decides < 0.001f ? 0.001f : decides);

		keys[i] = (uint64_t)(rank < 4e9f ? (uint32_t)rank : UINT32_MAX) << 32 | children[i];
	}
	qsort(keys, count, sizeof(*keys), compare_keys);
	for (uint32_t i = 0; i < count; i++)
		if (kept == 0 || children[kept - 1] != (uint32_t)keys[i])
			children[kept++] = (uint32_t)keys[i];
	return kept;
}

/* What looking at the children in this order costs, each reached only as long as none before decides. */
static void weigh(const struct rules *rules, struct node *node, const uint32_t *children)
{
	float cost = 0, reached = 1;

	for (uint32_t i = 0; i < node->count; i++) {
		const struct node *child = &rules->nodes[children[i]];

		cost += reached * (float)child->cost;
		reached *= node->kind == AST_AND ? child->chance : 1 - child->chance;
	}
	node->cost = cost < COST_MAX ? (uint32_t)cost + 1 : COST_MAX;
	node->chance = node->kind == AST_AND ? reached : 1 - reached;
}

static bool compile_joined(struct compiler *c, const struct ast *ast, uint32_t *ret)
{
	uint32_t neutral = ast->kind == AST_AND ? c->node_true : c->node_false;
	uint32_t decisive = ast->kind == AST_AND ? c->node_false : c->node_true;
	uint32_t *children = arena_alloc(c->loader->arena, ast->count * sizeof(*children));
	struct node node = { .kind = ast->kind };
	struct problems problems = { 0 };
	bool decided = false, ok = true;

	if (children == NULL) {
		c->loader->out_of_memory = true;
		return false;
	}
	for (size_t i = 0; i < ast->count; i++) {
		uint32_t child;

		if (!compile_condition(c, ast->items[i], &child)) {
			ok = false;
			if (!problem_aside(c->loader, c->problem, &problems))
				break;
			continue;
		}
		decided |= child == decisive;
		if (child != neutral)
			children[node.count++] = child;
	}
	problem_gather(&problems, c->problem);
	if (!ok)
		return false;
	node.count = sort_children(c, ast->kind, children, node.count);
	if (decided || node.count < 2) {
		*ret = decided ? decisive : node.count == 0 ? neutral : children[0];
		return true;
	}
	weigh(c->rules, &node, children);
	return node_intern(c, node, children, ret);
}

/* A macro is compiled once for each kind of source; what was wrong with it is everybody's problem
 * who meets it. */
static bool compile_macro(struct compiler *c, const struct ast *ast, uint32_t *ret)
{
	struct macro *macro = ast->macro;
	struct problem *outer_problem, *problem;
	const struct text *outer_text = c->text;
	bool *done;

	if (macro == NULL) /* it is not there, which has been noted */
		return false;
	outer_problem = c->problem;
	problem = &macro->compile_problem[c->any_field];
	done = &macro->is_compiled[c->any_field];
	if (!*done && problem->text == NULL) {
		c->problem = problem;
		c->text = &macro->text;
		*done = compile_condition(c, macro->ast, &macro->compiled[c->any_field]);
		c->problem = outer_problem;
		c->text = outer_text;
	}
	if (!*done) {
		if (problem->text != NULL)
			problem_copy(c->loader, problem, c->problem);
		problem_inside(c->loader, c->problem, macro->name, c->text, ast->at);
		return false;
	}
	*ret = macro->compiled[c->any_field];
	return true;
}

bool compile_condition(struct compiler *c, const struct ast *ast, uint32_t *ret)
{
	switch (ast->kind) {
	case AST_AND:
	case AST_OR: return compile_joined(c, ast, ret);
	case AST_NOT: return compile_not(c, ast, ret);
	case AST_MACRO: return compile_macro(c, ast, ret);
	case AST_CHECK: return compile_leaf(c, ast, ret);
	}
	return false;
}

static bool uses_words(const struct predicate *predicate)
{
	return (predicate->class == CLASS_TEXT || predicate->class == CLASS_BYTES) &&
	       predicate->right == NONE && predicate->modifier == MODIFIER_NONE &&
	       (predicate->op == OP_EQ || predicate->op == OP_NE || predicate->op == OP_IN ||
		predicate->op == OP_INTERSECTS);
}

/* The literals' numbers are kept: looking them up again would cost as much as all of this. */
static bool add_words(struct compiler *c, const struct predicate *predicate, uint32_t *ret)
{
	struct term *term = &c->rules->terms[predicate->term];

	for (uint32_t i = 0; i < predicate->count; i++) {
		struct str text = predicate->literals[i].text;

		if (table_put_once(&term->words, text, term->words.count, &ret[i]) < 0) {
			c->loader->out_of_memory = true;
			return false;
		}
		if (text.len > term->words_len_max)
			term->words_len_max = text.len;
	}
	return true;
}

static int compare_words(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Bits are the quickest to look at, but for thousands of rules they would be most of what rules take. */
static bool set_words(struct compiler *c, struct predicate *predicate, const uint32_t *numbers)
{
	const struct term *term = &c->rules->terms[predicate->term];
	uint32_t *words;
	uint64_t *bits;

	predicate->has_words = true;
	predicate->word = predicate->count == 1 ? numbers[0] : WORD_NONE;
	if (predicate->count < 2)
		return true;
	predicate->words = words = compile_take(c, predicate->count * sizeof(*words));
	if (words == NULL)
		return false;
	memcpy(words, numbers, predicate->count * sizeof(*words));
	qsort(words, predicate->count, sizeof(*words), compare_words);
	if (term->words.count > WORD_BITS_MAX)
		return true;
	predicate->word_bits = bits = compile_take(c, (term->words.count / 64 + 1) * sizeof(*bits));
	if (bits == NULL)
		return false;
	for (uint32_t i = 0; i < predicate->count; i++)
		bits[words[i] / 64] |= (uint64_t)1 << (words[i] % 64);
	return true;
}

bool compile_finish(struct compiler *c)
{
	struct rules *rules = c->rules;
	size_t total = 0, at = 0;
	uint32_t *numbers;

	for (uint32_t i = 0; i < rules->predicates_count; i++)
		total += uses_words(&rules->predicates[i]) ? rules->predicates[i].count : 0;
	numbers = arena_alloc(c->loader->arena, (total + 1) * sizeof(*numbers));
	if (numbers == NULL) {
		c->loader->out_of_memory = true;
		return false;
	}
	for (uint32_t i = 0; i < rules->predicates_count; i++)
		if (uses_words(&rules->predicates[i])) {
			if (!add_words(c, &rules->predicates[i], &numbers[at]))
				return false;
			at += rules->predicates[i].count;
		}
	at = 0;
	for (uint32_t i = 0; i < rules->predicates_count; i++)
		if (uses_words(&rules->predicates[i])) {
			if (!set_words(c, &rules->predicates[i], &numbers[at]))
				return false;
			at += rules->predicates[i].count;
		}
	return true;
}
