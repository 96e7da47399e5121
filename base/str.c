/* Borrowed bytes: comparing, cutting, reading numbers and UTF-8. */
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>

int str_cmp(struct str a, struct str b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int r = len == 0 ? 0 : memcmp(a.at, b.at, len);

	if (r != 0)
		return r < 0 ? -1 : 1;
	if (a.len == b.len)
		return 0;
	return a.len < b.len ? -1 : 1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

ptrdiff_t str_find(struct str hay, struct str needle)
{
	const char *hit;

	if (needle.len == 0)
		return 0;
	if (hay.len < needle.len)
		return -1;
	hit = memmem(hay.at, hay.len, needle.at, needle.len);
	return hit == NULL ? -1 : hit - hay.at;
}

char *str_dup(struct str s)
{
	char *copy = malloc(s.len + 1);

	if (copy == NULL)
		return NULL;
	if (s.len > 0)
		memcpy(copy, s.at, s.len);
	copy[s.len] = '\0';
	return copy;
}

bool str_to_u64(struct str s, uint64_t *ret)
{
	uint64_t value = 0;

	if (s.len == 0 || s.len > 20)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(s.at[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*ret = value;
	return true;
}

bool str_to_i64(struct str s, int64_t *ret)
{
	bool negative = s.len > 0 && s.at[0] == '-';
	uint64_t magnitude;

	if (!str_to_u64(negative ? str_from(s, 1) : s, &magnitude))
		return false;
	if (magnitude > (uint64_t)INT64_MAX + negative)
		return false;
	*ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return true;
}

bool str_to_double(struct str s, double *ret)
{
	char text[64], *end;
	double value;

	if (s.len == 0 || s.len >= sizeof(text) || is_blank(s.at[0]))
		return false;
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	errno = 0;
	value = strtod(text, &end); /* the programs never call setlocale(): always a point */
	if (end != text + s.len || errno == ERANGE)
		return false;
	*ret = value;
	return true;
}

size_t utf8_len(struct str s)
{
	const unsigned char *c = (const unsigned char *)s.at;

	if (s.len == 0)
		return 0;
	if (c[0] < 0x80)
		return 1;
	if (c[0] < 0xc2)
		return 0;
	if (s.len < 2 || (c[1] & 0xc0) != 0x80)
		return 0;
	if (c[0] < 0xe0)
		return 2;
	if (s.len < 3 || (c[2] & 0xc0) != 0x80)
		return 0;
	if (c[0] < 0xf0) {
		if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f))
			return 0;
		return 3;
	}
	if (c[0] > 0xf4 || s.len < 4 || (c[3] & 0xc0) != 0x80)
		return 0;
	if ((c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return 4;
}

bool str_is_utf8(struct str s)
{
	while (s.len > 0) {
		size_t n = utf8_len(s);

		if (n == 0)
			return false;
		s = str_from(s, n);
	}
	return true;
}
