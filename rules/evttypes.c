/* Event types: the table, and which of them a condition admits. */
#include "rules/evttypes.h"

#include "rules/load.h"
#include "rules/text.h"

#include <stdlib.h>

static const struct str names[] = {
#define TYPE(name) { name, sizeof(name) - 1 },
#include "rules/evttypes.def"
#undef TYPE
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

_Static_assert(NAMES + EVTTYPE_FIRST <= EVTTYPE_WORDS * 64, "the table outgrew the set");

size_t evttypes_count(void)
{
	return NAMES + EVTTYPE_FIRST;
}

struct str evttype_name(size_t id)
{
	return names[id - EVTTYPE_FIRST];
}

size_t evttype_find(struct str name)
{
	size_t low = 0, high = NAMES;

	if (name.len == 0)
		return EVTTYPE_ABSENT;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = str_cmp(name, names[middle]);

		if (order == 0)
			return middle + EVTTYPE_FIRST;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return EVTTYPE_OTHER;
}

bool type_set_next(const struct type_set *set, size_t *id)
{
	for (; *id < evttypes_count(); *id = (*id / 64 + 1) * 64) {
		uint64_t left = set->words[*id / 64] >> (*id % 64);

		if (left == 0)
			continue;
		*id += (size_t)__builtin_ctzll(left);
		return *id < evttypes_count();
	}
	return false;
}

size_t type_set_count(const struct type_set *set)
{
	size_t count = 0;

	for (size_t i = EVTTYPE_FIRST; i < NAMES + EVTTYPE_FIRST; i++)
		count += type_set_has(set, i);
	return count;
}

bool type_set_is_all(const struct type_set *set)
{
	return type_set_count(set) == NAMES && type_set_has(set, EVTTYPE_OTHER);
}

static const struct type_set all = { .words = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
						UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };
static const struct type_set none = { .words = { 0 } };

static struct type_set both(const struct type_set *a, const struct type_set *b)
{
	struct type_set set;

	for (size_t i = 0; i < EVTTYPE_WORDS; i++)
		set.words[i] = a->words[i] & b->words[i];
	return set;
}

static struct type_set either(const struct type_set *a, const struct type_set *b)
{
	struct type_set set;

	for (size_t i = 0; i < EVTTYPE_WORDS; i++)
		set.words[i] = a->words[i] | b->words[i];
	return set;
}

static bool is_type_field(const struct ast_term *term)
{
	return term->kind == AST_FIELD &&
	       (str_eq(term->name, STR("evt.type")) || str_eq(term->name, STR("syscall.type")));
}

/* Whether a check on the type's name holds for a name. */
static bool name_holds(const struct ast *check, struct str name)
{
	size_t hits = 0;

	for (size_t i = 0; i < check->values_count; i++)
		hits += text_holds(check->op, name, check->values[i].text);
	switch (check->modifier) {
	case MODIFIER_ONEOF: return hits == 1;
	case MODIFIER_ALLOF: return hits > 0 && hits == check->values_count;
	default: return hits > 0;
	}
}

/* The names for which the check holds. */
static struct type_set names_held(const struct ast *check)
{
	struct type_set set = none;
	bool one_by_one = (check->op != OP_EQ && check->op != OP_IN && check->op != OP_INTERSECTS) ||
			  (check->modifier != MODIFIER_NONE && check->modifier != MODIFIER_ANYOF);

	for (size_t i = 0; i < check->values_count && !one_by_one; i++) {
		size_t id = evttype_find(check->values[i].text);

		if (id >= EVTTYPE_FIRST)
			type_set_add(&set, id);
	}
	for (size_t i = EVTTYPE_FIRST; i < NAMES + EVTTYPE_FIRST && one_by_one; i++)
		if (name_holds(check, names[i - EVTTYPE_FIRST]))
			type_set_add(&set, i);
	return set;
}

static struct type_pair of_type_check(const struct ast *check)
{
	struct type_set held;
	struct type_pair pair = { .can = all, .cannot = all };

	if (check->op == OP_EXISTS) {
		pair.cannot = none;
		type_set_add(&pair.cannot, EVTTYPE_ABSENT);
		return pair;
	}
	if (check->op == OP_REGEX || check->op == OP_PMATCH ||
	    (check->op >= OP_LT && check->op <= OP_GE))
		return pair;
	pair.can = pair.cannot = none;
	if (check->values_count > 0)
		type_set_add(&pair.can, EVTTYPE_OTHER);
	type_set_add(&pair.cannot, EVTTYPE_OTHER);
	type_set_add(&pair.cannot, EVTTYPE_ABSENT);
	held = names_held(check);
	for (size_t i = EVTTYPE_FIRST; i < NAMES + EVTTYPE_FIRST; i++)
		type_set_add(type_set_has(&held, i) ? &pair.can : &pair.cannot, i);
	return pair;
}

/* Events are numbered from 1, as unsigned numbers. What `evt.num op value` can be: rules use
 * evt.num=0 as "never". */
static void number_outcomes(enum op op, uint64_t value, bool *ret_can, bool *ret_cannot)
{
	const uint64_t low = 1, high = UINT64_MAX;

	switch (op) {
	case OP_EQ:
	case OP_IN:
	case OP_INTERSECTS:
		*ret_can = value >= low;
		*ret_cannot = true;
		break;
	case OP_NE:
		*ret_can = true;
		*ret_cannot = value >= low;
		break;
	case OP_LT:
		*ret_can = low < value;
		*ret_cannot = true;
		break;
	case OP_LE:
		*ret_can = low <= value;
		*ret_cannot = value < high;
		break;
	case OP_GT:
		*ret_can = value < high;
		*ret_cannot = low <= value;
		break;
	case OP_GE:
		*ret_can = true;
		*ret_cannot = low < value;
		break;
	default: *ret_can = *ret_cannot = true; break;
	}
}

static struct type_pair of_number_check(const struct ast *check)
{
	bool can = check->op == OP_EXISTS, cannot = check->values_count != 1, a, b;

	if (check->op == OP_EXISTS || check->modifier != MODIFIER_NONE)
		return (struct type_pair){ .can = all, .cannot = all };
	for (size_t i = 0; i < check->values_count; i++) {
		uint64_t value;
		int64_t negative;

		a = b = true;
		if (str_to_u64(check->values[i].text, &value))
			number_outcomes(check->op, value, &a, &b);
		else if (str_to_i64(check->values[i].text, &negative))
			number_outcomes(check->op, (uint64_t)negative, &a, &b);
		can |= a;
		cannot |= b;
	}
	return (struct type_pair){ .can = can ? all : none, .cannot = cannot ? all : none };
}

static bool mentions_type(const struct ast_term *term)
{
	if (term == NULL)
		return false;
	if (term->kind == AST_FIELD)
		return str_eq(term->name, STR("evt.type"));
	for (size_t i = 0; i < term->count; i++)
		if (mentions_type(term->items[i]))
			return true;
	return false;
}

static bool of_check(const struct ast *check, struct type_pair *ret)
{
	if (is_type_field(check->left) && !check->left->has_arg && check->right == NULL) {
		*ret = of_type_check(check);
		return true;
	}
	*ret = (struct type_pair){ .can = all, .cannot = all };
	if (check->left->kind == AST_FIELD && str_eq(check->left->name, STR("evt.num")) &&
	    check->right == NULL)
		*ret = of_number_check(check);
	return !mentions_type(check->left);
}

static bool of_joined(const struct ast *ast, struct type_pair *ret, const struct ast **ret_at)
{
	struct type_pair next;

	for (size_t i = 0; i < ast->count; i++) {
		if (!evttypes_of(ast->items[i], &next, ret_at))
			return false;
		if (i == 0)
			*ret = next;
		else if (ast->kind == AST_AND)
			*ret = (struct type_pair){ .can = both(&ret->can, &next.can),
						   .cannot = either(&ret->cannot, &next.cannot) };
		else
			*ret = (struct type_pair){ .can = either(&ret->can, &next.can),
						   .cannot = both(&ret->cannot, &next.cannot) };
	}
	return true;
}

static bool of_macro(const struct ast *ast, struct type_pair *ret, const struct ast **ret_at)
{
	struct macro *macro = ast->macro;

	if (macro == NULL || macro->ast == NULL) {
		*ret = (struct type_pair){ .can = all, .cannot = all };
		return true;
	}
	if (!macro->has_types && !evttypes_of(macro->ast, &macro->types, ret_at))
		return false;
	macro->has_types = true;
	*ret = macro->types;
	return true;
}

bool evttypes_of(const struct ast *ast, struct type_pair *ret, const struct ast **ret_at)
{
	struct type_set swap;

	switch (ast->kind) {
	case AST_AND:
	case AST_OR: return of_joined(ast, ret, ret_at);
	case AST_NOT:
		if (!evttypes_of(ast->items[0], ret, ret_at))
			return false;
		swap = ret->can;
		ret->can = ret->cannot;
		ret->cannot = swap;
		return true;
	case AST_MACRO: return of_macro(ast, ret, ret_at);
	case AST_CHECK:
		if (of_check(ast, ret))
			return true;
		if (ret_at != NULL)
			*ret_at = ast;
		return false;
	}
	return false;
}
