/* libyaml's events into a tree. The only file that knows libyaml. */
#include "rules/document.h"

#include "rules/rules.h"
#include "rules/table.h"

#include <errno.h>
#include <stdio.h>
#include <yaml.h>

struct reader {
	yaml_parser_t parser;
	const struct yaml_file *file;
	struct arena *arena;
	const struct yaml **anchors;
	size_t anchors_count;
	struct table anchor_names; /* the latest of each name */
	struct yaml_error *error;
	size_t characters, bytes; /* one place in the file, both ways: libyaml counts characters */
};

struct growing {
	const struct yaml **items;
	size_t count;
};

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The mark that some editors put before everything; libyaml does not see it. */
static size_t bom_len(struct str text)
{
	return str_starts(text, STR("\xef\xbb\xbf")) ? 3 : 0;
}

/* A mark's offset in bytes. Marks come nearly in order, so that all of them together cost one walk. */
static size_t offset_of(struct reader *reader, const yaml_mark_t *mark)
{
	struct str text = reader->file->text;

	for (; reader->characters < mark->index && reader->bytes < text.len; reader->characters++)
		for (reader->bytes++;
		     reader->bytes < text.len && is_continuation(text.at[reader->bytes]);)
			reader->bytes++;
	for (; reader->characters > mark->index && reader->bytes > 0; reader->characters--)
		for (reader->bytes--; reader->bytes > 0 && is_continuation(text.at[reader->bytes]);)
			reader->bytes--;
	return reader->bytes;
}

static struct yaml_place place_at(const struct yaml_file *file, unsigned line, size_t offset)
{
	size_t start = offset < file->text.len ? offset : file->text.len;
	size_t end = start;

	while (start > 0 && file->text.at[start - 1] != '\n')
		start--;
	if (start == 0 && end >= bom_len(file->text))
		start = bom_len(file->text);
	return (struct yaml_place){
		.line = line, .column = (unsigned)(end - start) + 1, .offset = end
	};
}

static int fail_at(struct reader *reader, struct yaml_place place, const char *text)
{
	struct str copy = arena_str(reader->arena, str_of(text));

	if (copy.at == NULL)
		return -ENOMEM;
	*reader->error = (struct yaml_error){ .place = place, .text = copy.at };
	return -EBADMSG;
}

static int fail(struct reader *reader, const yaml_mark_t *mark, const char *text)
{
	return fail_at(reader,
		       place_at(reader->file, (unsigned)mark->line + 1, offset_of(reader, mark)),
		       text);
}

/* Bytes that are no text: libyaml knows where they are, but gives no mark. */
static int fail_bytes(struct reader *reader)
{
	size_t offset = reader->parser.problem_offset + bom_len(reader->file->text);
	unsigned line = 1;
	char text[256];

	if (offset > reader->file->text.len)
		offset = reader->file->text.len;
	for (size_t i = 0; i < offset; i++)
		line += reader->file->text.at[i] == '\n';
	snprintf(text, sizeof(text), "%s (0x%02x)", reader->parser.problem,
		 (unsigned)reader->parser.problem_value);
	return fail_at(reader, place_at(reader->file, line, offset),
		       reader->parser.problem_value < 0 ? reader->parser.problem : text);
}

/* What is wrong most often where no token can start. */
static const char *hint(struct reader *reader)
{
	struct str text = reader->file->text;
	size_t at = offset_of(reader, &reader->parser.problem_mark);

	if (strstr(reader->parser.problem, "cannot start any token") == NULL || at >= text.len ||
	    strchr("%@`", text.at[at]) == NULL)
		return "";
	return ": a value that begins so must stand in quotes";
}

static int next_event(struct reader *reader, yaml_event_t *ret)
{
	char text[256];

	if (yaml_parser_parse(&reader->parser, ret))
		return 0;
	if (reader->parser.error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (reader->parser.error == YAML_READER_ERROR)
		return fail_bytes(reader);
	snprintf(text, sizeof(text), "%s%s%s%s", reader->parser.problem,
		 reader->parser.context == NULL ? "" : " ",
		 reader->parser.context == NULL ? "" : reader->parser.context, hint(reader));
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
	const struct yaml **bigger;
	struct str copy;

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
	copy = arena_str(reader->arena, str_of((const char *)name));
	if (copy.at == NULL)
		return -ENOMEM;
	reader->anchors[reader->anchors_count] = node;
	return table_put(&reader->anchor_names, copy, (uint32_t)reader->anchors_count++);
}

/* The latest definition counts. */
static const struct yaml *recall(const struct reader *reader, const yaml_char_t *name)
{
	uint32_t at;

	return table_get(&reader->anchor_names, str_of((const char *)name), &at) ?
		       reader->anchors[at] :
		       NULL;
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
	(*ret)->offset = offset_of(reader, &event->start_mark);
	return 0;
}

static int read_scalar(struct reader *reader, const yaml_event_t *event, const struct yaml *parent,
		       const struct yaml **ret)
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
	node->parent = parent;
	node->end = offset_of(reader, &event->end_mark);
	node->is_double = event->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->is_null = node->is_plain && spells_null(text);
	*ret = node;
	return remember(reader, event->data.scalar.anchor, node);
}

static int read_node(struct reader *reader, const yaml_event_t *event, unsigned depth,
		     const struct yaml *parent, const struct yaml **ret);

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
		if (!done && node->kind == YAML_MAPPING && items.count >= 2 * RULES_KEYS_MAX) {
			r = fail(reader, &event.start_mark, "too many keys in one mapping");
		} else if (!done) {
			r = read_node(reader, &event, depth + 1, node, &item);
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
			   const struct yaml *parent, const struct yaml **ret)
{
	bool mapping = event->type == YAML_MAPPING_START_EVENT;
	struct yaml *node;
	int r = new_node(reader, mapping ? YAML_MAPPING : YAML_SEQUENCE, event, &node);

	if (r < 0)
		return r;
	if (depth >= RULES_YAML_DEPTH_MAX)
		return fail(reader, &event->start_mark, "nested too deep");
	node->parent = parent;
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
		     const struct yaml *parent, const struct yaml **ret)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT: return read_scalar(reader, event, parent, ret);
	case YAML_ALIAS_EVENT:
		*ret = recall(reader, event->data.alias.anchor);
		return *ret == NULL ? fail(reader, &event->start_mark, "found undefined alias") : 0;
	default: return read_collection(reader, event, depth, parent, ret);
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
		case YAML_DOCUMENT_START_EVENT: table_done(&reader->anchor_names); break;
		case YAML_STREAM_END_EVENT: done = true; break;
		default:
			r = read_node(reader, &event, 0, NULL, &root);
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
	struct str text;
	int r;

	if (!yaml_parser_initialize(&reader.parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	reader.bytes = bom_len(file->text);
	text = str_from(file->text, reader.bytes);
	yaml_parser_set_input_string(
		&reader.parser, (const unsigned char *)(text.len == 0 ? "" : text.at), text.len);
	r = read_stream(&reader, &roots);
	table_done(&reader.anchor_names);
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

struct str yaml_line(const struct yaml_file *file, size_t offset)
{
	struct str line = file->text;
	const char *end;

	if (line.at == NULL)
		return line;
	offset = offset < line.len ? offset : line.len;
	while (offset > 0 && line.at[offset - 1] != '\n')
		offset--;
	line = str_from(line, offset);
	end = line.len == 0 ? NULL : memchr(line.at, '\n', line.len);
	if (end != NULL)
		line.len = (size_t)(end - line.at);
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

struct yaml_place yaml_start(const struct yaml *node)
{
	return place_at(node->file, node->line, node->offset);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where a scalar's own bytes begin: behind the quote, or on the line below a block's header. */
static size_t scalar_start(const struct yaml *scalar)
{
	struct str text = scalar->file->text;
	size_t at = scalar->offset;
	const char *newline;

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

static unsigned hex_value(struct str digits)
{
	unsigned value = 0;

	for (size_t i = 0; i < digits.len; i++) {
		char c = digits.at[i];
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') :
							((unsigned)c | 0x20) - 'a' + 10;

		value = value << 4 | (digit & 15);
	}
	return value;
}

/* The escape that begins here: its length in the file, and how many bytes it stands for. */
static size_t escape_len(struct str rest, size_t *ret_bytes)
{
	char c = rest.len > 1 ? rest.at[1] : '\0';
	size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	unsigned value = hex_value(str_cut(str_from(rest, 2), digits));

	*ret_bytes = c == 'N' || c == '_' ? 2 : c == 'L' || c == 'P' ? 3 : 1;
	if (digits > 0)
		*ret_bytes = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
	else if (c == '\n' || c == '\r')
		*ret_bytes = 0;
	return 2 + digits;
}

/* Takes what stands in the file for the scalar's bytes from `i` on; how many of them it stands for. */
static size_t walk(const struct yaml *scalar, struct str text, size_t i, size_t *at, size_t *ret_place)
{
	size_t bytes = 0;

	while (scalar->is_double && *at < text.len && text.at[*at] == '\\' && bytes == 0) {
		*ret_place = *at;
		*at += escape_len(str_from(text, *at), &bytes);
	}
	if (bytes > 0)
		return bytes;
	/* A run of blanks may have another length in the file: only what is not blank moves on. */
	if (is_blank(scalar->text.at[i])) {
		*ret_place = *at;
		return 1;
	}
	while (*at < text.len && text.at[*at] != scalar->text.at[i] &&
	       !(scalar->is_double && text.at[*at] == '\\'))
		++*at;
	if (scalar->is_double && *at < text.len && text.at[*at] == '\\')
		return 0;
	*ret_place = *at;
	if (*at < text.len)
		++*at;
	return 1;
}

struct yaml_place yaml_inside(const struct yaml *scalar, size_t offset)
{
	struct str text = str_cut(scalar->file->text, scalar->end);
	size_t at = scalar_start(scalar), place = at;
	unsigned line = scalar->line;

	for (size_t i = 0; i <= offset && i < scalar->text.len;)
		i += walk(scalar, text, i, &at, &place);
	if (offset >= scalar->text.len)
		place = at;
	for (size_t i = scalar->offset; i < place && i < text.len; i++)
		line += text.at[i] == '\n';
	return place_at(scalar->file, line, place);
}
