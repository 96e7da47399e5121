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
	size_t number; /* among the files of a load */
};

struct yaml {
	enum yaml_kind kind;
	const struct yaml_file *file;
	const struct yaml *parent; /* NULL: a document's root; of an anchor's node: where it stands */
	unsigned line;		   /* from 1 */
	size_t offset, end;	   /* bytes of the file; end: of a scalar */
	bool is_null;		   /* a plain scalar that stands for nothing */
	bool is_plain;		   /* not quoted, not a block */
	bool is_double;		   /* in double quotes, with escapes */
	struct str text;	   /* SCALAR, NUL-terminated */
	const struct yaml **items; /* SEQUENCE: values; MAPPING: key, value, key, value */
	size_t count;
};

/* A place in a file: line and column from 1, in bytes. */
struct yaml_place {
	unsigned line, column;
	size_t offset;
};

struct yaml_error {
	struct yaml_place place;
	const char *text; /* lives in the arena */
};

/* The roots of a file's documents, empty ones as null scalars. `file` must outlive the nodes.
 * 0, -EBADMSG (see reterr) or -ENOMEM. */
int yaml_read(const struct yaml_file *file, struct arena *arena, const struct yaml ***ret,
	      size_t *ret_count, struct yaml_error *reterr);

/* The value under a key, or NULL. The first one counts when a key stands twice. */
const struct yaml *yaml_get(const struct yaml *mapping, struct str key);

/* Where a node begins. */
struct yaml_place yaml_start(const struct yaml *node);

/* The place of byte `offset` of a scalar's text: walks both side by side, since folding, indentation
 * and escapes made them differ. */
struct yaml_place yaml_inside(const struct yaml *scalar, size_t offset);

/* The line that holds byte `offset` of the file, without its end. */
struct str yaml_line(const struct yaml_file *file, size_t offset);

#endif
