/* Growing bytes with a sticky failure flag: a chain of buf_add…() reads like a template and is
 * checked once, at the end, with buf_ok(). The owner of the struct frees it with buf_done(). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

struct buf {
	char *at;
	size_t len;
	size_t cap;
	size_t max;  /* refuse to grow beyond; 0: BUF_MAX */
	bool failed; /* out of memory or beyond max; sticky until buf_clear() */
};

#define BUF_MAX ((size_t)64 << 20)

/* Empty, but keeps the memory; clears the failure. */
void buf_clear(struct buf *buf);
void buf_done(struct buf *buf);

static inline bool buf_ok(const struct buf *buf)
{
	return !buf->failed;
}

static inline struct str buf_str(const struct buf *buf)
{
	return (struct str){ .at = buf->at, .len = buf->len };
}

/* Room for `extra` more bytes; false sets the failure flag. */
bool buf_reserve(struct buf *buf, size_t extra);

/* Shortens to `len` bytes; longer than the content does nothing. */
void buf_cut(struct buf *buf, size_t len);

void buf_add(struct buf *buf, struct str s);
void buf_add_char(struct buf *buf, char c);
void buf_add_u64(struct buf *buf, uint64_t value);
void buf_add_i64(struct buf *buf, int64_t value);
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A NUL behind the content, not counted in len; returns the text, or NULL on failure. */
const char *buf_text(struct buf *buf);

/* The bytes as a JSON string, quotes included. Control characters are escaped; a byte 0xHH that is
 * not part of well-formed UTF-8 becomes U+EFHH (private use), which json_unescape() turns back into
 * the byte, so any byte string survives a round trip and every JSON reader takes the text. */
void buf_add_json(struct buf *buf, struct str s);

/* For people: the bytes with control characters, DEL and bytes that are not UTF-8 (also in their
 * U+EFHH form) as \xHH, so that a terminal or a log line cannot be driven by a file name.
 * Bidirectional and other invisible format characters are shown as \u{HHHH}. */
void buf_add_printable(struct buf *buf, struct str s);

#endif
