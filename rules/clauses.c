/* `not` goes down to the checks; `or` puts the clauses of its children side by side, `and` multiplies them. What nobody
 * can tell is as if it never held. */
#include "rules/clauses.h"

#include "rules/interest_inner.h"

struct expanding {
	struct rules_interest *interest;
	rules_tell_fn tell;
	void *userdata;
};

static const struct rules_clauses never = { .count = 0 }, unknown = { .is_partial = true },
				  always = { .at = { { 0 } }, .count = 1 };

/* ---- checks ---- */

static bool kind_of(enum op op, enum rules_check_kind *ret)
{
	switch (op) {
	case OP_EXISTS: *ret = RULES_CHECK_EXISTS; return true;
	case OP_EQ:
	case OP_NE:
	case OP_IN: *ret = RULES_CHECK_IS; return true;
	case OP_STARTSWITH: *ret = RULES_CHECK_STARTS; return true;
	case OP_PMATCH: *ret = RULES_CHECK_BELOW; return true;
	case OP_CONTAINS: *ret = RULES_CHECK_CONTAINS; return true;
	default: return false;
	}
}

/* A number, too, is the only one that the field is compared to. */
static bool take_literals(struct expanding *x, const struct predicate *predicate, struct rules_check *check)
{
	struct str *texts;

	if (check->kind == RULES_CHECK_EXISTS)
		return true;
	if (predicate->class == CLASS_BOOL || predicate->class == CLASS_NUMBER) {
		const struct literal *literal = predicate->literals;

		if (predicate->count != 1 || check->kind != RULES_CHECK_IS)
			return false;
		check->kind = RULES_CHECK_NUMBER;
		check->number = predicate->class == CLASS_BOOL ? literal->truth : (int64_t)literal->number;
		return predicate->class == CLASS_BOOL || literal->number == check->number;
	}
	texts = predicate->class != CLASS_TEXT ? NULL : arena_alloc(&x->interest->arena, predicate->count * sizeof(*texts));
	for (uint32_t i = 0; texts != NULL && i < predicate->count; i++)
		texts[i] = predicate->literals[i].text;
	check->texts = texts;
	check->count = predicate->count;
	return texts != NULL;
}

static bool is_plain(const struct term *term)
{
	return term->arg.len == 0 || (term->base == FIELD_EVT_ARG && term->index < 0);
}

static bool check_of(struct expanding *x, const struct predicate *predicate, struct rules_check *ret)
{
	const struct term *term = &x->interest->rules->terms[predicate->term];

	*ret = (struct rules_check){ .field = term->base, .arg = term->arg };
	return term->kind == AST_FIELD && is_plain(term) && !term->is_list && !term->is_many && !term->two_sided &&
	       predicate->right == NONE && predicate->modifier == MODIFIER_NONE && kind_of(predicate->op, &ret->kind) &&
	       (ret->kind == RULES_CHECK_EXISTS || predicate->count > 0) && take_literals(x, predicate, ret);
}

static struct rules_clauses told(struct expanding *x, const struct rules_check *check, bool wanted)
{
	struct rules_clauses clauses = always;
	struct rules_telling telling;

	if (!x->tell(x->userdata, check, &telling))
		return unknown;
	if (telling.bit == 0)
		return telling.holds == wanted ? always : never;
	*(telling.holds == wanted ? &clauses.at[0].need : &clauses.at[0].lack) = telling.bit;
	return clauses;
}

/* ---- and, or, not ---- */

static bool contradicts(const struct rules_clause *clause)
{
	return (clause->need & clause->lack) != 0;
}

static void add(struct rules_clauses *to, const struct rules_clause *clause)
{
	if (contradicts(clause))
		return;
	for (size_t i = 0; i < to->count; i++)
		if (to->at[i].need == clause->need && to->at[i].lack == clause->lack)
			return;
	if (to->count == RULES_CLAUSES_MAX)
		to->is_partial = true;
	else
		to->at[to->count++] = *clause;
}

static struct rules_clauses either(const struct rules_clauses *a, const struct rules_clauses *b)
{
	struct rules_clauses sum = *a;

	sum.is_partial |= b->is_partial;
	for (size_t i = 0; i < b->count; i++)
		add(&sum, &b->at[i]);
	return sum;
}

/* What never holds at all leaves nothing over that might. */
static struct rules_clauses both(const struct rules_clauses *a, const struct rules_clauses *b)
{
	struct rules_clauses product = { .is_partial = a->is_partial || b->is_partial };

	if ((a->count == 0 && !a->is_partial) || (b->count == 0 && !b->is_partial))
		return never;
	for (size_t i = 0; i < a->count; i++)
		for (size_t k = 0; k < b->count; k++) {
			const struct rules_clause clause = { a->at[i].need | b->at[k].need, a->at[i].lack | b->at[k].lack };

			add(&product, &clause);
		}
	return product;
}

/* Of != both: there is a value, and it is another one. */
static struct rules_clauses expand_check(struct expanding *x, const struct predicate *predicate, bool wanted)
{
	const enum truth truth = interest_truth(x->interest, predicate);
	struct rules_clauses clauses, exists;
	struct rules_check check;

	if (truth != TRUTH_UNKNOWN)
		return (truth == TRUTH_YES) == wanted ? always : never;
	if (!check_of(x, predicate, &check))
		return unknown;
	if (predicate->op != OP_NE)
		return told(x, &check, wanted);
	clauses = told(x, &check, !wanted);
	check = (struct rules_check){ .field = check.field, .arg = check.arg, .kind = RULES_CHECK_EXISTS };
	exists = told(x, &check, wanted);
	return wanted ? both(&clauses, &exists) : either(&clauses, &exists);
}

static struct rules_clauses expand(struct expanding *x, uint32_t number, bool wanted);

static struct rules_clauses expand_children(struct expanding *x, const struct node *node, bool wanted)
{
	const bool is_and = (node->kind == AST_AND) == wanted;
	struct rules_clauses clauses = is_and ? always : never;

	for (uint32_t i = 0; i < node->count; i++) {
		const struct rules_clauses child = expand(x, x->interest->rules->children[node->first + i], wanted);

		clauses = is_and ? both(&clauses, &child) : either(&clauses, &child);
	}
	return clauses;
}

/* As deep as conditions nest, which is bounded. */
static struct rules_clauses expand(struct expanding *x, uint32_t number, bool wanted)
{
	const struct node *node = &x->interest->rules->nodes[number];

	switch (node->kind) {
	case AST_CHECK: return expand_check(x, &x->interest->rules->predicates[node->first], wanted);
	case AST_NOT: return expand(x, x->interest->rules->children[node->first], !wanted);
	case AST_AND:
	case AST_OR: return expand_children(x, node, wanted);
	default: return unknown;
	}
}

void rules_clauses(struct rules_interest *interest, size_t rule, const struct rules_known *known, size_t known_count,
		   rules_tell_fn tell, void *userdata, struct rules_clauses *ret)
{
	const struct rules_asked asked = { .known = known, .known_count = known_count };
	const struct rule *of = &interest->rules->rules[rule];
	struct expanding x = { .interest = interest, .tell = tell, .userdata = userdata };

	interest_begin(interest, &asked);
	*ret = of->opa != NULL || of->watch != NULL ? unknown : expand(&x, of->node, true);
}
