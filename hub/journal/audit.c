/* The audit: counts law 1 again from the rows themselves, trusting none of the totals that the writer
 * keeps. One read transaction, so a running hub does not move under it. */
#include "hub/journal/inner.h"

#include "base/cleanup.h"

#include <stdarg.h>
#include <sys/stat.h>

/* What is checked against: the alerts that are there. */
struct audit {
	struct store store;
	uint64_t first, last; /* 0: none */
};

/* One output while it is counted. */
struct count {
	struct output_row row;
	struct journal_balance *balance;
	uint64_t recounted[JOURNAL_OUTCOMES]; /* delivery rows and what was folded from them */
	uint64_t reached;		      /* the last position that a row covers */
	uint64_t dead_ahead;
};

/* The first fault is kept: what follows often follows from it. */
static void fault(struct journal_balance *balance, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void fault(struct journal_balance *balance, const char *format, ...)
{
	va_list args;

	if (balance->fault[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(balance->fault, sizeof(balance->fault), format, args);
	va_end(args);
}

typedef unsigned long long ull;

static uint64_t sum(const uint64_t totals[JOURNAL_OUTCOMES])
{
	uint64_t all = 0;

	for (int i = 0; i < JOURNAL_OUTCOMES; i++)
		all += totals[i];
	return all;
}

/* --- one output --------------------------------------------------------------------------------- */

static void count_row(struct count *count, uint64_t first, struct str outcomes)
{
	if (first > count->reached + 1)
		fault(count->balance, "positions %llu to %llu have no outcome",
		      (ull)count->reached + 1, (ull)first - 1);
	if (first <= count->reached)
		fault(count->balance, "position %llu has two outcomes", (ull)first);
	if (outcomes.len == 0 || outcomes.len % 2 != 0)
		fault(count->balance, "the delivery row of position %llu is damaged", (ull)first);
	for (size_t i = 0; i + 1 < outcomes.len; i += 2) {
		uint8_t outcome = (uint8_t)outcomes.at[i];

		if (outcome == 0 || outcome >= JOURNAL_OUTCOMES)
			fault(count->balance, "position %llu has the unknown outcome %d",
			      (ull)(first + i / 2), outcome);
		else
			count->recounted[outcome]++;
	}
	count->reached = first + outcomes.len / 2 - 1;
}

static int count_rows(struct audit *audit, struct count *count)
{
	sqlite3_stmt *statement = store_sql(&audit->store, SQL_DELIVERY_EACH);
	int r;

	if (statement == NULL)
		return store_errno(&audit->store);
	memcpy(count->recounted, count->row.folded, sizeof(count->recounted));
	count->reached = count->row.folded_to;
	bind_u64(statement, 1, place_of(count->row.id, 0));
	bind_u64(statement, 2, place_of(count->row.id + 1, 0));
	bind_u64(statement, 3, INT64_MAX);
	while ((r = store_step(&audit->store, statement)) == 1)
		count_row(count, column_u64(statement, 0) & PLACE_SEQ_MAX,
			  column_str(statement, 2));
	return r;
}

static void check_totals(const struct audit *audit, struct count *count)
{
	const struct output_row *row = &count->row;
	struct journal_balance *balance = count->balance;

	if (row->folded_to < row->start || sum(row->folded) != row->folded_to - row->start)
		fault(balance, "%llu outcomes up to position %llu, %llu expected",
		      (ull)sum(row->folded), (ull)row->folded_to,
		      (ull)(row->folded_to - row->start));
	if (count->reached != row->cursor)
		fault(balance, "the cursor is at %llu, the delivery rows end at %llu",
		      (ull)row->cursor, (ull)count->reached);
	if (row->cursor > audit->last)
		fault(balance, "the cursor %llu is beyond the last alert %llu", (ull)row->cursor,
		      (ull)audit->last);
	if (row->cursor + 1 < audit->first)
		fault(balance, "alerts %llu to %llu were deleted before they were settled",
		      (ull)row->cursor + 1, (ull)audit->first - 1);
	for (int i = 1; i < JOURNAL_OUTCOMES; i++)
		if (row->totals[i] != count->recounted[i])
			fault(balance, "outcome %d: %llu in the rows, %llu in the totals", i,
			      (ull)count->recounted[i], (ull)row->totals[i]);
}

static void count_ahead(const struct audit *audit, struct count *count)
{
	uint64_t at = count->row.cursor;

	for (size_t i = 0; i < count->row.ahead_count; i++) {
		const struct journal_done *done = &count->row.ahead[i];

		if (done->seq <= at || done->seq > audit->last)
			fault(count->balance,
			      "position %llu ahead of the cursor is out of order or beyond the end",
			      (ull)done->seq);
		at = done->seq;
		if (done->outcome == 0 || done->outcome >= JOURNAL_OUTCOMES) {
			fault(count->balance, "position %llu has the unknown outcome %d",
			      (ull)done->seq, done->outcome);
			continue;
		}
		count->recounted[done->outcome]++;
		count->dead_ahead += done->outcome == JOURNAL_DEAD;
	}
}

static bool is_ahead_dead(const struct output_row *row, uint64_t seq)
{
	for (size_t i = 0; i < row->ahead_count; i++)
		if (row->ahead[i].seq == seq)
			return row->ahead[i].outcome == JOURNAL_DEAD;
	return false;
}

/* Whether the rows say that `seq` is dead: 1 or 0, or -errno. */
static int is_dead(struct audit *audit, const struct output_row *row, uint64_t seq)
{
	sqlite3_stmt *statement = store_sql(&audit->store, SQL_DELIVERY_AT);
	bool dead = false;
	int r;

	if (seq > row->cursor)
		return is_ahead_dead(row, seq);
	if (seq <= row->folded_to)
		return 1; /* its row is folded: the sum below covers it */
	if (statement == NULL)
		return store_errno(&audit->store);
	bind_u64(statement, 1, place_of(row->id, seq));
	bind_u64(statement, 2, place_of(row->id, 0));
	r = store_step(&audit->store, statement);
	if (r == 1) {
		size_t at = (size_t)(seq - (column_u64(statement, 0) & PLACE_SEQ_MAX)) * 2;
		struct str outcomes = column_str(statement, 2);

		dead = at < outcomes.len && outcomes.at[at] == JOURNAL_DEAD;
		sqlite3_reset(statement);
	}
	return r < 0 ? r : dead;
}

/* Each dead letter is one dead outcome, and the other way round but for those that retention took. */
static int check_letters(struct audit *audit, struct count *count)
{
	sqlite3_stmt *statement = store_sql(&audit->store, SQL_DEAD_SEQS);
	uint64_t letters = 0;
	int r;

	if (statement == NULL)
		return store_errno(&audit->store);
	bind_u64(statement, 1, count->row.id);
	while ((r = store_step(&audit->store, statement)) == 1) {
		uint64_t seq = column_u64(statement, 0);
		int dead = is_dead(audit, &count->row, seq);

		if (dead < 0)
			return dead;
		if (dead == 0)
			fault(count->balance, "position %llu has a dead letter but another outcome",
			      (ull)seq);
		letters++;
	}
	if (r == 0 && letters + count->row.expired != count->recounted[JOURNAL_DEAD])
		fault(count->balance, "%llu dead outcomes, but %llu dead letters and %llu expired",
		      (ull)count->recounted[JOURNAL_DEAD], (ull)letters, (ull)count->row.expired);
	return r;
}

static int count_where(struct audit *audit, enum sql which, uint64_t value, uint64_t *ret_first,
		       uint64_t *ret_second)
{
	sqlite3_stmt *statement = store_sql(&audit->store, which);
	int r;

	if (statement == NULL)
		return store_errno(&audit->store);
	bind_u64(statement, 1, value);
	r = store_step(&audit->store, statement);
	if (r == 1) {
		*ret_first = column_u64(statement, 0);
		if (ret_second != NULL)
			*ret_second = column_u64(statement, 1);
		sqlite3_reset(statement);
	}
	return r < 0 ? r : 0;
}

static void balance_up(const struct audit *audit, const struct count *count, uint64_t behind,
		       uint64_t replaying)
{
	struct journal_balance *balance = count->balance;

	memcpy(balance->totals, count->recounted, sizeof(balance->totals));
	balance->accepted = audit->last > count->row.start ? audit->last - count->row.start : 0;
	balance->delivered = count->recounted[JOURNAL_DELIVERED];
	balance->dead = count->recounted[JOURNAL_DEAD] - replaying;
	balance->pending = behind - count->row.ahead_count + replaying;
	for (int i = JOURNAL_SUPPRESSED_ROUTE; i < JOURNAL_OUTCOMES; i++)
		balance->suppressed += count->recounted[i];
	if (balance->delivered + balance->pending + balance->dead + balance->suppressed !=
	    balance->accepted)
		fault(balance, "accepted %llu, but delivered + pending + dead + suppressed is %llu",
		      (ull)balance->accepted,
		      (ull)(balance->delivered + balance->pending + balance->dead +
			    balance->suppressed));
	balance->holds = balance->fault[0] == '\0';
}

static int audit_output(struct audit *audit, sqlite3_stmt *outputs, struct journal_balance *ret)
{
	struct count count = { .balance = ret };
	struct str name = str_cut(column_str(outputs, 1), sizeof(ret->output) - 1);
	uint64_t behind = 0, letters = 0, replaying = 0;
	int r = output_row_from(outputs, &count.row);

	*ret = (struct journal_balance){ 0 };
	if (name.len > 0)
		memcpy(ret->output, name.at, name.len);
	if (r == 0)
		r = count_rows(audit, &count);
	if (r == 0) {
		check_totals(audit, &count);
		count_ahead(audit, &count);
		r = check_letters(audit, &count);
	}
	if (r == 0) /* counted row by row: a missing alert shows */
		r = count_where(audit, SQL_ALERT_COUNT, count.row.cursor, &behind, NULL);
	if (r == 0)
		r = count_where(audit, SQL_DEAD_COUNT, count.row.id, &letters, &replaying);
	if (r == 0)
		balance_up(audit, &count, behind, replaying);
	output_row_done(&count.row);
	return r;
}

/* --- all ---------------------------------------------------------------------------------------- */

static int audit_outputs(struct audit *audit, struct journal_balance *ret, size_t max)
{
	sqlite3_stmt *statement = store_sql(&audit->store, SQL_OUTPUT_EACH);
	size_t count = 0;
	int r = 0;

	while (count < max && (r = store_step(&audit->store, statement)) == 1) {
		r = audit_output(audit, statement, &ret[count]);
		if (r < 0)
			break;
		count++;
	}
	return r < 0 ? r : (int)count;
}

/* The alerts themselves: no position may be missing between the first and the last. */
static int audit_alerts(struct audit *audit, char *error)
{
	struct store *store = &audit->store;
	uint64_t kept = 0;
	int r = store_number(store, store_sql(store, SQL_ALERT_FIRST), &audit->first);

	if (r == 0)
		r = store_number(store, store_sql(store, SQL_ALERT_LAST), &audit->last);
	if (r == 0)
		r = count_where(audit, SQL_ALERT_COUNT, 0, &kept, NULL);
	if (r == 0 && audit->last > 0 && kept != audit->last - audit->first + 1)
		store_say(error, "%llu alerts between positions %llu and %llu: %llu are missing",
			  (ull)kept, (ull)audit->first, (ull)audit->last,
			  (ull)(audit->last - audit->first + 1 - kept));
	return r;
}

int journal_audit(const char *path, struct journal_balance *ret, size_t max, char *error)
{
	struct audit audit = { 0 };
	char file[PATH_MAX];
	struct stat status;
	int r;

	error[0] = '\0';
	snprintf(file, sizeof(file), "%s", path);
	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		snprintf(file, sizeof(file), "%s/journal.db", path);
	r = store_open(&audit.store, file, STORE_AUDIT, error);
	if (r < 0)
		return r;
	r = store_do(&audit.store, SQL_BEGIN_READ);
	if (r == 0)
		r = audit_alerts(&audit, error);
	if (r == 0)
		r = audit_outputs(&audit, ret, max);
	if (r < 0)
		store_say(error, "%s: %s", file, sqlite3_errmsg(audit.store.db));
	for (int i = 0; i < r && error[0] != '\0'; i++) {
		ret[i].holds = false;
		fault(&ret[i], "%s", error);
	}
	store_close(&audit.store);
	return r;
}
