/* The condition parser: recursive descent, as the language wants it ("in()", "or(" and "existsand"
 * are all legal). */
#include "rules/near.h"
#include "rules/scan.h"

#include <errno.h>

static bool parse_or(struct parser *p, struct ast **ret);

/* "[…]" behind a field or a transformer, if it is there. */
static bool bracket(struct parser *p, struct ast_term *term)
{
	size_t len;

	if (scan_peek(p, 0) != '[')
		return true;
	p->pos++;
	term->has_arg = true;
	if (scan_at_quote(p)) {
		if (!scan_quoted(p, &term->arg))
			return false;
	} else {
		len = scan_bare_arg_len(p);
		if (len == 0)
			return scan_fail(p, "expected a valid field argument: a quoted string or a "
					    "bare string");
		term->arg = scan_take_len(p, len);
	}
	return scan_take(p, STR("]")) || scan_fail(p, "expected a ']' token");
}

static bool new_term(struct parser *p, enum ast_term_kind kind, struct ast_term **ret)
{
	*ret = scan_allocate(p, sizeof(**ret));
	if (*ret == NULL)
		return false;
	(*ret)->kind = kind;
	(*ret)->at = (uint32_t)p->pos;
	return true;
}

static bool field(struct parser *p, struct ast_term **ret)
{
	size_t len = scan_field_len(p);

	if (len == 0 || !new_term(p, AST_FIELD, ret))
		return false;
	(*ret)->name = scan_take_len(p, len);
	return bracket(p, *ret);
}

static bool at_transformer(const struct parser *p, enum transformer *ret)
{
	size_t len = scan_ident_len(p, 0);

	if (len == 0 || scan_peek(p, len) != '(')
		return false;
	for (enum transformer i = 0; i < TRANSFORMER_COUNT; i++) {
		if (str_eq(str_cut(str_from(p->text, p->pos), len), str_of(transformer_name(i)))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool transformed(struct parser *p, struct ast_term **ret);

static bool term_list(struct parser *p, struct ast_term *into, bool nested);

/* An item of a transformer's arguments, or of the list among them. */
static bool argument(struct parser *p, bool in_list, struct ast_term **ret)
{
	enum transformer call;
	size_t len = scan_number_len(p);

	if (len > 0) {
		if (!new_term(p, AST_NUMBER, ret))
			return false;
		(*ret)->name = scan_take_len(p, len);
		return true;
	}
	if (scan_at_quote(p))
		return new_term(p, AST_STRING, ret) && scan_quoted(p, &(*ret)->name);
	if (!in_list && scan_peek(p, 0) == '(') {
		if (!new_term(p, AST_LIST, ret))
			return false;
		p->pos++;
		return term_list(p, *ret, true);
	}
	if (at_transformer(p, &call))
		return transformed(p, ret);
	return field(p, ret) ||
	       scan_fail(p, "expected a field, a transformer, a quoted string, a number or a list");
}

/* The items of "( …, … )", its "(" already taken. */
static bool term_list(struct parser *p, struct ast_term *into, bool nested)
{
	scan_blanks(p);
	if (nested && scan_take(p, STR(")")))
		return true;
	for (;;) {
		struct ast_term *item;

		scan_blanks(p);
		if (!argument(p, nested, &item))
			return false;
		into->items = scan_grown(p, into->items, into->count, sizeof(item));
		if (into->items == NULL)
			return false;
		into->items[into->count++] = item;
		scan_blanks(p);
		if (scan_take(p, STR(")")))
			return true;
		if (!scan_take(p, STR(",")))
			return scan_fail(p, "expected a ',' or a ')' token");
	}
}

static bool transformed(struct parser *p, struct ast_term **ret)
{
	enum transformer call = 0;

	if (!at_transformer(p, &call) || !scan_descend(p) || !new_term(p, AST_CALL, ret))
		return false;
	(*ret)->call = call;
	(*ret)->name = scan_take_len(p, scan_ident_len(p, 0));
	p->pos++;
	if (!term_list(p, *ret, false))
		return false;
	p->depth--;
	return bracket(p, *ret);
}

/* A transformer or val(field) on the right; *ret stays NULL when neither is here. */
static bool right_term(struct parser *p, struct ast_term **ret)
{
	enum transformer call;

	*ret = NULL;
	if (at_transformer(p, &call))
		return transformed(p, ret);
	if (!scan_take(p, STR("val(")))
		return true;
	scan_blanks(p);
	if (!field(p, ret))
		return scan_fail(p, "expected a field inside val()");
	(*ret)->is_val = true;
	scan_blanks(p);
	return scan_take(p, STR(")")) || scan_fail(p, "expected a ')' token");
}

static bool add_value(struct parser *p, struct ast *check, struct str text, size_t at)
{
	check->values = scan_grown(p, check->values, check->values_count, sizeof(*check->values));
	if (check->values == NULL)
		return false;
	check->values[check->values_count++] =
		(struct ast_value){ .text = text, .at = (uint32_t)at };
	return true;
}

static bool list_items(struct parser *p, struct ast *check)
{
	scan_blanks(p);
	if (scan_take(p, STR(")")))
		return true;
	for (;;) {
		struct str text;
		size_t at;

		scan_blanks(p);
		at = p->pos;
		if (!scan_value(p, &text))
			return scan_fail(p,
					 "expected a list item: a quoted string or a bare string");
		if (!add_value(p, check, text, at))
			return false;
		scan_blanks(p);
		if (scan_take(p, STR(")")))
			return true;
		if (!scan_take(p, STR(",")))
			return scan_fail(p, "expected a ',' or a ')' token");
	}
}

/* "( a, b )", or the name of a list that is not in parentheses (one item, or none that we know). */
static bool list_right(struct parser *p, struct ast *check)
{
	size_t at = p->pos, len = scan_ident_len(p, 0);

	check->is_list = true;
	if (scan_take(p, STR("(")))
		return list_items(p, check);
	if (len == 0)
		return scan_fail(p, "expected a list or an identifier");
	check->is_named = true;
	return add_value(p, check, scan_take_len(p, len), at);
}

static bool list_or_term_right(struct parser *p, struct ast *check)
{
	scan_blanks(p);
	if (!right_term(p, &check->right))
		return false;
	return check->right != NULL || list_right(p, check);
}

static bool number_right(struct parser *p, struct ast *check)
{
	size_t len, at;

	scan_blanks(p);
	if (!right_term(p, &check->right))
		return false;
	if (check->right != NULL)
		return true;
	at = p->pos;
	len = scan_hex_len(p);
	if (len == 0)
		len = scan_number_len(p);
	if (len == 0)
		return scan_fail(p, "expected a number value or a field with a valid transformer");
	return add_value(p, check, scan_take_len(p, len), at);
}

/* " oneof (" or " oneof name": a word alone is a string like any other. */
static bool take_modifier(struct parser *p, enum modifier *ret)
{
	static const struct str joins[] = { STR("and"), STR("or"), STR("not") };

	for (enum modifier i = MODIFIER_ONEOF; i <= MODIFIER_ALLOF; i++) {
		struct parser ahead = *p;
		size_t len;

		if (!scan_take(&ahead, str_of(modifier_name(i))) || !scan_blanks(&ahead))
			continue;
		len = scan_ident_len(&ahead, 0);
		if (scan_peek(&ahead, 0) != '(' && len == 0)
			return false;
		for (size_t j = 0; j < sizeof(joins) / sizeof(joins[0]); j++)
			if (str_eq(str_cut(str_from(ahead.text, ahead.pos), len), joins[j]))
				return false;
		p->pos = ahead.pos;
		*ret = i;
		return true;
	}
	return false;
}

static bool string_right(struct parser *p, struct ast *check, bool after_blank)
{
	struct str text;
	size_t at;

	after_blank |= scan_blanks(p);
	if (after_blank && take_modifier(p, &check->modifier))
		return list_right(p, check);
	if (!right_term(p, &check->right))
		return false;
	if (check->right != NULL)
		return true;
	at = p->pos;
	if (!scan_value(p, &text))
		return scan_fail(p, "expected a string value");
	return add_value(p, check, text, at);
}

static bool take_word_op(struct parser *p, enum op *ret)
{
	static const enum op words[] = { OP_GLOB,	 OP_IGLOB,     OP_CONTAINS,
					 OP_ICONTAINS,	 OP_BCONTAINS, OP_STARTSWITH,
					 OP_BSTARTSWITH, OP_ENDSWITH,  OP_REGEX };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t from = p->pos;

		if (scan_take(p, str_of(op_name(words[i]))) && scan_blanks(p)) {
			*ret = words[i];
			return true;
		}
		p->pos = from;
	}
	return false;
}

static struct str op_nearest(struct str word)
{
	struct near near = near_to(word);

	for (enum op op = 0; op < OP_COUNT; op++)
		near_try(&near, str_of(op_name(op)));
	return near.best;
}

/* The operator and what stands right of it. The order of attempts is part of the language. */
static bool test(struct parser *p, struct ast *check)
{
	static const struct {
		struct str text;
		enum op op;
		bool (*right)(struct parser *p, struct ast *check);
	} plain[] = {
		{ STR("<="), OP_LE, number_right },
		{ STR("<"), OP_LT, number_right },
		{ STR(">="), OP_GE, number_right },
		{ STR(">"), OP_GT, number_right },
		{ STR("intersects"), OP_INTERSECTS, list_or_term_right },
		{ STR("in"), OP_IN, list_or_term_right },
		{ STR("pmatch"), OP_PMATCH, list_or_term_right },
	};

	scan_blanks(p);
	if (scan_take(p, STR("exists"))) {
		check->op = OP_EXISTS;
		return true;
	}
	if (scan_take(p, STR("==")) || scan_take(p, STR("=")) || scan_take(p, STR("!="))) {
		check->op = p->last.at[0] == '!' ? OP_NE : OP_EQ;
		check->is_doubled = check->op == OP_EQ && p->last.len == 2;
		return string_right(p, check, false);
	}
	if (take_word_op(p, &check->op))
		return string_right(p, check, true);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (scan_take(p, plain[i].text)) {
			check->op = plain[i].op;
			return plain[i].right(p, check);
		}
	}
	scan_suggest(p, op_nearest(scan_word(p)));
	return scan_fail(
		p,
		"expected a valid check operator: exists, =, ==, !=, <, <=, >, >=, in, intersects, "
		"pmatch, contains, icontains, bcontains, startswith, bstartswith, endswith, glob, "
		"iglob, regex");
}

static bool new_node(struct parser *p, enum ast_kind kind, size_t at, struct ast **ret)
{
	*ret = scan_allocate(p, sizeof(**ret));
	if (*ret == NULL)
		return false;
	(*ret)->kind = kind;
	(*ret)->at = (uint32_t)at;
	return true;
}

/* Behind a "(": an expression and its ")". */
static bool rest(struct parser *p, struct ast **ret)
{
	if (!scan_descend(p))
		return false;
	scan_blanks(p);
	if (!parse_or(p, ret))
		return false;
	scan_blanks(p);
	p->depth--;
	return scan_take(p, STR(")")) || scan_fail(p, "expected a ')' token");
}

/* A name and a parenthesis: nothing else can be meant. */
static bool unknown_transformer(struct parser *p, size_t len)
{
	struct near near = near_to(str_cut(str_from(p->text, p->pos), len));
	struct buf text = { .max = 512 };

	for (enum transformer i = 0; i < TRANSFORMER_COUNT; i++)
		near_try(&near, str_of(transformer_name(i)));
	scan_suggest(p, near.best);
	buf_add(&text, STR("unknown transformer '"));
	buf_add(&text, str_cut(near.name, 100));
	buf_add_char(&text, '\'');
	scan_fail(p, arena_str(p->arena, buf_str(&text)).at);
	buf_done(&text);
	return false;
}

static bool check_or_macro(struct parser *p, struct ast **ret)
{
	struct ast_term *left = NULL;
	enum transformer call;
	size_t at = p->pos, len;

	if (at_transformer(p, &call)) {
		if (!transformed(p, &left))
			return false;
	} else if (scan_field_len(p) > 0 && !field(p, &left)) {
		return false;
	}
	if (left != NULL) {
		if (!new_node(p, AST_CHECK, at, ret))
			return false;
		(*ret)->left = left;
		return test(p, *ret);
	}
	len = scan_ident_len(p, 0);
	if (len == 0)
		return scan_fail(p, "expected a '(' token, a field check, or an identifier");
	if (!new_node(p, AST_MACRO, at, ret))
		return false;
	if (scan_peek(p, len) == '(')
		return unknown_transformer(p, len);
	(*ret)->name = scan_take_len(p, len);
	return true;
}

static bool primary(struct parser *p, struct ast **ret)
{
	scan_blanks(p);
	if (scan_take(p, STR("(")))
		return rest(p, ret);
	return check_or_macro(p, ret);
}

static bool parse_not(struct parser *p, struct ast **ret)
{
	bool negated = false, done = false;
	struct ast *inner, **items;
	size_t at;

	scan_blanks(p);
	at = p->pos;
	while (!done && str_starts(str_from(p->text, p->pos), STR("not")) &&
	       (scan_is_space(scan_peek(p, 3)) || scan_peek(p, 3) == '(')) {
		done = scan_peek(p, 3) == '(';
		negated = !negated;
		scan_take_len(p, 3);
		while (!scan_at_end(p) && scan_is_space(p->text.at[p->pos]))
			p->pos++;
	}
	if (done)
		p->pos++;
	if (done ? !rest(p, &inner) : !primary(p, &inner))
		return false;
	*ret = inner;
	if (!negated)
		return true;
	items = scan_allocate(p, sizeof(*items));
	if (items == NULL || !new_node(p, AST_NOT, at, ret))
		return false;
	items[0] = inner;
	(*ret)->items = items;
	(*ret)->count = 1;
	return true;
}

static bool append(struct parser *p, struct ast *node, struct ast *item)
{
	node->items = scan_grown(p, node->items, node->count, sizeof(item));
	if (node->items == NULL)
		return false;
	node->items[node->count++] = item;
	return true;
}

/* How a level of precedence joins the level below it. */
struct level {
	enum ast_kind kind;
	struct str word;
	bool (*operand)(struct parser *p, struct ast **ret);
	const char *expected;
};

static bool next_operand(struct parser *p, const struct level *level, struct ast **ret)
{
	if (scan_blanks(p))
		return level->operand(p, ret);
	if (scan_take(p, STR("(")))
		return rest(p, ret);
	return scan_fail(p, level->expected);
}

/* Operands joined by one word; one operand alone is itself. */
static bool joined(struct parser *p, const struct level *level, struct ast **ret)
{
	struct ast *first, *next, *node = NULL;
	size_t at;

	scan_blanks(p);
	at = p->pos;
	if (!level->operand(p, &first))
		return false;
	scan_blanks(p);
	while (scan_take(p, level->word)) {
		if (!next_operand(p, level, &next))
			return false;
		if (node == NULL &&
		    (!new_node(p, level->kind, at, &node) || !append(p, node, first)))
			return false;
		if (!append(p, node, next))
			return false;
		scan_blanks(p);
	}
	*ret = node == NULL ? first : node;
	return true;
}

static bool parse_and(struct parser *p, struct ast **ret)
{
	static const struct level level = { AST_AND, STR("and"), parse_not,
					    "expected blank or '(' after 'and'" };

	return joined(p, &level, ret);
}

static bool parse_or(struct parser *p, struct ast **ret)
{
	static const struct level level = { AST_OR, STR("or"), parse_and,
					    "expected blank or '(' after 'or'" };

	return joined(p, &level, ret);
}

/* Behind an operand something else than `and` or `or` stands. */
static void fail_behind(struct parser *p)
{
	struct near near = near_to(scan_word(p));

	near_try(&near, STR("and"));
	near_try(&near, STR("or"));
	if (near.name.len < 2)
		near.best = (struct str){ 0 };
	scan_suggest(p, near.best);
	scan_fail_after(p);
}

int ast_parse(struct str text, unsigned depth_max, struct arena *arena, struct ast **ret,
	      struct parse_error *reterr)
{
	struct parser p = { .arena = arena, .text = text, .depth_max = depth_max };

	if (str_trim(text).len == 0)
		scan_fail(&p, "filter input string is empty");
	else if (parse_or(&p, ret) && !scan_at_end(&p))
		fail_behind(&p);
	if (p.result == -EBADMSG)
		*reterr = p.error;
	if (p.result == -EBADMSG && p.error.text == NULL)
		return -ENOMEM;
	return p.result;
}

int ast_parse_term(struct str text, size_t from, struct arena *arena, struct ast_term **ret,
		   size_t *ret_end, struct parse_error *reterr)
{
	struct parser p = { .arena = arena, .text = text, .pos = from, .depth_max = 100 };
	enum transformer call;

	*ret = NULL;
	if (at_transformer(&p, &call) ? !transformed(&p, ret) : !field(&p, ret))
		scan_fail(&p, "expected a field or a transformer");
	*ret_end = p.pos;
	if (p.result == -EBADMSG)
		*reterr = p.error;
	return p.result;
}
