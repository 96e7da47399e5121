/* Where a setting stands, for people: its dotted path, its line with the secrets masked, and errors
 * and warnings at that place. */
#include "base/conf.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_MAX = 512 };

static void add_path(const struct conf_node *node, unsigned depth, struct buf *out)
{
	if (node == NULL || node->parent == NULL || depth > CONF_DEPTH_MAX)
		return;
	add_path(node->parent, depth + 1, out);
	if (node->parent->kind == CONF_NODE_SEQUENCE) {
		buf_addf(out, "[%zu]", node->index);
		return;
	}
	if (out->len > 0)
		buf_add_char(out, '.');
	buf_add(out, node->key);
}

void conf_add_path(const struct conf_node *node, struct buf *out)
{
	add_path(node, 0, out);
}

struct conf_node *conf_get(const struct conf_node *mapping, struct str key)
{
	if (mapping == NULL || mapping->kind != CONF_NODE_MAPPING)
		return NULL;
	for (struct conf_node *node = mapping->first; node != NULL; node = node->next)
		if (str_eq(node->key, key))
			return node;
	return NULL;
}

/* "path: text" into `out`, cut to what an error keeps. */
static const char *__attribute__((format(printf, 2, 0)))
with_path(const struct conf_node *node, const char *format, va_list args, struct buf *out)
{
	char text[TEXT_MAX];

	vsnprintf(text, sizeof(text), format, args);
	conf_add_path(node, out);
	if (out->len > 0)
		buf_add(out, STR(": "));
	buf_add(out, str_of(text));
	return buf_text(out) == NULL ? "out of memory" : out->at;
}

/* With the place of `node`; of a warning or an error. */
static void __attribute__((format(printf, 4, 0)))
tell(struct conf_reader *reader, const struct conf_node *node, bool warning, const char *format,
     va_list args)
{
	unsigned line = node == NULL ? 0 : node->line, column = node == NULL ? 0 : node->column;
	struct buf out = { 0 };
	const char *text = with_path(node, format, args, &out);

	if (warning)
		conf_warning_add(reader->errors, reader->tree.file, line, column, NULL, "%s", text);
	else
		conf_error_add(reader->errors, reader->tree.file, line, column, NULL, "%s", text);
	buf_done(&out);
}

void conf_fault(struct conf_reader *reader, const struct conf_node *node, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell(reader, node, false, format, args);
	va_end(args);
}

void conf_warn(struct conf_reader *reader, const struct conf_node *node, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell(reader, node, true, format, args);
	va_end(args);
}

void conf_show_values(struct conf_node *node)
{
	node->is_shown = true;
	for (struct conf_node *child = node->first; child != NULL; child = child->next)
		conf_show_values(child); /* at most CONF_DEPTH_MAX deep */
}

/* A line of the file, from 1, without its end. */
static struct str line_of(struct str text, unsigned number)
{
	ptrdiff_t end;

	for (unsigned line = 1; line < number; line++) {
		end = str_find(text, STR("\n"));
		if (end < 0)
			return STR("");
		text = str_from(text, (size_t)end + 1);
	}
	end = str_find(text, STR("\n"));
	if (end >= 0)
		text = str_cut(text, (size_t)end);
	return str_ends(text, STR("\r")) ? str_cut(text, text.len - 1) : text;
}

/* Overwrites the columns from `from` up to, not including, `to` with stars. */
static void mask_columns(char *line, size_t len, unsigned from, unsigned to)
{
	unsigned column = 0;

	for (size_t i = 0; i < len; i++) {
		if (((unsigned char)line[i] & 0xc0) != 0x80)
			column++;
		if (column >= from && column < to && line[i] != '"' && line[i] != '\'')
			line[i] = '*';
	}
}

static void mask_values(const struct conf_node *node, unsigned number, char *line, size_t len)
{
	if (node->kind == CONF_NODE_SCALAR && !node->is_shown && !node->is_null &&
	    node->line <= number && node->end_line >= number)
		mask_columns(line, len, node->line == number ? node->column : 1,
		             node->end_line == number ? node->end_column : UINT32_MAX);
	for (const struct conf_node *child = node->first; child != NULL; child = child->next)
		mask_values(child, number, line, len);
}

/* Without a whole tree nobody knows what is secret: letters and digits behind the first colon go, and
 * all of a line that has none (it may go on with a value that began above). */
static void mask_unknown(char *line, size_t len)
{
	bool behind = memchr(line, ':', len) == NULL;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if (behind && ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c >= 0x80))
			line[i] = '*';
		behind = behind || c == ':';
	}
}

/* People go through a file from its top; what has no place comes first. */
static void sort_by_place(struct conf_errors *errors)
{
	for (size_t i = 1; i < errors->count; i++) {
		const struct conf_error error = errors->at[i];
		size_t j = i;

		for (; j > 0 && (errors->at[j - 1].line > error.line ||
		                 (errors->at[j - 1].line == error.line &&
		                  errors->at[j - 1].column > error.column)); j--)
			errors->at[j] = errors->at[j - 1];
		errors->at[j] = error;
	}
}

void conf_add_sources(struct conf_reader *reader)
{
	const struct conf_node *root = reader->tree.root;

	sort_by_place(reader->errors);
	for (size_t i = 0; i < reader->errors->count; i++) {
		struct conf_error *error = &reader->errors->at[i];
		struct str line;

		if (error->file != reader->tree.file || error->line == 0 || error->source != NULL)
			continue;
		line = arena_str(reader->errors->arena, line_of(reader->tree.text, error->line));
		if (line.at == NULL)
			continue;
		if (root != NULL && reader->tree.is_whole)
			mask_values(root, error->line, (char *)(uintptr_t)line.at, line.len);
		else
			mask_unknown((char *)(uintptr_t)line.at, line.len);
		error->source = line.at;
	}
}
