/* A whole request body: packed or not, one item, an array or lines. The first byte chooses the encoding. */
#include "hub/ingest/unpack.h"
#include "hub/normalise/items.h"
#include "hub/normalise/normalise.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NODES = 512, DEPTH = 32, UNPACKED_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const encodings[] = { NULL, "gzip", "zstd", "br" };
	static struct fields *fields;
	static struct normalise normalise;
	static struct event event;
	struct str body = { (const char *)data + 1, size - 1 };
	struct buf unpacked = { 0 };
	struct items items;

	if (size == 0)
		return 0;
	if (fields == NULL) {
		fields = fields_new();
		if (fields == NULL || normalise_init(&normalise, fields, NODES, DEPTH, 1 << 16) < 0 ||
		    event_init(&event, fields_count(fields)) < 0)
			abort();
	}
	if (unpack_body(body, encodings[data[0] % 4], UNPACKED_MAX, &unpacked) == 0)
		body = buf_str(&unpacked);
	if (unpacked.len > UNPACKED_MAX + 1)
		abort();
	for (items_begin(&items, body); !items.done;) {
		struct reject reject = { 0 };
		struct arena arena;
		struct item item;
		size_t end = items.at, before = items.at;

		arena_init(&arena, 16 << 20);
		event_clear(&event);
		normalise_item(&normalise, body, items.at, items.list, 1, &arena, &event, &item, &end, &reject);
		if (end > body.len)
			abort();
		arena_done(&arena);
		items_step(&items, end);
		if (items.at <= before)
			abort();
	}
	buf_done(&unpacked);
	return 0;
}
