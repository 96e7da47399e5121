/* YAML to a tree of nodes with their places, over libyaml's events: the only file of this room that
 * includes its header. */
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <yaml.h>

struct reading {
	struct conf_reader *reader;
	yaml_parser_t parser;
	struct conf_node *open[CONF_DEPTH_MAX]; /* the collections that are not closed yet */
	size_t depth;
	size_t nodes;
	struct conf_node *key; /* read, its value is next */
	unsigned documents;
};

static unsigned from_one(size_t n)
{
	return n < UINT32_MAX ? (unsigned)n + 1 : UINT32_MAX;
}

/* An error at a mark, with the path of what is being read before it. */
static int fail(struct reading *reading, yaml_mark_t mark, const char *text)
{
	struct conf_reader *reader = reading->reader;
	struct buf path = { 0 };

	if (reading->depth > 0)
		conf_add_path(reading->open[reading->depth - 1], &path);
	if (path.len > 0)
		buf_add(&path, STR(": "));
	conf_error_add(reader->errors, reader->tree.file, from_one(mark.line), from_one(mark.column), NULL,
	               "%.*s%s", STR_ARG(path), text);
	buf_done(&path);
	return -EINVAL;
}

static bool is_null(const yaml_event_t *event)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp((const char *)event->data.scalar.value, words[i]) == 0)
			return true;
	return false;
}

static struct conf_node *new_node(struct reading *reading, const yaml_event_t *event)
{
	struct conf_node *node = arena_zalloc(reading->reader->arena, sizeof(*node));

	if (node == NULL)
		return NULL;
	node->line = from_one(event->start_mark.line);
	node->column = from_one(event->start_mark.column);
	node->end_line = from_one(event->end_mark.line);
	node->end_column = from_one(event->end_mark.column);
	switch (event->type) {
	case YAML_SEQUENCE_START_EVENT: node->kind = CONF_NODE_SEQUENCE; break;
	case YAML_MAPPING_START_EVENT: node->kind = CONF_NODE_MAPPING; break;
	default:
		node->is_null = is_null(event);
		node->text = arena_str(reading->reader->arena,
		                       (struct str){ (const char *)event->data.scalar.value,
		                                     event->data.scalar.length });
		if (node->text.at == NULL)
			return NULL;
	}
	return node;
}

static void append(struct conf_node *parent, struct conf_node *node)
{
	node->parent = parent;
	node->index = parent->count++;
	if (parent->last == NULL)
		parent->first = node;
	else
		parent->last->next = node;
	parent->last = node;
}

/* A mapping's key: kept aside until its value comes. */
static int take_key(struct reading *reading, struct conf_node *parent, struct conf_node *key,
                    yaml_mark_t mark)
{
	char text[160];
	const struct conf_node *earlier;

	if (key->kind != CONF_NODE_SCALAR)
		return fail(reading, mark, "a key must be a word, not a list or a mapping");
	if (parent->count == CONF_KEYS_MAX)
		return fail(reading, mark, "more than 10000 keys in one mapping");
	if (memchr(key->text.at, '\0', key->text.len) != NULL)
		return fail(reading, mark, "a key cannot hold a NUL byte");
	earlier = conf_get(parent, key->text);
	if (earlier != NULL) {
		snprintf(text, sizeof(text), "\"%.60s\" stands here a second time, first in line %u",
		         key->text.at, earlier->key_line);
		fail(reading, mark, text);
	}
	reading->key = key;
	return 0;
}

/* Puts a node where it belongs. Of a key that stands twice conf_get() sees the first. */
static int place(struct reading *reading, struct conf_node *node, yaml_mark_t mark)
{
	struct conf_node *parent = reading->depth == 0 ? NULL : reading->open[reading->depth - 1];

	if (parent == NULL) {
		reading->reader->tree.root = node;
		return 0;
	}
	if (parent->kind == CONF_NODE_SEQUENCE) {
		append(parent, node);
		return 0;
	}
	if (reading->key == NULL)
		return take_key(reading, parent, node, mark);
	node->key = reading->key->text;
	node->key_line = reading->key->line;
	node->key_column = reading->key->column;
	reading->key = NULL;
	append(parent, node);
	return 0;
}

static int begin_node(struct reading *reading, const yaml_event_t *event)
{
	struct conf_node *node;
	int r;

	if (++reading->nodes > CONF_NODES_MAX)
		return fail(reading, event->start_mark, "more than 100000 values in one file");
	node = new_node(reading, event);
	if (node == NULL)
		return -ENOMEM;
	r = place(reading, node, event->start_mark);
	if (r < 0 || node->kind == CONF_NODE_SCALAR)
		return r;
	if (reading->depth == CONF_DEPTH_MAX)
		return fail(reading, event->start_mark, "nested more than 32 levels deep");
	reading->open[reading->depth++] = node;
	return 0;
}

static int take_event(struct reading *reading, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++reading->documents > 1)
			return fail(reading, event->start_mark,
			            "a second document begins here; one file is one document");
		return 0;
	case YAML_ALIAS_EVENT:
		return fail(reading, event->start_mark, "aliases (*name) are not taken; write the value out");
	case YAML_SCALAR_EVENT:
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return begin_node(reading, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		reading->depth--;
		reading->open[reading->depth]->end_line = from_one(event->end_mark.line);
		reading->open[reading->depth]->end_column = from_one(event->end_mark.column);
		return 0;
	default:
		return 0;
	}
}

/* The character at a mark is a tab: libyaml's own words for it help nobody. */
static bool at_tab(const struct reading *reading, yaml_mark_t mark)
{
	struct str text = reading->reader->tree.text;

	for (size_t line = 0; line < mark.line; line++) {
		ptrdiff_t end = str_find(text, STR("\n"));

		if (end < 0)
			return false;
		text = str_from(text, (size_t)end + 1);
	}
	return mark.column < text.len && text.at[mark.column] == '\t';
}

static int syntax_error(struct reading *reading)
{
	const yaml_parser_t *parser = &reading->parser;
	yaml_mark_t mark = parser->problem_mark;
	char text[256];
	bool at_end;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR) {
		snprintf(text, sizeof(text), "not UTF-8 text at byte %zu", parser->problem_offset);
		conf_error_add(reading->reader->errors, reading->reader->tree.file, 0, 0, NULL, "%s", text);
		return -EINVAL;
	}
	if (at_tab(reading, mark))
		return fail(reading, mark, "a tab cannot indent YAML; use blanks");
	at_end = parser->problem != NULL && strstr(parser->problem, "end of stream") != NULL;
	if (at_end && parser->context != NULL)
		mark = parser->context_mark; /* where it began helps more than where the file ends */
	snprintf(text, sizeof(text), "not YAML: %s%s%s",
	         parser->problem == NULL ? "syntax error" : parser->problem,
	         parser->context == NULL ? "" : " ", parser->context == NULL ? "" : parser->context);
	return fail(reading, mark, text);
}

static int read_events(struct reading *reading)
{
	bool done = false;
	int r = 0;

	while (r == 0 && !done) {
		yaml_event_t event;

		if (yaml_parser_parse(&reading->parser, &event) == 0)
			return syntax_error(reading);
		done = event.type == YAML_STREAM_END_EVENT;
		r = take_event(reading, &event);
		yaml_event_delete(&event);
	}
	return r;
}

int conf_read_text(struct conf_reader *reader, const char *name, struct str text)
{
	struct reading reading = { .reader = reader };
	int r;

	reader->tree = (struct conf_tree){ .file = name, .text = text };
	if (text.len > CONF_FILE_MAX) {
		conf_error_add(reader->errors, name, 0, 0, NULL, "more than 4 MiB");
		return -EINVAL;
	}
	if (yaml_parser_initialize(&reading.parser) == 0)
		return -ENOMEM;
	yaml_parser_set_encoding(&reading.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reading.parser, (const unsigned char *)text.at, text.len);
	r = read_events(&reading);
	yaml_parser_delete(&reading.parser);
	if (r == -ENOMEM)
		conf_error_add(reader->errors, name, 0, 0, NULL, "out of memory");
	reader->tree.is_whole = r == 0;
	if (r == 0 && reader->tree.root != NULL && reader->tree.root->is_null)
		reader->tree.root = NULL;
	return r;
}

/* The whole file into the arena; one byte more than allowed is enough to know. */
static int read_whole(struct conf_reader *reader, int fd, struct str *ret)
{
	char *text = arena_alloc(reader->arena, CONF_FILE_MAX + 1);
	ssize_t len;

	if (text == NULL)
		return -ENOMEM;
	len = read_full(fd, text, CONF_FILE_MAX + 1);
	if (len < 0)
		return (int)len;
	*ret = (struct str){ text, (size_t)len };
	return 0;
}

int conf_read_file(struct conf_reader *reader, const char *path)
{
	autoclose int fd = -1;
	struct stat status = { 0 };
	struct str text;
	int r;

	reader->tree = (struct conf_tree){ .file = path };
	fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : fstat(fd, &status) < 0 ? -errno : read_whole(reader, fd, &text);
	if (r < 0) {
		conf_error_add(reader->errors, path, 0, 0, NULL, "cannot be read: %s", strerror(-r));
		return r;
	}
	r = conf_read_text(reader, path, text);
	reader->tree.mode = S_ISREG(status.st_mode) ? status.st_mode : 0;
	return r;
}
