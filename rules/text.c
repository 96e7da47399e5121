/* Comparing bytes. Nothing here allocates; the worst case of a pattern with stars is quadratic. */
#include "rules/text.h"

#include <ctype.h>

/* Few bytes are like the first of the literal, so most are passed by at once. */
static bool contains_nocase(struct str value, struct str literal)
{
	char low, high;

	if (literal.len == 0 || literal.len > value.len)
		return literal.len == 0;
	low = text_lower(literal.at[0]);
	high = text_upper(literal.at[0]);
	for (size_t i = 0; i <= value.len - literal.len; i++) {
		size_t j = 1;

		if (value.at[i] != low && value.at[i] != high)
			continue;
		while (j < literal.len && text_lower(value.at[i + j]) == text_lower(literal.at[j]))
			j++;
		if (j == literal.len)
			return true;
	}
	return false;
}

bool text_holds(enum op op, struct str value, struct str literal)
{
	switch (op) {
	case OP_EQ:
	case OP_IN:
	case OP_INTERSECTS: return str_eq(value, literal);
	case OP_NE: return !str_eq(value, literal);
	case OP_CONTAINS:
	case OP_BCONTAINS: return str_find(value, literal) >= 0;
	case OP_ICONTAINS: return contains_nocase(value, literal);
	case OP_STARTSWITH:
	case OP_BSTARTSWITH: return str_starts(value, literal);
	case OP_ENDSWITH: return str_ends(value, literal);
	case OP_GLOB: return text_glob(literal, value, false);
	case OP_IGLOB: return text_glob(literal, value, true);
	case OP_LT: return str_cmp(value, literal) < 0;
	case OP_LE: return str_cmp(value, literal) <= 0;
	case OP_GT: return str_cmp(value, literal) > 0;
	case OP_GE: return str_cmp(value, literal) >= 0;
	default: return false;
	}
}

static bool in_class(struct str name, unsigned char c)
{
	static const struct {
		struct str name;
		int (*is)(int c);
	} classes[] = {
		{ STR("alnum"), isalnum }, { STR("alpha"), isalpha }, { STR("blank"), isblank },
		{ STR("cntrl"), iscntrl }, { STR("digit"), isdigit }, { STR("graph"), isgraph },
		{ STR("lower"), islower }, { STR("print"), isprint }, { STR("punct"), ispunct },
		{ STR("space"), isspace }, { STR("upper"), isupper }, { STR("xdigit"), isxdigit },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (str_eq(classes[i].name, name))
			return c < 0x80 && classes[i].is(c) != 0;
	return false;
}

/* A "[:name:]" at `at`; its length, or 0. */
static size_t class_at(struct str pattern, size_t at, struct str *ret)
{
	size_t end = at + 2;

	if (!str_starts(str_from(pattern, at), STR("[:")))
		return 0;
	while (end + 1 < pattern.len && pattern.at[end] != ':' && pattern.at[end] != ']')
		end++;
	if (end + 1 >= pattern.len || pattern.at[end] != ':' || pattern.at[end + 1] != ']')
		return 0;
	*ret = str_cut(str_from(pattern, at + 2), end - at - 2);
	return end + 2 - at;
}

/* One byte of a set, a backslash resolved; moves behind it. */
static unsigned char set_byte(struct str pattern, size_t *at)
{
	if (pattern.at[*at] == '\\' && *at + 1 < pattern.len)
		++*at;
	return (unsigned char)pattern.at[(*at)++];
}

static bool in_range(unsigned char c, unsigned char low, unsigned char high, bool fold)
{
	if (c >= low && c <= high)
		return true;
	if (!fold)
		return false;
	c = (unsigned char)(isupper(c) ? text_lower((char)c) : text_upper((char)c));
	return c >= low && c <= high;
}

/* The set that begins at `at`; its length (0: no end, so a plain bracket) and whether it has c. */
static size_t set_holds(struct str pattern, size_t at, unsigned char c, bool fold, bool *ret)
{
	size_t i = at + 1, first;
	bool negated = i < pattern.len && (pattern.at[i] == '!' || pattern.at[i] == '^'),
	     hit = false;

	i += negated;
	for (first = i; i < pattern.len && (pattern.at[i] != ']' || i == first);) {
		struct str name;
		size_t len = class_at(pattern, i, &name);
		unsigned char low, high;

		if (len > 0) {
			hit |= in_class(name, c) ||
			       (fold && (in_class(name, (unsigned char)text_lower((char)c)) ||
					 in_class(name, (unsigned char)text_upper((char)c))));
			i += len;
			continue;
		}
		low = high = set_byte(pattern, &i);
		if (i + 1 < pattern.len && pattern.at[i] == '-' && pattern.at[i + 1] != ']') {
			i++;
			high = set_byte(pattern, &i);
		}
		hit |= in_range(c, low, high, fold);
	}
	if (i >= pattern.len)
		return 0;
	*ret = hit != negated;
	return i + 1 - at;
}

/* Whether the element of the pattern at `at` (not a star) takes the byte; its length in ret_len. */
static bool element_holds(struct str pattern, size_t at, char c, bool fold, size_t *ret_len)
{
	char want = pattern.at[at];
	bool hit;

	*ret_len = 1;
	if (want == '?')
		return true;
	if (want == '[') {
		size_t len = set_holds(pattern, at, (unsigned char)c, fold, &hit);

		if (len > 0) {
			*ret_len = len;
			return hit;
		}
	}
	if (want == '\\' && at + 1 < pattern.len) {
		want = pattern.at[at + 1];
		*ret_len = 2;
	}
	return fold ? text_lower(want) == text_lower(c) : want == c;
}

bool text_glob(struct str pattern, struct str value, bool fold_case)
{
	size_t p = 0, v = 0, star = SIZE_MAX, star_value = 0, len;

	/* On a mismatch the last star takes one byte more; earlier stars never need another try. */
	while (v < value.len) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = ++p;
			star_value = v;
		} else if (p < pattern.len &&
			   element_holds(pattern, p, value.at[v], fold_case, &len)) {
			p += len;
			v++;
		} else if (star != SIZE_MAX) {
			p = star;
			v = ++star_value;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.at[p] == '*')
		p++;
	return p == pattern.len;
}

bool text_wildcard(struct str pattern, struct str value)
{
	size_t p = 0, v = 0, star = SIZE_MAX, star_value = 0;

	while (v < value.len) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = ++p;
			star_value = v;
		} else if (p < pattern.len && pattern.at[p] == value.at[v]) {
			p++;
			v++;
		} else if (star != SIZE_MAX) {
			p = star;
			v = ++star_value;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.at[p] == '*')
		p++;
	return p == pattern.len;
}

/* The next component that is not empty; false at the end. */
static bool next_component(struct str path, size_t *at, struct str *ret)
{
	size_t start;

	while (*at < path.len && path.at[*at] == '/')
		++*at;
	start = *at;
	while (*at < path.len && path.at[*at] != '/')
		++*at;
	*ret = (struct str){ .at = path.at + start, .len = *at - start };
	return ret->len > 0;
}

bool text_path_prefix(struct str pattern, struct str path)
{
	size_t pattern_at = 0, path_at = 0;
	struct str want, have;

	while (next_component(pattern, &pattern_at, &want))
		if (!next_component(path, &path_at, &have) || !text_glob(want, have, false))
			return false;
	return true;
}

size_t text_next_variable(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		size_t at = i + 1;

		if (text.at[i] != ' ')
			continue;
		while (at < text.len && (isalnum((unsigned char)text.at[at]) || text.at[at] == '_'))
			at++;
		if (at > i + 1 && at < text.len && text.at[at] == '=')
			return i;
	}
	return text.len;
}
