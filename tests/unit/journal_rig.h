/* A journal in a directory of its own, commits that are waited for, and the audit: what the journal's
 * unit tests share. */
#ifndef TESTS_JOURNAL_RIG_H
#define TESTS_JOURNAL_RIG_H

#include "base/cleanup.h"
#include "base/clock.h"
#include "hub/journal/journal.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <cmocka.h>

enum { RIG_BATCH_MAX = 512, RIG_TEXT = 900 };

struct rig {
	char dir[64];
	struct journal *journal;
	struct journal_reader *reader;
	struct arena arena;
	int64_t max_size, retention_ms;
	size_t text_len; /* of alerts that are made */
	int64_t age_ns;	 /* how long ago they were received */
	uint64_t made;	 /* alerts */
};

static inline int rig_remove_one(const char *path, const struct stat *status, int kind,
				 struct FTW *ftw)
{
	(void)status;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void rig_open(struct rig *rig)
{
	struct journal_settings settings = { .dir = rig->dir,
					     .max_size = rig->max_size,
					     .retention_ms = rig->retention_ms };
	char error[256];
	int r = journal_open(&settings, &rig->journal, error);

	if (r < 0)
		fail_msg("journal_open: %d %s", r, error);
	assert_int_equal(journal_reader_open(rig->journal, &rig->reader), 0);
}

static inline void rig_close(struct rig *rig)
{
	journal_reader_close(rig->reader);
	journal_close(rig->journal);
	rig->reader = NULL;
	rig->journal = NULL;
}

static inline void rig_init(struct rig *rig)
{
	*rig = (struct rig){ .dir = "/tmp/journal-XXXXXX",
			     .max_size = (int64_t)1 << 30,
			     .retention_ms = 3600 * 1000,
			     .text_len = RIG_TEXT };
	assert_non_null(mkdtemp(rig->dir));
	arena_init(&rig->arena, (size_t)256 << 20);
}

static inline int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig_init(rig);
	rig_open(rig);
	*state = rig;
	return 0;
}

static inline int rig_teardown(void **state)
{
	struct rig *rig = *state;

	rig_close(rig);
	arena_done(&rig->arena);
	umount2(rig->dir, MNT_DETACH); /* a test that failed may have left a small disk there */
	nftw(rig->dir, rig_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(rig);
	return 0;
}

/* A commit somebody waits for. */
struct rig_commit {
	struct journal_commit commit;
	struct journal_alert alerts[RIG_BATCH_MAX];
	char text[8192];
	int result;
	uint64_t first_seq;
	_Atomic bool is_done;
	pthread_mutex_t lock;
	pthread_cond_t cond;
};

static inline void rig_commit_done(struct journal_commit *commit, int result, uint64_t first_seq)
{
	struct rig_commit *mine = (struct rig_commit *)commit;

	pthread_mutex_lock(&mine->lock);
	mine->result = result;
	mine->first_seq = first_seq;
	mine->is_done = true;
	pthread_cond_signal(&mine->cond);
	pthread_mutex_unlock(&mine->lock);
}

/* Fills `count` alerts: ids and counts go on from rig->made. */
static inline struct rig_commit *rig_make(struct rig *rig, size_t count)
{
	struct rig_commit *mine = calloc(1, sizeof(*mine));
	int len =
		snprintf(mine->text, sizeof(mine->text),
			 "{\"uuid\":\"x\",\"output\":\"Shell spawned %llu\",\"priority\":\"Error\","
			 "\"rule\":\"%s\",\"time\":\"2026-11-20T12:00:00.000000000Z\","
			 "\"source\":\"syscall\",\"hostname\":\"node%llu\",\"tags\":[],"
			 "\"output_fields\":{\"pad\":\"",
			 (unsigned long long)rig->made, rig->made % 3 == 0 ? "Rule A" : "Rule B",
			 (unsigned long long)rig->made % 4);
	size_t want =
		rig->text_len < sizeof(mine->text) - 8 ? rig->text_len : sizeof(mine->text) - 8;

	pthread_mutex_init(&mine->lock, NULL);
	pthread_cond_init(&mine->cond, NULL);
	while ((size_t)len + 3 < want)
		mine->text[len++] = 'p';
	len += snprintf(mine->text + len, sizeof(mine->text) - (size_t)len, "\"}}");
	for (size_t i = 0; i < count; i++) {
		struct journal_alert *alert = &mine->alerts[i];
		uint64_t n = ++rig->made;

		*alert = (struct journal_alert){ .received_ns = clock_now() - rig->age_ns,
						 .time_ns = (int64_t)n,
						 .priority = (enum priority)(n % 8),
						 .change = n % 5 == 0 ? ALERT_OPENED : ALERT_REPEAT,
						 .incident = n / 5 + 1,
						 .count = n,
						 .identity = { .lo = n, .hi = ~n } };
		snprintf(alert->id, sizeof(alert->id), "%08llx-1111-8222-8333-444455556666",
			 (unsigned long long)n);
		alert->json = (struct str){ .at = mine->text, .len = (size_t)len };
	}
	mine->commit = (struct journal_commit){ .alerts = mine->alerts,
						.alerts_count = count,
						.bytes = count * (size_t)len,
						.done = rig_commit_done };
	return mine;
}

static inline void rig_wait(struct rig_commit *mine)
{
	pthread_mutex_lock(&mine->lock);
	while (!mine->is_done)
		pthread_cond_wait(&mine->cond, &mine->lock);
	pthread_mutex_unlock(&mine->lock);
}

static inline void rig_free(struct rig_commit *mine)
{
	pthread_mutex_destroy(&mine->lock);
	pthread_cond_destroy(&mine->cond);
	free(mine);
}

/* Commits and waits. Returns its result; the first position in *ret_seq unless that is NULL. */
static inline int rig_add(struct rig *rig, size_t count, uint64_t *ret_seq)
{
	struct rig_commit *mine = rig_make(rig, count);
	int result;

	journal_submit(rig->journal, &mine->commit);
	rig_wait(mine);
	result = mine->result;
	if (ret_seq != NULL)
		*ret_seq = mine->first_seq;
	rig_free(mine);
	return result;
}

struct rig_progress {
	struct journal_progress progress;
	_Atomic int result; /* 1: not yet */
};

static inline void rig_progress_done(struct journal_progress *progress, int result)
{
	((struct rig_progress *)progress)->result = result;
}

/* Submits and waits. `prefix` goes on from cursor - prefix_count + 1. */
static inline int rig_progress(struct rig *rig, struct journal_progress progress)
{
	struct rig_progress mine = { .progress = progress, .result = 1 };

	mine.progress.done = rig_progress_done;
	journal_submit_progress(rig->journal, &mine.progress);
	while (mine.result == 1)
		journal_wait(rig->journal, UINT64_MAX, 1);
	return mine.result;
}

/* Settles (from, to] of an output, all with one outcome; dead ones get a letter each. */
static inline int rig_settle(struct rig *rig, uint32_t output, uint64_t from, uint64_t to,
			     enum journal_outcome outcome)
{
	size_t count = (size_t)(to - from);
	struct journal_done *done = calloc(count + 1, sizeof(*done));
	struct journal_dead *dead = calloc(count + 1, sizeof(*dead));
	int r;

	for (size_t i = 0; i < count; i++) {
		done[i] = (struct journal_done){ .seq = from + 1 + i,
						 .outcome = (uint8_t)outcome,
						 .attempts = 1 };
		dead[i] = (struct journal_dead){
			.seq = from + 1 + i, .at_ns = clock_now(), .attempts = 1, .note = "HTTP 400"
		};
	}
	r = rig_progress(rig, (struct journal_progress){
				      .output = output,
				      .cursor = to,
				      .prefix = done,
				      .prefix_count = count,
				      .dead = dead,
				      .dead_count = outcome == JOURNAL_DEAD ? count : 0 });
	free(done);
	free(dead);
	return r;
}

static inline void rig_output(struct rig *rig, const char *name, bool from_oldest,
			      struct journal_output *ret)
{
	assert_int_equal(journal_output(rig->journal, name, from_oldest, ret), 0);
}

/* The balance of an output after a recount. */
static inline struct journal_balance rig_audit(const struct rig *rig, const char *output)
{
	static struct journal_balance balances[64];
	char error[256];
	int count = journal_audit(rig->dir, balances, 64, error);

	if (count < 0)
		fail_msg("audit: %d %s", count, error);
	for (int i = 0; i < count; i++)
		if (strcmp(balances[i].output, output) == 0)
			return balances[i];
	fail_msg("no output %s", output);
	return balances[0];
}

static inline void rig_assert_holds(const struct rig *rig, const char *output)
{
	struct journal_balance balance = rig_audit(rig, output);

	if (!balance.holds)
		fail_msg("%s: %s", output, balance.fault);
}

/* Every position from the first kept on is there and holds the alert that was put there. */
static inline void assert_whole(struct rig *rig)
{
	struct alert alerts[256];
	uint64_t at = journal_first(rig->journal) - 1;
	int count;

	while ((count = journal_read(rig->reader, at, 256, 1 << 20, &rig->arena, alerts)) > 0) {
		for (int i = 0; i < count; i++) {
			assert_int_equal(alerts[i].seq, at + 1);
			assert_int_equal(alerts[i].count, at + 1);
			at++;
		}
		arena_reset(&rig->arena);
	}
	assert_int_equal(count, 0);
	assert_int_equal(at, journal_last(rig->journal));
}

/* Until its last transaction worked. */
static inline void rig_wait_healthy(struct rig *rig)
{
	int64_t until = clock_mono() + 30 * NS_PER_S; /* by the clock: a wait may end early, often */

	while (journal_health(rig->journal) != 0 && clock_mono() < until)
		journal_wait(rig->journal, UINT64_MAX, 10);
	assert_int_equal(journal_health(rig->journal), 0);
}

/* Runs SQL on the file from outside, as somebody who tampers would. */
static inline void rig_tamper(const struct rig *rig, const char *sql)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/journal.db", rig->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

#endif
