/* Outputs and their dead letters. */
#include "hub/api/inner.h"
#include "hub/api/render.h"

#include <errno.h>

void outputs_list(struct api_call *call)
{
	struct deliver *deliver = call->api->settings.deliver;
	struct buf *out = &call->api->out;
	size_t count = deliver == NULL ? 0 : deliver_count(deliver);

	buf_add(out, STR("{\"outputs\":["));
	for (size_t i = 0; i < count; i++) {
		struct deliver_status status = { 0 };

		deliver_status(deliver, i, &status);
		if (i > 0)
			buf_add(out, STR(",\n"));
		render_output(out, &status);
	}
	buf_add(out, STR("]}\n"));
	api_answer(call);
}

void outputs_kick(struct api_call *call)
{
	struct deliver *deliver = call->api->settings.deliver;

	if (deliver == NULL || !deliver_kick(deliver, call->argument)) {
		api_problem(call, 404, "there is no output of that name", NULL);
		return;
	}
	buf_add(&call->api->out, STR("{}\n"));
	api_answer(call);
}

void letters_list(struct api_call *call)
{
	struct api *api = call->api;
	struct str output = str_of(server_query(call->request, "output"));
	struct journal_letter *letters;
	uint64_t after, limit;
	size_t max;
	int count;

	if (!api_number(call, "after", 0, &after) || !api_number(call, "limit", API_LIST_DEFAULT, &limit))
		return;
	max = limit < 1 ? 1 : limit > API_LIST_MAX ? API_LIST_MAX : (size_t)limit;
	letters = arena_zalloc(&api->arena, max * sizeof(*letters));
	count = letters == NULL ? -ENOMEM
	                        : journal_letters(api->reader, output, after, max, &api->arena, letters);
	if (count < 0) {
		api_failed(call, count);
		return;
	}
	buf_add(&api->out, STR("{\"letters\":["));
	for (int i = 0; i < count; i++) {
		if (i > 0)
			buf_add(&api->out, STR(",\n"));
		render_letter(&api->out, &letters[i]);
	}
	buf_addf(&api->out, "],\"more\":%llu}\n",
	         (size_t)count == max ? (unsigned long long)letters[count - 1].id : 0);
	api_answer(call);
}

void letters_replay(struct api_call *call)
{
	struct api_member members[] = { { .name = "output" }, { .name = "id" } };
	int count;

	if (!api_body(call, members, 2))
		return;
	count = journal_replay(call->api->settings.journal, members[0].value, members[1].number);
	if (count < 0) {
		api_failed(call, count);
		return;
	}
	buf_addf(&call->api->out, "{\"replayed\":%d}\n", count);
	api_answer(call);
}
