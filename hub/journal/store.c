/* Opening the file, its schema, statements and error codes. */
#include "hub/journal/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum {
	APPLICATION_ID = 0x54434a31, /* "TCJ1" */
	SCHEMA_VERSION = 1,
	BUSY_MS = 5000,		 /* opening while another process checkpoints on its way out */
	WRITER_CACHE_KIB = 6144, /* one transaction's pages, so that they do not spill */
	READER_CACHE_KIB = 512,
	QUICK_CHECK_MAX = 32 << 20, /* a larger file is checked at its end only */
};

/* No secondary index on `alert`: one over random ids would write a page for each alert. alert_index
 * holds four bytes of each id in order of position instead, so a search by id reads 4 MB per million.
 * delivery.place is output << 48 | first position; outcomes are two bytes each: outcome, attempts. */
static const char schema[] =
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE alert (seq INTEGER PRIMARY KEY, received INTEGER NOT NULL, time INTEGER NOT "
	"NULL,"
	" priority INTEGER NOT NULL, change INTEGER NOT NULL, incident INTEGER NOT NULL,"
	" count INTEGER NOT NULL, identity BLOB NOT NULL, uuid BLOB NOT NULL, json TEXT NOT NULL);"
	"CREATE TABLE alert_index (first INTEGER PRIMARY KEY, ids BLOB NOT NULL);"
	"CREATE TABLE output (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, start INTEGER NOT "
	"NULL,"
	" cursor INTEGER NOT NULL, at INTEGER NOT NULL, ahead BLOB NOT NULL, totals BLOB NOT NULL,"
	" folded_to INTEGER NOT NULL, folded BLOB NOT NULL, expired INTEGER NOT NULL);"
	"CREATE TABLE delivery (place INTEGER PRIMARY KEY, at INTEGER NOT NULL, outcomes BLOB NOT "
	"NULL);"
	"CREATE TABLE dead (id INTEGER PRIMARY KEY AUTOINCREMENT, output INTEGER NOT NULL,"
	" seq INTEGER NOT NULL, at INTEGER NOT NULL, attempts INTEGER NOT NULL, note TEXT NOT NULL,"
	" replay INTEGER NOT NULL, received INTEGER NOT NULL, time INTEGER NOT NULL,"
	" priority INTEGER NOT NULL, change INTEGER NOT NULL, incident INTEGER NOT NULL,"
	" count INTEGER NOT NULL, uuid BLOB NOT NULL, json TEXT NOT NULL, UNIQUE (output, seq));"
	"CREATE INDEX dead_replay ON dead (output, seq) WHERE replay = 1;"
	"CREATE INDEX dead_output ON dead (output);"
	"CREATE TABLE incident (id INTEGER PRIMARY KEY, key BLOB NOT NULL, first INTEGER NOT NULL,"
	" last INTEGER NOT NULL, count INTEGER NOT NULL, announced INTEGER NOT NULL,"
	" announced_at INTEGER NOT NULL, open INTEGER NOT NULL, rule TEXT NOT NULL,"
	" priority INTEGER NOT NULL);"
	"CREATE TABLE sensor (id TEXT PRIMARY KEY, boot TEXT NOT NULL, seq INTEGER NOT NULL,"
	" seen INTEGER NOT NULL, gaps INTEGER NOT NULL, hostname TEXT NOT NULL, status TEXT NOT "
	"NULL);"
	"PRAGMA user_version = 1; PRAGMA application_id = 1413696049;";

/* Came later than the first format; who does not know it leaves it alone. */
static const char added[] =
	"CREATE TABLE IF NOT EXISTS watch (id BLOB PRIMARY KEY, name BLOB NOT NULL, version INTEGER NOT NULL,"
	" by_key BLOB NOT NULL, of_key BLOB NOT NULL, touched INTEGER NOT NULL, state BLOB NOT NULL)"
	" WITHOUT ROWID;";

void store_say(char *error, const char *format, ...)
{
	va_list args;

	if (error == NULL)
		return;
	va_start(args, format);
	vsnprintf(error, 256, format, args);
	va_end(args);
}

static int errno_of(int code, int system_errno)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return 0;
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_IOERR:
		return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG
			       ? -ENOSPC
			       : -EIO;
	case SQLITE_NOMEM: return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return -EBADMSG;
	case SQLITE_READONLY: return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH: return -EACCES;
	case SQLITE_CANTOPEN: return system_errno != 0 ? -system_errno : -ENOENT;
	case SQLITE_TOOBIG: return -E2BIG;
	case SQLITE_CONSTRAINT: return -EEXIST;
	default: return -EINVAL;
	}
}

int store_errno(const struct store *store)
{
	int r;

	if (store->db == NULL)
		return -EIO;
	r = errno_of(sqlite3_extended_errcode(store->db), sqlite3_system_errno(store->db));
	return r == 0 ? -EIO : r;
}

sqlite3_stmt *store_sql(struct store *store, enum sql which)
{
	static const char *const texts[] = {
#define X(name, text) text,
		SQL_STATEMENTS(X)
#undef X
	};
	sqlite3_stmt **statement = &store->statements[which];

	if (store->db == NULL)
		return NULL;
	if (*statement == NULL)
		sqlite3_prepare_v3(store->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
				   statement, NULL);
	return *statement;
}

int store_step(struct store *store, sqlite3_stmt *statement)
{
	int code, r;

	if (statement == NULL)
		return store_errno(store);
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		return 1;
	r = code == SQLITE_DONE ? 0 : store_errno(store);
	sqlite3_reset(statement);
	return r;
}

int store_run(struct store *store, sqlite3_stmt *statement)
{
	int r;

	do
		r = store_step(store, statement);
	while (r == 1);
	return r;
}

int store_do(struct store *store, enum sql which)
{
	return store_run(store, store_sql(store, which));
}

int store_number(struct store *store, sqlite3_stmt *statement, uint64_t *ret)
{
	int r = store_step(store, statement);

	if (r < 0)
		return r;
	*ret = r == 1 ? column_u64(statement, 0) : 0;
	sqlite3_reset(statement);
	return 0;
}

static int pragma_number(struct store *store, const char *text, uint64_t *ret)
{
	sqlite3_stmt *statement = NULL;
	int r;

	sqlite3_prepare_v2(store->db, text, -1, &statement, NULL);
	r = store_number(store, statement, ret);
	sqlite3_finalize(statement);
	return r;
}

static int execute(struct store *store, const char *text)
{
	return sqlite3_exec(store->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0
									    : store_errno(store);
}

/* Whether the file is ours; an empty one (made now, or by a start that was cut off) becomes so. */
static int check_schema(struct store *store, enum store_mode mode, const char *path, char *error)
{
	uint64_t version, application, tables;
	int r = pragma_number(store, "PRAGMA user_version", &version);

	if (r == 0)
		r = pragma_number(store, "PRAGMA application_id", &application);
	if (r == 0)
		r = pragma_number(store, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r < 0) {
		store_say(error, "%s: not a journal, or damaged: %s", path,
			  sqlite3_errmsg(store->db));
		return r;
	}
	if (tables == 0 && application == 0 && mode == STORE_WRITE) {
		r = execute(store, "BEGIN IMMEDIATE");
		if (r == 0)
			r = execute(store, schema);
		if (r == 0)
			r = execute(store, "COMMIT");
		if (r < 0)
			store_say(error, "%s: cannot make its tables: %s", path,
				  sqlite3_errmsg(store->db));
		return r;
	}
	if (application != APPLICATION_ID) {
		store_say(error, "%s: not a journal of Tocsin", path);
		return -EBADMSG;
	}
	if (version > SCHEMA_VERSION) {
		store_say(error,
			  "%s: written by a newer Tocsin (format %llu; this one reads up to %d)",
			  path, (unsigned long long)version, SCHEMA_VERSION);
		return -ENOTSUP;
	}
	return 0;
}

/* A whole check of a large file would take longer than a service may take to start; there the newest
 * pages are read, where a torn write would be. */
static int check_integrity(struct store *store, const char *path, char *error)
{
	sqlite3_stmt *statement = NULL;
	uint64_t pages, last, kept = 0;
	bool sound;
	int r = pragma_number(store, "PRAGMA page_count", &pages);

	if (r == 0 && pages * STORE_PAGE <= QUICK_CHECK_MAX) {
		sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
		r = store_step(store, statement);
		sound = r == 1 && str_eq(column_str(statement, 0), STR("ok"));
		sqlite3_finalize(statement);
	} else {
		r = store_number(store, store_sql(store, SQL_ALERT_LAST), &last);
		if (r == 0) {
			statement = store_sql(store, SQL_ALERT_COUNT);
			bind_u64(statement, 1, last > 10000 ? last - 10000 : 0);
			r = store_number(store, statement, &kept);
		}
		sound = r == 0 && (last == 0 || kept > 0);
	}
	if (sound)
		return 0;
	store_say(error, "%s: damaged: %s", path,
		  r < 0 ? sqlite3_errmsg(store->db) : "the check failed");
	return r < 0 ? r : -EBADMSG;
}

static void no_statistics(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* a global lock at each allocation otherwise */
}

static int set_up(struct store *store, enum store_mode mode)
{
	char text[512];

	sqlite3_busy_timeout(store->db, BUSY_MS);
	sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, STORE_TEXT_MAX);
	snprintf(text, sizeof(text),
		 "PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
		 "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -%d;%s",
		 mode == STORE_WRITE ? WRITER_CACHE_KIB : READER_CACHE_KIB,
		 mode == STORE_WRITE ? "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL;"
				       "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
				     : "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0;");
	return execute(store, text);
}

/* Nobody else reads alerts; SQLite gives its other files this file's mode. One that exists is not
 * opened here: closing it would drop the POSIX locks of this process's other connections. */
static int make_private(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return errno == EEXIST ? 0 : -1;
	return close(fd);
}

int store_open(struct store *store, const char *path, enum store_mode mode, char *error)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int flags = SQLITE_OPEN_NOMUTEX, r;

	pthread_once(&once, no_statistics);
	memset(store, 0, sizeof(*store));
	flags |= mode == STORE_AUDIT ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	if (mode == STORE_WRITE && make_private(path) < 0) {
		r = -errno;
		store_say(error, "%s: %s", path, strerror(-r));
		return r;
	}
	if (sqlite3_open_v2(path, &store->db, flags, NULL) != SQLITE_OK) {
		r = store_errno(store);
		store_say(error, "%s: %s", path, strerror(-r));
	} else {
		r = set_up(store, mode);
		if (r < 0)
			store_say(error, "%s: %s", path, sqlite3_errmsg(store->db));
		if (r == 0)
			r = check_schema(store, mode, path, error);
		if (r == 0 && mode == STORE_WRITE)
			r = check_integrity(store, path, error);
		if (r == 0 && mode == STORE_WRITE) {
			r = execute(store, added);
			if (r < 0)
				store_say(error, "%s: cannot make its tables: %s", path,
					  sqlite3_errmsg(store->db));
		}
	}
	if (r < 0)
		store_close(store);
	return r;
}

void store_close(struct store *store)
{
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->db);
	memset(store, 0, sizeof(*store));
}
