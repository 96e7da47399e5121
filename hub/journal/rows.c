/* Writing a producer's rows: alerts, sensors, incidents, an output's progress. Inside a transaction. */
#include "hub/journal/inner.h"

#include "base/clock.h"

#include <stdlib.h>

bool rows_is_own_fault(int error)
{
	switch (error) {
	case -E2BIG:
	case -EINVAL:
	case -EEXIST:
	case -ENOENT:
	case -ENOMEM:
	case -EOVERFLOW: return true;
	default: return false;
	}
}

int rows_received(struct store *store, uint64_t seq, int64_t *ret)
{
	sqlite3_stmt *statement = store_sql(store, SQL_ALERT_RECEIVED);
	uint64_t received = 0;
	int r;

	if (statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, seq);
	r = store_number(store, statement, &received);
	if (r == 0)
		*ret = (int64_t)received;
	return r;
}

/* --- alerts ------------------------------------------------------------------------------------- */

void rows_begin(struct journal *journal)
{
	journal->next_seq = journal->last + 1;
	journal->kept_from = journal->first;
	journal->marks_count = 0;
}

int rows_end(struct journal *journal)
{
	sqlite3_stmt *statement;

	if (journal->marks_count == 0)
		return 0;
	statement = store_sql(&journal->store, SQL_INDEX_ADD);
	if (statement == NULL)
		return store_errno(&journal->store);
	bind_u64(statement, 1, journal->next_seq - journal->marks_count);
	bind_bytes(statement, 2, journal->marks, journal->marks_count * 4);
	journal->marks_count = 0;
	return store_run(&journal->store, statement);
}

static int add_mark(struct journal *journal, uint32_t mark)
{
	uint8_t *at = journal->marks + journal->marks_count * 4;

	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(mark >> (8 * i));
	journal->marks_count++;
	journal->next_seq++;
	return journal->marks_count == ROW_MARKS ? rows_end(journal) : 0;
}

static int add_alert(struct journal *journal, sqlite3_stmt *statement,
		     const struct journal_alert *alert)
{
	uint8_t id[37];
	size_t id_len = uuid_pack(alert->id, id);
	int r;

	bind_u64(statement, 1, journal->next_seq);
	bind_i64(statement, 2, alert->received_ns);
	bind_i64(statement, 3, alert->time_ns);
	sqlite3_bind_int(statement, 4, (int)alert->priority);
	sqlite3_bind_int(statement, 5, (int)alert->change);
	bind_u64(statement, 6, alert->incident);
	bind_u64(statement, 7, alert->count);
	bind_bytes(statement, 8, &alert->identity, sizeof(alert->identity));
	bind_bytes(statement, 9, id, id_len);
	if (bind_str(statement, 10, alert->json) != SQLITE_OK)
		return store_errno(&journal->store);
	r = store_run(&journal->store, statement);
	if (r < 0)
		return r;
	return add_mark(journal, uuid_mark(id, id_len));
}

static int set_sensor(struct store *store, sqlite3_stmt *statement,
		      const struct journal_sensor *sensor)
{
	bind_str(statement, 1, sensor->id);
	bind_str(statement, 2, sensor->boot);
	bind_u64(statement, 3, sensor->seq);
	bind_i64(statement, 4, sensor->seen_ns);
	bind_u64(statement, 5, sensor->gaps);
	bind_str(statement, 6, sensor->hostname);
	bind_str(statement, 7, sensor->status);
	return store_run(store, statement);
}

static int set_incident(struct store *store, sqlite3_stmt *statement,
			const struct journal_incident *incident)
{
	bind_u64(statement, 1, incident->id);
	bind_bytes(statement, 2, incident->key.at, incident->key.len);
	bind_i64(statement, 3, incident->first_ns);
	bind_i64(statement, 4, incident->last_ns);
	bind_u64(statement, 5, incident->count);
	bind_u64(statement, 6, incident->announced);
	bind_i64(statement, 7, incident->announced_ns);
	sqlite3_bind_int(statement, 8, incident->open);
	bind_str(statement, 9, incident->rule);
	sqlite3_bind_int(statement, 10, (int)incident->priority);
	return store_run(store, statement);
}

static int set_watch(struct store *store, const struct journal_watch *watch)
{
	bool gone = watch->state.len == 0;
	sqlite3_stmt *statement = store_sql(store, gone ? SQL_WATCH_DELETE : SQL_WATCH_SET);

	if (statement == NULL)
		return store_errno(store);
	bind_bytes(statement, 1, &watch->id, sizeof(watch->id));
	if (!gone) {
		bind_bytes(statement, 2, watch->name.at, watch->name.len);
		bind_u64(statement, 3, watch->version);
		bind_bytes(statement, 4, watch->by.at, watch->by.len);
		bind_bytes(statement, 5, watch->of.at, watch->of.len);
		bind_i64(statement, 6, watch->touched_ns);
		bind_bytes(statement, 7, watch->state.at, watch->state.len);
	}
	return store_run(store, statement);
}

int rows_commit(struct journal *journal, const struct journal_commit *commit)
{
	struct store *store = &journal->store;
	sqlite3_stmt *alert = store_sql(store, SQL_ALERT_ADD);
	sqlite3_stmt *sensor = store_sql(store, SQL_SENSOR_SET);
	sqlite3_stmt *incident = store_sql(store, SQL_INCIDENT_SET);
	int r = 0;

	if (alert == NULL || sensor == NULL || incident == NULL)
		return store_errno(store);
	for (size_t i = 0; i < commit->alerts_count && r == 0; i++)
		r = add_alert(journal, alert, &commit->alerts[i]);
	for (size_t i = 0; i < commit->sensors_count && r == 0; i++)
		r = set_sensor(store, sensor, &commit->sensors[i]);
	for (size_t i = 0; i < commit->incidents_count && r == 0; i++)
		r = set_incident(store, incident, &commit->incidents[i]);
	for (size_t i = 0; i < commit->watches_count && r == 0; i++)
		r = set_watch(store, &commit->watches[i]);
	return r;
}

/* --- progress ----------------------------------------------------------------------------------- */

static bool is_outcome(uint8_t outcome)
{
	return outcome > 0 && outcome < JOURNAL_OUTCOMES;
}

/* 1: already on disk (its first answer was lost with the connection), 0: follows on, or -EINVAL. */
static int check_progress(const struct journal *journal, const struct output_row *row,
			  const struct journal_progress *progress)
{
	uint64_t at;

	if (progress->prefix_count > 0 && progress->cursor <= row->cursor)
		return 1;
	if (progress->cursor != row->cursor + progress->prefix_count ||
	    progress->cursor >= journal->next_seq)
		return -EINVAL;
	for (size_t i = 0; i < progress->prefix_count; i++)
		if (progress->prefix[i].seq != row->cursor + 1 + i ||
		    !is_outcome(progress->prefix[i].outcome))
			return -EINVAL;
	at = progress->cursor;
	for (size_t i = 0; i < progress->ahead_count; i++) {
		if (progress->ahead[i].seq <= at || progress->ahead[i].seq >= journal->next_seq ||
		    !is_outcome(progress->ahead[i].outcome))
			return -EINVAL;
		at = progress->ahead[i].seq;
	}
	return 0;
}

static int add_deliveries(struct journal *journal, const struct journal_progress *progress,
			  int64_t now)
{
	sqlite3_stmt *statement = store_sql(&journal->store, SQL_DELIVERY_ADD);
	size_t done = 0;
	int r = 0;

	if (statement == NULL)
		return store_errno(&journal->store);
	while (done < progress->prefix_count && r == 0) {
		const struct journal_done *prefix = progress->prefix + done;
		size_t count = progress->prefix_count - done;

		if (count > ROW_OUTCOMES)
			count = ROW_OUTCOMES;
		for (size_t i = 0; i < count; i++) {
			journal->outcomes[2 * i] = prefix[i].outcome;
			journal->outcomes[2 * i + 1] = prefix[i].attempts;
		}
		bind_u64(statement, 1, place_of(progress->output, prefix[0].seq));
		bind_i64(statement, 2, now);
		bind_bytes(statement, 3, journal->outcomes, count * 2);
		r = store_run(&journal->store, statement);
		done += count;
	}
	return r;
}

static int add_dead(struct store *store, uint32_t output, const struct journal_dead *dead)
{
	sqlite3_stmt *statement = store_sql(store, SQL_DEAD_ADD);
	struct str note = { .at = dead->note, .len = strnlen(dead->note, sizeof(dead->note)) };

	if (statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, output);
	bind_u64(statement, 2, dead->seq);
	bind_i64(statement, 3, dead->at_ns);
	bind_u64(statement, 4, dead->attempts);
	bind_str(statement, 5, note);
	return store_run(store, statement);
}

static int apply_progress(struct journal *journal, struct output_row *row,
			  const struct journal_progress *progress)
{
	struct journal_done *own = row->ahead;
	int r = add_deliveries(journal, progress, clock_now());

	for (size_t i = 0; i < progress->dead_count && r == 0; i++)
		r = add_dead(&journal->store, progress->output, &progress->dead[i]);
	if (r < 0)
		return r;
	for (size_t i = 0; i < progress->prefix_count; i++)
		row->totals[progress->prefix[i].outcome]++;
	row->cursor = progress->cursor;
	row->at_ns = clock_now();
	row->ahead_count = progress->ahead_count;
	row->ahead = malloc(progress->ahead_count * sizeof(*row->ahead) + 1);
	if (row->ahead != NULL && progress->ahead_count > 0)
		memcpy(row->ahead, progress->ahead, progress->ahead_count * sizeof(*row->ahead));
	free(own);
	return row->ahead == NULL ? -ENOMEM : output_row_set(&journal->store, row);
}

int rows_progress(struct journal *journal, const struct journal_progress *progress)
{
	struct output_row row = { 0 };
	int r = output_row_get(&journal->store, progress->output, &row);

	if (r == 0)
		r = check_progress(journal, &row, progress);
	if (r == 0)
		r = rows_midway(apply_progress(journal, &row, progress));
	output_row_done(&row);
	return r == 1 ? 0 : r;
}
