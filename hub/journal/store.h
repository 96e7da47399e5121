/* A connection to the journal's file: the wall to SQLite. Opens it the way it has to be opened, keeps
 * prepared statements, turns SQLite's codes into -errno. One thread at a time. */
#ifndef HUB_JOURNAL_STORE_H
#define HUB_JOURNAL_STORE_H

#include "base/str.h"
#include "hub/journal/sql.h"

#include <sqlite3.h>

enum {
	STORE_PAGE = 8192,
	STORE_TEXT_MAX = 32 << 20, /* one alert's text at most */
};

enum store_mode {
	STORE_WRITE, /* makes the file and its tables when they are not there */
	STORE_READ,
	STORE_AUDIT, /* as STORE_READ, of a file that must exist */
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_COUNT];
};

/* 0, or -errno with a text in `error` (256 bytes; may be NULL): -ENOTSUP for a newer schema,
 * -EBADMSG for a file that is something else or damaged. */
int store_open(struct store *store, const char *path, enum store_mode mode, char *error);

/* A text for people, cut at 256 bytes; `error` may be NULL. */
void store_say(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Accepts a store that is not open. */
void store_close(struct store *store);

/* -errno of the last call that failed on this connection. -ENOSPC: the disk is full; -EIO: it or
 * the file is damaged; -E2BIG: a value is too large. */
int store_errno(const struct store *store);

/* The prepared statement, ready for values; NULL: see store_errno(). */
sqlite3_stmt *store_sql(struct store *store, enum sql which);

/* Runs a statement that returns nothing (rows are skipped) and resets it. 0 or -errno. */
int store_run(struct store *store, sqlite3_stmt *statement);

/* store_sql() and store_run() of a statement without values. */
int store_do(struct store *store, enum sql which);

/* One more row: 1, 0 at the end (then reset), or -errno (then reset). */
int store_step(struct store *store, sqlite3_stmt *statement);

/* The first column of the first row as a number, 0 without a row or with NULL. `statement` carries
 * its values already; it is reset. 0 or -errno. */
int store_number(struct store *store, sqlite3_stmt *statement, uint64_t *ret);

/* Values. Bytes are borrowed until the statement is reset; an empty str is the empty value;
 * one that is too large (SQLITE_TOOBIG) leaves NULL, which every column here refuses. */
static inline void bind_u64(sqlite3_stmt *statement, int at, uint64_t value)
{
	sqlite3_bind_int64(statement, at, (sqlite3_int64)value);
}

static inline void bind_i64(sqlite3_stmt *statement, int at, int64_t value)
{
	sqlite3_bind_int64(statement, at, value);
}

static inline int bind_str(sqlite3_stmt *statement, int at, struct str s)
{
	return sqlite3_bind_text64(statement, at, s.at == NULL ? "" : s.at, s.len, SQLITE_STATIC,
				   SQLITE_UTF8);
}

static inline void bind_bytes(sqlite3_stmt *statement, int at, const void *bytes, size_t len)
{
	sqlite3_bind_blob64(statement, at, bytes == NULL ? "" : bytes, len, SQLITE_STATIC);
}

/* Columns of the current row; bytes live until the next step or reset. */
static inline uint64_t column_u64(sqlite3_stmt *statement, int at)
{
	return (uint64_t)sqlite3_column_int64(statement, at);
}

static inline struct str column_str(sqlite3_stmt *statement, int at)
{
	const void *bytes = sqlite3_column_blob(statement, at);

	return (struct str){ .at = bytes, .len = (size_t)sqlite3_column_bytes(statement, at) };
}

#endif
