/* libyaml's events into a tree. The only file that knows libyaml. */
#include "rules/document.h"

#include <errno.h>
#include <stdio.h>
#include <yaml.h>

struct anchor {
	struct str name;
	const struct yaml *node;
};

struct reader {
	yaml_parser_t parser;
	const struct yaml_file *file;
	struct arena *arena;
	struct anchor *anchors;
	size_t anchors_count;
	struct yaml_error *error;
};

struct growing {
	const struct yaml **items;
	size_t count;
};

static int fail(struct reader *reader, const yaml_mark_t *mark, const char *text)
{
	struct str copy = arena_str(reader->arena, str_of(text));

	if (copy.at == NULL)
		return -ENOMEM;
	*reader->error = (struct yaml_error){ .line = (unsigned)mark->line + 1,
					      .column = (unsigned)mark->column + 1,
					      .text = copy.at };
	return -EBADMSG;
}

static int next_event(struct reader *reader, yaml_event_t *ret)
{
	char text[256];

	if (yaml_parser_parse(&reader->parser, ret))
		return 0;
	if (reader->parser.error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	snprintf(text, sizeof(text), "%s%s%s", reader->parser.problem,
		 reader->parser.context == NULL ? "" : " ",
		 reader->parser.context == NULL ? "" : reader->parser.context);
	return fail(reader, &reader->parser.problem_mark, text);
}

static int grow(struct reader *reader, struct growing *into, const struct yaml *item)
{
	const struct yaml **bigger;

	if (into->count == 0 || (into->count >= 4 && (into->count & (into->count - 1)) == 0)) {
		bigger = arena_alloc(reader->arena,
				     (into->count == 0 ? 4 : into->count * 2) * sizeof(item));
		if (bigger == NULL)
			return -ENOMEM;
		if (into->count > 0)
			memcpy(bigger, into->items, into->count * sizeof(item));
		into->items = bigger;
	}
	into->items[into->count++] = item;
	return 0;
}

static int remember(struct reader *reader, const yaml_char_t *name, const struct yaml *node)
{
	struct anchor *bigger;

	if (name == NULL)
		return 0;
	if ((reader->anchors_count & (reader->anchors_count + 1)) == 0) {
		bigger = arena_alloc(reader->arena,
				     (reader->anchors_count + 1) * 2 * sizeof(*bigger));
		if (bigger == NULL)
			return -ENOMEM;
		if (reader->anchors_count > 0)
			memcpy(bigger, reader->anchors, reader->anchors_count * sizeof(*bigger));
		reader->anchors = bigger;
	}
	reader->anchors[reader->anchors_count].name =
		arena_str(reader->arena, str_of((const char *)name));
	reader->anchors[reader->anchors_count++].node = node;
	return 0;
}

/* The latest definition counts. */
static const struct yaml *recall(const struct reader *reader, const yaml_char_t *name)
{
	for (size_t i = reader->anchors_count; i-- > 0;)
		if (str_eq(reader->anchors[i].name, str_of((const char *)name)))
			return reader->anchors[i].node;
	return NULL;
}

static bool spells_null(struct str text)
{
	static const struct str names[] = { STR(""), STR("~"), STR("null"), STR("Null"),
					    STR("NULL") };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(text, names[i]))
			return true;
	return false;
}

static int new_node(struct reader *reader, enum yaml_kind kind, const yaml_event_t *event,
		    struct yaml **ret)
{
	*ret = arena_zalloc(reader->arena, sizeof(**ret));
	if (*ret == NULL)
		return -ENOMEM;
	(*ret)->kind = kind;
	(*ret)->file = reader->file;
	(*ret)->line = (unsigned)event->start_mark.line + 1;
	(*ret)->column = (unsigned)event->start_mark.column + 1;
	(*ret)->end_line = (unsigned)event->end_mark.line + 1;
	return 0;
}

static int read_scalar(struct reader *reader, const yaml_event_t *event, const struct yaml **ret)
{
	struct str text = { .at = (const char *)event->data.scalar.value,
			    .len = event->data.scalar.length };
	struct yaml *node;
	int r = new_node(reader, YAML_SCALAR, event, &node);

	if (r < 0)
		return r;
	node->text = arena_str(reader->arena, text);
	if (node->text.at == NULL)
		return -ENOMEM;
	node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->is_null = node->is_plain && spells_null(text);
	*ret = node;
	return remember(reader, event->data.scalar.anchor, node);
}

static int read_node(struct reader *reader, const yaml_event_t *event, unsigned depth,
		     const struct yaml **ret);

/* The items up to the event `end`, which is taken too. */
static int read_items(struct reader *reader, yaml_event_type_t end, unsigned depth,
		      struct yaml *node)
{
	struct growing items = { 0 };
	int r = 0;

	for (bool done = false; !done && r == 0;) {
		const struct yaml *item;
		yaml_event_t event;

		r = next_event(reader, &event);
		if (r < 0)
			break;
		done = event.type == end;
		if (!done) {
			r = read_node(reader, &event, depth + 1, &item);
			if (r == 0)
				r = grow(reader, &items, item);
		}
		yaml_event_delete(&event);
	}
	node->items = items.items;
	node->count = items.count;
	return r;
}

static int read_collection(struct reader *reader, const yaml_event_t *event, unsigned depth,
			   const struct yaml **ret)
{
	bool mapping = event->type == YAML_MAPPING_START_EVENT;
	struct yaml *node;
	int r = new_node(reader, mapping ? YAML_MAPPING : YAML_SEQUENCE, event, &node);

	if (r < 0)
		return r;
	if (depth >= YAML_DEPTH_MAX)
		return fail(reader, &event->start_mark, "nested too deep");
	r = read_items(reader, mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT, depth,
		       node);
	if (r < 0)
		return r;
	*ret = node;
	return remember(reader,
			mapping ? event->data.mapping_start.anchor
				: event->data.sequence_start.anchor,
			node);
}

static int read_node(struct reader *reader, const yaml_event_t *event, unsigned depth,
		     const struct yaml **ret)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT: return read_scalar(reader, event, ret);
	case YAML_ALIAS_EVENT:
		*ret = recall(reader, event->data.alias.anchor);
		return *ret == NULL ? fail(reader, &event->start_mark, "found undefined alias") : 0;
	default: return read_collection(reader, event, depth, ret);
	}
}

static int read_stream(struct reader *reader, struct growing *roots)
{
	int r = 0;

	for (bool done = false; !done && r == 0;) {
		const struct yaml *root;
		yaml_event_t event;

		r = next_event(reader, &event);
		if (r < 0)
			return r;
		switch (event.type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT: break;
		case YAML_DOCUMENT_START_EVENT: reader->anchors_count = 0; break;
		case YAML_STREAM_END_EVENT: done = true; break;
		default:
			r = read_node(reader, &event, 0, &root);
			if (r == 0)
				r = grow(reader, roots, root);
		}
		yaml_event_delete(&event);
	}
	return r;
}

int yaml_read(const struct yaml_file *file, struct arena *arena, const struct yaml ***ret,
	      size_t *ret_count, struct yaml_error *reterr)
{
	struct reader reader = { .file = file, .arena = arena, .error = reterr };
	struct growing roots = { 0 };
	int r;

	if (!yaml_parser_initialize(&reader.parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&reader.parser, (const unsigned char *)(file->text.at == NULL ? "" : file->text.at),
		file->text.len);
	r = read_stream(&reader, &roots);
	yaml_parser_delete(&reader.parser);
	if (r < 0)
		return r;
	*ret = roots.items;
	*ret_count = roots.count;
	return 0;
}

const struct yaml *yaml_get(const struct yaml *mapping, struct str key)
{
	for (size_t i = 0; i + 1 < mapping->count; i += 2)
		if (mapping->items[i]->kind == YAML_SCALAR && str_eq(mapping->items[i]->text, key))
			return mapping->items[i + 1];
	return NULL;
}

struct str yaml_line(const struct yaml_file *file, unsigned line)
{
	struct str rest = file->text;
	const char *end;

	for (; line > 1; line--) {
		end = rest.len == 0 ? NULL : memchr(rest.at, '\n', rest.len);
		if (end == NULL)
			return (struct str){ 0 };
		rest = str_from(rest, (size_t)(end - rest.at) + 1);
	}
	end = rest.len == 0 ? NULL : memchr(rest.at, '\n', rest.len);
	if (end != NULL)
		rest.len = (size_t)(end - rest.at);
	if (rest.len > 0 && rest.at[rest.len - 1] == '\r')
		rest.len--;
	return rest;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where a scalar's own bytes begin: behind the quote, or on the line below a block's header. */
static size_t scalar_start(const struct yaml *scalar)
{
	struct str text = scalar->file->text;
	struct str line = yaml_line(scalar->file, scalar->line);
	size_t at = line.at == NULL ? text.len : (size_t)(line.at - text.at);
	const char *newline;

	for (unsigned column = 1; column < scalar->column && at < text.len; column++) {
		size_t len = utf8_len(str_from(text, at));

		at += len == 0 ? 1 : len;
	}
	if (scalar->is_plain || at >= text.len)
		return at;
	/* A tag or an anchor may stand before the scalar itself. */
	while (at < text.len && strchr("\"'|>\n", text.at[at]) == NULL)
		at++;
	if (at < text.len && (text.at[at] == '|' || text.at[at] == '>')) {
		newline = memchr(text.at + at, '\n', text.len - at);
		return newline == NULL ? text.len : (size_t)(newline - text.at) + 1;
	}
	return at + 1;
}

void yaml_place(const struct yaml *scalar, size_t offset, unsigned *ret_line, unsigned *ret_column)
{
	struct str text = scalar->file->text;
	size_t at = scalar_start(scalar), place = at, line_start = 0;

	for (size_t i = 0; i <= offset && i < scalar->text.len; i++) {
		bool blank = is_blank(scalar->text.at[i]);

		/* A run of blanks may have another length in the file: only what is not blank moves
		 * on. */
		while (!blank && at < text.len && text.at[at] != scalar->text.at[i])
			at++;
		place = at;
		if (!blank && at < text.len)
			at++;
	}
	if (offset >= scalar->text.len)
		place = at;
	*ret_line = 1;
	for (size_t i = 0; i < place && i < text.len; i++) {
		if (text.at[i] == '\n') {
			line_start = i + 1;
			++*ret_line;
		}
	}
	*ret_column = (unsigned)(place - line_start) + 1;
}
