/* Dead letters on their way back: marking them for replay, and settling what the output then said. */
#include "hub/journal/inner.h"

enum { REPLAY_STEP = 500 }; /* letters marked in one transaction: each is rewritten whole */

/* --- replay ------------------------------------------------------------------------------------- */

struct replay {
	struct str output;
	uint64_t letter; /* 0: all */
	uint64_t after;	 /* letters up to here are done */
	int count;
};

static int mark(struct store *store, const uint64_t *ids, int count)
{
	sqlite3_stmt *statement = store_sql(store, SQL_DEAD_REPLAY);
	int r = statement == NULL ? store_errno(store) : 0;

	for (int i = 0; i < count && r == 0; i++) {
		bind_u64(statement, 1, ids[i]);
		r = store_run(store, statement);
	}
	return rows_midway(r);
}

/* Marks the next few. Returns how many. */
static int run_replay(struct journal *journal, void *argument)
{
	struct replay *replay = argument;
	struct store *store = &journal->store;
	uint64_t ids[REPLAY_STEP], output = 0;
	sqlite3_stmt *statement;
	int r = 0, count = 0;

	if (replay->output.len > 0)
		r = output_find(store, replay->output, &output);
	if (r < 0 || (replay->output.len > 0 && output == 0))
		return r;
	statement = store_sql(store, output == 0 ? SQL_DEAD_NEXT : SQL_DEAD_NEXT_OF);
	if (statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, replay->after);
	bind_u64(statement, 2, replay->letter);
	bind_u64(statement, 3, REPLAY_STEP);
	if (output != 0)
		bind_u64(statement, 4, output);
	while (count < REPLAY_STEP && (r = store_step(store, statement)) == 1)
		ids[count++] = column_u64(statement, 0);
	sqlite3_reset(statement);
	if (r >= 0)
		r = mark(store, ids, count);
	if (r == 0 && count > 0)
		replay->after = ids[count - 1];
	return r < 0 ? r : count;
}

int journal_replay(struct journal *journal, struct str output, uint64_t letter)
{
	struct replay replay = { .output = output, .letter = letter };
	int r;

	if (letter > INT64_MAX)
		return 0;
	do {
		r = writer_call(journal, run_replay, &replay);
		if (r > 0)
			replay.count += r;
	} while (r == REPLAY_STEP);
	if (replay.count > 0)
		journal_wake(journal);
	return r < 0 ? r : replay.count;
}

/* --- settling ----------------------------------------------------------------------------------- */

struct replay_done {
	uint64_t letter;
	uint8_t outcome;
	const struct journal_dead *dead;
};

static int get_letter(struct store *store, uint64_t letter, uint32_t *ret_output, uint64_t *ret_seq)
{
	sqlite3_stmt *statement = store_sql(store, SQL_DEAD_GET);
	int r;

	if (statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, letter);
	r = store_step(store, statement);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	*ret_output = (uint32_t)column_u64(statement, 0);
	*ret_seq = column_u64(statement, 1);
	r = column_u64(statement, 2) == 0 ? -EINVAL : 0; /* nobody asked for a replay */
	sqlite3_reset(statement);
	return r;
}

static int bury_again(struct store *store, uint64_t letter, const struct journal_dead *dead)
{
	sqlite3_stmt *statement = store_sql(store, SQL_DEAD_AGAIN);

	if (statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, letter);
	bind_i64(statement, 2, dead->at_ns);
	bind_u64(statement, 3, dead->attempts);
	bind_str(statement, 4,
		 (struct str){ .at = dead->note, .len = strnlen(dead->note, sizeof(dead->note)) });
	return store_run(store, statement);
}

/* Overwrites the letter's outcome in its delivery row, so that the rows always add up to the totals. */
static int rewrite(struct journal *journal, uint32_t output, uint64_t seq, uint8_t outcome)
{
	struct store *store = &journal->store;
	sqlite3_stmt *statement = store_sql(store, SQL_DELIVERY_AT);
	uint64_t place;
	size_t at, len;
	int r;

	if (statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, place_of(output, seq));
	bind_u64(statement, 2, place_of(output, 0));
	r = store_step(store, statement);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	place = column_u64(statement, 0);
	at = (size_t)(seq - (place & PLACE_SEQ_MAX)) * 2;
	len = column_str(statement, 2).len;
	r = at + 1 < len && len <= sizeof(journal->outcomes) ? 0 : -ENOENT;
	if (r == 0) {
		memcpy(journal->outcomes, column_str(statement, 2).at, len);
		r = journal->outcomes[at] == JOURNAL_DEAD ? 0 : -EINVAL;
	}
	sqlite3_reset(statement);
	if (r < 0)
		return r;
	journal->outcomes[at] = outcome;
	if (journal->outcomes[at + 1] < 255)
		journal->outcomes[at + 1]++;
	statement = store_sql(store, SQL_DELIVERY_SET);
	if (statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, place);
	bind_bytes(statement, 2, journal->outcomes, len);
	return store_run(store, statement);
}

static int settle(struct journal *journal, struct output_row *row, uint64_t letter, uint64_t seq,
		  uint8_t outcome)
{
	sqlite3_stmt *statement = store_sql(&journal->store, SQL_DEAD_DELETE);
	int r = 0;

	if (statement == NULL)
		return store_errno(&journal->store);
	if (seq <= row->folded_to) {
		row->folded[JOURNAL_DEAD]--;
		row->folded[outcome]++;
	} else {
		r = rewrite(journal, row->id, seq, outcome);
	}
	if (r < 0)
		return r;
	row->totals[JOURNAL_DEAD]--;
	row->totals[outcome]++;
	r = output_row_set(&journal->store, row);
	bind_u64(statement, 1, letter);
	if (r == 0)
		r = store_run(&journal->store, statement);
	return rows_midway(r);
}

static int run_replay_done(struct journal *journal, void *argument)
{
	const struct replay_done *done = argument;
	struct output_row row = { 0 };
	uint32_t output = 0;
	uint64_t seq = 0;
	int r = get_letter(&journal->store, done->letter, &output, &seq);

	if (r < 0 || done->outcome == JOURNAL_DEAD)
		return r < 0 ? r : bury_again(&journal->store, done->letter, done->dead);
	r = output_row_get(&journal->store, output, &row);
	if (r == 0)
		r = seq <= row.cursor ? settle(journal, &row, done->letter, seq, done->outcome)
				      : -EINVAL;
	output_row_done(&row);
	return r;
}

int journal_replay_done(struct journal *journal, uint64_t letter, uint8_t outcome,
			const struct journal_dead *dead)
{
	struct replay_done done = { .letter = letter, .outcome = outcome, .dead = dead };

	if (outcome == 0 || outcome >= JOURNAL_OUTCOMES || letter > INT64_MAX ||
	    (outcome == JOURNAL_DEAD && dead == NULL))
		return -EINVAL;
	return writer_call(journal, run_replay_done, &done);
}
