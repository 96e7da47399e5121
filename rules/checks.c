/* Checks: operators against types, and literals as the evaluator wants them. */
#include "rules/compiler.h"
#include "rules/near.h"
#include "rules/regex.h"

#include <netdb.h>

static bool refuse(struct compiler *c, const struct ast *check, size_t at, const char *text)
{
	return complain(c, RULES_ERR_COMPILE_CONDITION, at, "%.*s %s: %s",
			STR_ARG(check->left->name), op_name(check->op), text);
}

#define BIT(op)	 (1u << (op))
#define EQUALITY (BIT(OP_EXISTS) | BIT(OP_EQ) | BIT(OP_NE) | BIT(OP_IN) | BIT(OP_INTERSECTS))
#define ORDER	 (BIT(OP_LT) | BIT(OP_LE) | BIT(OP_GT) | BIT(OP_GE))
#define SEARCH	 (BIT(OP_CONTAINS) | BIT(OP_STARTSWITH) | BIT(OP_ENDSWITH))
#define BINARY	 (BIT(OP_BCONTAINS) | BIT(OP_BSTARTSWITH))
#define PATTERN	 (BIT(OP_ICONTAINS) | BIT(OP_GLOB) | BIT(OP_IGLOB) | BIT(OP_REGEX) | BIT(OP_PMATCH))

static const unsigned class_ops[] = {
	[CLASS_TEXT] = EQUALITY | ORDER | SEARCH | PATTERN,
	[CLASS_BYTES] = EQUALITY | SEARCH | BINARY,
	[CLASS_BOOL] = EQUALITY,
	[CLASS_NUMBER] = EQUALITY | ORDER,
	[CLASS_REAL] = EQUALITY | ORDER,
	[CLASS_ADDRESS] = EQUALITY,
	[CLASS_NETWORK] = EQUALITY,
	[CLASS_ANY] = EQUALITY | ORDER | SEARCH | BINARY | PATTERN,
};

static bool check_op(struct compiler *c, const struct ast *check, const struct term *left)
{
	unsigned allowed = left->type == FIELD_TYPE_OPAQUE ? BIT(OP_EXISTS) : class_ops[left->class];

	if (left->is_list)
		allowed = BIT(OP_EXISTS) | BIT(OP_IN) | BIT(OP_INTERSECTS);
	if (allowed & BIT(check->op))
		return true;
	return refuse(c, check, check->at,
		      left->is_list ? "a list can only be tested with in, intersects and exists"
				    : "the field's type does not go with this operator");
}

static bool decode_hex(struct compiler *c, const struct ast *check, const struct ast_value *value,
		       struct str *ret)
{
	char *out = compile_take(c, value->text.len / 2 + 1);

	if (out == NULL)
		return false;
	if (value->text.len % 2 != 0)
		return refuse(c, check, value->at, "not a whole number of hexadecimal bytes");
	for (size_t i = 0; i < value->text.len; i++) {
		char digit = value->text.at[i];
		int nibble = digit >= '0' && digit <= '9'   ? digit - '0'
			     : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
			     : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
							    : -1;

		if (nibble < 0)
			return refuse(c, check, value->at, "not a hexadecimal string");
		out[i / 2] = (char)((unsigned char)out[i / 2] << 4 | nibble);
	}
	*ret = (struct str){ .at = out, .len = value->text.len / 2 };
	return true;
}

static bool compile_regex(struct compiler *c, const struct ast *check,
			  const struct ast_value *value, struct literal *literal)
{
	char error[REGEX_ERROR_MAX];
	size_t size = 0;

	literal->regex = regex_compile(value->text, error);
	if (literal->regex == NULL)
		return complain(c, RULES_ERR_COMPILE_CONDITION, value->at, "regex: %s", error);
	pcre2_pattern_info(literal->regex, PCRE2_INFO_SIZE, &size);
	c->regex_total += size;
	if (c->regex_total <= RULES_REGEX_MEMORY_MAX)
		return true;
	pcre2_code_free(literal->regex);
	literal->regex = NULL;
	return refuse(c, check, value->at, "the regular expressions of all rules together are too large");
}

static bool set_number(struct compiler *c, const struct ast *check, const struct term *left,
		       const struct ast_value *value, struct literal *literal)
{
	struct str text = value->text;
	struct servent service, *hit = NULL;
	char scratch[2048];
	uint64_t big;
	int64_t small;

	if (text.len > 1 && text.at[0] == '+')
		text = str_from(text, 1);
	if (str_to_i64(text, &small)) {
		literal->number = small;
		if (small < 0 && left->is_unsigned)
			literal->number = left->type == FIELD_TYPE_UINT32 ? (uint32_t)small :
									     (uint64_t)small;
		return true;
	}
	if (str_to_u64(text, &big)) {
		literal->number = big;
		return true;
	}
	if (left->type == FIELD_TYPE_PORT && left->kind == AST_FIELD &&
	    getservbyname_r(literal->text.at, NULL, &service, scratch, sizeof(scratch), &hit) == 0 &&
	    hit != NULL) {
		literal->number = ntohs((uint16_t)service.s_port);
		return true;
	}
	return refuse(c, check, value->at, "the value is not a whole decimal number");
}

static bool set_bytes(struct compiler *c, const struct ast *check, const struct term *left,
		      const struct ast_value *value, struct literal *literal)
{
	if (value->text.len > RULES_LITERAL_MAX)
		return refuse(c, check, value->at, "the value is longer than 255 bytes");
	if (left->class == CLASS_TEXT && memchr(value->text.at, '\0', value->text.len) != NULL)
		return refuse(c, check, value->at, "the value holds a NUL byte");
	if (check->op == OP_BCONTAINS || check->op == OP_BSTARTSWITH)
		return decode_hex(c, check, value, &literal->text);
	if (check->op == OP_REGEX)
		return compile_regex(c, check, value, literal);
	return true;
}

static bool set_literal(struct compiler *c, const struct ast *check, const struct term *left,
			const struct ast_value *value, struct literal *literal)
{
	literal->text = compile_str(c, value->text);
	switch (left->class) {
	case CLASS_NUMBER: return set_number(c, check, left, value, literal);
	case CLASS_REAL:
		if (!set_number(c, check, left, value, literal))
			return false;
		literal->real = (double)literal->number;
		return true;
	case CLASS_BOOL:
		literal->truth = str_eq(value->text, STR("true"));
		return literal->truth || str_eq(value->text, STR("false")) ||
		       refuse(c, check, value->at, "the value is neither true nor false");
	case CLASS_ADDRESS:
		return net_addr_parse(value->text, &literal->addr) ||
		       refuse(c, check, value->at, "the value is not an IP address");
	case CLASS_NETWORK:
		return net_prefix_parse(value->text, &literal->net) ||
		       refuse(c, check, value->at, "the value is not a network (address/bits)");
	case CLASS_TEXT:
	case CLASS_BYTES:
	case CLASS_ANY: return set_bytes(c, check, left, value, literal);
	}
	return false;
}

static struct str nearest_type(struct compiler *c, struct str name)
{
	struct near near = near_to(name);

	if (!load_may_suggest(c->loader, evttypes_count()))
		return near.best;
	for (size_t i = EVTTYPE_FIRST; i < evttypes_count(); i++)
		near_try(&near, evttype_name(i));
	return near.best;
}

static bool check_type_name(struct compiler *c, const struct ast *check, const struct term *left,
			    const struct ast_value *value)
{
	bool equality = (EQUALITY & BIT(check->op)) != 0;

	if (c->any_field || !equality ||
	    (left->base != FIELD_EVT_TYPE && left->base != FIELD_SYSCALL_TYPE) ||
	    left->kind != AST_FIELD || evttype_find(value->text) >= EVTTYPE_FIRST)
		return true;
	complain(c, RULES_ERR_COMPILE_CONDITION, value->at, "unknown event type %.*s",
		 STR_ARG(value->text));
	problem_suggest(c->loader, c->problem, nearest_type(c, value->text));
	c->problem->is_unknown_filter = true;
	return false;
}

static bool set_literals(struct compiler *c, const struct ast *check, const struct term *left,
			 struct predicate *predicate)
{
	struct literal *literals = compile_take(c, (check->values_count + 1) * sizeof(*literals));

	if (literals == NULL)
		return false;
	predicate->literals = literals;
	for (size_t i = 0; i < check->values_count; i++) {
		if (!check_type_name(c, check, left, &check->values[i]) ||
		    !set_literal(c, check, left, &check->values[i], &literals[i]))
			break;
		predicate->count++;
	}
	if (predicate->count == check->values_count)
		return true;
	for (uint32_t i = 0; check->op == OP_REGEX && i < predicate->count; i++)
		pcre2_code_free(literals[i].regex);
	return false;
}

static bool is_without_rhs(const struct term *term)
{
	return term->kind == AST_FIELD && term->base != FIELD_NONE &&
	       (field_info_at(term->base)->flags & FIELD_NO_RHS) != 0;
}

/* A port, a time and a count are all numbers, but none is another. */
static bool have_one_type(const struct term *left, const struct term *right)
{
	if (left->class == CLASS_ANY || right->class == CLASS_ANY)
		return true;
	return left->class == right->class &&
	       (left->class != CLASS_NUMBER || left->type == right->type);
}

static bool set_right(struct compiler *c, const struct ast *check, uint32_t left_id,
		      struct predicate *predicate)
{
	const struct term *left, *right;

	if (!compile_term(c, check->right, &predicate->right))
		return false;
	left = &c->rules->terms[left_id];
	right = &c->rules->terms[predicate->right];
	if (check->op == OP_PMATCH || check->op == OP_REGEX || left->class == CLASS_NETWORK)
		return refuse(c, check, check->right->at,
			      "cannot be compared to another field or a transformer");
	if (is_without_rhs(left) || is_without_rhs(right))
		return refuse(c, check, check->right->at,
			      "the field cannot be compared to another");
	if (!have_one_type(left, right))
		return refuse(c, check, check->right->at, "the two sides have different types");
	if (left->is_list != right->is_list)
		return refuse(c, check, check->right->at,
			      "one side is a list and the other is not");
	return true;
}

/* Everything that makes two predicates the same. */
static void predicate_key(struct compiler *c, const struct ast *check,
			  const struct predicate *predicate)
{
	key_begin(c);
	key_add(&c->key, c->any_field);
	key_add(&c->key, check->op);
	key_add(&c->key, check->modifier);
	key_add(&c->key, predicate->term);
	key_add(&c->key, predicate->right);
	for (size_t i = 0; i < check->values_count; i++) {
		key_add(&c->key, (uint32_t)check->values[i].text.len);
		buf_add(&c->key, check->values[i].text);
	}
}

static bool check_sides(struct compiler *c, const struct ast *check, struct predicate *predicate)
{
	if (!compile_term(c, check->left, &predicate->term) ||
	    !check_op(c, check, &c->rules->terms[predicate->term]))
		return false;
	predicate->class = c->rules->terms[predicate->term].class;
	return check->right == NULL || set_right(c, check, predicate->term, predicate);
}

bool compile_check(struct compiler *c, const struct ast *check, uint32_t *ret_predicate)
{
	struct predicate predicate = { .right = NONE,
				       .op = check->op,
				       .modifier = check->modifier };
	struct rules *rules = c->rules;

	/* Room first, so that a compiled regular expression always has an owner. */
	if (!compile_grow(c, (void **)&rules->predicates, rules->predicates_count,
			  &c->predicates_cap, sizeof(predicate)))
		return false;
	if (!check_sides(c, check, &predicate))
		return false;
	predicate_key(c, check, &predicate);
	if (key_find(c, &c->predicate_names, ret_predicate))
		return true;
	if (!buf_ok(&c->key) ||
	    (check->right == NULL && !set_literals(c, check, &rules->terms[predicate.term], &predicate)))
		return false;
	rules->predicates[rules->predicates_count] = predicate;
	*ret_predicate = rules->predicates_count++;
	return key_keep(c, &c->predicate_names, *ret_predicate);
}
