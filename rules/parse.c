/* The condition parser: scannerless recursive descent, as the language wants it ("in()", "or(" and
 * "existsand" are all legal, so there are no tokens to speak of). */
#include "rules/ast.h"

#include <errno.h>
#include <stdio.h>

struct parser {
	struct arena *arena;
	struct str text;
	size_t pos;
	unsigned depth, depth_max;
	struct str last; /* the last word that was taken, for messages */
	int result;      /* 0 until something went wrong */
	struct parse_error error;
};

static bool parse_or(struct parser *p, struct ast **ret);

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Form feed and vertical tab separate only after `not`; a backspace is a blank elsewhere. */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\b' || c == '\r' || c == '\n';
}

static char peek(const struct parser *p, size_t ahead)
{
	return p->pos + ahead < p->text.len ? p->text.at[p->pos + ahead] : '\0';
}

static bool at_end(const struct parser *p)
{
	return p->pos >= p->text.len;
}

/* Always false, so that it can be returned. The first error stands. */
static bool fail_at(struct parser *p, size_t at, const char *text)
{
	if (p->result == 0) {
		p->result = -EBADMSG;
		p->error = (struct parse_error){ .at = at, .text = text };
	}
	return false;
}

static bool fail(struct parser *p, const char *text)
{
	return fail_at(p, p->pos, text);
}

static bool fail_after(struct parser *p)
{
	struct buf text = { .max = 512 };

	buf_add(&text, STR("unexpected token after '"));
	buf_add_printable(&text, str_cut(p->last, 100));
	buf_add(&text, STR("', expecting 'or', 'and'"));
	fail(p, arena_str(p->arena, buf_str(&text)).at);
	buf_done(&text);
	return false;
}

static void *allocate(struct parser *p, size_t size)
{
	void *memory = arena_zalloc(p->arena, size);

	if (memory == NULL)
		p->result = -ENOMEM;
	return memory;
}

/* Room for one more in an array that lives in the arena and doubles; NULL sets the result. */
static void *grown(struct parser *p, void *items, size_t count, size_t size)
{
	void *bigger;

	if (count != 0 && (count < 4 || (count & (count - 1)) != 0))
		return items;
	bigger = allocate(p, (count < 4 ? 4 : count * 2) * size);
	if (bigger != NULL && count > 0)
		memcpy(bigger, items, count * size);
	return bigger;
}

static bool descend(struct parser *p)
{
	char text[64];

	if (p->depth++ < p->depth_max)
		return true;
	snprintf(text, sizeof(text), "exceeded max depth limit of %u", p->depth_max);
	return fail(p, arena_str(p->arena, str_of(text)).at);
}

/* Skips blanks; true when there were any. */
static bool blanks(struct parser *p)
{
	size_t from = p->pos;

	while (!at_end(p) && is_blank(p->text.at[p->pos]))
		p->pos++;
	return p->pos > from;
}

/* Takes a literal when it stands here. */
static bool take(struct parser *p, struct str word)
{
	if (!str_starts(str_from(p->text, p->pos), word))
		return false;
	p->last = str_cut(str_from(p->text, p->pos), word.len);
	p->pos += word.len;
	return true;
}

static size_t ident_len(const struct parser *p, size_t ahead)
{
	size_t len = 0;

	if (!is_alpha(peek(p, ahead)))
		return 0;
	while (is_alpha(peek(p, ahead + len)) || is_digit(peek(p, ahead + len)) ||
	       peek(p, ahead + len) == '_')
		len++;
	return len;
}

static struct str take_len(struct parser *p, size_t len)
{
	p->last = str_cut(str_from(p->text, p->pos), len);
	p->pos += len;
	return p->last;
}

/* The length of a field's name here, 0 without one: identifiers joined by dots, at least two. */
static size_t field_len(const struct parser *p)
{
	size_t len = ident_len(p, 0), part, dots = 0;

	while (len > 0 && peek(p, len) == '.' && (part = ident_len(p, len + 1)) > 0) {
		len += 1 + part;
		dots++;
	}
	return dots > 0 ? len : 0;
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte behind a backslash; -1: no such escape. Moves behind it. */
static int unescape(struct parser *p, char quote)
{
	static const char names[] = "bfnrt\\/", bytes[] = "\b\f\n\r\t\\/";
	char c = peek(p, 0);
	const char *hit;

	if (c == 'x') {
		int high = hex_digit(peek(p, 1));
		int low = high < 0 ? -1 : hex_digit(peek(p, 2));

		p->pos += 3;
		return low < 0 ? -1 : high * 16 + low;
	}
	if (c == ' ')
		return '\\'; /* the blank itself stays */
	p->pos++;
	if (c == quote)
		return c;
	hit = c == '\0' ? NULL : strchr(names, c);
	return hit == NULL ? -1 : bytes[hit - names];
}

/* Falco's scanner takes any quote behind a backslash as part of the string, one behind an escaped
 * backslash too. We do where the string would otherwise be followed by another quote, which nothing
 * else can mean. */
static bool escaped_before(const struct parser *p, size_t len, const char *out)
{
	return len > 0 && out[len - 1] == '\\' && p->text.at[p->pos - 1] == '\\' &&
	       peek(p, 1) == peek(p, 0);
}

/* A quoted string that begins here. */
static bool quoted(struct parser *p, struct str *ret)
{
	size_t start = p->pos;
	char quote = peek(p, 0);
	char *out = allocate(p, p->text.len - p->pos + 1);
	size_t len = 0;

	if (out == NULL)
		return false;
	p->pos++;
	while (!at_end(p) && (peek(p, 0) != quote || escaped_before(p, len, out))) {
		int byte = (unsigned char)peek(p, 0);
		size_t at = p->pos++;

		if (byte == '\\') {
			byte = unescape(p, quote);
			if (byte < 0)
				return fail_at(p, at, "unknown escape sequence in a quoted string");
		}
		out[len++] = (char)byte;
	}
	if (at_end(p))
		return fail_at(p, start, "the quoted string has no end");
	p->pos++;
	p->last = (struct str){ .at = p->text.at + start, .len = p->pos - start };
	*ret = (struct str){ .at = out, .len = len };
	return true;
}

static bool at_quote(const struct parser *p)
{
	return peek(p, 0) == '"' || peek(p, 0) == '\'';
}

static bool is_bare(char c)
{
	return !is_space(c) && strchr("()\"'=,", c) == NULL;
}

static bool is_bare_arg(char c)
{
	return !is_space(c) && strchr("][\"'", c) == NULL;
}

static size_t run_len(const struct parser *p, bool (*belongs)(char))
{
	size_t len = 0;

	while (p->pos + len < p->text.len && p->text.at[p->pos + len] != '\0' &&
	       belongs(p->text.at[p->pos + len]))
		len++;
	return len;
}

/* A quoted or bare string. False without an error when neither is here. */
static bool value(struct parser *p, struct str *ret)
{
	size_t len;

	if (at_quote(p))
		return quoted(p, ret);
	len = run_len(p, is_bare);
	if (len == 0)
		return false;
	*ret = take_len(p, len);
	return true;
}

static size_t number_len(const struct parser *p)
{
	size_t len = peek(p, 0) == '+' || peek(p, 0) == '-', exponent, digits = len;

	while (is_digit(peek(p, len)))
		len++;
	if (len == digits)
		return 0;
	if (peek(p, len) == '.')
		for (len++; is_digit(peek(p, len));)
			len++;
	if (peek(p, len) != 'e' && peek(p, len) != 'E')
		return len;
	exponent = len + 1 + (peek(p, len + 1) == '+' || peek(p, len + 1) == '-');
	for (digits = exponent; is_digit(peek(p, exponent));)
		exponent++;
	return exponent > digits ? exponent : len;
}

static size_t hex_len(const struct parser *p)
{
	size_t len = 2;

	if (peek(p, 0) != '0' || (peek(p, 1) != 'x' && peek(p, 1) != 'X'))
		return 0;
	while (hex_digit(peek(p, len)) >= 0)
		len++;
	return len > 2 ? len : 0;
}

/* "[…]" behind a field or a transformer, if it is there. */
static bool bracket(struct parser *p, struct ast_term *term)
{
	size_t len;

	if (peek(p, 0) != '[')
		return true;
	p->pos++;
	term->has_arg = true;
	if (at_quote(p)) {
		if (!quoted(p, &term->arg))
			return false;
	} else {
		len = run_len(p, is_bare_arg);
		if (len == 0)
			return fail(p, "expected a valid field argument: a quoted string or a bare string");
		term->arg = take_len(p, len);
	}
	return take(p, STR("]")) || fail(p, "expected a ']' token");
}

static bool new_term(struct parser *p, enum ast_term_kind kind, struct ast_term **ret)
{
	*ret = allocate(p, sizeof(**ret));
	if (*ret == NULL)
		return false;
	(*ret)->kind = kind;
	(*ret)->at = (uint32_t)p->pos;
	return true;
}

static bool field(struct parser *p, struct ast_term **ret)
{
	size_t len = field_len(p);

	if (len == 0 || !new_term(p, AST_FIELD, ret))
		return false;
	(*ret)->name = take_len(p, len);
	return bracket(p, *ret);
}

static bool at_transformer(const struct parser *p, enum transformer *ret)
{
	size_t len = ident_len(p, 0);

	if (len == 0 || peek(p, len) != '(')
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
	size_t len = number_len(p);

	if (len > 0) {
		if (!new_term(p, AST_NUMBER, ret))
			return false;
		(*ret)->name = take_len(p, len);
		return true;
	}
	if (at_quote(p))
		return new_term(p, AST_STRING, ret) && quoted(p, &(*ret)->name);
	if (!in_list && peek(p, 0) == '(') {
		if (!new_term(p, AST_LIST, ret))
			return false;
		p->pos++;
		return term_list(p, *ret, true);
	}
	if (at_transformer(p, &call))
		return transformed(p, ret);
	return field(p, ret) ||
	       fail(p, "expected a field, a transformer, a quoted string, a number or a list");
}

/* The items of "( …, … )", its "(" already taken. */
static bool term_list(struct parser *p, struct ast_term *into, bool nested)
{
	blanks(p);
	if (nested && take(p, STR(")")))
		return true;
	for (;;) {
		struct ast_term *item;

		blanks(p);
		if (!argument(p, nested, &item))
			return false;
		into->items = grown(p, into->items, into->count, sizeof(item));
		if (into->items == NULL)
			return false;
		into->items[into->count++] = item;
		blanks(p);
		if (take(p, STR(")")))
			return true;
		if (!take(p, STR(",")))
			return fail(p, "expected a ',' or a ')' token");
	}
}

static bool transformed(struct parser *p, struct ast_term **ret)
{
	enum transformer call = 0;

	if (!at_transformer(p, &call) || !descend(p) || !new_term(p, AST_CALL, ret))
		return false;
	(*ret)->call = call;
	(*ret)->name = take_len(p, ident_len(p, 0));
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
	if (!take(p, STR("val(")))
		return true;
	blanks(p);
	if (!field(p, ret))
		return fail(p, "expected a field inside val()");
	(*ret)->is_val = true;
	blanks(p);
	return take(p, STR(")")) || fail(p, "expected a ')' token");
}

static bool add_value(struct parser *p, struct ast *check, struct str text, size_t at)
{
	check->values = grown(p, check->values, check->values_count, sizeof(*check->values));
	if (check->values == NULL)
		return false;
	check->values[check->values_count++] = (struct ast_value){ .text = text, .at = (uint32_t)at };
	return true;
}

static bool list_items(struct parser *p, struct ast *check)
{
	blanks(p);
	if (take(p, STR(")")))
		return true;
	for (;;) {
		struct str text;
		size_t at;

		blanks(p);
		at = p->pos;
		if (!value(p, &text))
			return fail(p, "expected a list item: a quoted string or a bare string");
		if (!add_value(p, check, text, at))
			return false;
		blanks(p);
		if (take(p, STR(")")))
			return true;
		if (!take(p, STR(",")))
			return fail(p, "expected a ',' or a ')' token");
	}
}

/* "( a, b )", or the name of a list that is not in parentheses (one item, or none that we know). */
static bool list_right(struct parser *p, struct ast *check)
{
	size_t at = p->pos, len = ident_len(p, 0);

	check->is_list = true;
	if (take(p, STR("(")))
		return list_items(p, check);
	if (len == 0)
		return fail(p, "expected a list or an identifier");
	return add_value(p, check, take_len(p, len), at);
}

static bool list_or_term_right(struct parser *p, struct ast *check)
{
	blanks(p);
	if (!right_term(p, &check->right))
		return false;
	return check->right != NULL || list_right(p, check);
}

static bool number_right(struct parser *p, struct ast *check)
{
	size_t len, at;

	blanks(p);
	if (!right_term(p, &check->right))
		return false;
	if (check->right != NULL)
		return true;
	at = p->pos;
	len = hex_len(p);
	if (len == 0)
		len = number_len(p);
	if (len == 0)
		return fail(p, "expected a number value or a field with a valid transformer");
	return add_value(p, check, take_len(p, len), at);
}

/* " oneof (" or " oneof name": a word alone is a string like any other. */
static bool take_modifier(struct parser *p, enum modifier *ret)
{
	static const struct str joins[] = { STR("and"), STR("or"), STR("not") };

	for (enum modifier i = MODIFIER_ONEOF; i <= MODIFIER_ALLOF; i++) {
		struct parser ahead = *p;
		size_t len;

		if (!take(&ahead, str_of(modifier_name(i))) || !blanks(&ahead))
			continue;
		len = ident_len(&ahead, 0);
		if (peek(&ahead, 0) != '(' && len == 0)
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

	after_blank |= blanks(p);
	if (after_blank && take_modifier(p, &check->modifier))
		return list_right(p, check);
	if (!right_term(p, &check->right))
		return false;
	if (check->right != NULL)
		return true;
	at = p->pos;
	if (!value(p, &text))
		return fail(p, "expected a string value");
	return add_value(p, check, text, at);
}

static bool take_word_op(struct parser *p, enum op *ret)
{
	static const enum op words[] = { OP_GLOB, OP_IGLOB, OP_CONTAINS, OP_ICONTAINS, OP_BCONTAINS,
		                         OP_STARTSWITH, OP_BSTARTSWITH, OP_ENDSWITH, OP_REGEX };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t from = p->pos;

		if (take(p, str_of(op_name(words[i]))) && blanks(p)) {
			*ret = words[i];
			return true;
		}
		p->pos = from;
	}
	return false;
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

	blanks(p);
	if (take(p, STR("exists"))) {
		check->op = OP_EXISTS;
		return true;
	}
	if (take(p, STR("==")) || take(p, STR("=")) || take(p, STR("!="))) {
		check->op = p->last.at[0] == '!' ? OP_NE : OP_EQ;
		return string_right(p, check, false);
	}
	if (take_word_op(p, &check->op))
		return string_right(p, check, true);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (take(p, plain[i].text)) {
			check->op = plain[i].op;
			return plain[i].right(p, check);
		}
	}
	return fail(p, "expected a valid check operator: exists, =, ==, !=, <, <=, >, >=, in, intersects, "
	               "pmatch, contains, icontains, bcontains, startswith, bstartswith, endswith, glob, "
	               "iglob, regex");
}

static bool new_node(struct parser *p, enum ast_kind kind, size_t at, struct ast **ret)
{
	*ret = allocate(p, sizeof(**ret));
	if (*ret == NULL)
		return false;
	(*ret)->kind = kind;
	(*ret)->at = (uint32_t)at;
	return true;
}

/* Behind a "(": an expression and its ")". */
static bool rest(struct parser *p, struct ast **ret)
{
	if (!descend(p))
		return false;
	blanks(p);
	if (!parse_or(p, ret))
		return false;
	blanks(p);
	p->depth--;
	return take(p, STR(")")) || fail(p, "expected a ')' token");
}

static bool check_or_macro(struct parser *p, struct ast **ret)
{
	struct ast_term *left = NULL;
	enum transformer call;
	size_t at = p->pos, len;

	if (at_transformer(p, &call)) {
		if (!transformed(p, &left))
			return false;
	} else if (field_len(p) > 0 && !field(p, &left)) {
		return false;
	}
	if (left != NULL) {
		if (!new_node(p, AST_CHECK, at, ret))
			return false;
		(*ret)->left = left;
		return test(p, *ret);
	}
	len = ident_len(p, 0);
	if (len == 0)
		return fail(p, "expected a '(' token, a field check, or an identifier");
	if (!new_node(p, AST_MACRO, at, ret))
		return false;
	(*ret)->name = take_len(p, len);
	return true;
}

static bool primary(struct parser *p, struct ast **ret)
{
	blanks(p);
	if (take(p, STR("(")))
		return rest(p, ret);
	return check_or_macro(p, ret);
}

static bool parse_not(struct parser *p, struct ast **ret)
{
	bool negated = false, done = false;
	struct ast *inner, **items;
	size_t at;

	blanks(p);
	at = p->pos;
	while (!done && str_starts(str_from(p->text, p->pos), STR("not")) &&
	       (is_space(peek(p, 3)) || peek(p, 3) == '(')) {
		done = peek(p, 3) == '(';
		negated = !negated;
		take_len(p, 3);
		while (!at_end(p) && is_space(p->text.at[p->pos]))
			p->pos++;
	}
	if (done)
		p->pos++;
	if (done ? !rest(p, &inner) : !primary(p, &inner))
		return false;
	*ret = inner;
	if (!negated)
		return true;
	items = allocate(p, sizeof(*items));
	if (items == NULL || !new_node(p, AST_NOT, at, ret))
		return false;
	items[0] = inner;
	(*ret)->items = items;
	(*ret)->count = 1;
	return true;
}

static bool append(struct parser *p, struct ast *node, struct ast *item)
{
	node->items = grown(p, node->items, node->count, sizeof(item));
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
	if (blanks(p))
		return level->operand(p, ret);
	if (take(p, STR("(")))
		return rest(p, ret);
	return fail(p, level->expected);
}

/* Operands joined by one word; one operand alone is itself. */
static bool joined(struct parser *p, const struct level *level, struct ast **ret)
{
	struct ast *first, *next, *node = NULL;
	size_t at;

	blanks(p);
	at = p->pos;
	if (!level->operand(p, &first))
		return false;
	blanks(p);
	while (take(p, level->word)) {
		if (!next_operand(p, level, &next))
			return false;
		if (node == NULL && (!new_node(p, level->kind, at, &node) || !append(p, node, first)))
			return false;
		if (!append(p, node, next))
			return false;
		blanks(p);
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

int ast_parse(struct str text, unsigned depth_max, struct arena *arena, struct ast **ret,
              struct parse_error *reterr)
{
	struct parser p = { .arena = arena, .text = text, .depth_max = depth_max };

	if (str_trim(text).len == 0)
		fail(&p, "filter input string is empty");
	else if (parse_or(&p, ret) && !at_end(&p))
		fail_after(&p);
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
		fail(&p, "expected a field or a transformer");
	*ret_end = p.pos;
	if (p.result == -EBADMSG)
		*reterr = p.error;
	return p.result;
}
