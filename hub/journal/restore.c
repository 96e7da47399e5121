/* Start-up scans: what the hub's tables are filled from again. Before the first commit, so they may use
 * a connection of their own without missing anything. */
#include "hub/journal/inner.h"

enum { CLOCK_STEP_S = 60 }; /* receive times may go back that far, when the clock was set */

/* The first position not received before `since`. */
static int first_since(struct store *store, uint64_t low, uint64_t high, int64_t since,
		       uint64_t *ret)
{
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		int64_t received = 0;
		int r = rows_received(store, middle, &received);

		if (r < 0)
			return r;
		if (received < since)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return 0;
}

static int each_identity(struct store *store, struct journal *journal, int64_t since_ns, size_t max,
			 bool (*each)(void *, struct hash128, int64_t), void *userdata)
{
	const int64_t step = (int64_t)CLOCK_STEP_S * 1000000000;
	uint64_t from = journal->first, last = journal->last;
	sqlite3_stmt *statement;
	int r;

	if (last > max && last - max + 1 > from)
		from = last - max + 1;
	r = first_since(store, from, last + 1,
			since_ns < INT64_MIN + step ? INT64_MIN : since_ns - step, &from);
	statement = store_sql(store, SQL_ALERT_IDENTITY);
	if (r < 0 || statement == NULL)
		return r < 0 ? r : store_errno(store);
	bind_u64(statement, 1, from);
	bind_i64(statement, 2, since_ns);
	bind_u64(statement, 3, max < INT_MAX ? max : INT_MAX);
	while ((r = store_step(store, statement)) == 1) {
		struct str bytes = column_str(statement, 0);
		struct hash128 identity = { 0 };

		if (bytes.len == sizeof(identity))
			memcpy(&identity, bytes.at, sizeof(identity));
		if (!each(userdata, identity, (int64_t)column_u64(statement, 1)))
			break;
	}
	return r < 0 ? r : 0;
}

int journal_each_identity(struct journal *journal, int64_t since_ns, size_t max,
			  bool (*each)(void *userdata, struct hash128 identity,
				       int64_t received_ns),
			  void *userdata)
{
	struct store store;
	int r = store_open(&store, journal->path, STORE_READ, NULL);

	if (r < 0)
		return r;
	r = each_identity(&store, journal, since_ns, max, each, userdata);
	store_close(&store);
	return r;
}

static int each_sensor(struct store *store, bool (*each)(void *, const struct journal_sensor *),
		       void *userdata)
{
	sqlite3_stmt *statement = store_sql(store, SQL_SENSOR_EACH);
	int r;

	while ((r = store_step(store, statement)) == 1) {
		struct journal_sensor sensor = {
			.id = column_str(statement, 0),
			.boot = column_str(statement, 1),
			.seq = column_u64(statement, 2),
			.seen_ns = (int64_t)column_u64(statement, 3),
			.gaps = column_u64(statement, 4),
			.hostname = column_str(statement, 5),
			.status = column_str(statement, 6),
		};

		if (!each(userdata, &sensor))
			break;
	}
	return r < 0 ? r : 0;
}

int journal_each_sensor(struct journal *journal,
			bool (*each)(void *userdata, const struct journal_sensor *sensor),
			void *userdata)
{
	struct store store;
	int r = store_open(&store, journal->path, STORE_READ, NULL);

	if (r < 0)
		return r;
	r = each_sensor(&store, each, userdata);
	store_close(&store);
	return r;
}

static int each_incident(struct store *store, bool (*each)(void *, const struct journal_incident *),
			 void *userdata)
{
	sqlite3_stmt *statement = store_sql(store, SQL_INCIDENT_OPEN);
	int r;

	while ((r = store_step(store, statement)) == 1) {
		struct journal_incident incident = {
			.id = column_u64(statement, 0),
			.key = column_str(statement, 1),
			.first_ns = (int64_t)column_u64(statement, 2),
			.last_ns = (int64_t)column_u64(statement, 3),
			.count = column_u64(statement, 4),
			.announced = column_u64(statement, 5),
			.announced_ns = (int64_t)column_u64(statement, 6),
			.open = true,
			.rule = column_str(statement, 7),
			.priority = (enum priority)column_u64(statement, 8),
		};

		if (!each(userdata, &incident))
			break;
	}
	return r < 0 ? r : 0;
}

int journal_each_incident(struct journal *journal,
			  bool (*each)(void *userdata, const struct journal_incident *incident),
			  void *userdata, uint64_t *ret_highest)
{
	struct store store;
	uint64_t highest = 0;
	int r = store_open(&store, journal->path, STORE_READ, NULL);

	if (r < 0)
		return r;
	r = each_incident(&store, each, userdata);
	if (r == 0)
		r = store_number(&store, store_sql(&store, SQL_INCIDENT_HIGHEST), &highest);
	store_close(&store);
	if (r == 0)
		*ret_highest = highest;
	return r;
}

static int each_watch(struct store *store, bool (*each)(void *, const struct journal_watch *), void *userdata)
{
	sqlite3_stmt *statement = store_sql(store, SQL_WATCH_EACH);
	int r;

	while ((r = store_step(store, statement)) == 1) {
		struct str id = column_str(statement, 0);
		struct journal_watch watch = {
			.name = column_str(statement, 1),
			.version = column_u64(statement, 2),
			.by = column_str(statement, 3),
			.of = column_str(statement, 4),
			.touched_ns = (int64_t)column_u64(statement, 5),
			.state = column_str(statement, 6),
		};

		if (id.len == sizeof(watch.id))
			memcpy(&watch.id, id.at, sizeof(watch.id));
		if (!each(userdata, &watch))
			break;
	}
	return r < 0 ? r : 0;
}

int journal_each_watch(struct journal *journal,
		       bool (*each)(void *userdata, const struct journal_watch *watch), void *userdata)
{
	struct store store;
	int r = store_open(&store, journal->path, STORE_READ, NULL);

	if (r < 0)
		return r;
	r = each_watch(&store, each, userdata);
	store_close(&store);
	return r;
}
