/* Borrowed bytes. A `struct str` owns nothing and lives as long as what it points into; it may hold
 * any byte, NUL included, and is not terminated. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct str {
	const char *at;
	size_t len;
};

/* A literal as a str, its length known at compile time. */
#define STR(literal) ((struct str){ .at = (literal), .len = sizeof(literal) - 1 })

/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).len, (s).at

static inline struct str str_of(const char *text)
{
	return (struct str){ .at = text, .len = text == NULL ? 0 : strlen(text) };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool str_eq_nocase(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.at, b.at, a.len) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
	       (suffix.len == 0 || memcmp(s.at + s.len - suffix.len, suffix.at, suffix.len) == 0);
}

/* The bytes from `from` on; an offset past the end gives the empty str. */
static inline struct str str_from(struct str s, size_t from)
{
	if (from > s.len)
		from = s.len;
	return (struct str){ .at = s.at + from, .len = s.len - from };
}

static inline struct str str_cut(struct str s, size_t len)
{
	return (struct str){ .at = s.at, .len = len < s.len ? len : s.len };
}

/* -1, 0, 1 in byte order. */
int str_cmp(struct str a, struct str b);

/* Without blanks (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str s);

/* The offset of the first `needle` in `hay`, or -1. The empty needle is found at 0. */
ptrdiff_t str_find(struct str hay, struct str needle);

/* A NUL-terminated copy, owned by the caller; NULL when out of memory. */
char *str_dup(struct str s);

/* Whole input as a decimal number in range; no blanks, no sign for u64. False leaves `ret` alone. */
bool str_to_u64(struct str s, uint64_t *ret);
bool str_to_i64(struct str s, int64_t *ret);
bool str_to_double(struct str s, double *ret);

/* Whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_is_utf8(struct str s);

/* The length (1 to 4) of the well-formed UTF-8 sequence at the start of s, 0 when there is none. */
size_t utf8_len(struct str s);

#endif
