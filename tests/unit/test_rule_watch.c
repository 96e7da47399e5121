/* Hub-only rules as the library has them: how they are read, and which of them an event feeds. */
#include "rules_fixture.h"

#include "rules/watch.h"

#include <errno.h>

#define HEAD(kind, name) "- " kind ": " name "\n  desc: d\n  output: o\n  priority: INFO\n"
#define OPEN		 "  condition: evt.type=open\n"

static const char all_kinds[] =
	"- macro: opens\n  condition: evt.type in (some)\n"
	"- list: some\n  items: [open, openat]\n"
	"- rule: plain\n  desc: d\n  output: o\n  priority: INFO\n  condition: opens\n"
	"- threshold: t\n  desc: d\n  condition: opens\n  count: 3\n  within: 60s\n"
	"  by: [hostname, user.name]\n  output: \"%watch.count of %user.name\"\n  priority: INFO\n"
	HEAD("sequence", "s") "  within: 1m\n  by: hostname\n"
	"  steps:\n    - condition: opens and fd.name=/a\n    - {name: second, condition: evt.type=connect}\n"
	HEAD("distinct", "d") OPEN "  of: fd.name\n  count: 2\n  within: 1h\n"
	HEAD("first_seen", "f") OPEN "  of: [fd.name]\n  by: [user.name]\n  within: 1d\n  learn: 500ms\n"
	HEAD("absent", "a") "  condition: evt.type=close\n  within: 5m\n";

static struct rules_settings all_rules(void)
{
	return (struct rules_settings){ .priority_max = PRIORITY_DEBUG, .match_all = true };
}

static void load_one(struct loaded *loaded, const struct rules_settings *settings, const char *yaml)
{
	load_texts(loaded, settings, &(struct rules_text){ .name = "t.yaml", .text = str_of(yaml) },
		   1);
}

/* The names of what an event feeds, rules that it matches before a bar. */
static const char *fed_by(struct loaded *loaded, const char *json)
{
	static struct buf out;
	const struct rule *rules[8];
	struct watch_hit hits[8];
	struct arena arena;
	struct event event;
	json_t *object = json_loads(json, 0, NULL);
	size_t count;

	buf_clear(&out);
	arena_init(&arena, 1 << 20);
	assert_int_equal(event_init(&event, fields_count(loaded->fields)), 0);
	event.hostname = STR("n1");
	event_fill(&event, loaded->fields, object, &arena);
	count = rules_match(loaded->rules, loaded->scratch, &event, rules, 8);
	for (size_t i = 0; i < count; i++)
		buf_addf(&out, "%.*s ", STR_ARG(rule_name(rules[i])));
	buf_add_char(&out, '|');
	count = rules_match_watches(loaded->rules, loaded->scratch, &event, hits, 8);
	for (size_t i = 0; i < count; i++) {
		struct buf by = { 0 }, of = { 0 };

		rules_watch_keys(loaded->scratch, hits[i].rule, &event, &by, &of);
		buf_addf(&out, " %.*s:%u%.*s%.*s", STR_ARG(rule_name(hits[i].rule)), hits[i].steps,
			 STR_ARG(buf_str(&by)), of.len > 0 ? (int)of.len : 0, of.len > 0 ? of.at : "");
		buf_done(&by);
		buf_done(&of);
	}
	event_done(&event);
	arena_done(&arena);
	json_decref(object);
	return buf_text(&out);
}

static void an_event_feeds_what_it_matches(void **state)
{
	struct rules_settings settings = all_rules();
	const struct rule_watch *watch;
	struct loaded loaded;
	bool wants_close = false;
	size_t cursor = 0;
	struct str type;

	(void)state;
	load_one(&loaded, &settings, all_kinds);
	assert_string_equal(report_text(&loaded), "");
	assert_int_equal(loaded.result, 0);
	assert_int_equal(rules_count(loaded.rules), 6);
	assert_string_equal(fed_by(&loaded, "{\"evt.type\":\"open\",\"fd.name\":\"/a\",\"user.name\":\"bob\"}"),
			    "plain | t:0{\"hostname\":\"n1\",\"user.name\":\"bob\"} s:1{\"hostname\":\"n1\"}"
			    " d:0{}{\"fd.name\":\"/a\"} f:0{\"user.name\":\"bob\"}{\"fd.name\":\"/a\"}");
	assert_string_equal(fed_by(&loaded, "{\"evt.type\":\"connect\"}"), "| s:2{\"hostname\":\"n1\"}");
	assert_string_equal(fed_by(&loaded, "{\"evt.type\":\"close\"}"), "| a:0{}");
	assert_string_equal(fed_by(&loaded, "{\"evt.type\":\"read\"}"), "|");
	watch = rule_watch(rule_named(&loaded, "t"));
	assert_int_equal(watch->kind, WATCH_THRESHOLD);
	assert_int_equal(watch->count, 3);
	assert_int_equal(watch->within_ns, 60000000000);
	assert_int_equal(rule_watch(rule_named(&loaded, "f"))->learn_ns, 500000000);
	assert_int_equal(rule_watch(rule_named(&loaded, "s"))->steps, 2);
	assert_null(rule_watch(rule_named(&loaded, "plain")));
	while (rules_next_type(loaded.rules, &cursor, &type))
		wants_close |= str_eq(type, STR("close"));
	assert_true(wants_close);
	assert_true(rules_wants_type(loaded.rules, STR("connect")));
	loaded_done(&loaded);
}

static const struct bad_row {
	const char *yaml;
	unsigned line, column;
	const char *text; /* a part of the error */
} bad_rows[] = {
	{ HEAD("threshold", "t") OPEN "  within: 1s\n", 1, 3, "no mapping for key 'count'" },
	{ HEAD("threshold", "t") OPEN "  count: 0\n  within: 1s\n", 6, 10, "from 1 to 1000" },
	{ HEAD("threshold", "t") OPEN "  count: x\n  within: 1s\n", 6, 10, "from 1 to 1000" },
	{ HEAD("threshold", "t") OPEN "  count: 2\n  within: soon\n", 7, 11, "not a duration" },
	{ HEAD("threshold", "t") OPEN "  count: 2\n  within: 91d\n", 7, 11, "not a duration" },
	{ HEAD("threshold", "t") OPEN "  count: 2\n  within: 1s\n  by: [hostname, usr.name]\n", 8, 18, "usr.name" },
	{ HEAD("threshold", "t") "  condition: evt.typ=open\n  count: 2\n  within: 1s\n", 5, 14, "evt.typ" },
	{ HEAD("sequence", "s") "  within: 1s\n  steps: [{condition: evt.type=open}]\n", 6, 10, "2 to 8" },
	{ HEAD("sequence", "s") "  within: 1s\n  steps:\n  - condition: evt.type=open\n  - condition: evt.tpe=open\n", 8, 16,
	  "evt.tpe" },
	{ HEAD("sequence", "s") "  within: 1s\n  steps:\n  - x\n  - y\n", 7, 5, "a step is a mapping" },
	{ HEAD("distinct", "d") OPEN "  count: 2\n  within: 1s\n", 1, 3, "no mapping for key 'of'" },
	{ HEAD("distinct", "d") OPEN "  count: 2\n  within: 1s\n  of: []\n", 8, 7, "names no field" },
	{ HEAD("absent", "a") OPEN, 1, 3, "no mapping for key 'within'" },
	{ HEAD("rule", "r") OPEN HEAD("threshold", "r") OPEN "  count: 2\n  within: 1s\n", 6, 14, "rule of this name" },
	{ HEAD("rule", "r") OPEN "- rule: r\n  override: {count: replace}\n", 7, 14, "'count' cannot be" },
	{ "- rule: r\n  desc: d\n  output: '%watch.count'\n  priority: INFO\n" OPEN, 3, 13, "watch.count" },
};

static void an_error_has_its_place(void **state)
{
	const struct bad_row *row = *state;
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	load_one(&loaded, &settings, row->yaml);
	assert_int_equal(loaded.result, -EINVAL);
	if (strstr(loaded.report.notes[0].text, row->text) == NULL || loaded.report.notes[0].line != row->line ||
	    loaded.report.notes[0].column != row->column)
		fail_msg("wanted %u:%u %s\n%s", row->line, row->column, row->text, report_text(&loaded));
	loaded_done(&loaded);
}

static void they_are_changed_and_chosen_like_rules(void **state)
{
	const struct rules_choice off = { .by_tag = true, .pattern = "noisy" };
	struct rules_settings settings = all_rules();
	const struct rule_watch *watch;
	struct loaded loaded;
	uint64_t version;

	(void)state;
	load_one(&loaded, &settings, HEAD("threshold", "t") OPEN "  count: 2\n  within: 1s\n  tags: [noisy]\n");
	assert_int_equal(loaded.result, 0);
	version = rule_watch(rules_at(loaded.rules, 0))->version;
	loaded_done(&loaded);

	load_one(&loaded, &settings, HEAD("threshold", "t") OPEN "  count: 2\n  within: 1s\n"
		 "- threshold: t\n  count: 9\n  condition: and fd.name=/x\n  priority: ERROR\n"
		 "  override: {count: replace, condition: append, priority: replace}\n");
	assert_string_equal(report_text(&loaded), "");
	assert_int_equal(loaded.result, 0);
	watch = rule_watch(rules_at(loaded.rules, 0));
	assert_int_equal(watch->count, 9);
	assert_true(watch->version != version);
	assert_string_equal(fed_by(&loaded, "{\"evt.type\":\"open\",\"fd.name\":\"/a\"}"), "|");
	assert_string_equal(fed_by(&loaded, "{\"evt.type\":\"open\",\"fd.name\":\"/x\"}"), "| t:0{}");
	loaded_done(&loaded);

	settings.choices = &off;
	settings.choices_count = 1;
	load_one(&loaded, &settings, HEAD("threshold", "t") OPEN "  count: 2\n  within: 1s\n  tags: [noisy]\n");
	assert_int_equal(loaded.result, 0);
	assert_string_equal(fed_by(&loaded, "{\"evt.type\":\"open\"}"), "|");
	assert_false(rules_wants_type(loaded.rules, STR("open")));
	loaded_done(&loaded);
}

static void exceptions_hold_for_every_step(void **state)
{
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	(void)state;
	load_one(&loaded, &settings,
		 HEAD("sequence", "s") "  within: 1s\n  steps: [{condition: evt.type=open}, {condition: evt.type=close}]\n"
		 "  exceptions:\n  - {name: e, fields: proc.name, values: [cron]}\n");
	assert_string_equal(report_text(&loaded), "");
	assert_string_equal(fed_by(&loaded, "{\"evt.type\":\"open\",\"proc.name\":\"sh\"}"), "| s:1{}");
	assert_string_equal(fed_by(&loaded, "{\"evt.type\":\"open\",\"proc.name\":\"cron\"}"), "|");
	loaded_done(&loaded);
}

static void an_unknown_key_is_told(void **state)
{
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	(void)state;
	load_one(&loaded, &settings, HEAD("absent", "a") OPEN "  within: 1s\n  buy: hostname\n");
	assert_int_equal(loaded.result, 0);
	assert_int_equal(loaded.report.count, 1);
	assert_int_equal(loaded.report.notes[0].line, 7);
	assert_string_equal(loaded.report.notes[0].did_you_mean, "by");
	loaded_done(&loaded);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(bad_rows) + 4] = {
		cmocka_unit_test(an_event_feeds_what_it_matches),
		cmocka_unit_test(they_are_changed_and_chosen_like_rules),
		cmocka_unit_test(exceptions_hold_for_every_step),
		cmocka_unit_test(an_unknown_key_is_told),
	};

	for (size_t i = 0; i < ARRAY_LEN(bad_rows); i++)
		tests[4 + i] = (struct CMUnitTest){
			.name = bad_rows[i].text,
			.test_func = an_error_has_its_place,
			.initial_state = (void *)(uintptr_t)&bad_rows[i],
		};
	return cmocka_run_group_tests_name("rule_watch", tests, NULL, NULL);
}
