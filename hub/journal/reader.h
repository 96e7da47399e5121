/* What the files that read share. */
#ifndef HUB_JOURNAL_READER_H
#define HUB_JOURNAL_READER_H

#include "hub/journal/inner.h"

struct journal_reader {
	struct journal *journal;
	struct store store;
};

/* The statement with its connection opened again where an error had closed it; NULL: *ret_error says
 * why. */
sqlite3_stmt *reader_sql(struct journal_reader *reader, enum sql which, int *ret_error);

/* Fills *ret from columns seq, SQL_ALERT, the text copied into the arena. 0 or -ENOMEM. */
int read_alert(sqlite3_stmt *statement, struct arena *arena, struct alert *ret);

#endif
