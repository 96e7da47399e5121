/* One JSON item as it comes from outside. The reader is held against jansson as the oracle where the two
 * are meant to agree, and what it takes must survive being written out and read again. */
#include "base/clock.h"
#include "hub/evaluate/compose.h"
#include "hub/normalise/normalise.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NODES = 512, DEPTH = 32 };

/* Things that one takes and the other does not, on purpose: text that is not UTF-8 and \u0000 (we keep
 * them), whole numbers beyond 64 bits (we keep their spelling), reals beyond a double, lone surrogates. */
static bool is_disputed(struct str text)
{
	size_t digits = 0;

	if (!str_is_utf8(text) || memmem(text.at, text.len, "\\u", 2) != NULL ||
	    memchr(text.at, '\0', text.len) != NULL)
		return true;
	for (size_t i = 0; i < text.len; i++) {
		digits = text.at[i] >= '0' && text.at[i] <= '9' ? digits + 1 : 0;
		if (digits > 17 || ((text.at[i] | 0x20) == 'e' && i > 0))
			return true;
	}
	return false;
}

enum { JANSSON_REJECT_DUPLICATES = 1, JANSSON_DECODE_ANY = 4, JANSSON_ERROR_SPACE = 4096 };

/* Loaded by hand: its function names are also ours. */
static void against_jansson(struct str text, bool good)
{
	static void *(*load)(const char *, size_t, size_t, void *);
	static void (*free_tree)(void *);
	char error[JANSSON_ERROR_SPACE];
	void *tree;

	if (load == NULL) {
		void *library = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);

		if (library == NULL)
			abort();
		*(void **)&load = dlsym(library, "json_loadb");
		*(void **)&free_tree = dlsym(library, "json_delete");
	}
	if (is_disputed(text))
		return;
	tree = load(text.at, text.len, JANSSON_DECODE_ANY | JANSSON_REJECT_DUPLICATES, error);
	if (good != (tree != NULL))
		abort();
	if (tree != NULL)
		free_tree(tree);
}

static void written_and_read_again(const struct json *json)
{
	struct json_node nodes[NODES];
	struct json again = { .nodes = nodes, .cap = NODES, .depth_max = DEPTH };
	struct buf first = { 0 }, second = { 0 };
	size_t end;

	json_copy(&first, json, 0);
	if (!buf_ok(&first) || !str_is_utf8(buf_str(&first)))
		abort();
	again.text = buf_str(&first);
	if (json_read(&again, 0, &end) < 0 || end != first.len || again.count != json->count)
		abort();
	json_copy(&second, &again, 0);
	if (!str_eq(buf_str(&first), buf_str(&second)))
		abort();
	buf_done(&first);
	buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fields *fields;
	static struct normalise normalise;
	static struct event event;
	struct json_node nodes[NODES];
	struct str text = { (const char *)data, size };
	struct json json = { .text = text, .nodes = nodes, .cap = NODES, .depth_max = DEPTH };
	struct reject reject = { 0 };
	struct arena arena;
	struct item item;
	size_t end;
	int r;

	if (fields == NULL) {
		fields = fields_new();
		if (fields == NULL || normalise_init(&normalise, fields, NODES, DEPTH, 1 << 20) < 0 ||
		    event_init(&event, fields_count(fields)) < 0)
			abort();
	}
	r = json_read(&json, 0, &end);
	if (r == 0)
		written_and_read_again(&json);
	if (r == 0 || r == -EBADMSG /* not a limit of ours */)
		against_jansson(text, r == 0 && json_blanks(text, end) == size);
	arena_init(&arena, 16 << 20);
	event_clear(&event);
	r = normalise_item(&normalise, text, 0, false, 1, &arena, &event, &item, &end, &reject);
	if (end > size || (r < 0 && (reject.reason == NULL || reject.offset > size)))
		abort();
	if (r == 0 && item.kind == ITEM_ALERT) {
		struct compose compose = { .id = "", .time_ns = event.time_ns, .priority = event.priority,
			                   .rule = event.rule, .source = event.source, .hostname = event.hostname,
			                   .output = event.output, .tags = event.tags,
			                   .tags_count = event.tags_count, .sensor = &event.sensor };
		struct buf line = { 0 }, mapped = { 0 }, raw = { 0 };

		if (item.output_fields != 0)
			json_copy(&mapped, &item.json, item.output_fields);
		if (item.original.text.len > 0)
			json_copy(&raw, &item.original, 0);
		compose.output_fields = buf_str(&mapped);
		compose.raw = buf_str(&raw);
		compose_alert(&line, &compose);
		if (item.original.text.len > 0 && (event.output.len == 0 || mapped.len <= 2))
			abort();
		if (!str_is_utf8(buf_str(&line)) || memchr(line.at, '\n', line.len) != NULL)
			abort();
		buf_done(&line);
		buf_done(&mapped);
		buf_done(&raw);
	}
	if (r == 0 && item.original.text.len > 0) { /* a mapper's own nodes are those of its text */
		json.text = item.json.text;
		if (json_read(&json, 0, &end) < 0 || end != json.text.len || json.count != item.json.count)
			abort();
	}
	if (r < 0 && r != -EBADMSG) /* memory is never short here */
		abort();
	arena_done(&arena);
	return 0;
}
