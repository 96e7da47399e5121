/* Output rows: how far each output has got, in the file and back. */
#include "hub/journal/inner.h"

#include "base/clock.h"

#include <stdlib.h>

void put_u64(uint8_t *at, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

uint64_t get_u64(const uint8_t *at)
{
	uint64_t value = 0;

	for (int i = 7; i >= 0; i--)
		value = value << 8 | at[i];
	return value;
}

static void get_totals(struct str bytes, uint64_t totals[JOURNAL_OUTCOMES])
{
	for (size_t i = 0; i < JOURNAL_OUTCOMES; i++)
		totals[i] =
			bytes.len == TOTALS_BYTES ? get_u64((const uint8_t *)bytes.at + i * 8) : 0;
}

static void put_totals(const uint64_t totals[JOURNAL_OUTCOMES], uint8_t bytes[TOTALS_BYTES])
{
	for (size_t i = 0; i < JOURNAL_OUTCOMES; i++)
		put_u64(bytes + i * 8, totals[i]);
}

static int get_ahead(struct str bytes, struct output_row *row)
{
	const uint8_t *at = (const uint8_t *)bytes.at;

	row->ahead_count = bytes.len / AHEAD_ENTRY;
	row->ahead = calloc(row->ahead_count + 1, sizeof(*row->ahead));
	if (row->ahead == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < row->ahead_count; i++, at += AHEAD_ENTRY)
		row->ahead[i] = (struct journal_done){ .seq = get_u64(at),
						       .outcome = at[8],
						       .attempts = at[9] };
	return 0;
}

int output_find(struct store *store, struct str name, uint64_t *ret_id)
{
	sqlite3_stmt *statement = store_sql(store, SQL_OUTPUT_FIND);

	if (statement == NULL)
		return store_errno(store);
	bind_str(statement, 1, name);
	return store_number(store, statement, ret_id);
}

int output_row_from(sqlite3_stmt *statement, struct output_row *ret)
{
	*ret = (struct output_row){
		.id = (uint32_t)column_u64(statement, 0),
		.start = column_u64(statement, 2),
		.cursor = column_u64(statement, 3),
		.at_ns = (int64_t)column_u64(statement, 4),
		.folded_to = column_u64(statement, 7),
		.expired = column_u64(statement, 9),
	};
	get_totals(column_str(statement, 6), ret->totals);
	get_totals(column_str(statement, 8), ret->folded);
	return get_ahead(column_str(statement, 5), ret);
}

int output_row_get(struct store *store, uint32_t id, struct output_row *ret)
{
	sqlite3_stmt *statement = store_sql(store, SQL_OUTPUT_GET);
	int r;

	if (statement == NULL)
		return store_errno(store);
	bind_u64(statement, 1, id);
	r = store_step(store, statement);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	r = output_row_from(statement, ret);
	sqlite3_reset(statement);
	return r;
}

int output_row_set(struct store *store, const struct output_row *row)
{
	uint8_t totals[TOTALS_BYTES], folded[TOTALS_BYTES];
	uint8_t *ahead = malloc(row->ahead_count * AHEAD_ENTRY + 1);
	sqlite3_stmt *statement = store_sql(store, SQL_OUTPUT_SET);
	int r;

	if (ahead == NULL || statement == NULL) {
		free(ahead);
		return statement == NULL ? store_errno(store) : -ENOMEM;
	}
	for (size_t i = 0; i < row->ahead_count; i++) {
		uint8_t *at = ahead + i * AHEAD_ENTRY;

		put_u64(at, row->ahead[i].seq);
		at[8] = row->ahead[i].outcome;
		at[9] = row->ahead[i].attempts;
	}
	put_totals(row->totals, totals);
	put_totals(row->folded, folded);
	bind_u64(statement, 1, row->id);
	bind_u64(statement, 2, row->start);
	bind_u64(statement, 3, row->cursor);
	bind_i64(statement, 4, row->at_ns);
	bind_bytes(statement, 5, ahead, row->ahead_count * AHEAD_ENTRY);
	bind_bytes(statement, 6, totals, sizeof(totals));
	bind_u64(statement, 7, row->folded_to);
	bind_bytes(statement, 8, folded, sizeof(folded));
	bind_u64(statement, 9, row->expired);
	r = store_run(store, statement);
	free(ahead);
	return r;
}

void output_row_done(struct output_row *row)
{
	free(row->ahead);
	row->ahead = NULL;
}

/* --- journal_output() --------------------------------------------------------------------------- */

struct wanted_output {
	struct str name;
	bool from_oldest;
	struct output_row row;
};

static int add_output(struct journal *journal, const struct wanted_output *wanted)
{
	static const uint8_t zeros[TOTALS_BYTES];
	sqlite3_stmt *statement = store_sql(&journal->store, SQL_OUTPUT_ADD);

	if (statement == NULL)
		return store_errno(&journal->store);
	bind_str(statement, 1, wanted->name);
	bind_u64(statement, 2,
		 wanted->from_oldest ? journal->kept_from - 1 : journal->next_seq - 1);
	bind_i64(statement, 3, clock_now());
	bind_bytes(statement, 4, zeros, sizeof(zeros));
	return store_run(&journal->store, statement);
}

static int run_output(struct journal *journal, void *argument)
{
	struct wanted_output *wanted = argument;
	uint64_t id = 0;
	int r = output_find(&journal->store, wanted->name, &id);

	if (r == 0 && id == 0) {
		r = add_output(journal, wanted);
		if (r == 0)
			r = output_find(&journal->store, wanted->name, &id);
	}
	if (r == 0 && id >= 1u << 15)
		r = -EOVERFLOW; /* ids share 63 bits with positions */
	output_row_done(&wanted->row);
	return r < 0 ? r : output_row_get(&journal->store, (uint32_t)id, &wanted->row);
}

static int mark_configured(struct journal *journal, uint32_t id)
{
	int r = 0;

	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; i < journal->configured_count && r == 0; i++)
		if (journal->configured[i] == id)
			r = 1;
	if (r == 0 && journal->configured_count < OUTPUTS_MAX)
		journal->configured[journal->configured_count++] = id;
	else if (r == 0)
		r = -ENOSPC;
	pthread_mutex_unlock(&journal->lock);
	return r < 0 ? r : 0;
}

int journal_output(struct journal *journal, const char *name, bool from_oldest,
		   struct journal_output *ret)
{
	struct wanted_output wanted = { .name = str_of(name), .from_oldest = from_oldest };
	int r = writer_call(journal, run_output, &wanted);

	if (r == 0)
		r = mark_configured(journal, wanted.row.id);
	if (r < 0) {
		output_row_done(&wanted.row);
		return r;
	}
	*ret = (struct journal_output){ .id = wanted.row.id,
					.start = wanted.row.start,
					.cursor = wanted.row.cursor,
					.ahead = wanted.row.ahead,
					.ahead_count = wanted.row.ahead_count };
	memcpy(ret->totals, wanted.row.totals, sizeof(ret->totals));
	return 0;
}
