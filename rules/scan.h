/* The parser's hands: what stands at the current position, and moving behind it. There are no
 * tokens to speak of in this language, so the grammar asks for what it wants. */
#ifndef RULES_SCAN_H
#define RULES_SCAN_H

#include "rules/ast.h"

struct parser {
	struct arena *arena;
	struct str text;
	size_t pos;
	unsigned depth, depth_max;
	struct str last; /* the last word that was taken, for messages */
	char *unescaped; /* room for all quoted strings, which are never longer than the text */
	size_t unescaped_used;
	int result;	 /* 0 until something went wrong */
	struct parse_error error;
};

/* The byte `ahead` of the position, NUL behind the end. */
static inline char scan_peek(const struct parser *p, size_t ahead)
{
	return p->pos + ahead < p->text.len ? p->text.at[p->pos + ahead] : '\0';
}

static inline bool scan_at_end(const struct parser *p)
{
	return p->pos >= p->text.len;
}

/* What separates behind `not`: form feed and vertical tab too, but no backspace. */
static inline bool scan_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Always false, so that it can be returned. The first error stands. */
bool scan_fail(struct parser *p, const char *text);

/* What may have been meant, for the error that comes next; an empty str: nothing. */
void scan_suggest(struct parser *p, struct str near);

/* The letters that stand here. */
struct str scan_word(const struct parser *p);

/* Something stands behind an expression that does not belong there. */
bool scan_fail_after(struct parser *p);

/* Cleared memory from the arena; NULL sets the result. */
void *scan_allocate(struct parser *p, size_t size);

/* Room for one more in an array that lives in the arena and doubles; NULL sets the result. */
void *scan_grown(struct parser *p, void *items, size_t count, size_t size);

/* One level deeper; false at the limit. */
bool scan_descend(struct parser *p);

/* Skips blanks; true when there were any. */
bool scan_blanks(struct parser *p);

/* Takes a word when it stands here. */
bool scan_take(struct parser *p, struct str word);

/* Takes so many bytes. */
struct str scan_take_len(struct parser *p, size_t len);

/* The length of what stands here, 0 when it does not: an identifier `ahead` of the position, a
 * field's name (identifiers joined by dots, at least two), a number, a hexadecimal number, an
 * argument in brackets without quotes. */
size_t scan_ident_len(const struct parser *p, size_t ahead);
size_t scan_field_len(const struct parser *p);
size_t scan_number_len(const struct parser *p);
size_t scan_hex_len(const struct parser *p);
size_t scan_bare_arg_len(const struct parser *p);

bool scan_at_quote(const struct parser *p);

/* Takes a quoted string, escapes resolved; or a quoted or bare one. scan_value() returns false
 * without an error when neither is here. */
bool scan_quoted(struct parser *p, struct str *ret);
bool scan_value(struct parser *p, struct str *ret);

#endif
