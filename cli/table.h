/* Columns for people: text to the left, numbers to the right, as wide as their longest cell. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "base/buf.h"

enum { TABLE_COLUMNS_MAX = 12, TABLE_CELL_MAX = 200 };

struct table {
	size_t columns;
	const char *heads[TABLE_COLUMNS_MAX];
	bool right[TABLE_COLUMNS_MAX]; /* numbers */
	struct buf cells;  /* each behind its length; escaped */
	size_t count;
};

/* One cell more; rows fill up from the left. Stranger's bytes are escaped. */
void table_add(struct table *table, struct str text);
void table_addf(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Heads and rows. Empties the table. */
void table_print(struct table *table, struct buf *out);

#endif
