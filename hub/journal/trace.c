/* What became of alerts: the trace of one at every output, and dead letters, for readers. */
#include "hub/journal/reader.h"

#include "base/cleanup.h"

/* --- trace -------------------------------------------------------------------------------------- */

static int trace_row(struct journal_reader *reader, const struct output_row *row, uint64_t seq,
		     struct journal_trace *trace)
{
	int r;
	sqlite3_stmt *statement = reader_sql(reader, SQL_DELIVERY_AT, &r);

	if (statement == NULL)
		return r;
	bind_u64(statement, 1, place_of(row->id, seq));
	bind_u64(statement, 2, place_of(row->id, 0));
	r = store_step(&reader->store, statement);
	if (r == 1) {
		size_t at = (size_t)(seq - (column_u64(statement, 0) & PLACE_SEQ_MAX)) * 2;
		struct str outcomes = column_str(statement, 2);

		if (at + 1 < outcomes.len) {
			trace->outcome = (uint8_t)outcomes.at[at];
			trace->attempts = (uint8_t)outcomes.at[at + 1];
			trace->at_ns = (int64_t)column_u64(statement, 1);
		}
		sqlite3_reset(statement);
	}
	return r < 0 ? r : 0;
}

static void trace_ahead(const struct output_row *row, uint64_t seq, struct journal_trace *trace)
{
	for (size_t i = 0; i < row->ahead_count; i++) {
		if (row->ahead[i].seq != seq)
			continue;
		trace->outcome = row->ahead[i].outcome;
		trace->attempts = row->ahead[i].attempts;
		trace->at_ns = row->at_ns;
	}
}

static int trace_dead(struct journal_reader *reader, uint32_t output, uint64_t seq,
		      struct arena *arena, struct journal_trace *trace)
{
	int r;
	sqlite3_stmt *statement = reader_sql(reader, SQL_DEAD_OF, &r);

	if (statement == NULL)
		return r;
	bind_u64(statement, 1, output);
	bind_u64(statement, 2, seq);
	r = store_step(&reader->store, statement);
	if (r == 1) {
		uint64_t attempts = column_u64(statement, 1);

		trace->at_ns = (int64_t)column_u64(statement, 0);
		trace->attempts = attempts < 255 ? (uint8_t)attempts : 255;
		trace->note = arena_str(arena, column_str(statement, 2));
		if (column_u64(statement, 3) != 0) { /* replayed: pending again */
			trace->outcome = 0;
			trace->at_ns = 0;
		}
		sqlite3_reset(statement);
		r = trace->note.at == NULL ? -ENOMEM : 0;
	}
	return r;
}

static int trace_output(struct journal_reader *reader, sqlite3_stmt *outputs, uint64_t seq,
			struct arena *arena, struct journal_trace *ret)
{
	struct output_row row = { 0 };
	int r = output_row_from(outputs, &row);

	*ret = (struct journal_trace){ .output = arena_str(arena, column_str(outputs, 1)) };
	if (r == 0 && ret->output.at == NULL)
		r = -ENOMEM;
	if (r == 0 && seq <= row.start) {
		output_row_done(&row);
		return 0;
	}
	if (r == 0 && seq <= row.cursor)
		r = trace_row(reader, &row, seq, ret);
	else if (r == 0)
		trace_ahead(&row, seq, ret);
	if (r == 0 && ret->outcome == JOURNAL_DEAD)
		r = trace_dead(reader, row.id, seq, arena, ret);
	output_row_done(&row);
	return r < 0 ? r : 1;
}

int journal_trace(struct journal_reader *reader, uint64_t seq, struct arena *arena,
		  struct journal_trace *ret, size_t max)
{
	int r, count = 0;
	sqlite3_stmt *statement = reader_sql(reader, SQL_OUTPUT_EACH, &r);

	if (statement == NULL)
		return r;
	if (seq == 0 || seq > PLACE_SEQ_MAX)
		return -ENOENT;
	while ((size_t)count < max && (r = store_step(&reader->store, statement)) == 1) {
		r = trace_output(reader, statement, seq, arena, &ret[count]);
		if (r < 0)
			break;
		count += r;
	}
	sqlite3_reset(statement);
	return r < 0 ? r : count;
}

/* --- dead letters ------------------------------------------------------------------------------- */

static int read_letter(sqlite3_stmt *statement, struct arena *arena, struct journal_letter *ret)
{
	struct str note = str_cut(column_str(statement, 5), sizeof(ret->dead.note) - 1);

	*ret = (struct journal_letter){
		.id = column_u64(statement, 0),
		.output = arena_str(arena, column_str(statement, 1)),
		.dead = { .seq = column_u64(statement, 2),
			  .at_ns = (int64_t)column_u64(statement, 3),
			  .attempts = (uint32_t)column_u64(statement, 4) },
		.json = arena_str(arena, column_str(statement, 6)),
	};
	if (note.len > 0)
		memcpy(ret->dead.note, note.at, note.len);
	return ret->output.at == NULL || ret->json.at == NULL ? -ENOMEM : 0;
}

int journal_letters(struct journal_reader *reader, struct str output, uint64_t after, size_t max,
		    struct arena *arena, struct journal_letter *ret)
{
	sqlite3_stmt *statement;
	uint64_t id = 0;
	int r, count = 0;

	statement = reader_sql(reader, SQL_OUTPUT_FIND, &r);
	if (statement != NULL && output.len > 0)
		r = output_find(&reader->store, output, &id);
	if (r < 0 || (output.len > 0 && id == 0))
		return r;
	statement = reader_sql(reader, output.len > 0 ? SQL_DEAD_LIST_OF : SQL_DEAD_LIST, &r);
	if (statement == NULL)
		return r;
	bind_u64(statement, 1, after < INT64_MAX ? after : INT64_MAX);
	bind_u64(statement, 2, max < INT_MAX ? max : INT_MAX);
	if (output.len > 0)
		bind_u64(statement, 3, id);
	while ((r = store_step(&reader->store, statement)) == 1) {
		r = read_letter(statement, arena, &ret[count]);
		if (r < 0)
			break;
		count++;
	}
	sqlite3_reset(statement);
	return r < 0 && count == 0 ? r : count;
}

int journal_replayed(struct journal_reader *reader, uint32_t output, size_t max,
		     struct arena *arena, struct alert *ret, uint64_t *ret_letters)
{
	int r, count = 0;
	sqlite3_stmt *statement = reader_sql(reader, SQL_DEAD_REPLAYED, &r);

	if (statement == NULL)
		return r;
	bind_u64(statement, 1, output);
	bind_u64(statement, 2, max < INT_MAX ? max : INT_MAX);
	while ((r = store_step(&reader->store, statement)) == 1) {
		r = read_alert(statement, arena, &ret[count]);
		if (r < 0)
			break;
		ret_letters[count++] = column_u64(statement, 9);
	}
	sqlite3_reset(statement);
	return r < 0 && count == 0 ? r : count;
}
