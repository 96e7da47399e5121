/* Growing bytes, and the two escapes through which a stranger's bytes leave: JSON and terminal. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

void buf_done(struct buf *buf)
{
	free(buf->at);
	*buf = (struct buf){ .max = buf->max };
}

bool buf_reserve(struct buf *buf, size_t extra)
{
	size_t max = buf->max == 0 ? BUF_MAX : buf->max;
	size_t cap = buf->cap;
	char *at;

	if (buf->failed)
		return false;
	if (extra > max || buf->len > max - extra) {
		buf->failed = true;
		return false;
	}
	if (buf->cap - buf->len > extra) /* one byte kept for buf_text() */
		return true;
	if (cap < 128)
		cap = 128;
	while (cap - buf->len <= extra)
		cap *= 2;
	at = realloc(buf->at, cap);
	if (at == NULL) {
		buf->failed = true;
		return false;
	}
	buf->at = at;
	buf->cap = cap;
	return true;
}

void buf_cut(struct buf *buf, size_t len)
{
	if (len < buf->len)
		buf->len = len;
}

void buf_add(struct buf *buf, struct str s)
{
	if (s.len == 0 || !buf_reserve(buf, s.len))
		return;
	memcpy(buf->at + buf->len, s.at, s.len);
	buf->len += s.len;
}

void buf_add_char(struct buf *buf, char c)
{
	if (!buf_reserve(buf, 1))
		return;
	buf->at[buf->len++] = c;
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
	char text[20];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	buf_add(buf, (struct str){ text + at, sizeof(text) - at });
}

void buf_add_i64(struct buf *buf, int64_t value)
{
	if (value < 0) {
		buf_add_char(buf, '-');
		buf_add_u64(buf, 0 - (uint64_t)value);
		return;
	}
	buf_add_u64(buf, (uint64_t)value);
}

void buf_addf(struct buf *buf, const char *format, ...)
{
	size_t room = buf->cap - buf->len;
	va_list args;
	int len;

	/* Mostly there is room, and it is written once. */
	va_start(args, format);
	len = vsnprintf(room > 0 ? buf->at + buf->len : NULL, room, format, args);
	va_end(args);
	if (len < 0 || !buf_reserve(buf, (size_t)len)) {
		buf->failed = true;
		return;
	}
	if ((size_t)len < room) {
		buf->len += (size_t)len;
		return;
	}
	va_start(args, format);
	vsnprintf(buf->at + buf->len, (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
}

const char *buf_text(struct buf *buf)
{
	if (!buf_reserve(buf, 0)) /* the byte that is always kept */
		return NULL;
	buf->at[buf->len] = '\0';
	return buf->at;
}

static void add_json_control(struct buf *buf, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
	const char *shorter = NULL;

	switch (c) {
	case '"': shorter = "\\\""; break;
	case '\\': shorter = "\\\\"; break;
	case '\n': shorter = "\\n"; break;
	case '\r': shorter = "\\r"; break;
	case '\t': shorter = "\\t"; break;
	case '\b': shorter = "\\b"; break;
	case '\f': shorter = "\\f"; break;
	default: break;
	}
	if (shorter != NULL)
		buf_add(buf, (struct str){ shorter, 2 });
	else
		buf_add(buf, (struct str){ text, sizeof(text) });
}

/* U+EF80 to U+EFFF itself, which stands for a byte on the wire and so is sent byte by byte. */
static bool is_escape_range(const char *at)
{
	return (unsigned char)at[0] == 0xee && ((unsigned char)at[1] & 0xfe) == 0xbe;
}

void buf_add_json(struct buf *buf, struct str s)
{
	buf_add_char(buf, '"');
	while (s.len > 0) {
		size_t plain = 0;
		unsigned char c;

		while (plain < s.len) {
			size_t n;

			c = (unsigned char)s.at[plain];
			if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
				break;
			n = c < 0x80 ? 1 : utf8_len(str_from(s, plain));
			if (n == 0 || (n == 3 && is_escape_range(s.at + plain)))
				break;
			plain += n;
		}
		buf_add(buf, str_cut(s, plain));
		s = str_from(s, plain);
		if (s.len == 0)
			break;
		c = (unsigned char)s.at[0];
		if (c < 0x80) {
			add_json_control(buf, c);
		} else { /* U+EFHH in UTF-8 */
			char raw[3] = { (char)0xee, (char)(0xbe | (c >> 6 & 1)), (char)(0x80 | (c & 0x3f)) };

			buf_add(buf, (struct str){ raw, sizeof(raw) });
		}
		s = str_from(s, 1);
	}
	buf_add_char(buf, '"');
}

/* The code point of a well-formed sequence of `n` bytes. */
static uint32_t utf8_code(struct str s, size_t n)
{
	const unsigned char *c = (const unsigned char *)s.at;

	switch (n) {
	case 2: return (uint32_t)(c[0] & 0x1f) << 6 | (c[1] & 0x3f);
	case 3: return (uint32_t)(c[0] & 0x0f) << 12 | (uint32_t)(c[1] & 0x3f) << 6 | (c[2] & 0x3f);
	case 4:
		return (uint32_t)(c[0] & 0x07) << 18 | (uint32_t)(c[1] & 0x3f) << 12 |
		       (uint32_t)(c[2] & 0x3f) << 6 | (c[3] & 0x3f);
	default: return c[0];
	}
}

/* Characters that are not seen but change how their neighbours are: bidirectional controls, zero
 * width, line separators, byte order mark. */
static bool is_invisible(uint32_t code)
{
	return (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2060 && code <= 0x206f) || code == 0xfeff || (code >= 0x80 && code < 0xa0) ||
	       code == 0x061c;
}

void buf_add_printable(struct buf *buf, struct str s)
{
	while (s.len > 0) {
		size_t n = utf8_len(s);
		uint32_t code;

		if (n == 0) {
			buf_addf(buf, "\\x%02x", (unsigned char)s.at[0]);
			s = str_from(s, 1);
			continue;
		}
		code = utf8_code(s, n);
		if (code < 0x20 || code == 0x7f)
			buf_addf(buf, "\\x%02x", (unsigned)code);
		else if (code >= 0xef80 && code <= 0xefff)
			buf_addf(buf, "\\x%02x", (unsigned)(code & 0xff));
		else if (is_invisible(code))
			buf_addf(buf, "\\u{%x}", (unsigned)code);
		else
			buf_add(buf, str_cut(s, n));
		s = str_from(s, n);
	}
}
