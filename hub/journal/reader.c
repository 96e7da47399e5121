/* Readers: alerts in order, newest first, or one. Each call is one statement and copies what it returns,
 * so no snapshot outlives it. */
#include "hub/journal/reader.h"

#include "base/cleanup.h"

enum {
	SEARCH_ROWS = 20000, /* rows one journal_search() looks at */
	ID_ROWS_MAX = 64,    /* positions whose marks match that are looked at for one id */
};

int journal_reader_open(struct journal *journal, struct journal_reader **ret)
{
	struct journal_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (reader == NULL)
		return -ENOMEM;
	reader->journal = journal;
	r = store_open(&reader->store, journal->path, STORE_READ, NULL);
	if (r < 0) {
		free(reader);
		return r;
	}
	*ret = reader;
	return 0;
}

void journal_reader_close(struct journal_reader *reader)
{
	if (reader == NULL)
		return;
	store_close(&reader->store);
	free(reader);
}

sqlite3_stmt *reader_sql(struct journal_reader *reader, enum sql which, int *ret_error)
{
	sqlite3_stmt *statement;

	*ret_error = 0;
	if (reader->store.db == NULL)
		*ret_error = store_open(&reader->store, reader->journal->path, STORE_READ, NULL);
	if (*ret_error < 0)
		return NULL;
	statement = store_sql(&reader->store, which);
	if (statement == NULL)
		*ret_error = store_errno(&reader->store);
	return statement;
}

int read_alert(sqlite3_stmt *statement, struct arena *arena, struct alert *ret)
{
	*ret = (struct alert){
		.seq = column_u64(statement, 0),
		.received_ns = (int64_t)column_u64(statement, 1),
		.time_ns = (int64_t)column_u64(statement, 2),
		.priority = (enum priority)column_u64(statement, 3),
		.change = (enum alert_change)column_u64(statement, 4),
		.incident = column_u64(statement, 5),
		.count = column_u64(statement, 6),
		.json = arena_str(arena, column_str(statement, 8)),
	};
	uuid_unpack(column_str(statement, 7), ret->id);
	return ret->json.at == NULL ? -ENOMEM : 0;
}

int journal_read(struct journal_reader *reader, uint64_t after, size_t max, size_t bytes,
		 struct arena *arena, struct alert *ret)
{
	int r, count = 0;
	size_t taken = 0;
	sqlite3_stmt *statement = reader_sql(reader, SQL_ALERT_READ, &r);

	if (statement == NULL)
		return r;
	bind_u64(statement, 1, after < PLACE_SEQ_MAX ? after : PLACE_SEQ_MAX);
	bind_u64(statement, 2, max < INT_MAX ? max : INT_MAX);
	while ((r = store_step(&reader->store, statement)) == 1) {
		size_t len = (size_t)sqlite3_column_bytes(statement, 8);

		if (count > 0 && taken + len > bytes)
			break;
		r = read_alert(statement, arena, &ret[count]);
		if (r < 0)
			break;
		taken += len;
		count++;
	}
	sqlite3_reset(statement);
	return r < 0 && count == 0 ? r : count;
}

/* --- search ------------------------------------------------------------------------------------- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool contains_nocase(struct str hay, struct str needle)
{
	char first;

	if (needle.len == 0)
		return true;
	first = lower(needle.at[0]);
	for (size_t i = 0; i + needle.len <= hay.len; i++) {
		size_t k = 1;

		if (lower(hay.at[i]) != first)
			continue;
		while (k < needle.len && lower(hay.at[i + k]) == lower(needle.at[k]))
			k++;
		if (k == needle.len)
			return true;
	}
	return false;
}

/* The query's strings as they stand in the text, to look for before the text is parsed. */
struct wanted {
	const struct journal_query *query;
	struct buf rule, hostname, source;
	struct arena arena; /* of the parser, for one alert at a time */
};

static bool wanted_init(struct wanted *wanted, const struct journal_query *query)
{
	*wanted = (struct wanted){ .query = query };
	arena_init(&wanted->arena, (size_t)STORE_TEXT_MAX * 4);
	buf_add_json(&wanted->rule, query->rule);
	buf_add_json(&wanted->hostname, query->hostname);
	buf_add_json(&wanted->source, query->source);
	return buf_ok(&wanted->rule) && buf_ok(&wanted->hostname) && buf_ok(&wanted->source);
}

static void wanted_done(struct wanted *wanted)
{
	buf_done(&wanted->rule);
	buf_done(&wanted->hostname);
	buf_done(&wanted->source);
	arena_done(&wanted->arena);
}

static bool may_hold(struct str json, struct str value, const struct buf *quoted)
{
	return value.len == 0 || str_find(json, buf_str(quoted)) >= 0;
}

static bool is_equal(struct str wanted, struct str value)
{
	return wanted.len == 0 || str_eq(wanted, value);
}

static bool matches_fields(struct wanted *wanted, struct str json)
{
	const struct journal_query *query = wanted->query;
	struct alert alert = { .json = json };

	if (query->rule.len == 0 && query->hostname.len == 0 && query->source.len == 0)
		return true;
	if (!may_hold(json, query->rule, &wanted->rule) ||
	    !may_hold(json, query->hostname, &wanted->hostname) ||
	    !may_hold(json, query->source, &wanted->source))
		return false;
	arena_reset(&wanted->arena);
	return alert_read(&alert, &wanted->arena) == 0 && is_equal(query->rule, alert.rule) &&
	       is_equal(query->hostname, alert.hostname) && is_equal(query->source, alert.source);
}

static bool matches(struct wanted *wanted, sqlite3_stmt *statement)
{
	const struct journal_query *query = wanted->query;
	struct str json;

	if (column_u64(statement, 3) > query->priority_max)
		return false;
	if (query->incident != 0 && column_u64(statement, 5) != query->incident)
		return false;
	json = column_str(statement, 8);
	return contains_nocase(json, query->text) && matches_fields(wanted, json);
}

/* Takes rows until the limit. 1: stopped early, at *at. */
static int collect(struct journal_reader *reader, sqlite3_stmt *statement, struct wanted *wanted,
		   struct arena *arena, struct alert *ret, size_t *count, uint64_t *at)
{
	int rows = 0, r;

	while ((r = store_step(&reader->store, statement)) == 1) {
		*at = column_u64(statement, 0);
		rows++;
		if (!matches(wanted, statement))
			continue;
		r = read_alert(statement, arena, &ret[*count]);
		if (r < 0) {
			(*at)++; /* this one again, with a fresh arena */
			return *count > 0 ? 1 : r;
		}
		if (++*count == wanted->query->limit)
			return 1;
	}
	return r < 0 ? r : rows == SEARCH_ROWS;
}

int journal_search(struct journal_reader *reader, const struct journal_query *query,
		   struct arena *arena, struct alert *ret, uint64_t *ret_more)
{
	int r;
	sqlite3_stmt *statement = reader_sql(reader, SQL_ALERT_SEARCH, &r);
	struct wanted wanted;
	uint64_t at = 0;
	size_t count = 0;

	if (statement == NULL)
		return r;
	if (query->limit == 0 || !wanted_init(&wanted, query))
		return query->limit == 0 ? -EINVAL : -ENOMEM;
	bind_u64(statement, 1, query->after < PLACE_SEQ_MAX ? query->after : PLACE_SEQ_MAX);
	bind_u64(statement, 2,
		 query->before == 0 || query->before > PLACE_SEQ_MAX ? PLACE_SEQ_MAX
								     : query->before);
	bind_u64(statement, 3, SEARCH_ROWS);
	r = collect(reader, statement, &wanted, arena, ret, &count, &at);
	sqlite3_reset(statement);
	wanted_done(&wanted);
	if (r < 0)
		return r;
	*ret_more = r == 1 && at > query->after + 1 && at > journal_first(reader->journal) ? at : 0;
	return (int)count;
}

/* --- one alert ---------------------------------------------------------------------------------- */

static int get_by_seq(struct journal_reader *reader, uint64_t seq, struct arena *arena,
		      struct alert *ret)
{
	int r;
	sqlite3_stmt *statement = reader_sql(reader, SQL_ALERT_GET, &r);

	if (statement == NULL)
		return r;
	bind_u64(statement, 1, seq);
	r = store_step(&reader->store, statement);
	if (r == 1)
		r = read_alert(statement, arena, ret);
	else if (r == 0)
		r = -ENOENT;
	sqlite3_reset(statement);
	return r;
}

/* Positions whose mark is `mark`, newest first. Returns how many. */
static int find_marks(struct journal_reader *reader, uint32_t mark, uint64_t seqs[ID_ROWS_MAX])
{
	uint8_t wanted[4] = { (uint8_t)mark, (uint8_t)(mark >> 8), (uint8_t)(mark >> 16),
			      (uint8_t)(mark >> 24) };
	int r, count = 0;
	sqlite3_stmt *statement = reader_sql(reader, SQL_INDEX_READ, &r);

	while (statement != NULL && count < ID_ROWS_MAX &&
	       (r = store_step(&reader->store, statement)) == 1) {
		struct str ids = column_str(statement, 1);

		for (size_t i = 0; i + 4 <= ids.len && count < ID_ROWS_MAX; i += 4)
			if (memcmp(ids.at + i, wanted, 4) == 0)
				seqs[count++] = column_u64(statement, 0) + i / 4;
	}
	sqlite3_reset(statement);
	return r < 0 ? r : count;
}

int journal_get(struct journal_reader *reader, uint64_t seq, struct str id, struct arena *arena,
		struct alert *ret)
{
	uint64_t seqs[ID_ROWS_MAX];
	uint8_t packed[37];
	char text[37] = "";
	int count;

	if (seq != 0)
		return seq > PLACE_SEQ_MAX ? -ENOENT : get_by_seq(reader, seq, arena, ret);
	if (id.len == 0 || id.len > 36)
		return -ENOENT;
	memcpy(text, id.at, id.len);
	count = find_marks(reader, uuid_mark(packed, uuid_pack(text, packed)), seqs);
	for (int i = 0; i < count; i++) {
		int r = get_by_seq(reader, seqs[i], arena, ret);

		if (r == 0 && strcmp(ret->id, text) == 0)
			return 0;
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return count < 0 ? count : -ENOENT;
}
