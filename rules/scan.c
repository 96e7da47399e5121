/* Taking words, strings and numbers off a condition's text. */
#include "rules/scan.h"

#include <errno.h>
#include <stdio.h>

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Form feed and vertical tab separate only after `not`; a backspace is a blank elsewhere. */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\b' || c == '\r' || c == '\n';
}

/* Always false, so that it can be returned. The first error stands. */
static bool fail_at(struct parser *p, size_t at, const char *text)
{
	if (p->result == 0) {
		p->result = -EBADMSG;
		p->error = (struct parse_error){ .at = at, .text = text, .near = p->error.near };
	}
	return false;
}

void scan_suggest(struct parser *p, struct str near)
{
	if (p->result == 0)
		p->error.near = near;
}

struct str scan_word(const struct parser *p)
{
	size_t len = 0;

	while (is_alpha(scan_peek(p, len)))
		len++;
	return str_cut(str_from(p->text, p->pos), len);
}

bool scan_fail(struct parser *p, const char *text)
{
	return fail_at(p, p->pos, text);
}

bool scan_fail_after(struct parser *p)
{
	struct buf text = { .max = 512 };
	struct str rest = str_from(p->text, p->pos);

	if (str_starts(rest, STR("&&")))
		scan_suggest(p, STR("and"));
	else if (str_starts(rest, STR("||")))
		scan_suggest(p, STR("or"));
	buf_add(&text, STR("unexpected token after '"));
	buf_add_printable(&text, str_cut(p->last, 100));
	buf_add(&text, STR("', expecting 'or', 'and'"));
	scan_fail(p, arena_str(p->arena, buf_str(&text)).at);
	buf_done(&text);
	return false;
}

void *scan_allocate(struct parser *p, size_t size)
{
	void *memory = arena_zalloc(p->arena, size);

	if (memory == NULL)
		p->result = -ENOMEM;
	return memory;
}

/* Room for one more in an array that lives in the arena and doubles; NULL sets the result. */
void *scan_grown(struct parser *p, void *items, size_t count, size_t size)
{
	void *bigger;

	if (count != 0 && (count < 4 || (count & (count - 1)) != 0))
		return items;
	bigger = arena_alloc(p->arena, (count < 4 ? 4 : count * 2) * size);
	if (bigger == NULL)
		p->result = -ENOMEM;
	else if (count > 0)
		memcpy(bigger, items, count * size);
	return bigger;
}

bool scan_descend(struct parser *p)
{
	char text[64];

	if (p->depth++ < p->depth_max)
		return true;
	snprintf(text, sizeof(text), "exceeded max depth limit of %u", p->depth_max);
	return scan_fail(p, arena_str(p->arena, str_of(text)).at);
}

/* Skips blanks; true when there were any. */
bool scan_blanks(struct parser *p)
{
	size_t from = p->pos;

	while (!scan_at_end(p) && is_blank(p->text.at[p->pos]))
		p->pos++;
	return p->pos > from;
}

/* Takes a literal when it stands here. */
bool scan_take(struct parser *p, struct str word)
{
	if (scan_peek(p, 0) != word.at[0] || !str_starts(str_from(p->text, p->pos), word))
		return false;
	p->last = str_cut(str_from(p->text, p->pos), word.len);
	p->pos += word.len;
	return true;
}

size_t scan_ident_len(const struct parser *p, size_t ahead)
{
	size_t len = 0;

	if (!is_alpha(scan_peek(p, ahead)))
		return 0;
	while (is_alpha(scan_peek(p, ahead + len)) || is_digit(scan_peek(p, ahead + len)) ||
	       scan_peek(p, ahead + len) == '_')
		len++;
	return len;
}

struct str scan_take_len(struct parser *p, size_t len)
{
	p->last = str_cut(str_from(p->text, p->pos), len);
	p->pos += len;
	return p->last;
}

/* The length of a field's name here, 0 without one: identifiers joined by dots, at least two. */
size_t scan_field_len(const struct parser *p)
{
	size_t len = scan_ident_len(p, 0), part, dots = 0;

	while (len > 0 && scan_peek(p, len) == '.' && (part = scan_ident_len(p, len + 1)) > 0) {
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
	char c = scan_peek(p, 0);
	const char *hit;

	if (c == 'x') {
		int high = hex_digit(scan_peek(p, 1));
		int low = high < 0 ? -1 : hex_digit(scan_peek(p, 2));

		p->pos += 3;
		return low < 0 ? -1 : high * 16 + low;
	}
	p->pos++;
	if (c == ' ')
		return '\\'; /* as Falco reads it: both stand for the backslash */
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
	       scan_peek(p, 1) == scan_peek(p, 0);
}

/* A quoted string that begins here. */
bool scan_quoted(struct parser *p, struct str *ret)
{
	size_t start = p->pos;
	char quote = scan_peek(p, 0);
	size_t len = 0;
	char *out;

	if (p->unescaped == NULL)
		p->unescaped = scan_allocate(p, p->text.len + 1);
	if (p->unescaped == NULL)
		return false;
	out = p->unescaped + p->unescaped_used;
	p->pos++;
	while (!scan_at_end(p) && (scan_peek(p, 0) != quote || escaped_before(p, len, out))) {
		int byte = (unsigned char)scan_peek(p, 0);
		size_t at = p->pos++;

		if (byte == '\\') {
			byte = unescape(p, quote);
			if (byte < 0)
				return fail_at(p, at, "unknown escape sequence in a quoted string");
		}
		out[len++] = (char)byte;
	}
	if (scan_at_end(p))
		return fail_at(p, start, "the quoted string has no end");
	p->pos++;
	out[len] = '\0';
	p->unescaped_used += len + 1;
	p->last = (struct str){ .at = p->text.at + start, .len = p->pos - start };
	*ret = (struct str){ .at = out, .len = len };
	return true;
}

bool scan_at_quote(const struct parser *p)
{
	return scan_peek(p, 0) == '"' || scan_peek(p, 0) == '\'';
}

static bool is_bare(char c)
{
	switch (c) {
	case '(':
	case ')':
	case '"':
	case '\'':
	case '=':
	case ',': return false;
	default: return !scan_is_space(c);
	}
}

static bool is_bare_arg(char c)
{
	return !scan_is_space(c) && strchr("][\"'", c) == NULL;
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
bool scan_value(struct parser *p, struct str *ret)
{
	size_t len;

	if (scan_at_quote(p))
		return scan_quoted(p, ret);
	len = run_len(p, is_bare);
	if (len == 0)
		return false;
	*ret = scan_take_len(p, len);
	return true;
}

size_t scan_number_len(const struct parser *p)
{
	size_t len = scan_peek(p, 0) == '+' || scan_peek(p, 0) == '-', exponent, digits = len;

	while (is_digit(scan_peek(p, len)))
		len++;
	if (len == digits)
		return 0;
	if (scan_peek(p, len) == '.')
		for (len++; is_digit(scan_peek(p, len));)
			len++;
	if (scan_peek(p, len) != 'e' && scan_peek(p, len) != 'E')
		return len;
	exponent = len + 1 + (scan_peek(p, len + 1) == '+' || scan_peek(p, len + 1) == '-');
	for (digits = exponent; is_digit(scan_peek(p, exponent));)
		exponent++;
	return exponent > digits ? exponent : len;
}

size_t scan_hex_len(const struct parser *p)
{
	size_t len = 2;

	if (scan_peek(p, 0) != '0' || (scan_peek(p, 1) != 'x' && scan_peek(p, 1) != 'X'))
		return 0;
	while (hex_digit(scan_peek(p, len)) >= 0)
		len++;
	return len > 2 ? len : 0;
}

size_t scan_bare_arg_len(const struct parser *p)
{
	return run_len(p, is_bare_arg);
}
