/* The journal when things go wrong: kill -9, torn writes, a disk that fails, files that are
 * not ours, readers that stay. libc's fdatasync() and pwrite64() stand in this program, so that SQLite
 * calls these and a test can hold or fail them. */
#include "tests/unit/journal_rig.h"

#include "hub/journal/inner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* --- the disk ----------------------------------------------------------------------------------- */

static struct {
	pthread_mutex_t held; /* syncing waits while a test has it */
	_Atomic int syncs;
	_Atomic int fail_syncs;	 /* that many fail with EIO */
	_Atomic int fail_writes; /* -1: all fail with ENOSPC */
} disk = { .held = PTHREAD_MUTEX_INITIALIZER };

int fdatasync(int fd)
{
	int r;

	pthread_mutex_lock(&disk.held);
	pthread_mutex_unlock(&disk.held);
	if (disk.fail_syncs > 0) {
		disk.fail_syncs--;
		errno = EIO;
		return -1;
	}
	r = (int)syscall(SYS_fdatasync, fd);
	disk.syncs++;
	return r;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	if (disk.fail_writes != 0) {
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, bytes, len, at);
}

/* --- durability --------------------------------------------------------------------------------- */

static void nobody_is_answered_before_the_disk_has_it(void **state)
{
	struct rig *rig = *state;
	struct rig_commit *commit = rig_make(rig, 3);
	struct timespec pause = { .tv_nsec = 100 * NS_PER_MS };
	int syncs;

	assert_int_equal(rig_add(rig, 1, NULL), 0);
	pthread_mutex_lock(&disk.held);
	syncs = disk.syncs;
	journal_submit(rig->journal, &commit->commit);
	nanosleep(&pause, NULL); /* long enough for all but the sync */
	assert_false(commit->is_done);
	assert_int_equal(journal_last(rig->journal), 1);
	assert_int_equal(journal_waiting(rig->journal), commit->commit.bytes);
	pthread_mutex_unlock(&disk.held);
	rig_wait(commit);
	assert_int_equal(commit->result, 0);
	assert_true(disk.syncs > syncs);
	rig_free(commit);
}

static void one_sync_serves_all_that_waited(void **state)
{
	struct rig *rig = *state;
	struct rig_commit *commits[64];
	uint64_t before = counter_get(&rig->journal->transactions);

	pthread_mutex_lock(&disk.held);
	for (int i = 0; i < 64; i++) {
		commits[i] = rig_make(rig, 1);
		journal_submit(rig->journal, &commits[i]->commit);
	}
	pthread_mutex_unlock(&disk.held);
	for (int i = 0; i < 64; i++) {
		rig_wait(commits[i]);
		assert_int_equal(commits[i]->result, 0);
		assert_int_equal(commits[i]->first_seq, i + 1);
		rig_free(commits[i]);
	}
	assert_true(counter_get(&rig->journal->transactions) - before <= 3);
}

static void a_failed_sync_keeps_nothing_and_the_next_one_works(void **state)
{
	struct rig *rig = *state;
	struct journal_output output;

	rig_output(rig, "o", true, &output);
	free(output.ahead);
	for (int i = 0; i < 10; i++) {
		uint64_t last = journal_last(rig->journal);

		assert_int_equal(rig_add(rig, 5, NULL), 0);
		disk.fail_syncs = 1;
		assert_int_equal(rig_add(rig, 5, NULL), -EIO);
		assert_int_equal(journal_health(rig->journal), -EIO);
		assert_int_equal(journal_last(rig->journal), last + 5);
		disk.fail_syncs = 1;
		assert_int_equal(rig_settle(rig, output.id, last, last + 5, JOURNAL_DELIVERED),
				 -EIO);
		assert_int_equal(rig_settle(rig, output.id, last, last + 5, JOURNAL_DELIVERED), 0);
		assert_int_equal(journal_health(rig->journal), 0);
	}
	assert_true(counter_get(&rig->journal->reopened) >= 20);
	rig_assert_holds(rig, "o");
	rig_close(rig);
	rig_open(rig);
	assert_int_equal(journal_last(rig->journal), 50);
	rig_assert_holds(rig, "o");
}

static void an_idle_journal_finds_out_that_the_disk_is_back(void **state)
{
	struct rig *rig = *state;

	disk.fail_writes = -1;
	assert_int_equal(rig_add(rig, 500, NULL), -ENOSPC);
	assert_int_equal(journal_health(rig->journal), -ENOSPC);
	disk.fail_writes = 0;
	for (int i = 0; i < 1000 && journal_health(rig->journal) != 0; i++)
		journal_wait(rig->journal, UINT64_MAX, 10);
	assert_int_equal(journal_health(rig->journal), 0);
	assert_int_equal(rig_add(rig, 5, NULL), 0);
}

/* --- kill -9 ------------------------------------------------------------------------------------ */

/* What the program is when it is run with arguments: a hub that commits until it is killed, and says on
 * standard output how far it was acknowledged. */
static int victim(const char *dir)
{
	struct rig rig = { .max_size = (int64_t)1 << 30,
			   .retention_ms = 3600000,
			   .text_len = RIG_TEXT };
	struct journal_output output;

	snprintf(rig.dir, sizeof(rig.dir), "%s", dir);
	arena_init(&rig.arena, 1 << 20);
	rig_open(&rig);
	rig.made = journal_last(rig.journal);
	rig_output(&rig, "o", true, &output);
	for (uint64_t n = 0;; n++) {
		uint64_t seq, told;
		size_t count = (size_t)(n * 7919 % 40 + 1);

		if (rig_add(&rig, count, &seq) < 0)
			return 1;
		told = seq + count - 1;
		if (write(STDOUT_FILENO, &told, sizeof(told)) != sizeof(told))
			return 1;
		if (n % 4 == 0 && rig_settle(&rig, output.id, output.cursor, told,
					     n % 8 == 0 ? JOURNAL_DEAD : JOURNAL_DELIVERED) == 0)
			output.cursor = told;
	}
}

/* Runs a victim and kills it after `ms` of work. Returns the last position it was promised. */
static uint64_t run_victim(const struct rig *rig, int ms)
{
	uint64_t told, promised = 0;
	int64_t until = 0;
	int pipes[2];
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		execl("/proc/self/exe", "victim", rig->dir, (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	while (read(pipes[0], &told, sizeof(told)) == sizeof(told)) {
		promised = told;
		if (until == 0)
			until = clock_mono() + ms * NS_PER_MS;
		if (clock_mono() >= until)
			kill(child, SIGKILL);
	}
	close(pipes[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_not_equal(promised, 0);
	return promised;
}

static void kill_9_loses_nothing_that_was_acknowledged(void **state)
{
	struct rig *rig = *state;

	for (int round = 0; round < 30; round++) {
		uint64_t promised;

		rig_close(rig);
		promised = run_victim(rig, round * 37 % 50);
		rig_open(rig);
		if (journal_last(rig->journal) < promised)
			fail_msg("round %d: %llu promised, %llu there", round,
				 (unsigned long long)promised,
				 (unsigned long long)journal_last(rig->journal));
		rig_assert_holds(rig, "o");
	}
	assert_whole(rig);
}

/* --- torn writes -------------------------------------------------------------------------------- */

static void copy(const char *from, const char *to)
{
	pid_t child = fork(); /* closing it here would drop the locks that SQLite has on it */

	if (child == 0) {
		execlp("cp", "cp", from, to, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* Opens a copy whose WAL ends at `cut`, with garbage behind it when asked for. Returns its last position. */
static uint64_t open_torn(const struct rig *whole, off_t cut, bool garbage)
{
	struct rig torn;
	char from[128], to[128], noise[5000];
	uint64_t last;
	int fd;

	rig_init(&torn);
	snprintf(from, sizeof(from), "%s/journal.db", whole->dir);
	copy(from, torn.dir);
	snprintf(from, sizeof(from), "%s/journal.db-wal", whole->dir);
	copy(from, torn.dir);
	snprintf(to, sizeof(to), "%s/journal.db-wal", torn.dir);
	assert_int_equal(truncate(to, cut), 0);
	if (garbage) {
		memset(noise, 0xa5, sizeof(noise));
		fd = open(to, O_WRONLY | O_APPEND | O_CLOEXEC);
		assert_int_equal(write(fd, noise, sizeof(noise)), sizeof(noise));
		close(fd);
	}
	rig_open(&torn);
	last = journal_last(torn.journal);
	assert_whole(&torn);
	torn.made = last;
	assert_int_equal(rig_add(&torn, 3, NULL), 0);
	assert_whole(&torn);
	rig_close(&torn);
	arena_done(&torn.arena);
	nftw(torn.dir, rig_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return last;
}

static void a_torn_tail_is_cut_off_and_nothing_before_it(void **state)
{
	enum { COMMITS = 12 };
	struct rig *rig = *state;
	off_t ends[COMMITS];
	struct stat status;
	char path[128];

	snprintf(path, sizeof(path), "%s/journal.db-wal", rig->dir);
	for (int i = 0; i < COMMITS; i++) {
		assert_int_equal(rig_add(rig, 7, NULL), 0);
		assert_int_equal(stat(path, &status), 0);
		ends[i] = status.st_size;
	}
	for (off_t cut = 0; cut <= ends[COMMITS - 1]; cut += ends[COMMITS - 1] / 60 + 13) {
		uint64_t last = open_torn(rig, cut, cut % 2 == 0);

		for (int i = 0; i < COMMITS; i++)
			if (cut >= ends[i] && last < (uint64_t)(i + 1) * 7)
				fail_msg("cut at %lld: commit %d ended at %lld and is gone",
					 (long long)cut, i, (long long)ends[i]);
	}
}

/* --- readers ------------------------------------------------------------------------------------ */

static off_t wal_size(const struct rig *rig)
{
	struct stat status;
	char path[128];

	snprintf(path, sizeof(path), "%s/journal.db-wal", rig->dir);
	return stat(path, &status) == 0 ? status.st_size : 0;
}

static void *read_on(void *argument)
{
	struct rig *rig = argument;
	struct journal_reader *reader;
	struct alert alerts[256];
	struct arena arena;
	uint64_t at = 0;

	arena_init(&arena, 64 << 20);
	if (journal_reader_open(rig->journal, &reader) < 0)
		return NULL;
	while (at < 60000) {
		int count = journal_read(reader, at, 256, 1 << 20, &arena, alerts);

		at += count > 0 ? (uint64_t)count : 0;
		arena_reset(&arena);
		if (count <= 0)
			journal_wait(rig->journal, at, 5);
	}
	journal_reader_close(reader);
	arena_done(&arena);
	return NULL;
}

static void the_wal_stays_short_while_readers_read(void **state)
{
	struct rig *rig = *state;
	pthread_t threads[3];
	off_t longest = 0;

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, read_on, rig);
	for (int i = 0; i < 120; i++) {
		assert_int_equal(rig_add(rig, 500, NULL), 0);
		longest = wal_size(rig) > longest ? wal_size(rig) : longest;
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_true(longest <= (off_t)rig->journal->limits.wal_hard + (16 << 20));
	assert_true(counter_get(&rig->journal->checkpoints) > 0);
}

/* Another program that keeps a snapshot cannot make the WAL grow without end. */
static void a_reader_that_never_ends_is_bounded_too(void **state)
{
	struct rig *rig = *state;
	char path[128];
	sqlite3 *db;
	int r = 0;

	rig_close(rig);
	rig->max_size = 48 << 20; /* and the WAL's is half of it */
	rig_open(rig);
	assert_int_equal(rig_add(rig, 500, NULL), 0);
	snprintf(path, sizeof(path), "%s/journal.db", rig->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM alert", NULL, NULL, NULL),
			 SQLITE_OK);
	for (int i = 0; i < 200 && r == 0; i++)
		r = rig_add(rig, 500, NULL);
	assert_int_equal(r, -ENOSPC);
	assert_true(wal_size(rig) >= 24 << 20 && wal_size(rig) < 30 << 20);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	rig_wait_healthy(rig);
	rig->made = journal_last(rig->journal);
	assert_int_equal(rig_add(rig, 500, NULL), 0);
	assert_whole(rig);
}

/* --- files that are not ours -------------------------------------------------------------------- */

static const struct foreign_row {
	const char *name, *sql;
	int error;
	const char *text;
} foreign_rows[] = {
	{ "a newer format", "PRAGMA user_version = 2", -ENOTSUP, "newer" },
	{ "another program's", "PRAGMA application_id = 77", -EBADMSG, "not a journal" },
	{ "damaged inside",
	  "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 9999 WHERE name = "
	  "'alert'",
	  -EBADMSG, "malformed" },
};

static void refuse(struct rig *rig, const char *name, int error, const char *text)
{
	struct journal_settings settings = { .dir = rig->dir,
					     .max_size = 1 << 30,
					     .retention_ms = 1000 };
	struct journal *journal = NULL;
	char message[256] = "";
	int r = journal_open(&settings, &journal, message);

	if (r != error || strstr(message, text) == NULL)
		fail_msg("%s: %d %s", name, r, message);
}

static void foreign_files_are_refused_with_a_reason(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(foreign_rows); i++) {
		struct rig rig;

		rig_init(&rig);
		rig_open(&rig);
		assert_int_equal(rig_add(&rig, 10, NULL), 0);
		rig_close(&rig);
		rig_tamper(&rig, foreign_rows[i].sql);
		refuse(&rig, foreign_rows[i].name, foreign_rows[i].error, foreign_rows[i].text);
		arena_done(&rig.arena);
		nftw(rig.dir, rig_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
	(void)state;
}

static void no_directory_no_database_and_two_hubs_are_refused(void **state)
{
	struct rig *rig = *state, other;
	struct journal_balance balance;
	char path[128], error[256];
	int fd;

	refuse(rig, "two hubs", -EBUSY, "another process");
	rig_init(&other);
	snprintf(path, sizeof(path), "%s/journal.db", other.dir);
	assert_true(journal_audit(other.dir, &balance, 1, error) < 0);
	assert_true(error[0] != '\0');
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(write(fd, "this is no database ", 20), 20);
	close(fd);
	refuse(&other, "text", -EBADMSG, "journal.db");
	assert_int_equal(journal_audit(path, &balance, 1, error), -EBADMSG);
	nftw(other.dir, rig_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	refuse(&other, "no directory", -ENOENT, "No such file");
	arena_done(&other.arena);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(nobody_is_answered_before_the_disk_has_it),
		WITH_RIG(one_sync_serves_all_that_waited),
		WITH_RIG(a_failed_sync_keeps_nothing_and_the_next_one_works),
		WITH_RIG(an_idle_journal_finds_out_that_the_disk_is_back),
		WITH_RIG(kill_9_loses_nothing_that_was_acknowledged),
		WITH_RIG(a_torn_tail_is_cut_off_and_nothing_before_it),
		WITH_RIG(the_wal_stays_short_while_readers_read),
		WITH_RIG(a_reader_that_never_ends_is_bounded_too),
		cmocka_unit_test(foreign_files_are_refused_with_a_reason),
		WITH_RIG(no_directory_no_database_and_two_hubs_are_refused),
	};

	if (argc == 2 && strcmp(argv[0], "victim") == 0)
		return victim(argv[1]);
	return cmocka_run_group_tests_name("journal faults", tests, NULL, NULL);
}
