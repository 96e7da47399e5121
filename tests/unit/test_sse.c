/* Server-sent events, in pieces of any size. */
#include "base/cleanup.h"
#include "cli/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

struct got {
	struct buf text; /* TYPE(DATA) each */
	int stop_at;     /* after so many events; 0: never */
	int count;
};

static bool collect(void *userdata, const struct sse_event *event)
{
	struct got *got = userdata;

	buf_addf(&got->text, "%.*s(%.*s)", STR_ARG(event->type), STR_ARG(event->data));
	return ++got->count != got->stop_at;
}

static const struct row {
	const char *name, *stream, *want, *last_id;
} rows[] = {
	{ "an alert", "id: 7\nevent: alert\ndata: {}\n\n", "alert({})", "7" },
	{ "comments are not events", ": hello\n\n: keep-alive\n\n", "", "" },
	{ "without a type it is a message", "data: x\n\n", "message(x)", "" },
	{ "two data lines are two lines", "data: a\ndata: b\n\n", "message(a\nb)", "" },
	{ "only one blank behind the colon goes", "data:  a\n\n", "message( a)", "" },
	{ "a field without a colon is empty", "data\ndata\n\n", "message(\n)", "" },
	{ "an event without data is none", "event: alert\nid: 3\n\n", "", "" },
	{ "line ends of all kinds", "data: a\r\rdata: b\r\n\r\ndata: c\n\n", "message(a)message(b)message(c)", "" },
	{ "the type is of one event", "event: gap\ndata: 1\n\ndata: 2\n\n", "gap(1)message(2)", "" },
	{ "the id stays", "id: 1\ndata: a\n\ndata: b\n\n", "message(a)message(b)", "1" },
	{ "an id that is too long is left out",
	  "id: 1234567890123456789012345678901234567890123456789012345678901234\ndata: a\n\n", "message(a)", "" },
	{ "what is not ended is not an event", "id: 9\ndata: a\n", "", "" },
	{ "unknown fields are left out", "retry: 2000\nx: y\ndata: a\n\n", "message(a)", "" },
};

static void is_read(void **state)
{
	const struct row *row = *state;
	struct str stream = str_of(row->stream);

	for (size_t piece = 1; piece <= stream.len; piece++) {
		struct got got = { 0 };
		struct sse sse = { .event = collect, .userdata = &got };

		for (size_t at = 0; at < stream.len; at += piece)
			assert_true(sse_feed(&sse, str_cut(str_from(stream, at), piece)));
		assert_string_equal(buf_text(&got.text), row->want);
		assert_string_equal(sse.last_id, row->last_id);
		buf_done(&got.text);
		sse_done(&sse);
	}
}

static void the_callback_can_stop(void **state)
{
	struct got got = { .stop_at = 1 };
	struct sse sse = { .event = collect, .userdata = &got };

	(void)state;
	assert_false(sse_feed(&sse, STR("data: a\n\ndata: b\n\n")));
	assert_string_equal(buf_text(&got.text), "message(a)");
	buf_done(&got.text);
	sse_done(&sse);
}

static void a_new_connection_forgets_what_was_half_read(void **state)
{
	struct got got = { 0 };
	struct sse sse = { .event = collect, .userdata = &got };

	(void)state;
	assert_true(sse_feed(&sse, STR("id: 1\ndata: a\n\nid: 2\nevent: alert\ndata: lost\nda")));
	sse_restart(&sse);
	assert_true(sse_feed(&sse, STR("data: b\n\n")));
	assert_string_equal(buf_text(&got.text), "message(a)message(b)");
	assert_string_equal(sse.last_id, "1");
	buf_done(&got.text);
	sse_done(&sse);
}

static void a_line_without_end_is_refused(void **state)
{
	static char block[1 << 20];
	struct got got = { 0 };
	struct sse sse = { .event = collect, .userdata = &got };
	bool good = true;

	(void)state;
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 16 && good; i++)
		good = sse_feed(&sse, (struct str){ block, sizeof(block) });
	assert_false(good);
	assert_true(sse.line.len <= 2 * SSE_LINE_MAX);
	sse_done(&sse);
}

int main(void)
{
	const struct CMUnitTest fixed[] = {
		cmocka_unit_test(the_callback_can_stop),
		cmocka_unit_test(a_new_connection_forgets_what_was_half_read),
		cmocka_unit_test(a_line_without_end_is_refused),
	};
	struct CMUnitTest tests[ARRAY_LEN(rows) + ARRAY_LEN(fixed)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = is_read,
			                        .initial_state = (void *)(uintptr_t)&rows[i] };
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		tests[ARRAY_LEN(rows) + i] = fixed[i];
	return cmocka_run_group_tests_name("server-sent events", tests, NULL, NULL);
}
