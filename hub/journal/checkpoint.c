/* Keeps the WAL short without making the writer wait.
 *
 * A thread of its own copies the WAL into the file (PASSIVE) once it is longer than wal_soft. Under
 * permanent load that never catches up with the end, so the writer copies the little that is left itself,
 * between two transactions; the next one then begins the WAL anew. A reader in the middle of a statement
 * prevents that; beyond wal_hard the writer waits for it a moment, and beyond wal_max new alerts are
 * refused until the reader, which can only be another program, has gone. */
#include "hub/journal/inner.h"

#include "base/clock.h"

#include <stdio.h>

enum {
	FRAME_HEADER = 24, /* https://sqlite.org/fileformat2.html#walformat */
	READER_WAIT_MS = 50,
	WRITER_BUSY_MS = 5000,
};

static int on_commit(void *argument, sqlite3 *db, const char *name, int frames)
{
	struct journal *journal = argument;

	(void)db;
	(void)name;
	journal->wal_bytes = (uint64_t)frames * (STORE_PAGE + FRAME_HEADER);
	journal->wal_size = journal->wal_bytes;
	return SQLITE_OK;
}

/* A WAL that grew beyond what it usually has gives its room back when it begins anew: on a small disk
 * the reserve is made of it. */
void checkpoint_hook(struct journal *journal)
{
	char text[64];

	snprintf(text, sizeof(text), "PRAGMA journal_size_limit = %llu",
		 (unsigned long long)(2 * journal->limits.wal_soft));
	sqlite3_exec(journal->store.db, text, NULL, NULL, NULL);
	sqlite3_wal_hook(journal->store.db, on_commit, journal);
}

static void wake_checkpointer(struct journal *journal)
{
	journal->wal_tried = journal->wal_bytes;
	journal->checkpointing = true;
	pthread_mutex_lock(&journal->lock);
	journal->checkpoint_due = true;
	pthread_cond_signal(&journal->checkpoint);
	pthread_mutex_unlock(&journal->lock);
}

void checkpoint_now(struct journal *journal)
{
	journal->wal_tried = journal->wal_bytes;
	sqlite3_busy_timeout(journal->store.db, READER_WAIT_MS);
	if (sqlite3_wal_checkpoint_v2(journal->store.db, NULL, SQLITE_CHECKPOINT_RESTART, NULL,
				      NULL) == SQLITE_OK)
		journal->wal_bytes = journal->wal_tried = 0;
	sqlite3_busy_timeout(journal->store.db, WRITER_BUSY_MS);
	journal->grounded = 0; /* SQLite may have cut the file at its end, and blocks behind it off */
	counter_add(&journal->checkpoints, 1);
}

/* Copying makes the file grow by up to what the WAL holds; where the disk may not have that much, little
 * enough is left in it for the reserve to cover. */
static bool is_short_of_disk(const struct journal *journal, uint64_t grown)
{
	return journal->wal_bytes >= journal->limits.reserve / 2 &&
	       grown >= journal->limits.reserve / 8 &&
	       (!journal->reserve_held || reserve_disk_is_low(journal));
}

void checkpoint_after_commit(struct journal *journal)
{
	uint64_t grown;

	if (journal->store.db == NULL || journal->checkpointing)
		return;
	if (journal->wal_bytes < journal->wal_tried) /* it began anew */
		journal->wal_tried = 0;
	grown = journal->wal_bytes - journal->wal_tried;
	if (is_short_of_disk(journal, grown)) {
		checkpoint_now(journal);
	} else if (journal->checkpoint_finish) {
		journal->checkpoint_finish = false;
		journal->grounded = 0;
		if (journal->wal_bytes >= journal->limits.wal_hard)
			checkpoint_now(journal);
		else
			sqlite3_wal_checkpoint_v2(journal->store.db, NULL,
						  SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	} else if (grown >= journal->limits.wal_soft ||
		   (journal->wal_bytes >= journal->limits.wal_max && journal->health != 0)) {
		wake_checkpointer(journal);
	}
}

static bool wait_due(struct journal *journal)
{
	bool stop;

	pthread_mutex_lock(&journal->lock);
	while (!journal->checkpoint_due && !journal->stop)
		pthread_cond_wait(&journal->checkpoint, &journal->lock);
	journal->checkpoint_due = false;
	stop = journal->stop;
	pthread_mutex_unlock(&journal->lock);
	return !stop;
}

static void finished(struct journal *journal)
{
	counter_add(&journal->checkpoints, 1);
	pthread_mutex_lock(&journal->lock);
	journal->checkpointing = false;
	journal->checkpoint_finish = true;
	pthread_cond_signal(&journal->work);
	pthread_mutex_unlock(&journal->lock);
}

void *checkpoint_main(void *argument)
{
	struct journal *journal = argument;
	struct store store = { 0 };

	while (wait_due(journal)) {
		if (store.db == NULL)
			store_open(&store, journal->path, STORE_READ, NULL);
		if (store.db != NULL &&
		    (sqlite3_wal_checkpoint_v2(store.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
					       NULL) &
		     0xff) == SQLITE_IOERR)
			store_close(&store);
		finished(journal);
	}
	store_close(&store);
	return NULL;
}
