/* Reading settings: a YAML file becomes a small tree of nodes that know their place, and tables of
 * struct conf_field fill plain structs from it and from the environment. Everything that is wrong is
 * collected in struct conf_errors; the reader goes on as long as it makes sense.
 *
 * Of YAML: one document, UTF-8, tags ignored; aliases, duplicate keys and keys that are not scalars
 * are errors. Bounds: CONF_FILE_MAX bytes, CONF_DEPTH_MAX levels, CONF_NODES_MAX nodes. */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "include/conf.h"

#include <sys/types.h>

enum {
	CONF_FILE_MAX = 4 << 20,
	CONF_DEPTH_MAX = 32,
	CONF_NODES_MAX = 100000,
	CONF_KEYS_MAX = 10000,      /* of one mapping */
	CONF_SECRET_MAX = 64 << 10, /* bytes of a secret in a file */
};

enum conf_node_kind { CONF_NODE_SCALAR = 0, CONF_NODE_SEQUENCE, CONF_NODE_MAPPING };

struct conf_node {
	enum conf_node_kind kind;
	bool is_null;                  /* a plain scalar that says nothing: "", ~, null */
	bool is_shown;                 /* its value may stand in an error's source line */
	unsigned line, column;         /* from 1; columns in characters */
	unsigned end_line, end_column; /* behind the last character */
	struct str text;               /* of a scalar, NUL-terminated */
	struct str key;                /* in a mapping: what it stands under */
	unsigned key_line, key_column;
	size_t index;                  /* in its parent, from 0 */
	size_t count;                  /* children */
	struct conf_node *parent, *first, *last, *next;
};

struct conf_tree {
	const char *file; /* as given */
	struct str text;
	mode_t mode;      /* of the file; 0: not from a file */
	struct conf_node *root; /* NULL: an empty file */
	bool is_whole;    /* read to its end */
};

/* What a fill needs; `tree` and `arena` outlive the filled structs. */
struct conf_reader {
	struct conf_tree tree;
	struct arena *arena;         /* strings of the result and the nodes */
	struct conf_errors *errors;
	const char *prefix;          /* of environment variables: "TOCSIN"; NULL: environment not read */
};

/* Reads a file ("-": standard input) into reader->tree. 0, -EINVAL (see reader->errors) or -errno, also
 * described there. A key that stands twice is an error in reader->errors, but reading goes on. */
int conf_read_file(struct conf_reader *reader, const char *path);

/* The same from memory; `text` is borrowed. */
int conf_read_text(struct conf_reader *reader, const char *name, struct str text);

/* The value under a key of a mapping, or NULL; a NULL mapping has none. */
struct conf_node *conf_get(const struct conf_node *mapping, struct str key);

/* Whether the node is a mapping; else, unless it is NULL or null, that is an error ("what" says what
 * would be right). */
bool conf_is_mapping(struct conf_reader *reader, const struct conf_node *node, const char *what);

/* Fills `into` by `fields` (an empty row at the end): the environment's value, else the one under
 * `mapping` (may be NULL), else the row's fallback. `path` is the mapping's dotted path ("" for the
 * root), the environment's names are made from it: TOCSIN_OUTPUTS_SLACK_SOC_TIMEOUT. A bad value
 * leaves the fallback in place. */
void conf_fill(struct conf_reader *reader, const struct conf_node *mapping, const char *path,
               const struct conf_field *fields, void *into);

/* Reports keys of a mapping that no table (the list ends with NULL) and no name (also) knows. */
void conf_unknown(struct conf_reader *reader, const struct conf_node *mapping,
                  const struct conf_field *const *tables, const char *const *names);

/* A scalar or a sequence of scalars as strings. */
bool conf_strings(struct conf_reader *reader, struct conf_node *node, struct conf_strings *ret);

/* Says that the values below a node are no secrets and may be shown with an error. */
void conf_show_values(struct conf_node *node);

/* Errors and warnings at a node's place; the text begins with its path. A NULL node: the file. */
void conf_fault(struct conf_reader *reader, const struct conf_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void conf_warn(struct conf_reader *reader, const struct conf_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts the errors in the order of their places and adds the source lines of this file's, secrets
 * masked. Once, at the end. */
void conf_add_sources(struct conf_reader *reader);

/* The dotted path of a node: outputs.slack-soc.timeout, routes[1].match. */
void conf_add_path(const struct conf_node *node, struct buf *out);

/* Single values in their written form; false leaves `ret` alone. */
bool conf_parse_duration(struct str text, int64_t *ret_ms);
bool conf_parse_size(struct str text, int64_t *ret_bytes);
bool conf_parse_bool(struct str text, bool *ret);
bool conf_parse_address(struct str text);

/* The shortest exact form: "10m", "8MiB". */
void conf_add_duration(int64_t ms, struct buf *out);
void conf_add_size(int64_t bytes, struct buf *out);

/* The candidate (the list ends with NULL) that the word was most likely meant to be, or NULL. */
const char *conf_closest(struct str word, const char *const *candidates);

/* One setting a line as YAML, `indent` blanks deep; secrets as <secret>, what is not set left out. */
void conf_show(const struct conf_field *fields, const void *from, unsigned indent, struct buf *out);

/* A scalar as YAML: plain where that is safe, else in double quotes. */
void conf_add_scalar(struct str text, struct buf *out);

#endif
