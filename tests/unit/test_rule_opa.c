/* Rules that delegate their verdict: how `opa` is read, and what matching makes of such rules. */
#include "rules_fixture.h"

#include <errno.h>

#define RULE(name, opa)                                                                             \
	"- rule: " name "\n  desc: d\n  condition: evt.type=open\n  output: o\n  priority: INFO\n" opa

static struct rules_settings all_rules(void)
{
	return (struct rules_settings){ .priority_max = PRIORITY_DEBUG, .match_all = true };
}

static void load_one(struct loaded *loaded, const struct rules_settings *settings, const char *yaml)
{
	load_texts(loaded, settings, &(struct rules_text){ .name = "t.yaml", .text = str_of(yaml) },
		   1);
}

static const struct bad_row {
	const char *opa;
	unsigned line;
	const char *text; /* a part of the error */
} bad_rows[] = {
	{ "  opa: x\n", 6, "not a mapping" },
	{ "  opa: {path: a/b}\n", 6, "no mapping for key 'url'" },
	{ "  opa: {url: 'http://h:1'}\n", 6, "no mapping for key 'path'" },
	{ "  opa:\n    url: http://h:1\n    path: a/b\n    on_eror: pass\n", 9, "unknown key in 'opa'" },
	{ "  opa: {url: 'ftp://h', path: a}\n", 6, "opa.url is none of" },
	{ "  opa: {url: 'http://u:p@h', path: a}\n", 6, "use 'token'" },
	{ "  opa: {url: 'http://h?x=1', path: a}\n", 6, "opa.url is a host" },
	{ "  opa: {url: 'http://', path: a}\n", 6, "opa.url is none of" },
	{ "  opa: {url: 'unix:relative', path: a}\n", 6, "a socket is" },
	{ "  opa: {url: 'http://h', path: 'a b'}\n", 6, "opa.path" },
	{ "  opa: {url: 'http://h', path: 'v1/data/'}\n", 6, "opa.path" },
	{ "  opa: {url: 'http://h', path: a, on_error: maybe}\n", 6, "opa.on_error" },
	{ "  opa: {url: 'http://h', path: a, timeout: 11s}\n", 6, "opa.timeout" },
	{ "  opa: {url: 'http://h', path: a, timeout: 0}\n", 6, "opa.timeout" },
	{ "  opa: {url: 'http://h', path: a, cache: 25h}\n", 6, "opa.cache" },
	{ "  opa:\n    url: http://h\n    path: a\n    token: hunter2\n", 1, "opa.token" },
	{ "  opa: {url: 'http://h', path: a, input: []}\n", 6, "opa.input is empty" },
	{ "  opa: {url: 'http://h', path: a, input: x}\n", 6, "not a sequence" },
	{ "  opa:\n    url: http://h\n    path: a\n    input: [proc.name, proc.nme]\n", 9, "proc.nme" },
	{ "  opa: {url: 'http://h', path: a, input: ['%proc.name']}\n", 6, "opa.input" },
};

static void an_error_has_its_place(void **state)
{
	const struct bad_row *row = *state;
	struct rules_settings settings = all_rules();
	struct loaded loaded;
	struct buf yaml = { 0 };

	buf_add(&yaml, STR(RULE("r", "")));
	buf_add(&yaml, str_of(row->opa));
	load_one(&loaded, &settings, buf_text(&yaml));
	assert_int_equal(loaded.result, -EINVAL);
	assert_non_null(strstr(loaded.report.notes[0].text, row->text));
	assert_int_equal(loaded.report.notes[0].line, row->line);
	assert_null(strstr(report_text(&loaded), "hunter2"));
	loaded_done(&loaded);
	buf_done(&yaml);
}

static void what_is_said_and_what_is_not(void **state)
{
	struct rules_settings settings = all_rules();
	const struct rule_opa *opa;
	struct loaded loaded;

	(void)state;
	load_one(&loaded, &settings,
		 RULE("a", "  opa: {url: 'http://opa:8181/', path: tocsin/deny}\n")
		 RULE("b", "  opa: {url: 'unix:///run/opa.sock', path: /v1/data/x/y, on_error: pass,"
			   " timeout: 1s, cache: off, token: 'env:T'}\n")
		 RULE("c", ""));
	assert_int_equal(loaded.result, 0);
	assert_int_equal(loaded.report.count, 0);
	opa = rule_opa(rules_at(loaded.rules, 0));
	assert_string_equal(opa->url, "http://opa:8181");
	assert_string_equal(opa->path, "tocsin/deny");
	assert_null(opa->unix_socket);
	assert_null(opa->token);
	assert_false(opa->on_error_pass);
	assert_true(opa->all_fields);
	assert_int_equal(opa->timeout_ms, 500);
	assert_int_equal(opa->cache_ms, 60000);
	opa = rule_opa(rules_at(loaded.rules, 1));
	assert_string_equal(opa->unix_socket, "/run/opa.sock");
	assert_string_equal(opa->path, "x/y");
	assert_string_equal(opa->token, "env:T");
	assert_true(opa->on_error_pass);
	assert_int_equal(opa->timeout_ms, 1000);
	assert_int_equal(opa->cache_ms, 0);
	assert_null(rule_opa(rules_at(loaded.rules, 2)));
	loaded_done(&loaded);
}

static void it_can_be_overridden(void **state)
{
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	(void)state;
	load_one(&loaded, &settings,
		 RULE("a", "  opa: {url: 'http://one', path: a}\n")
		 "- rule: a\n  opa: {url: 'http://two', path: b}\n  override: {opa: replace}\n"
		 RULE("b", "  opa: {url: 'http://one', path: a}\n") RULE("b", ""));
	assert_int_equal(loaded.result, 0);
	assert_string_equal(rule_opa(rules_at(loaded.rules, 0))->url, "http://two");
	assert_null(rule_opa(rules_at(loaded.rules, 1)));
	loaded_done(&loaded);
	load_one(&loaded, &settings,
		 RULE("a", "") "- rule: a\n  opa: {url: 'http://two', path: b}\n"
			       "  override: {opa: append}\n");
	assert_int_equal(loaded.result, -EINVAL);
	assert_non_null(strstr(loaded.report.notes[0].text, "cannot be appended to"));
	loaded_done(&loaded);
}

static void the_named_fields_are_asked_for(void **state)
{
	struct rules_settings settings = all_rules();
	struct buf out = { 0 };
	struct loaded loaded;
	struct arena arena;
	struct event event;
	size_t cursor = 0;
	bool wanted = false;
	field_id id;

	(void)state;
	load_one(&loaded, &settings,
		 RULE("a", "  opa: {url: 'http://one', path: a,"
			   " input: [proc.name, fd.num, 'proc.aname[2]', user.name]}\n"));
	assert_int_equal(loaded.result, 0);
	while (rules_next_field(loaded.rules, &cursor, &id))
		wanted |= str_eq(fields_name(loaded.fields, id), STR("user.name"));
	assert_true(wanted);
	arena_init(&arena, 1 << 20);
	assert_int_equal(event_init(&event, fields_count(loaded.fields)), 0);
	event_set(&event, fields_find(loaded.fields, STR("proc.name")), value_str(STR("a\"b")));
	event_set(&event, fields_find(loaded.fields, STR("fd.num")), value_i64(7));
	rules_opa_fields(loaded.rules, loaded.scratch, rules_at(loaded.rules, 0), &event, &out);
	assert_string_equal(buf_text(&out), "{\"proc.name\":\"a\\\"b\",\"fd.num\":7,"
					    "\"proc.aname[2]\":null,\"user.name\":null}");
	event_done(&event);
	arena_done(&arena);
	buf_done(&out);
	loaded_done(&loaded);
}

static size_t match_open(struct loaded *loaded, const struct rule **hits)
{
	struct event event;
	size_t count;

	assert_int_equal(event_init(&event, fields_count(loaded->fields)), 0);
	event.source = STR("syscall");
	event_set(&event, fields_find(loaded->fields, STR("evt.type")), value_str(STR("open")));
	count = rules_match(loaded->rules, loaded->scratch, &event, hits, 8);
	event_done(&event);
	return count;
}

static void who_delegates_does_not_end_the_search(void **state)
{
	struct rules_settings settings = all_rules();
	const struct rule *hits[8];
	struct loaded loaded;

	(void)state;
	settings.match_all = false;
	load_one(&loaded, &settings,
		 RULE("a", "  opa: {url: 'http://one', path: a}\n") RULE("b", "") RULE("c", ""));
	assert_int_equal(match_open(&loaded, hits), 2);
	assert_true(str_eq(rule_name(hits[0]), STR("a")));
	assert_true(str_eq(rule_name(hits[1]), STR("b")));
	loaded_done(&loaded);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		{ .name = "what is said and what is not",
		  .test_func = what_is_said_and_what_is_not },
		{ .name = "it can be overridden", .test_func = it_can_be_overridden },
		{ .name = "the named fields are asked for",
		  .test_func = the_named_fields_are_asked_for },
		{ .name = "who delegates does not end the search",
		  .test_func = who_delegates_does_not_end_the_search },
	};
	struct CMUnitTest tests[ARRAY_LEN(bad_rows) + ARRAY_LEN(plain)];

	for (size_t i = 0; i < ARRAY_LEN(bad_rows); i++)
		tests[i] = (struct CMUnitTest){ .name = bad_rows[i].text,
						.test_func = an_error_has_its_place,
						.initial_state = (void *)(uintptr_t)&bad_rows[i] };
	memcpy(tests + ARRAY_LEN(bad_rows), plain, sizeof(plain));
	return cmocka_run_group_tests_name("rule opa", tests, NULL, NULL);
}
