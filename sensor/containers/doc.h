/* A JSON text of a container runtime, held while it is read. Bounded in bytes and values. */
#ifndef SENSOR_CONTAINERS_DOC_H
#define SENSOR_CONTAINERS_DOC_H

#include "base/json.h"

enum {
	DOC_BYTES_MAX = 4 << 20,
	DOC_NODES_MAX = 1 << 18,
	DOC_DEPTH_MAX = 32,
};

struct doc {
	struct buf bytes;
	struct json json;
	struct json_node *nodes;
	struct arena *arena; /* of the texts that are taken from it */
};

/* What is not there. Index 0 is the whole text. */
#define DOC_NOTHING UINT32_MAX

/* Reads the text in doc->bytes. 0, -EBADMSG, -E2BIG or -ENOMEM. */
int doc_parse(struct doc *doc);

/* Reads a file below `root` into doc->bytes and parses it. Also -errno of the file; -EFBIG. */
int doc_read(struct doc *doc, const char *root, const char *path);
void doc_done(struct doc *doc);

/* The value at a path of keys with blanks between them ("config Labels"), or DOC_NOTHING. */
uint32_t doc_at(const struct doc *doc, uint32_t object, const char *keys);

/* The text of a string, unescaped; empty for all else. */
struct str doc_text(const struct doc *doc, uint32_t node);
struct str doc_text_at(const struct doc *doc, uint32_t object, const char *keys);

static inline bool doc_is(const struct doc *doc, uint32_t node, enum json_kind kind)
{
	return node < doc->json.count && doc->json.nodes[node].kind == kind;
}

/* Calls `each` for the members of an object whose values are strings. */
void doc_each_text(const struct doc *doc, uint32_t object,
		   void (*each)(struct str key, struct str value, void *userdata), void *userdata);

#endif
