/* The strict span reader. One pass; the parser's own stack is an array bounded by JSON_DEPTH. */
#include "base/json.h"

#include "base/hash.h"

#include <errno.h>
#include <sys/random.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { JSON_DEPTH = 256 };

struct reader {
	struct json *json;
	const char *start, *at, *end;
};

static int fail(struct reader *in, const char *at, const char *error)
{
	in->json->error_at = (size_t)(at - in->start);
	in->json->error = error;
	return -EBADMSG;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void skip_blanks(struct reader *in)
{
	while (in->at < in->end && is_blank(*in->at))
		in->at++;
}

size_t json_blanks(struct str text, size_t from)
{
	while (from < text.len && is_blank(text.at[from]))
		from++;
	return from;
}

/* Moves over bytes that need no look: not a quote, backslash, control or non-ASCII byte. */
static const char *skip_plain(const char *at, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
	const __m128i low = _mm_set1_epi8(0x20);

	while (end - at >= 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
		/* signed compare: control characters and everything from 0x80 on are below 0x20 */
		__m128i odd = _mm_or_si128(_mm_cmplt_epi8(bytes, low),
		                           _mm_or_si128(_mm_cmpeq_epi8(bytes, quote),
		                                        _mm_cmpeq_epi8(bytes, slash)));
		int mask = _mm_movemask_epi8(odd);

		if (mask != 0)
			return at + __builtin_ctz((unsigned)mask);
		at += 16;
	}
#endif
	while (at < end && *at != '"' && *at != '\\' && (signed char)*at >= 0x20)
		at++;
	return at;
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* U+EF80 to U+EFFF: stands for one raw byte, see buf_add_json(). */
static bool is_raw_escape(const char *at)
{
	return (unsigned char)at[0] == 0xee && ((unsigned char)at[1] & 0xfe) == 0xbe;
}

static int read_escape(struct reader *in)
{
	const char *begin = in->at++;

	if (in->at == in->end)
		return fail(in, in->at, "the text ends inside a string");
	switch (*in->at++) {
	case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
		return 0;
	case 'u':
		for (int i = 0; i < 4; i++, in->at++)
			if (in->at == in->end || hex_digit(*in->at) < 0)
				return fail(in, begin, "\\u wants four hexadecimal digits");
		return 0;
	default:
		return fail(in, begin, "unknown escape in a string");
	}
}

/* in->at stands behind the opening quote. */
static int read_string(struct reader *in, struct json_node *node)
{
	const char *begin = in->at;

	node->kind = JSON_STRING;
	node->escaped = false;
	for (;;) {
		in->at = skip_plain(in->at, in->end);
		if (in->at == in->end)
			return fail(in, in->at, "the text ends inside a string");
		if (*in->at == '"')
			break;
		if (*in->at == '\\') {
			int r = read_escape(in);

			if (r < 0)
				return r;
			node->escaped = true;
		} else if ((unsigned char)*in->at < 0x20) {
			return fail(in, in->at, "control character in a string");
		} else {
			size_t n = utf8_len((struct str){ in->at, (size_t)(in->end - in->at) });

			if (n == 0 || (n == 3 && is_raw_escape(in->at)))
				node->escaped = true;
			in->at += n == 0 ? 1 : n;
		}
	}
	node->at = (uint32_t)(begin - in->start);
	node->len = (uint32_t)(in->at - begin);
	in->at++;
	return 0;
}

static int read_digits(struct reader *in)
{
	if (in->at == in->end || !is_digit(*in->at))
		return fail(in, in->at, "expected a digit");
	while (in->at < in->end && is_digit(*in->at))
		in->at++;
	return 0;
}

static int read_number(struct reader *in, struct json_node *node)
{
	const char *begin = in->at;
	int r;

	if (*in->at == '-')
		in->at++;
	if (in->at < in->end && *in->at == '0') {
		in->at++;
		if (in->at < in->end && is_digit(*in->at))
			return fail(in, begin, "a number does not begin with 0");
	} else {
		r = read_digits(in);
		if (r < 0)
			return r;
	}
	if (in->at < in->end && *in->at == '.') {
		in->at++;
		r = read_digits(in);
		if (r < 0)
			return r;
	}
	if (in->at < in->end && (*in->at | 0x20) == 'e') {
		in->at++;
		if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
			in->at++;
		r = read_digits(in);
		if (r < 0)
			return r;
	}
	node->kind = JSON_NUMBER;
	node->escaped = false;
	node->at = (uint32_t)(begin - in->start);
	node->len = (uint32_t)(in->at - begin);
	return 0;
}

static int read_word(struct reader *in, struct json_node *node)
{
	static const struct {
		struct str word;
		enum json_kind kind;
	} words[] = {
		{ { "true", 4 }, JSON_TRUE },
		{ { "false", 5 }, JSON_FALSE },
		{ { "null", 4 }, JSON_NULL },
	};
	struct str rest = { in->at, (size_t)(in->end - in->at) };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!str_starts(rest, words[i].word))
			continue;
		node->kind = (uint8_t)words[i].kind;
		node->escaped = false;
		node->at = (uint32_t)(in->at - in->start);
		node->len = (uint32_t)words[i].word.len;
		in->at += words[i].word.len;
		return 0;
	}
	return fail(in, in->at, "expected a value");
}

enum { KEY_SPACE = 256 };

/* The bytes of a key; one with escapes is unescaped into `space` when it fits there. */
static struct str key_bytes(const struct json *json, const struct json_node *key, char *space)
{
	struct str raw = { json->text.at + key->at, key->len };

	if (!key->escaped || raw.len > KEY_SPACE)
		return raw;
	return (struct str){ space, json_unescape(raw, space) };
}

/* FNV-1a from a start that differs from run to run, so that nobody can prepare keys that meet. */
static uint32_t key_hash(struct str bytes)
{
	static _Atomic uint32_t seed;
	uint32_t hash = seed;

	if (hash == 0) {
		hash = getrandom(&hash, sizeof(hash), GRND_NONBLOCK) < 0 ? FNV_START : hash | 1;
		seed = hash;
	}
	hash = hash_fnv(hash, bytes);
	return hash ^ hash >> 15;
}

/* One bit for each key of an object, by its hash: a new key mostly finds its own not set, and need not be
 * compared to all the others. */
struct key_filter {
	uint64_t bits[16];
};

static bool filter_add(struct key_filter *filter, uint32_t hash)
{
	uint32_t at = hash % (sizeof(filter->bits) * 8);
	uint64_t bit = (uint64_t)1 << (at % 64);
	bool is_new = (filter->bits[at / 64] & bit) == 0;

	filter->bits[at / 64] |= bit;
	return is_new;
}

/* A key is compared by hash with all before it in its object, and by bytes where the hashes meet: two
 * spellings of one key ("a" and "\u0061") are the same key. The number of nodes bounds the square. */
static bool key_is_new(const struct json *json, uint32_t object, uint32_t key, struct key_filter *filter)
{
	struct json_node *nodes = json->nodes;
	char mine[KEY_SPACE], other[KEY_SPACE];
	struct str bytes = key_bytes(json, &nodes[key], mine);

	nodes[key].next = key_hash(bytes);
	if (filter_add(filter, nodes[key].next))
		return true;
	for (uint32_t i = object + 1; i < key; i = nodes[i + 1].next)
		if (nodes[i].next == nodes[key].next && str_eq(bytes, key_bytes(json, &nodes[i], other)))
			return false;
	return true;
}

static int new_node(struct reader *in, uint32_t *ret)
{
	struct json *json = in->json;

	if (json->count >= json->cap) {
		fail(in, in->at, "too many values");
		return -E2BIG;
	}
	*ret = json->count++;
	json->nodes[*ret].next = json->count;
	return 0;
}

static int read_key(struct reader *in, uint32_t object, struct key_filter *filter)
{
	uint32_t key;
	int r;

	skip_blanks(in);
	if (in->at == in->end || *in->at != '"')
		return fail(in, in->at, "expected a key in quotes");
	r = new_node(in, &key);
	if (r < 0)
		return r;
	in->at++;
	r = read_string(in, &in->json->nodes[key]);
	if (r < 0)
		return r;
	if (!key_is_new(in->json, object, key, filter))
		return fail(in, in->start + in->json->nodes[key].at, "a key stands twice in one object");
	skip_blanks(in);
	if (in->at == in->end || *in->at != ':')
		return fail(in, in->at, "expected ':' after a key");
	in->at++;
	return 0;
}

/* Reads a scalar, or opens an array or object (ret_open true). */
static int read_begin(struct reader *in, uint32_t *ret_node, bool *ret_open)
{
	struct json_node *node;
	int r;

	skip_blanks(in);
	if (in->at == in->end)
		return fail(in, in->at, "the text ends where a value should be");
	r = new_node(in, ret_node);
	if (r < 0)
		return r;
	node = &in->json->nodes[*ret_node];
	*ret_open = *in->at == '{' || *in->at == '[';
	if (*ret_open) {
		node->kind = *in->at == '{' ? JSON_OBJECT : JSON_ARRAY;
		node->escaped = false;
		node->at = (uint32_t)(in->at - in->start);
		in->at++;
		return 0;
	}
	if (*in->at == '"') {
		in->at++;
		return read_string(in, node);
	}
	if (*in->at == '-' || is_digit(*in->at))
		return read_number(in, node);
	return read_word(in, node);
}

static void close_node(struct reader *in, uint32_t node)
{
	struct json_node *closed = &in->json->nodes[node];

	in->at++;
	closed->len = (uint32_t)(in->at - in->start) - closed->at;
	closed->next = in->json->count;
}

static int read_value(struct reader *in)
{
	struct key_filter filters[JSON_DEPTH]; /* of the objects that are open */
	uint32_t stack[JSON_DEPTH], depth = 0, node;
	uint32_t depth_max = in->json->depth_max < JSON_DEPTH ? in->json->depth_max : JSON_DEPTH;
	bool open, first = true;
	int r;

	for (;;) {
		r = read_begin(in, &node, &open);
		if (r < 0)
			return r;
		if (open) {
			if (depth == depth_max) {
				fail(in, in->at - 1, "nested too deeply");
				return -ELOOP;
			}
			if (in->json->nodes[node].kind == JSON_OBJECT)
				filters[depth] = (struct key_filter){ 0 };
			stack[depth++] = node;
			first = true;
		}
		/* Close what ends here, then stand before the next value. */
		for (;;) {
			struct json_node *parent;
			char closing;

			if (depth == 0)
				return 0;
			parent = &in->json->nodes[stack[depth - 1]];
			closing = parent->kind == JSON_OBJECT ? '}' : ']';
			skip_blanks(in);
			if (in->at == in->end)
				return fail(in, in->at, "the text ends inside an array or object");
			if (*in->at == closing) {
				close_node(in, stack[--depth]);
				first = false;
				continue;
			}
			if (!first) {
				if (*in->at != ',')
					return fail(in, in->at, "expected ',' or the end of an array or object");
				in->at++;
			}
			if (parent->kind == JSON_OBJECT) {
				r = read_key(in, stack[depth - 1], &filters[depth - 1]);
				if (r < 0)
					return r;
			}
			first = false;
			break;
		}
	}
}

int json_read(struct json *json, size_t from, size_t *ret_end)
{
	struct reader in = { .json = json, .start = json->text.at };
	int r;

	json->count = 0;
	json->error = NULL;
	in.at = in.start + (from < json->text.len ? from : json->text.len);
	in.end = in.start + json->text.len;
	if (json->text.len >= UINT32_MAX) {
		fail(&in, in.start, "longer than 4 GiB");
		return -E2BIG;
	}
	r = read_value(&in);
	if (r < 0)
		return r;
	*ret_end = (size_t)(in.at - in.start);
	return 0;
}

size_t json_skip_bad(struct str text, size_t from)
{
	size_t depth = 0;
	bool quoted = false;

	for (size_t i = from; i < text.len; i++) {
		char c = text.at[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			if (depth == 0)
				return i;
			depth--;
		} else if (c == ',' && depth == 0) {
			return i;
		}
	}
	return text.len;
}

struct str json_whole(const struct json *json, uint32_t node)
{
	struct str raw = json_raw(json, node);

	if (json->nodes[node].kind == JSON_STRING)
		return (struct str){ raw.at - 1, raw.len + 2 };
	return raw;
}

uint32_t json_get(const struct json *json, uint32_t object, struct str key)
{
	if (json->nodes[object].kind != JSON_OBJECT)
		return 0;
	for (uint32_t i = json_first(json, object); i != json_end(json, object);
	     i = json->nodes[i + 1].next)
		if (str_eq(json_raw(json, i), key))
			return i + 1;
	return 0;
}

static size_t put_utf8(char *out, uint32_t code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* The number of a \uXXXX at `at`, or UINT32_MAX when there is none. */
static uint32_t hex_escape(struct str raw, size_t at)
{
	uint32_t code = 0;

	if (raw.len < at + 6 || raw.at[at] != '\\' || raw.at[at + 1] != 'u')
		return UINT32_MAX;
	for (size_t i = at + 2; i < at + 6; i++) {
		int digit = hex_digit(raw.at[i]);

		if (digit < 0)
			return UINT32_MAX;
		code = code << 4 | (uint32_t)digit;
	}
	return code;
}

/* One \uXXXX or a pair of them; returns how many bytes were read. */
static size_t unescape_unicode(struct str raw, size_t at, char *out, size_t *len)
{
	uint32_t code = hex_escape(raw, at), low;
	size_t read = 6;

	if (code == UINT32_MAX) /* cannot be: json_read() checked it */
		return 1;
	if (code >= 0xd800 && code < 0xdc00) {
		low = hex_escape(raw, at + 6);
		if (low >= 0xdc00 && low < 0xe000) {
			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
			read = 12;
		}
	}
	if (code >= 0xd800 && code < 0xe000)
		code = 0xfffd;
	if (code >= 0xef80 && code <= 0xefff)
		out[(*len)++] = (char)(code & 0xff);
	else
		*len += put_utf8(out + *len, code);
	return read;
}

size_t json_unescape(struct str raw, char *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	size_t len = 0;

	for (size_t i = 0; i < raw.len;) {
		const char *name;

		if (raw.at[i] != '\\') {
			if (raw.len - i >= 3 && is_raw_escape(raw.at + i)) {
				out[len++] = (char)(0x80 | ((unsigned char)raw.at[i + 1] & 1) << 6 |
				                    ((unsigned char)raw.at[i + 2] & 0x3f));
				i += 3;
			} else {
				out[len++] = raw.at[i++];
			}
			continue;
		}
		if (i + 1 < raw.len && raw.at[i + 1] == 'u') {
			i += unescape_unicode(raw, i, out, &len);
			continue;
		}
		name = i + 1 < raw.len ? memchr(names, raw.at[i + 1], sizeof(names) - 1) : NULL;
		out[len++] = name == NULL ? '\\' : values[name - names];
		i += 2;
	}
	return len;
}

struct str json_string(const struct json *json, uint32_t node, struct arena *arena)
{
	struct str raw = json_raw(json, node);
	char *out;

	if (!json->nodes[node].escaped)
		return raw;
	out = arena_alloc(arena, raw.len + 1);
	if (out == NULL)
		return (struct str){ 0 };
	return (struct str){ out, json_unescape(raw, out) };
}

static void copy_string(struct buf *out, const struct json *json, uint32_t node)
{
	struct str raw = json_raw(json, node);
	size_t start = out->len;

	if (str_is_utf8(raw)) { /* escapes and all: as valid going out as it was coming in */
		buf_add(out, json_whole(json, node));
		return;
	}
	/* Escapes are ASCII and stay; only the odd bytes between them change. */
	buf_add_char(out, '"');
	while (raw.len > 0) {
		size_t n = utf8_len(raw);

		if (n > 0) {
			buf_add(out, str_cut(raw, n));
		} else {
			unsigned char c = (unsigned char)raw.at[0];
			char code[3] = { (char)0xee, (char)(0xbe | (c >> 6 & 1)), (char)(0x80 | (c & 0x3f)) };

			buf_add(out, (struct str){ code, sizeof(code) });
			n = 1;
		}
		raw = str_from(raw, n);
	}
	buf_add_char(out, '"');
	if (!buf_ok(out))
		buf_cut(out, start);
}

void json_copy(struct buf *out, const struct json *json, uint32_t node)
{
	const struct json_node *at = &json->nodes[node];
	bool object = at->kind == JSON_OBJECT, first = true;

	if (at->kind == JSON_STRING) {
		copy_string(out, json, node);
		return;
	}
	if (!object && at->kind != JSON_ARRAY) {
		buf_add(out, json_raw(json, node));
		return;
	}
	buf_add_char(out, object ? '{' : '[');
	for (uint32_t i = json_first(json, node); i != at->next; first = false) {
		if (!first)
			buf_add_char(out, ',');
		if (object) {
			copy_string(out, json, i++);
			buf_add_char(out, ':');
		}
		json_copy(out, json, i);
		i = json->nodes[i].next;
	}
	buf_add_char(out, object ? '}' : ']');
}
