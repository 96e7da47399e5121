/* A strict JSON reader (RFC 8259) that makes no tree and allocates nothing: it checks the text once
 * and fills an array of spans over it, in document order. Made for the ingest path.
 *
 * Stricter than the RFC: a key that stands twice in one object is refused (one reader would see the
 * first value, another the last, and that is a way to hide something). More lenient in one point:
 * bytes inside strings that are not UTF-8 are taken, flagged `escaped`, and survive (see buf_add_json).
 *
 * Nodes of an object are key, value, key, value, …; of an array value, value, …; a whole subtree is
 * contiguous and `next` is the index behind it. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum json_kind {
	JSON_NULL = 0,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_node {
	uint32_t at;    /* offset of the first byte; of a string the one behind its quote */
	uint32_t len;   /* bytes; of a string without its quotes */
	uint32_t next;  /* index of the node behind this subtree; of a key: a hash of its bytes */
	uint8_t kind;   /* enum json_kind */
	bool escaped;   /* string: json_unescape() gives other bytes than the span */
};

struct json {
	struct str text;         /* borrowed, at most 4 GiB - 1 */
	struct json_node *nodes; /* the caller's array */
	uint32_t cap;            /* its length: the bound on values and keys */
	uint32_t depth_max;      /* arrays and objects within each other */
	uint32_t count;          /* nodes in use after json_read() */
	/* On failure: */
	size_t error_at;         /* byte offset into text */
	const char *error;       /* a literal that says what was wrong */
};

/* Reads one value that begins at `from` (blanks before it are skipped) into json->nodes, replacing
 * what was there. On success returns 0 and the offset behind the value (blanks after it not skipped)
 * in ret_end. Else -EBADMSG (not JSON), -E2BIG (more than cap nodes) or -ELOOP (deeper than
 * depth_max), with error_at and error set. */
int json_read(struct json *json, size_t from, size_t *ret_end);

/* The offset behind the value that begins at `from`, found by brackets and quotes alone, so that the
 * neighbours of a bad value in an array can still be read; json->text.len when there is no end. */
size_t json_skip_bad(struct str text, size_t from);

/* The offset of the first byte at or behind `from` that is not a blank. */
size_t json_blanks(struct str text, size_t from);

/* The span of a node as it stands in the text; of strings without their quotes. */
static inline struct str json_raw(const struct json *json, uint32_t node)
{
	return (struct str){ json->text.at + json->nodes[node].at, json->nodes[node].len };
}

/* The span of a whole value as it stands in the text, quotes included. */
struct str json_whole(const struct json *json, uint32_t node);

/* The index of the value under `key` in object `object`, or 0 (never a value's index) without one. */
uint32_t json_get(const struct json *json, uint32_t object, struct str key);

/* Walks an array: for (uint32_t i = json_first(j, a); i != json_end(j, a); i = j->nodes[i].next).
 * In an object i is a key and i + 1 its value: i = j->nodes[i + 1].next steps. */
static inline uint32_t json_first(const struct json *json, uint32_t node)
{
	(void)json;
	return node + 1;
}

static inline uint32_t json_end(const struct json *json, uint32_t node)
{
	return json->nodes[node].next;
}

/* The bytes that a string node stands for: the span itself when nothing is escaped, else a copy in
 * the arena with escapes resolved, U+EFHH turned into the byte 0xHH, and lone surrogates into U+FFFD.
 * `at` is NULL when out of memory. */
struct str json_string(const struct json *json, uint32_t node, struct arena *arena);

/* The same on a raw span, into `out` (at least raw.len bytes); returns the length. */
size_t json_unescape(struct str raw, char *out);

/* Adds a value, normalised: no blanks outside strings, strings re-escaped so that the result is valid
 * UTF-8 whatever came in. Numbers keep their spelling. */
void json_copy(struct buf *out, const struct json *json, uint32_t node);

#endif
