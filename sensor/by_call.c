/* Rows by call number, shown by call name. */
#include "sensor/by_call.h"

#include "sensor/calls.h"

enum { ROWS_MAX = CALLS_MAX + 2 };

/* Of all numbers that share a name. */
struct row {
	const char *name;
	uint64_t at[BY_CALL_CAUSES], sum;
};

void by_call_note(struct by_call *counts, const struct record *record, unsigned cause)
{
	unsigned nr = record->type == RECORD_EXIT ? (unsigned)PLAN_LOST_EXIT
		      : record->nr < PLAN_CALLS	  ? record->nr
						  : (unsigned)PLAN_LOST_OTHER;

	counts->at[nr][cause]++;
}

uint64_t by_call_sum(const struct by_call *counts, unsigned cause)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < PLAN_LOST_ROWS; i++)
		sum += counts->at[i][cause];
	return sum;
}

static const char *name_of(size_t nr)
{
	const struct call *call = nr < PLAN_CALLS ? call_find((uint16_t)nr) : NULL;

	if (nr == PLAN_LOST_EXIT)
		return "procexit";
	return call == NULL ? "other" : call->name;
}

static struct row *row_of(struct row *rows, size_t *count, const char *name)
{
	for (size_t i = 0; i < *count; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	rows[*count] = (struct row){ .name = name };
	return &rows[(*count)++];
}

/* Those that are not all 0. */
static size_t rows_of(const struct by_call *counts, struct row *rows)
{
	size_t count = 0;

	for (size_t nr = 0; nr < PLAN_LOST_ROWS; nr++) {
		struct row *row = NULL;

		for (size_t i = 0; i < BY_CALL_CAUSES; i++) {
			if (counts->at[nr][i] == 0)
				continue;
			if (row == NULL)
				row = row_of(rows, &count, name_of(nr));
			row->at[i] += counts->at[nr][i];
			row->sum += counts->at[nr][i];
		}
	}
	return count;
}

static struct row *greatest(struct row *rows, size_t count)
{
	struct row *best = NULL;

	for (size_t i = 0; i < count; i++)
		if (rows[i].sum > 0 && (best == NULL || rows[i].sum > best->sum))
			best = &rows[i];
	return best;
}

void by_call_add_json(const struct by_call *counts, const char *const *causes, struct buf *out)
{
	struct row rows[ROWS_MAX], *row;
	size_t count = rows_of(counts, rows);

	buf_add_char(out, '{');
	for (size_t n = 0; n < BY_CALL_TOP && (row = greatest(rows, count)) != NULL; n++) {
		const char *comma = "";

		buf_addf(out, "%s\"%s\":{", n > 0 ? "," : "", row->name);
		for (size_t i = 0; i < BY_CALL_CAUSES && causes[i] != NULL; i++) {
			if (row->at[i] == 0)
				continue;
			buf_addf(out, "%s\"%s\":%llu", comma, causes[i], (unsigned long long)row->at[i]);
			comma = ",";
		}
		buf_add_char(out, '}');
		row->sum = 0;
	}
	buf_add_char(out, '}');
}

void by_call_add_metrics(const struct by_call *counts, const char *const *causes, struct metrics *metrics)
{
	struct row rows[ROWS_MAX];
	size_t count = rows_of(counts, rows);

	for (size_t n = 0; n < count; n++)
		for (size_t i = 0; i < BY_CALL_CAUSES && causes[i] != NULL; i++) {
			const struct metric_label labels[] = { { "call", str_of(rows[n].name) },
							       { "cause", str_of(causes[i]) },
							       { NULL, { NULL, 0 } } };

			if (rows[n].at[i] > 0)
				metrics_u64(metrics, labels, rows[n].at[i]);
		}
}
