/* Columns for people. */
#include "cli/table.h"

#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>

void table_add(struct table *table, struct str text)
{
	uint32_t len;
	size_t start = table->cells.len;

	buf_add(&table->cells, (struct str){ (const char *)&len, sizeof(len) });
	buf_add_printable(&table->cells, str_cut(text, TABLE_CELL_MAX));
	if (!buf_ok(&table->cells))
		return;
	len = (uint32_t)(table->cells.len - start - sizeof(len));
	memcpy(table->cells.at + start, &len, sizeof(len));
	table->count++;
}

void table_addf(struct table *table, const char *format, ...)
{
	char text[TABLE_CELL_MAX + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_add(table, str_of(text));
}

/* Characters, which is columns for what is not East Asian or combining. */
static size_t width_of(struct str text)
{
	size_t width = 0;

	for (size_t i = 0; i < text.len; i++)
		width += ((unsigned char)text.at[i] & 0xc0) != 0x80;
	return width;
}

static struct str next_cell(const struct table *table, size_t *at)
{
	uint32_t len;
	struct str cell;

	memcpy(&len, table->cells.at + *at, sizeof(len));
	cell = (struct str){ table->cells.at + *at + sizeof(len), len };
	*at += sizeof(len) + len;
	return cell;
}

static void add_cell(const struct table *table, size_t column, struct str text, size_t width, struct buf *out)
{
	int blanks = (int)(width - width_of(text));

	if (table->right[column])
		buf_addf(out, "%*s", blanks, "");
	buf_add(out, text);
	if (column + 1 == table->columns) {
		while (out->len > 0 && out->at[out->len - 1] == ' ')
			buf_cut(out, out->len - 1);
		buf_add_char(out, '\n');
		return;
	}
	buf_addf(out, "%*s", table->right[column] ? 2 : blanks + 2, "");
}

void table_print(struct table *table, struct buf *out)
{
	size_t widths[TABLE_COLUMNS_MAX];
	size_t at = 0;

	for (size_t i = 0; i < table->columns; i++)
		widths[i] = strlen(table->heads[i]);
	for (size_t i = 0; i < table->count; i++) {
		size_t width = width_of(next_cell(table, &at));

		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	cli_add_color(out, CLI_BOLD);
	for (size_t i = 0; i < table->columns; i++)
		add_cell(table, i, str_of(table->heads[i]), widths[i], out);
	cli_add_color(out, CLI_PLAIN);
	at = 0;
	for (size_t i = 0; i < table->count; i++)
		add_cell(table, i % table->columns, next_cell(table, &at), widths[i % table->columns], out);
	buf_done(&table->cells);
	table->count = 0;
}
