/* The expression is read by RE2's grammar and written again for PCRE2, so that neither what only PCRE2 knows nor
 * what it reads in another way gets through. A literal is short, so the recursion is not deep. */
#include "rules/regex.h"

#include "base/cleanup.h"

#include <stdio.h>

enum {
	REPEAT_MAX = 1000, /* of what is repeated, repeats in it included */
	RUNE_MAX = 0x10ffff,
	WRITTEN_MAX = 16 << 10,
};

struct reader {
	struct str text;
	size_t at;
	struct buf out;
	char *error; /* empty: none */
};

static bool refuse(struct reader *reader, const char *text, size_t from)
{
	struct str rest = str_cut(str_from(reader->text, from), 40);

	snprintf(reader->error, REGEX_ERROR_MAX, "%s at `%.*s`", text, STR_ARG(rest));
	return false;
}

static bool is_end(const struct reader *reader)
{
	return reader->at >= reader->text.len;
}

static bool is_next(const struct reader *reader, char c)
{
	return !is_end(reader) && reader->text.at[reader->at] == c;
}

static bool take(struct reader *reader, char c)
{
	if (!is_next(reader, c))
		return false;
	reader->at++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void add_rune(struct buf *out, uint32_t rune)
{
	if (rune < 128 && (is_letter((char)rune) || is_digit((char)rune)))
		buf_add_char(out, (char)rune);
	else
		buf_addf(out, "\\x{%x}", rune);
}

/* Bytes of the UTF-8 character that begins with this one. */
static size_t rune_len(unsigned char first)
{
	return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static uint32_t take_rune(struct reader *reader)
{
	unsigned char first = (unsigned char)reader->text.at[reader->at];
	size_t len = rune_len(first);
	uint32_t rune = len == 1 ? first : first & (0xffu >> (len + 1));

	for (size_t i = 1; i < len && reader->at + i < reader->text.len; i++)
		rune = rune << 6 | ((unsigned char)reader->text.at[reader->at + i] & 0x3f);
	reader->at += len;
	return rune;
}

static int hex_digit(char c)
{
	return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Behind "\x": two digits, or some in braces. */
static bool take_hex(struct reader *reader, uint32_t *ret)
{
	bool braces = take(reader, '{');
	uint32_t digits = 0;

	*ret = 0;
	for (; !is_end(reader) && (braces || digits < 2); digits++) {
		int digit = hex_digit(reader->text.at[reader->at]);

		if (digit < 0)
			break;
		*ret = *ret * 16 + (uint32_t)digit;
		if (*ret > RUNE_MAX)
			return false;
		reader->at++;
	}
	return braces ? digits > 0 && take(reader, '}') : digits == 2;
}

/* Behind a backslash and the first octal digit; a digit alone would be a back reference, unless it is 0. */
static bool take_octal(struct reader *reader, char first, uint32_t *ret)
{
	size_t from = reader->at;

	*ret = (uint32_t)(first - '0');
	while (reader->at < from + 2 && !is_end(reader) && reader->text.at[reader->at] >= '0' &&
	       reader->text.at[reader->at] <= '7')
		*ret = *ret * 8 + (uint32_t)(reader->text.at[reader->at++] - '0');
	return first == '0' || reader->at > from;
}

/* What to write instead of what other syntaxes have. */
static const char *bad_escape(char c)
{
	switch (c) {
	case 'd': return "\\d is not in POSIX syntax, write [0-9],";
	case 'D': return "\\D is not in POSIX syntax, write [^0-9],";
	case 'w': return "\\w is not in POSIX syntax, write [[:word:]],";
	case 'W': return "\\W is not in POSIX syntax, write [^[:word:]],";
	case 's': return "\\s is not in POSIX syntax, write [[:space:]],";
	case 'S': return "\\S is not in POSIX syntax, write [^[:space:]],";
	case 'b':
	case 'B': return "word boundaries are not supported";
	default: return is_digit(c) ? "back references are not supported" : "invalid escape sequence";
	}
}

static bool take_escape(struct reader *reader, uint32_t *ret)
{
	static const char names[] = "abfnrtv", codes[] = "\a\b\f\n\r\t\v";
	size_t from = reader->at++;
	const char *name;
	char c;

	if (is_end(reader))
		return refuse(reader, "trailing \\", from);
	c = reader->text.at[reader->at++];
	name = strchr(names, c);
	if (c == 'x' && take_hex(reader, ret))
		return true;
	if (c >= '0' && c <= '7' && take_octal(reader, c, ret))
		return true;
	if (c != '\0' && c != 'b' && name != NULL) {
		*ret = (uint32_t)codes[name - names];
		return true;
	}
	*ret = (uint32_t)c;
	if ((unsigned char)c < 128 && !is_letter(c) && !is_digit(c))
		return true;
	return refuse(reader, bad_escape(c), from);
}

/* "[:alpha:]" inside a set. False with an error, or without one when it is none. */
static bool take_class(struct reader *reader)
{
	static const char *const names[] = { "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
		                             "lower", "print", "punct", "space", "upper", "word",  "xdigit" };
	struct str rest = str_from(reader->text, reader->at), name;
	ptrdiff_t end;

	if (!str_starts(rest, STR("[:")))
		return false;
	end = str_find(rest, STR(":]"));
	if (end < 2)
		return false;
	name = str_cut(str_from(rest, 2), (size_t)end - 2);
	if (str_starts(name, STR("^")))
		name = str_from(name, 1);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!str_eq(name, str_of(names[i])))
			continue;
		buf_add(&reader->out, str_cut(rest, (size_t)end + 2));
		reader->at += (size_t)end + 2;
		return true;
	}
	return refuse(reader, "invalid character class", reader->at);
}

static bool take_member(struct reader *reader, uint32_t *ret)
{
	if (is_next(reader, '\\'))
		return take_escape(reader, ret);
	*ret = take_rune(reader);
	return true;
}

/* One character or a range of them. */
static bool take_range(struct reader *reader)
{
	size_t from = reader->at;
	uint32_t low, high;

	if (!take_member(reader, &low))
		return false;
	add_rune(&reader->out, low);
	if (!is_next(reader, '-') || reader->at + 1 >= reader->text.len || reader->text.at[reader->at + 1] == ']')
		return true;
	reader->at++;
	if (!take_member(reader, &high))
		return false;
	if (high < low)
		return refuse(reader, "invalid character class range", from);
	buf_add_char(&reader->out, '-');
	add_rune(&reader->out, high);
	return true;
}

static bool take_set(struct reader *reader)
{
	size_t from = reader->at++;
	bool first = true;

	buf_add_char(&reader->out, '[');
	if (take(reader, '^'))
		buf_add_char(&reader->out, '^');
	for (; first || !is_next(reader, ']'); first = false) {
		if (is_end(reader))
			return refuse(reader, "missing ]", from);
		if (!first && is_next(reader, '-') && reader->at + 1 < reader->text.len &&
		    reader->text.at[reader->at + 1] != ']')
			return refuse(reader, "invalid character class range, - stands first or last,", reader->at);
		if (take_class(reader))
			continue;
		if (reader->error[0] != '\0' || !take_range(reader))
			return false;
	}
	reader->at++;
	buf_add_char(&reader->out, ']');
	return true;
}

static bool take_alternatives(struct reader *reader, unsigned *ret_repeats);

static bool take_group(struct reader *reader, unsigned *ret_repeats)
{
	size_t from = reader->at++;

	if (is_next(reader, '?'))
		return refuse(reader, "(?…) is not in POSIX syntax", from);
	buf_add(&reader->out, STR("(?:"));
	if (!take_alternatives(reader, ret_repeats))
		return false;
	if (!take(reader, ')'))
		return refuse(reader, "missing )", from);
	buf_add_char(&reader->out, ')');
	return true;
}

static bool take_atom(struct reader *reader, unsigned *ret_repeats)
{
	char c = reader->text.at[reader->at];
	uint32_t rune;

	switch (c) {
	case '(': return take_group(reader, ret_repeats);
	case '[': return take_set(reader);
	case '.':
		reader->at++;
		buf_add(&reader->out, STR("[^\\n]"));
		return true;
	case '^':
	case '$':
		reader->at++;
		buf_add_char(&reader->out, c);
		return true;
	case '*':
	case '+':
	case '?': return refuse(reader, "missing argument to repetition operator", reader->at);
	default: break;
	}
	if (!take_member(reader, &rune))
		return false;
	add_rune(&reader->out, rune);
	return true;
}

static bool take_number(struct reader *reader, unsigned *ret)
{
	size_t from = reader->at;

	for (*ret = 0; !is_end(reader) && is_digit(reader->text.at[reader->at]); reader->at++)
		if (*ret <= REPEAT_MAX)
			*ret = *ret * 10 + (unsigned)(reader->text.at[reader->at] - '0');
	return reader->at > from;
}

/* {2}, {2,} or {2,3}; without such a form a brace is a character. */
static bool take_braces(struct reader *reader, unsigned *ret_min, unsigned *ret_max)
{
	size_t from = reader->at;

	if (take(reader, '{') && take_number(reader, ret_min)) {
		*ret_max = *ret_min;
		if (take(reader, ',') && !take_number(reader, ret_max))
			*ret_max = UINT_MAX;
		if (take(reader, '}'))
			return true;
	}
	reader->at = from;
	return false;
}

/* Makes one of what was written since `from`, so that it can be repeated. */
static void wrap(struct buf *out, size_t from)
{
	size_t len = out->len - from;

	buf_add(out, STR("(?:)"));
	if (!buf_ok(out))
		return;
	memmove(out->at + from + 3, out->at + from, len);
	memcpy(out->at + from, "(?:", 3);
	out->at[out->len - 1] = ')';
}

static bool check_repeats(struct reader *reader, size_t at, unsigned min, unsigned max, unsigned *repeats)
{
	unsigned most = max == UINT_MAX ? min : max;

	if (min > REPEAT_MAX || most > REPEAT_MAX || max < min)
		return refuse(reader, "bad repetition operator", at);
	if (most > 0)
		*repeats *= most;
	return *repeats <= REPEAT_MAX || refuse(reader, "bad repetition operator, too many,", at);
}

/* All the operators behind what was written since `from`; each repeats the whole before it. */
static bool take_repeats(struct reader *reader, size_t from, unsigned *repeats)
{
	while (!is_end(reader)) {
		size_t at = reader->at;
		unsigned min = 0, max = 0;

		if (take(reader, '*') || take(reader, '+') || take(reader, '?')) {
			wrap(&reader->out, from);
			buf_add_char(&reader->out, reader->text.at[at]);
		} else if (take_braces(reader, &min, &max)) {
			if (!check_repeats(reader, at, min, max, repeats))
				return false;
			wrap(&reader->out, from);
			buf_add(&reader->out, str_cut(str_from(reader->text, at), reader->at - at));
		} else {
			break;
		}
	}
	return true;
}

static bool take_sequence(struct reader *reader, unsigned *ret_repeats)
{
	size_t begin = reader->at;
	unsigned min, max;

	if (take_braces(reader, &min, &max))
		return refuse(reader, "missing argument to repetition operator", begin);
	while (!is_end(reader) && !is_next(reader, '|') && !is_next(reader, ')')) {
		size_t from = reader->out.len;
		unsigned repeats = 1;

		if (!take_atom(reader, &repeats) || !take_repeats(reader, from, &repeats))
			return false;
		if (repeats > *ret_repeats)
			*ret_repeats = repeats;
	}
	return true;
}

static bool take_alternatives(struct reader *reader, unsigned *ret_repeats)
{
	while (take_sequence(reader, ret_repeats)) {
		if (!take(reader, '|'))
			return true;
		buf_add_char(&reader->out, '|');
	}
	return false;
}

pcre2_code *regex_compile(struct str text, char *reterr)
{
	const uint32_t options = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_MULTILINE |
	                         PCRE2_ALT_CIRCUMFLEX | PCRE2_NEVER_BACKSLASH_C;
	struct reader reader = { .text = text, .out = { .max = WRITTEN_MAX }, .error = reterr };
	pcre2_code *code = NULL;
	unsigned repeats = 1;
	size_t offset;
	int error;

	reterr[0] = '\0';
	if (!str_is_utf8(text))
		refuse(&reader, "invalid UTF-8", 0);
	else if (take_alternatives(&reader, &repeats) && !is_end(&reader))
		refuse(&reader, "unexpected )", reader.at);
	if (reterr[0] == '\0' && !buf_ok(&reader.out))
		refuse(&reader, "the expression is too large", 0);
	if (reterr[0] == '\0') {
		code = pcre2_compile((PCRE2_SPTR)buf_text(&reader.out), reader.out.len, options, &error, &offset, NULL);
		if (code == NULL)
			pcre2_get_error_message(error, (PCRE2_UCHAR *)reterr, REGEX_ERROR_MAX);
	}
	buf_done(&reader.out);
	return code;
}
