/* Alerts: the list, newest first, and one with what became of it at every output. */
#include "hub/api/inner.h"
#include "hub/api/render.h"

#include "base/cleanup.h"

#include <errno.h>

const char *api_argument(const void *request, const char *name)
{
	return server_query(request, name);
}

static bool query_of(struct api_call *call, struct filter *filter, struct journal_query *query)
{
	const char *wrong = filter_read(filter, api_argument, call->request);
	uint64_t limit;

	if (wrong != NULL) {
		api_problem(call, 400, wrong, NULL);
		return false;
	}
	*query = (struct journal_query){ 0 };
	filter_query(filter, query);
	if (!api_number(call, "before", 0, &query->before) ||
	    !api_number(call, "after", 0, &query->after) ||
	    !api_number(call, "limit", API_LIST_DEFAULT, &limit))
		return false;
	query->limit = limit < 1 ? 1 : limit > API_LIST_MAX ? API_LIST_MAX : (size_t)limit;
	return true;
}

/* Alerts may be large; when a page of them does not fit into memory, a shorter one does. */
static int search(struct api *api, struct journal_query *query, struct alert *found, uint64_t *ret_more)
{
	for (;;) {
		int count = journal_search(api->reader, query, &api->arena, found, ret_more);

		if (count != -ENOMEM || query->limit == 1)
			return count;
		query->limit = query->limit / 8 + 1 < query->limit ? query->limit / 8 + 1 : 1;
		arena_reset(&api->arena);
	}
}

void alerts_list(struct api_call *call)
{
	autofree struct alert *found = calloc(API_LIST_MAX, sizeof(*found));
	struct buf *out = &call->api->out;
	struct journal_query query;
	struct filter filter;
	uint64_t more = 0;
	int count;

	if (found == NULL) {
		api_failed(call, -ENOMEM);
		return;
	}
	if (!query_of(call, &filter, &query))
		return;
	count = search(call->api, &query, found, &more);
	if (count < 0) {
		api_failed(call, count);
		return;
	}
	buf_add(out, STR("{\"alerts\":["));
	for (int i = 0; i < count; i++) {
		if (i > 0)
			buf_add(out, STR(",\n"));
		render_alert_open(out, &found[i]);
		buf_add_char(out, '}');
	}
	buf_addf(out, "],\"more\":%llu,\"last\":%llu}\n", (unsigned long long)more,
	         (unsigned long long)journal_last(call->api->settings.journal));
	api_answer(call);
}

void alerts_one(struct api_call *call)
{
	struct api *api = call->api;
	struct journal_trace *traces = arena_zalloc(&api->arena, API_OUTPUTS_MAX * sizeof(*traces));
	struct alert alert = { 0 };
	struct str id = call->argument;
	uint64_t seq = 0;
	int r;

	if (str_to_u64(call->argument, &seq))
		id = (struct str){ 0 };
	r = seq == 0 && id.len != 36 ? -ENOENT : journal_get(api->reader, seq, id, &api->arena, &alert);
	if (r >= 0 && traces != NULL)
		r = journal_trace(api->reader, alert.seq, &api->arena, traces, API_OUTPUTS_MAX);
	if (r < 0 || traces == NULL) {
		api_failed(call, r < 0 ? r : -ENOMEM);
		return;
	}
	render_alert_open(&api->out, &alert);
	buf_add(&api->out, STR(",\"deliveries\":["));
	for (int i = 0; i < r; i++) {
		if (i > 0)
			buf_add_char(&api->out, ',');
		render_trace(&api->out, &traces[i]);
	}
	buf_add(&api->out, STR("]}\n"));
	api_answer(call);
}
