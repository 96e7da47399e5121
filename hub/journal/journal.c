/* The journal's life: opening, handing over work, waiting for news, closing. */
#include "hub/journal/inner.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

enum {
	GRACE_S = 60,		/* for outputs to be named after a start */
	PROGRESS_MS = 100,	/* how long progress may wait for a commit to ride along with */
	PROGRESS_LARGE_MS = 10, /* when there is much of it */
	PROGRESS_LARGE = 1024,
	SENSORS_MAX = 65536, /* rows kept; the longest unseen go at start */
};

#define MIB ((uint64_t)1 << 20)

static uint64_t between(uint64_t low, uint64_t value, uint64_t high)
{
	return value < low ? low : value > high ? high : value;
}

static void set_limits(struct limits *limits, const char *dir, int64_t max_size)
{
	uint64_t wanted = max_size <= 0 ? (uint64_t)INT64_MAX : (uint64_t)max_size;
	uint64_t size = reserve_size_limit(dir, wanted);

	limits->max_size = size;
	limits->low_mark = size - size / 16;
	limits->wal_soft = between(MIB, size / 16, 8 * MIB);
	limits->wal_hard = between(4 * MIB, size / 4, 64 * MIB);
	limits->wal_max = between(16 * MIB, size / 2, 512 * MIB);
	limits->reserve = between(MIB, size / 8, 8 * MIB);
}

/* --- opening ------------------------------------------------------------------------------------ */

/* Two hubs on one journal would give out the same positions. */
static int lock_dir(struct journal *journal, const char *dir, char *error)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/journal.lock", dir);
	journal->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (journal->lock_fd < 0) {
		int r = -errno;

		store_say(error, "%s: %s", path, strerror(-r));
		return r;
	}
	if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	store_say(error, "%s: another process has this journal open", dir);
	return -EBUSY;
}

/* Closed behind SQLite: that drops the locks of all of the process's connections to the file. */
static int open_file(struct journal *journal)
{
	journal->file_fd = open(journal->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return journal->file_fd < 0 ? -errno : 0;
}

static int load_key(struct journal *journal)
{
	sqlite3_stmt *statement = store_sql(&journal->store, SQL_META_GET);
	int r;

	if (statement == NULL)
		return store_errno(&journal->store);
	bind_str(statement, 1, STR("hash_key"));
	r = store_step(&journal->store, statement);
	if (r == 1) {
		struct str bytes = column_str(statement, 0);

		r = bytes.len == sizeof(journal->key) ? 0 : -EBADMSG;
		if (r == 0)
			memcpy(&journal->key, bytes.at, sizeof(journal->key));
		sqlite3_reset(statement);
		return r;
	}
	if (r == 0)
		r = hash_key_random(&journal->key);
	statement = store_sql(&journal->store, SQL_META_SET);
	if (r < 0 || statement == NULL)
		return r < 0 ? r : store_errno(&journal->store);
	bind_str(statement, 1, STR("hash_key"));
	bind_bytes(statement, 2, &journal->key, sizeof(journal->key));
	return store_run(&journal->store, statement);
}

static int load(struct journal *journal)
{
	struct store *store = &journal->store;
	sqlite3_stmt *statement;
	uint64_t first, last;
	int r = load_key(journal);

	if (r == 0)
		r = store_number(store, store_sql(store, SQL_ALERT_FIRST), &first);
	if (r == 0)
		r = store_number(store, store_sql(store, SQL_ALERT_LAST), &last);
	if (r < 0)
		return r;
	if (last >= PLACE_SEQ_MAX)
		return -EOVERFLOW;
	journal->first = first == 0 ? 1 : first;
	journal->last = last;
	statement = store_sql(store, SQL_SENSOR_TRIM);
	if (statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, SENSORS_MAX);
	return store_run(store, statement);
}

static int start_threads(struct journal *journal)
{
	int r = pthread_create(&journal->writer, NULL, writer_main, journal);

	if (r != 0)
		return -r;
	journal->writer_runs = true;
	r = pthread_create(&journal->checkpointer, NULL, checkpoint_main, journal);
	journal->checkpointer_runs = r == 0;
	return -r;
}

static struct journal *make(const struct journal_settings *settings)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	pthread_condattr_t monotonic;

	if (journal == NULL)
		return NULL;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&journal->lock, NULL);
	pthread_cond_init(&journal->work, &monotonic);
	pthread_cond_init(&journal->news, &monotonic);
	pthread_cond_init(&journal->checkpoint, &monotonic);
	pthread_condattr_destroy(&monotonic);
	journal->lock_fd = journal->file_fd = -1;
	journal->commits_end = &journal->commits;
	journal->progresses_end = &journal->progresses;
	journal->calls_end = &journal->calls;
	journal->retention_ns = settings->retention_ms > INT64_MAX / NS_PER_MS
					? INT64_MAX
					: settings->retention_ms * NS_PER_MS;
	journal->grace_ns = GRACE_S * NS_PER_S;
	journal->opened_ns = clock_mono();
	set_limits(&journal->limits, settings->dir, settings->max_size);
	return journal;
}

int journal_open(const struct journal_settings *settings, struct journal **ret, char *error)
{
	struct journal *journal = make(settings);
	int r;

	error[0] = '\0';
	if (journal == NULL || strlen(settings->dir) > PATH_MAX - 32) {
		journal_close(journal);
		store_say(error,
			  "journal: out of memory, or the name of its directory is too long");
		return -ENOMEM;
	}
	snprintf(journal->path, sizeof(journal->path), "%s/journal.db", settings->dir);
	snprintf(journal->reserve_path, sizeof(journal->reserve_path), "%s/journal.reserve",
		 settings->dir);
	r = lock_dir(journal, settings->dir, error);
	if (r == 0)
		r = store_open(&journal->store, journal->path, STORE_WRITE, error);
	if (r == 0)
		r = open_file(journal);
	if (r == 0) {
		checkpoint_hook(journal);
		reserve_make(journal);
		r = load(journal);
	}
	if (r == 0)
		r = start_threads(journal);
	if (r < 0) {
		if (error[0] == '\0')
			store_say(error, "%s: %s", journal->path, strerror(-r));
		journal_close(journal);
		return r;
	}
	*ret = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (journal == NULL)
		return;
	pthread_mutex_lock(&journal->lock);
	journal->stop = true;
	pthread_cond_broadcast(&journal->work);
	pthread_cond_broadcast(&journal->checkpoint);
	pthread_mutex_unlock(&journal->lock);
	if (journal->writer_runs)
		pthread_join(journal->writer, NULL);
	if (journal->checkpointer_runs)
		pthread_join(journal->checkpointer, NULL);
	store_close(&journal->store);
	if (journal->file_fd >= 0)
		close(journal->file_fd);
	if (journal->lock_fd >= 0)
		close(journal->lock_fd);
	pthread_cond_destroy(&journal->work);
	pthread_cond_destroy(&journal->news);
	pthread_cond_destroy(&journal->checkpoint);
	pthread_mutex_destroy(&journal->lock);
	explicit_bzero(&journal->key, sizeof(journal->key));
	free(journal);
}

/* --- handing over ------------------------------------------------------------------------------- */

void journal_submit(struct journal *journal, struct journal_commit *commit)
{
	commit->next = NULL;
	atomic_fetch_add(&journal->waiting, commit->bytes);
	pthread_mutex_lock(&journal->lock);
	*journal->commits_end = commit;
	journal->commits_end = &commit->next;
	pthread_cond_signal(&journal->work);
	pthread_mutex_unlock(&journal->lock);
}

void journal_submit_progress(struct journal *journal, struct journal_progress *progress)
{
	bool large = progress->prefix_count >= PROGRESS_LARGE;
	int64_t due = clock_mono() + (large ? PROGRESS_LARGE_MS : PROGRESS_MS) * NS_PER_MS;

	progress->next = NULL;
	pthread_mutex_lock(&journal->lock);
	*journal->progresses_end = progress;
	journal->progresses_end = &progress->next;
	if (journal->progress_due_ns == 0 || due < journal->progress_due_ns) {
		journal->progress_due_ns = due;
		pthread_cond_signal(&journal->work);
	}
	pthread_mutex_unlock(&journal->lock);
}

uint64_t journal_waiting(const struct journal *journal)
{
	return journal->waiting;
}

int journal_health(const struct journal *journal)
{
	return journal->health;
}

uint64_t journal_last(const struct journal *journal)
{
	return journal->last;
}

uint64_t journal_first(const struct journal *journal)
{
	return journal->first;
}

const struct hash_key *journal_key(const struct journal *journal)
{
	return &journal->key;
}

/* --- waiting ------------------------------------------------------------------------------------ */

void journal_wait(struct journal *journal, uint64_t seq, int64_t timeout_ms)
{
	/* A wake between a thread's last look and its wait counts, so that none is lost. */
	static _Thread_local uint64_t wakes_seen;
	int64_t until_ns = clock_mono() + timeout_ms * NS_PER_MS;
	struct timespec until = { .tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S };

	pthread_mutex_lock(&journal->lock);
	while (journal->last <= seq && journal->wakes == wakes_seen && !journal->stop)
		if (pthread_cond_timedwait(&journal->news, &journal->lock, &until) != 0)
			break;
	wakes_seen = journal->wakes;
	pthread_mutex_unlock(&journal->lock);
}

void journal_wake(struct journal *journal)
{
	pthread_mutex_lock(&journal->lock);
	journal->wakes++;
	pthread_cond_broadcast(&journal->news);
	pthread_mutex_unlock(&journal->lock);
}

/* --- metrics ------------------------------------------------------------------------------------ */

struct metric_row {
	enum metric_type type;
	const char *name, *unit, *help;
	uint64_t value;
};

void journal_metrics(const struct journal *journal, struct metrics *metrics)
{
	const struct metric_row rows[] = {
		{ METRIC_COUNTER, "tocsin_journal_alerts", NULL, "Alerts written to disk.",
		  counter_get(&journal->alerts) },
		{ METRIC_COUNTER, "tocsin_journal_transactions", NULL,
		  "Transactions, one fsync each.", counter_get(&journal->transactions) },
		{ METRIC_COUNTER, "tocsin_journal_failures", NULL,
		  "Transactions that the disk did not take.", counter_get(&journal->failures) },
		{ METRIC_COUNTER, "tocsin_journal_refused", NULL,
		  "Commits refused for want of room.", counter_get(&journal->refused) },
		{ METRIC_COUNTER, "tocsin_journal_expired", NULL, "Alerts that retention deleted.",
		  counter_get(&journal->expired) },
		{ METRIC_COUNTER, "tocsin_journal_dead_letters_expired", NULL,
		  "Dead letters that retention deleted.", counter_get(&journal->letters_expired) },
		{ METRIC_COUNTER, "tocsin_journal_checkpoints", NULL,
		  "Times the WAL was copied into the file.", counter_get(&journal->checkpoints) },
		{ METRIC_COUNTER, "tocsin_journal_reopened", NULL,
		  "Times the file was reopened after an error.", counter_get(&journal->reopened) },
		{ METRIC_GAUGE, "tocsin_journal_healthy", NULL,
		  "Whether the last transaction worked.", journal->health == 0 },
		{ METRIC_GAUGE, "tocsin_journal_reserve_held", NULL,
		  "Whether disk space is set aside; 0: the disk is full or was lately.",
		  journal->reserve_held },
		{ METRIC_GAUGE, "tocsin_journal_position", NULL, "Highest position on disk.",
		  journal->last },
		{ METRIC_GAUGE, "tocsin_journal_oldest_position", NULL, "Lowest position kept.",
		  journal->first },
		{ METRIC_GAUGE, "tocsin_journal_waiting_bytes", "bytes",
		  "Memory of commits that wait.", journal->waiting },
		{ METRIC_GAUGE, "tocsin_journal_used_bytes", "bytes",
		  "Size of what the file holds.", journal->used_bytes },
		{ METRIC_GAUGE, "tocsin_journal_free_bytes", "bytes", "Room inside the file.",
		  journal->free_bytes },
		{ METRIC_GAUGE, "tocsin_journal_wal_bytes", "bytes",
		  "Length of the write-ahead log.", journal->wal_size },
		{ METRIC_GAUGE, "tocsin_journal_max_bytes", "bytes",
		  "The configured limit of its size.", journal->limits.max_size },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		metrics_family(metrics, rows[i].type, rows[i].name, rows[i].unit, rows[i].help);
		metrics_u64(metrics, NULL, rows[i].value);
	}
	metrics_family(metrics, METRIC_HISTOGRAM, "tocsin_journal_commit_seconds", "seconds",
		       "Time of a transaction, its fsync included.");
	metrics_histogram(metrics, NULL, &journal->commit_time);
}
