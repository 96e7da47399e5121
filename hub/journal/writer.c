/* The writer thread: takes all that waits, writes it in one transaction with one fsync, then answers.
 *
 * While the disk works on one transaction the next one's producers gather, so the busier it is the more
 * alerts share an fsync; nobody waits for company. Progress without a waiting producer rides along, or
 * goes alone after a moment. */
#include "hub/journal/inner.h"

#include "base/clock.h"

#include <time.h>

enum {
	PROBE_MS = 1000, /* how often an unhealthy journal tries to write */
};

/* --- taking work -------------------------------------------------------------------------------- */

static void take_commits(struct journal *journal, struct round *round)
{
	struct journal_commit **end = &round->commits;

	*end = NULL;
	while (journal->commits != NULL) {
		struct journal_commit *commit = journal->commits;

		if (round->commits != NULL && (round->rows + commit->alerts_count > ROUND_ROWS ||
					       round->bytes + commit->bytes > ROUND_BYTES))
			break;
		journal->commits = commit->next;
		commit->next = NULL;
		*end = commit;
		end = &commit->next;
		round->rows += commit->alerts_count;
		round->bytes += commit->bytes;
	}
	if (journal->commits == NULL)
		journal->commits_end = &journal->commits;
}

static void take_others(struct journal *journal, struct round *round)
{
	struct journal_progress **end = &round->progresses;
	struct call **calls_end = &round->calls;
	size_t count = 0;

	for (*end = NULL; journal->progresses != NULL && count < ROUND_OTHERS; count++) {
		*end = journal->progresses;
		journal->progresses = journal->progresses->next;
		end = &(*end)->next;
		*end = NULL;
	}
	for (*calls_end = NULL; journal->calls != NULL && count < 2 * ROUND_OTHERS; count++) {
		*calls_end = journal->calls;
		journal->calls = journal->calls->next;
		calls_end = &(*calls_end)->next;
		*calls_end = NULL;
	}
	if (journal->calls == NULL)
		journal->calls_end = &journal->calls;
	if (journal->progresses == NULL) {
		journal->progresses_end = &journal->progresses;
		journal->progress_due_ns = 0;
	}
}

static bool is_empty(const struct round *round)
{
	return round->commits == NULL && round->progresses == NULL && round->calls == NULL;
}

static void wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_ns)
{
	struct timespec until = { .tv_sec = mono_ns / NS_PER_S, .tv_nsec = mono_ns % NS_PER_S };

	pthread_cond_timedwait(cond, lock, &until);
}

/* When the writer begins a transaction of its own accord. */
static int64_t own_duty(const struct journal *journal)
{
	bool probes = journal->health != 0 && journal->probe_ns < journal->retain_ns;

	return probes ? journal->probe_ns : journal->retain_ns;
}

/* When it has something to do that nobody waits for. Under the lock. */
static int64_t next_duty(const struct journal *journal)
{
	int64_t at = own_duty(journal);

	if (journal->progress_due_ns != 0 && journal->progress_due_ns < at)
		at = journal->progress_due_ns;
	return at;
}

/* Waits for work. False when the journal closes and nothing is left. */
static bool take(struct journal *journal, struct round *round)
{
	bool goes_on = true;

	*round = (struct round){ 0 };
	pthread_mutex_lock(&journal->lock);
	while (journal->commits == NULL && journal->calls == NULL && !journal->checkpoint_finish &&
	       clock_mono() < next_duty(journal)) {
		if (journal->stop)
			break;
		wait_until(&journal->work, &journal->lock, next_duty(journal));
	}
	take_commits(journal, round);
	take_others(journal, round);
	goes_on = !journal->stop || !is_empty(round);
	pthread_mutex_unlock(&journal->lock);
	return goes_on;
}

/* --- one transaction ---------------------------------------------------------------------------- */

/* Reads how full the file is, for the limits and the metrics; takes the room by which it grows. */
static int measure(struct journal *journal)
{
	uint64_t pages, free_pages;
	int r = store_number(&journal->store, store_sql(&journal->store, SQL_PAGE_COUNT), &pages);

	if (r == 0)
		r = reserve_ground(journal, pages);
	if (r == 0)
		r = store_number(&journal->store, store_sql(&journal->store, SQL_FREELIST_COUNT),
				 &free_pages);
	if (r < 0)
		return r;
	journal->used_bytes = (pages - free_pages) * STORE_PAGE;
	journal->free_bytes = free_pages * STORE_PAGE;
	return 0;
}

/* Takes a commit that failed alone out of the round and answers it. */
static void expel(struct journal *journal, struct round *round, struct journal_commit **at,
		  int error)
{
	struct journal_commit *commit = *at;

	*at = commit->next;
	round->rows -= commit->alerts_count;
	atomic_fetch_sub(&journal->waiting, commit->bytes);
	counter_add(&journal->failures, 1);
	commit->done(commit, error, 0);
}

static int write_commits(struct journal *journal, struct round *round,
			 struct journal_commit ***ret_bad)
{
	for (struct journal_commit **at = &round->commits; *at != NULL; at = &(*at)->next) {
		int r = rows_commit(journal, *at);

		if (r < 0) {
			*ret_bad = rows_is_own_fault(r) ? at : NULL;
			return r;
		}
	}
	return rows_end(journal);
}

/* What fails here for its own reason has changed nothing. */
static int write_others(struct journal *journal, struct round *round, int *progress_results)
{
	size_t i = 0;

	for (struct journal_progress *at = round->progresses; at != NULL; at = at->next) {
		int r = rows_progress(journal, at);

		if (r < 0 && !rows_is_own_fault(r))
			return r;
		progress_results[i++] = r;
	}
	for (struct call *call = round->calls; call != NULL; call = call->next) {
		call->result = call->run(journal, call->argument);
		if (call->result < 0 && !rows_is_own_fault(call->result))
			return call->result;
	}
	return 0;
}

/* An empty transaction would touch no disk and prove nothing. */
static int write_probe(struct store *store)
{
	sqlite3_stmt *statement = store_sql(store, SQL_META_SET);

	if (statement == NULL)
		return store_errno(store);
	bind_str(statement, 1, STR("probe"));
	bind_i64(statement, 2, clock_now());
	return store_run(store, statement);
}

/* Everything between BEGIN and COMMIT. */
static int write_round(struct journal *journal, struct round *round, int *progress_results,
		       struct journal_commit ***ret_bad)
{
	struct store *store = &journal->store;
	int r = store_do(store, SQL_BEGIN);

	*ret_bad = NULL;
	if (r < 0)
		return r;
	rows_begin(journal);
	r = journal->health != 0 ? write_probe(store) : 0;
	if (r == 0)
		r = retain_step(journal, round->rows);
	if (r == 1)
		journal->retain_ns = 0; /* again in the next one */
	if (r >= 0)
		r = write_commits(journal, round, ret_bad);
	if (r == 0)
		r = write_others(journal, round, progress_results);
	if (r == 0)
		r = measure(journal);
	if (r == 0)
		r = store_do(store, SQL_COMMIT);
	return r;
}

static void roll_back(struct journal *journal)
{
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_reset(journal->store.statements[i]);
	if (journal->store.db != NULL && !sqlite3_get_autocommit(journal->store.db))
		store_do(&journal->store, SQL_ROLLBACK);
}

/* After a failed fsync the kernel may have dropped the pages and call the next one good, and SQLite's
 * page cache is ahead of the file: only a new connection, which reads what is there, may go on. */
static int reopen(struct journal *journal)
{
	int r;

	store_close(&journal->store);
	counter_add(&journal->reopened, 1);
	r = store_open(&journal->store, journal->path, STORE_WRITE, NULL);
	if (r == 0)
		checkpoint_hook(journal);
	return r;
}

static int transact(struct journal *journal, struct round *round, int *progress_results)
{
	struct journal_commit **bad;
	int r = journal->store.db == NULL ? reopen(journal) : 0;

	while (r == 0) {
		r = write_round(journal, round, progress_results, &bad);
		if (r == 0)
			return 0;
		roll_back(journal);
		if (bad == NULL)
			break;
		expel(journal, round, bad, r);
		r = 0;
	}
	if (r == -ENOSPC) {
		reserve_drop(journal);
		if (journal->store.db != NULL)
			checkpoint_now(
				journal); /* so that the WAL's own space can be written again */
	} else if (r != -EAGAIN && r != -EBUSY && journal->store.db != NULL) {
		reopen(journal);
	}
	return r;
}

/* --- answering ---------------------------------------------------------------------------------- */

static void answer_commits(struct journal *journal, struct journal_commit *commits, int result,
			   uint64_t first_seq)
{
	while (commits != NULL) {
		struct journal_commit *commit = commits;
		uint64_t seq = first_seq;

		commits = commit->next; /* it belongs to its producer again once done() is called */
		first_seq += commit->alerts_count;
		atomic_fetch_sub(&journal->waiting, commit->bytes);
		commit->done(commit, result, result == 0 ? seq : 0);
	}
}

static void answer_others(struct journal *journal, const struct round *round, int result,
			  const int *progress_results)
{
	struct journal_progress *progress = round->progresses;
	struct call *call = round->calls;

	for (size_t i = 0; progress != NULL; i++) {
		struct journal_progress *next = progress->next;

		progress->done(progress, result < 0 ? result : progress_results[i]);
		progress = next;
	}
	if (call == NULL)
		return;
	pthread_mutex_lock(&journal->lock);
	while (call != NULL) {
		struct call *next = call->next;

		if (result < 0)
			call->result = result;
		call->answered = true;
		call = next;
	}
	pthread_cond_broadcast(&journal->news);
	pthread_mutex_unlock(&journal->lock);
}

static void publish(struct journal *journal)
{
	pthread_mutex_lock(&journal->lock);
	journal->last = journal->next_seq - 1;
	journal->first = journal->kept_from;
	pthread_cond_broadcast(&journal->news);
	pthread_mutex_unlock(&journal->lock);
}

static void set_health(struct journal *journal, int result)
{
	journal->health = result;
	if (result < 0)
		journal->probe_ns = clock_mono() + PROBE_MS * NS_PER_MS;
}

/* Commits are turned away while there is no room for them; progress and retention go on. */
static bool refuse_commits(struct journal *journal, struct round *round)
{
	struct journal_commit *commits = round->commits;

	if (reserve_has_room(journal))
		return false;
	for (const struct journal_commit *at = commits; at != NULL; at = at->next)
		counter_add(&journal->refused, 1);
	round->commits = NULL;
	round->rows = round->bytes = 0;
	set_health(journal, -ENOSPC);
	answer_commits(journal, commits, -ENOSPC, 0);
	return true;
}

static void run_round(struct journal *journal, struct round *round)
{
	int progress_results[ROUND_OTHERS];
	bool refused = refuse_commits(journal, round);
	int64_t began = clock_mono();
	uint64_t first_seq = journal->last + 1;
	int r = transact(journal, round, progress_results);

	if (r == 0) {
		if (!is_empty(round)) {
			histogram_add(&journal->commit_time, clock_mono() - began);
			counter_add(&journal->transactions, 1);
		}
		counter_add(&journal->alerts, round->rows);
		publish(journal);
	} else {
		counter_add(&journal->failures, 1);
	}
	if (!refused || r < 0)
		set_health(journal, r);
	if (r < 0)
		journal->retain_ns = clock_mono() + PROBE_MS * NS_PER_MS;
	answer_commits(journal, round->commits, r, first_seq);
	answer_others(journal, round, r, progress_results);
}

/* --- the loop ----------------------------------------------------------------------------------- */

void *writer_main(void *argument)
{
	struct journal *journal = argument;
	struct round round;

	while (take(journal, &round)) {
		if (!is_empty(&round) || clock_mono() >= own_duty(journal))
			run_round(journal, &round);
		checkpoint_after_commit(journal);
		reserve_make(journal);
	}
	return NULL;
}

/* --- calls -------------------------------------------------------------------------------------- */

int writer_call(struct journal *journal, int (*run)(struct journal *, void *), void *argument)
{
	struct call call = { .run = run, .argument = argument };

	pthread_mutex_lock(&journal->lock);
	if (journal->stop) {
		pthread_mutex_unlock(&journal->lock);
		return -ESHUTDOWN;
	}
	*journal->calls_end = &call;
	journal->calls_end = &call.next;
	pthread_cond_signal(&journal->work);
	while (!call.answered)
		pthread_cond_wait(&journal->news, &journal->lock);
	pthread_mutex_unlock(&journal->lock);
	return call.result;
}
