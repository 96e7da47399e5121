/* Rules files as YAML: a tree of nodes that know their place. Made for files that people write:
 * tags are ignored, nothing is typed but null, aliases share the node they name. */
#ifndef RULES_DOCUMENT_H
#define RULES_DOCUMENT_H

#include "base/arena.h"
#include "base/str.h"

enum yaml_kind {
	YAML_SCALAR = 0,
	YAML_SEQUENCE,
	YAML_MAPPING,
};

struct yaml_file {
	const char *name;
	struct str text;
};

struct yaml {
	enum yaml_kind kind;
	const struct yaml_file *file;
	unsigned line, column; /* from 1; column in characters */
	unsigned end_line;
	bool is_null;		   /* a plain scalar that stands for nothing */
	bool is_plain;		   /* not quoted, not a block */
	struct str text;	   /* SCALAR, NUL-terminated */
	const struct yaml **items; /* SEQUENCE: values; MAPPING: key, value, key, value */
	size_t count;
};

enum { YAML_DEPTH_MAX = 64 };

struct yaml_error {
	unsigned line, column;
	const char *text; /* lives in the arena */
};

/* The roots of a file's documents, empty ones as null scalars. `file` must outlive the nodes.
 * 0, -EBADMSG (see reterr) or -ENOMEM. */
int yaml_read(const struct yaml_file *file, struct arena *arena, const struct yaml ***ret,
	      size_t *ret_count, struct yaml_error *reterr);

/* The value under a key, or NULL. The first one counts when a key stands twice. */
const struct yaml *yaml_get(const struct yaml *mapping, struct str key);

/* The place in the file, from 1, of byte `offset` of a scalar's text: walks both side by side,
 * since folding, indentation and escapes made them differ. Exact but for numeric escapes. */
void yaml_place(const struct yaml *scalar, size_t offset, unsigned *ret_line, unsigned *ret_column);

/* A line of the file, from 1, without its end. */
struct str yaml_line(const struct yaml_file *file, unsigned line);

#endif
