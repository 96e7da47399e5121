/* Retention: what every output has settled goes when it is old, or when the file is full; in small steps
 * inside the writer's transactions, so that it costs no fsync of its own under load. The newest alert
 * always stays: its position must not be given out twice. */
#include "hub/journal/inner.h"

#include "base/clock.h"

enum {
	STEP_ROWS = 500,  /* alerts deleted beside a transaction's own; at least */
	STEP_IDLE = 2000, /* when nothing else is in it */
	STEP_LETTERS = 64,
	STEP_DELIVERIES = 512, /* rows folded for one output */
	STEP_INCIDENTS = 200,
	TICK_MS = 1000,
	FULL_DISK_S = 3600, /* see retain_step() */
};

/* --- what may go -------------------------------------------------------------------------------- */

/* Outputs that are not configured stop holding alerts back once the start has been over for a while. */
static bool holds_back(struct journal *journal, uint32_t id)
{
	bool found;

	pthread_mutex_lock(&journal->lock);
	found = clock_mono() - journal->opened_ns < journal->grace_ns;
	for (size_t i = 0; i < journal->configured_count && !found; i++)
		found = journal->configured[i] == id;
	pthread_mutex_unlock(&journal->lock);
	return found;
}

/* The position up to which all outputs are done. */
static int settled_to(struct journal *journal, uint64_t *ret)
{
	sqlite3_stmt *statement = store_sql(&journal->store, SQL_OUTPUT_EACH);
	uint64_t to = journal->last == 0 ? 0 : journal->last - 1;
	int r;

	while ((r = store_step(&journal->store, statement)) == 1) {
		uint64_t cursor = column_u64(statement, 3);

		if (cursor < to && holds_back(journal, (uint32_t)column_u64(statement, 0)))
			to = cursor;
	}
	*ret = to;
	return r;
}

/* The last position in [from, to] that was received before `cutoff`; from - 1 when there is none. Times
 * grow with positions, but for small steps of the clock. */
static int old_to(struct journal *journal, uint64_t from, uint64_t to, int64_t cutoff,
		  uint64_t *ret)
{
	uint64_t low = from - 1, high = to;

	while (low < high) {
		uint64_t middle = low + (high - low + 1) / 2;
		int64_t received = 0;
		int r = rows_received(&journal->store, middle, &received);

		if (r < 0)
			return r;
		if (received < cutoff)
			low = middle;
		else
			high = middle - 1;
	}
	*ret = low;
	return 0;
}

/* --- deleting ----------------------------------------------------------------------------------- */

static size_t count_ahead_to(const struct output_row *row, uint64_t seq)
{
	size_t count = 0;

	while (count < row->ahead_count && row->ahead[count].seq <= seq)
		count++;
	return count;
}

/* Moves an output that nobody configures any more over alerts that go: they stop counting for it. */
static void pass_over(struct output_row *row, uint64_t to)
{
	size_t ahead = count_ahead_to(row, to);

	if (row->cursor >= to)
		return;
	row->start += to - row->cursor - ahead;
	for (size_t i = 0; i < ahead; i++) {
		row->totals[row->ahead[i].outcome]++;
		row->folded[row->ahead[i].outcome]++;
	}
	memmove(row->ahead, row->ahead + ahead, (row->ahead_count - ahead) * sizeof(*row->ahead));
	row->ahead_count -= ahead;
	row->cursor = row->folded_to = to;
}

/* Adds delivery rows wholly at or below `to` to the output's folded totals. Returns whether it got to
 * the end, or -errno. */
static int fold_rows(struct journal *journal, struct output_row *row, uint64_t to)
{
	struct store *store = &journal->store;
	sqlite3_stmt *statement = store_sql(store, SQL_DELIVERY_EACH);
	uint64_t from = place_of(row->id, row->folded_to), last_place = from;
	int r, rows = 0;

	if (statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, from);
	bind_u64(statement, 2, place_of(row->id, to) + 1);
	bind_u64(statement, 3, STEP_DELIVERIES);
	while ((r = store_step(store, statement)) == 1) {
		struct str outcomes = column_str(statement, 2);
		uint64_t first = column_u64(statement, 0) & PLACE_SEQ_MAX;

		if (first + outcomes.len / 2 - 1 > to)
			break;
		for (size_t i = 0; i < outcomes.len; i += 2)
			row->folded[(uint8_t)outcomes.at[i] % JOURNAL_OUTCOMES]++;
		row->folded_to = first + outcomes.len / 2 - 1;
		last_place = column_u64(statement, 0);
		rows++;
	}
	sqlite3_reset(statement);
	if (r < 0 || rows == 0)
		return r < 0 ? r : 1;
	statement = store_sql(store, SQL_DELIVERY_DELETE);
	if (statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, from);
	bind_u64(statement, 2, last_place);
	r = store_run(store, statement);
	return r < 0 ? r : rows < STEP_DELIVERIES;
}

static int fold_output(struct journal *journal, uint32_t id, uint64_t to)
{
	struct output_row row = { 0 };
	int r = output_row_get(&journal->store, id, &row), ended = 0;

	while (r == 0 && ended == 0) {
		ended = fold_rows(journal, &row, to);
		if (ended < 0)
			r = ended;
		if (row.cursor >=
		    to) /* the rest another time; who is passed over must be complete */
			break;
	}
	if (r == 0)
		pass_over(&row, to);
	if (r == 0)
		r = output_row_set(&journal->store, &row);
	output_row_done(&row);
	return r;
}

static int fold_outputs(struct journal *journal, uint64_t to)
{
	uint32_t ids[OUTPUTS_MAX];
	sqlite3_stmt *statement = store_sql(&journal->store, SQL_OUTPUT_EACH);
	size_t count = 0;
	int r;

	while ((r = store_step(&journal->store, statement)) == 1 && count < OUTPUTS_MAX)
		if (column_u64(statement, 7) < to && column_u64(statement, 2) <= to)
			ids[count++] = (uint32_t)column_u64(statement, 0);
	if (r == 1)
		sqlite3_reset(statement);
	for (size_t i = 0; i < count && r >= 0; i++)
		r = fold_output(journal, ids[i], to);
	return r < 0 ? r : 0;
}

static int delete_to(struct journal *journal, enum sql which, uint64_t to)
{
	sqlite3_stmt *statement = store_sql(&journal->store, which);

	if (statement == NULL)
		return store_errno(&journal->store);
	bind_u64(statement, 1, to);
	return store_run(&journal->store, statement);
}

static int delete_alerts(struct journal *journal, uint64_t to)
{
	int r = fold_outputs(journal, to);

	if (r == 0)
		r = delete_to(journal, SQL_ALERT_DELETE, to);
	if (r == 0)
		r = delete_to(journal, SQL_INDEX_DELETE, to);
	if (r == 0) {
		counter_add(&journal->expired, to + 1 - journal->kept_from);
		journal->kept_from = to + 1;
	}
	return r;
}

/* --- dead letters and incidents ----------------------------------------------------------------- */

static int expire_letter(struct journal *journal, uint64_t id, uint32_t output)
{
	struct output_row row = { 0 };
	int r = output_row_get(&journal->store, output, &row);

	row.expired++;
	if (r == 0)
		r = output_row_set(&journal->store, &row);
	output_row_done(&row);
	if (r == 0)
		r = delete_to(journal, SQL_DEAD_DELETE, id);
	if (r == 0)
		counter_add(&journal->letters_expired, 1);
	return r;
}

/* Dead letters live as long as alerts do. A full file takes them last of all: an output that refuses
 * everything must not stop the hub. */
static int expire_letters(struct journal *journal, int64_t cutoff)
{
	sqlite3_stmt *statement = store_sql(&journal->store, SQL_DEAD_OLDEST);
	uint64_t ids[STEP_LETTERS];
	uint32_t outputs[STEP_LETTERS];
	int count = 0, r;

	if (statement == NULL)
		return store_errno(&journal->store);
	bind_u64(statement, 1, STEP_LETTERS);
	while ((r = store_step(&journal->store, statement)) == 1 && count < STEP_LETTERS) {
		if ((int64_t)column_u64(statement, 2) >= cutoff)
			break;
		ids[count] = column_u64(statement, 0);
		outputs[count++] = (uint32_t)column_u64(statement, 1);
	}
	sqlite3_reset(statement);
	for (int i = 0; i < count && r >= 0; i++)
		r = expire_letter(journal, ids[i], outputs[i]);
	return r < 0 ? r : count == STEP_LETTERS;
}

/* Closed incidents that are as old as alerts may become; not the one with the highest id. */
static int sweep_incidents(struct journal *journal, int64_t cutoff)
{
	struct store *store = &journal->store;
	sqlite3_stmt *statement = store_sql(store, SQL_INCIDENT_NEXT);
	uint64_t ids[STEP_INCIDENTS], highest = 0;
	int seen = 0, count = 0,
	    r = store_number(store, store_sql(store, SQL_INCIDENT_HIGHEST), &highest);

	if (r < 0 || statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, journal->incident_swept);
	bind_u64(statement, 2, STEP_INCIDENTS);
	for (; (r = store_step(store, statement)) == 1; seen++) {
		journal->incident_swept = column_u64(statement, 0);
		if (column_u64(statement, 1) == 0 && (int64_t)column_u64(statement, 2) < cutoff &&
		    journal->incident_swept != highest && count < STEP_INCIDENTS)
			ids[count++] = journal->incident_swept;
	}
	if (seen < STEP_INCIDENTS)
		journal->incident_swept = 0;
	for (int i = 0; i < count && r == 0; i++)
		r = delete_to(journal, SQL_INCIDENT_DELETE, ids[i]);
	return r < 0 ? r : count > 0 && seen == STEP_INCIDENTS;
}

/* --- the step ----------------------------------------------------------------------------------- */

static bool is_tight(const struct journal *journal)
{
	return journal->used_bytes >= journal->limits.low_mark;
}

/* The position up to which alerts go now; kept_from - 1 for none. */
static int plan(struct journal *journal, size_t rows, int64_t cutoff, uint64_t *ret)
{
	size_t step = rows == 0 ? STEP_IDLE : rows * 2 > STEP_ROWS ? rows * 2 : STEP_ROWS;
	uint64_t from = journal->kept_from, to = 0;
	int r = settled_to(journal, &to);

	*ret = from - 1;
	if (r < 0 || to < from)
		return r;
	if (to > from + step - 1)
		to = from + step - 1;
	if (is_tight(journal))
		*ret = to;
	else
		r = old_to(journal, from, to, cutoff, ret);
	return r;
}

/* On a full disk alerts go before their time, too, but not those of the last hour: who floods the hub
 * must not wash away what has just happened. */
static int64_t cutoff_now(const struct journal *journal, bool full)
{
	int64_t kept = FULL_DISK_S * NS_PER_S;

	return clock_now() - (full && kept < journal->retention_ns ? kept : journal->retention_ns);
}

int retain_step(struct journal *journal, size_t rows)
{
	bool tight = is_tight(journal), full = reserve_is_used_up(journal);
	int64_t cutoff = cutoff_now(journal, false);
	uint64_t to = 0;
	bool more;
	int r;

	if (!tight && !full && clock_mono() < journal->retain_ns)
		return 0;
	journal->retain_ns = clock_mono() + TICK_MS * NS_PER_MS;
	r = plan(journal, rows, cutoff_now(journal, full), &to);
	more = to >= journal->kept_from;
	if (r == 0 && more)
		r = delete_alerts(journal, to);
	if (r == 0)
		r = expire_letters(journal, tight && !more ? INT64_MAX : cutoff);
	if (r >= 0) {
		more = more || r == 1;
		r = sweep_incidents(journal, cutoff);
	}
	return r < 0 ? r : more || r == 1;
}
