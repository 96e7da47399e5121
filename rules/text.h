/* Operators on bytes: what `contains`, `glob` and the rest mean for one value and one literal. */
#ifndef RULES_TEXT_H
#define RULES_TEXT_H

#include "rules/ast.h"

/* Whether `value op literal`, for the operators on text but regex and pmatch; `in` and `intersects`
 * mean equality here. */
bool text_holds(enum op op, struct str value, struct str literal);

/* Shell pattern over the whole value: `*` and `?` take any byte, `[…]` a set (`!` or `^` negates,
 * classes such as [:digit:] are known), a backslash takes the next byte as it is. */
bool text_glob(struct str pattern, struct str value, bool fold_case);

/* `*` alone is special: any run of bytes. */
bool text_wildcard(struct str pattern, struct str value);

/* Whether the pattern's path components, each with the wildcards of a shell pattern, are the first
 * components of the path. Empty components do not count. */
bool text_path_prefix(struct str pattern, struct str path);

/* Where in a text of "NAME=value NAME=value" the blank before the next name is, or its end: a value may hold blanks. */
size_t text_next_variable(struct str text);

/* ASCII only. */
static inline char text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline char text_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

#endif
