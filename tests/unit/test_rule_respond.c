/* Rules that respond: how `respond` is read, and what is told when it cannot be. */
#include "rules_fixture.h"

#include <errno.h>

#define RULE(name, respond)                                                                         \
	"- rule: " name "\n  desc: d\n  condition: evt.type=open\n  output: o\n  priority: INFO\n" respond

static const struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .match_all = true };

static void load_one(struct loaded *loaded, const char *yaml)
{
	load_texts(loaded, &settings, &(struct rules_text){ .name = "t.yaml", .text = str_of(yaml) }, 1);
}

static const struct bad_row {
	const char *respond;
	unsigned line;
	const char *text, *meant; /* a part of the error; what is suggested, NULL: nothing */
} bad_rows[] = {
	{ "  respond: dney\n", 6, "unknown action", "deny" },
	{ "  respond: [deny]\n", 6, "neither an action nor a mapping", NULL },
	{ "  respond: {errno: EPERM}\n", 6, "no mapping for key 'action'", NULL },
	{ "  respond:\n    action: deny\n    erno: EPERM\n", 8, "unknown key in 'respond'", NULL },
	{ "  respond:\n    action: deny\n    errno: EPREM\n", 8, "respond.errno is the name", "EPERM" },
	{ "  respond: {action: deny, errno: 13}\n", 6, "respond.errno is the name", NULL },
	{ "  respond:\n    action: kill\n    errno: EPERM\n", 8, "for deny", NULL },
	{ "  respond: {action: [deny]}\n", 6, "scalar", NULL },
	{ "  source: alert\n  respond: deny\n", 7, "source: syscall", NULL },
	{ "  respond: deny\n  opa: {url: 'http://h', path: a}\n", 6, "cannot respond", NULL },
};

static void an_error_has_its_place(void **state)
{
	const struct bad_row *row = *state;
	struct rules_settings with_alert = settings;
	struct loaded loaded;
	struct buf yaml = { 0 };

	with_alert.sources = rules_hub_sources;
	buf_add(&yaml, STR(RULE("r", "")));
	buf_add(&yaml, str_of(row->respond));
	load_texts(&loaded, &with_alert, &(struct rules_text){ .name = "t.yaml", .text = buf_str(&yaml) }, 1);
	assert_int_equal(loaded.result, -EINVAL);
	assert_non_null(strstr(loaded.report.notes[0].text, row->text));
	assert_int_equal(loaded.report.notes[0].line, row->line);
	if (row->meant != NULL)
		assert_string_equal(loaded.report.notes[0].did_you_mean, row->meant);
	loaded_done(&loaded);
	buf_done(&yaml);
}

static void expect(const struct loaded *loaded, size_t index, enum respond_action action, int error)
{
	struct rule_respond respond = rule_respond(rules_at(loaded->rules, index));

	assert_int_equal(respond.action, action);
	if (action == RESPOND_DENY)
		assert_int_equal(respond.error, error);
}

static void what_is_said_and_what_is_not(void **state)
{
	struct loaded loaded;
	struct buf text = { 0 };

	(void)state;
	load_one(&loaded, RULE("a", "  respond: deny\n") RULE("b", "  respond: {action: deny, errno: EACCES}\n")
				  RULE("c", "  respond: kill\n") RULE("d", "  respond: freeze\n")
					  RULE("e", "  respond: none\n") RULE("f", ""));
	assert_int_equal(loaded.result, 0);
	assert_int_equal(loaded.report.count, 0);
	expect(&loaded, 0, RESPOND_DENY, EPERM);
	expect(&loaded, 1, RESPOND_DENY, EACCES);
	expect(&loaded, 2, RESPOND_KILL, 0);
	expect(&loaded, 3, RESPOND_FREEZE, 0);
	expect(&loaded, 4, RESPOND_NONE, 0);
	expect(&loaded, 5, RESPOND_NONE, 0);
	for (size_t i = 0; i < 6; i++) {
		respond_add(rule_respond(rules_at(loaded.rules, i)), &text);
		buf_add_char(&text, ';');
	}
	assert_string_equal(buf_text(&text), "deny with EPERM;deny with EACCES;kill;freeze;;;");
	buf_done(&text);
	loaded_done(&loaded);
}

static void it_can_be_overridden(void **state)
{
	struct loaded loaded;

	(void)state;
	load_one(&loaded, RULE("a", "  respond: deny\n") "- rule: a\n  respond: kill\n  override: {respond: replace}\n"
			  RULE("b", "  respond: deny\n") RULE("b", "") RULE("c", "")
			  "- rule: c\n  respond: freeze\n  override: {respond: replace}\n"
			  RULE("d", "  respond: deny\n") "- rule: d\n  respond: none\n  override: {respond: replace}\n");
	assert_int_equal(loaded.result, 0);
	expect(&loaded, 0, RESPOND_KILL, 0);
	expect(&loaded, 1, RESPOND_NONE, 0);
	expect(&loaded, 2, RESPOND_FREEZE, 0);
	expect(&loaded, 3, RESPOND_NONE, 0);
	loaded_done(&loaded);
	load_one(&loaded, RULE("a", "") "- rule: a\n  respond: deny\n  override: {respond: append}\n");
	assert_int_equal(loaded.result, -EINVAL);
	assert_non_null(strstr(loaded.report.notes[0].text, "cannot be appended to"));
	loaded_done(&loaded);
}

static const char two[] = "- rule: first\n  desc: d\n  condition: evt.type=open\n  output: o\n  priority: INFO\n"
			  "- rule: worked\n  desc: d\n  condition: evt.type=open and evt.res=SUCCESS\n"
			  "  output: o\n  priority: INFO\n  respond: deny\n";

static void set_up(struct loaded *loaded, struct rules_settings how, struct event *event)
{
	load_texts(loaded, &how, &(struct rules_text){ .name = "t.yaml", .text = STR(two) }, 1);
	assert_int_equal(loaded->result, 0);
	assert_int_equal(event_init(event, fields_count(loaded->fields)), 0);
	event->source = STR("syscall");
	event_set(event, FIELD_EVT_TYPE, value_str(STR("open")));
	event_set(event, FIELD_EVT_RES, value_str(STR("EPERM")));
}

static void the_rule_that_responded_matches(void **state)
{
	struct rules_settings how = settings;
	const struct rule *hits[4];
	struct buf fields = { 0 };
	struct loaded loaded;
	struct event event;

	(void)state;
	set_up(&loaded, how, &event);
	assert_int_equal(rules_match(loaded.rules, loaded.scratch, &event, hits, 4), 1);
	event_set(&event, FIELD_RESPOND_RULE, value_str(STR("worked")));
	event_set(&event, FIELD_RESPOND_ACTION, value_str(STR("deny")));
	event_set(&event, FIELD_RESPOND_RESULT, value_str(STR("denied")));
	assert_int_equal(rules_match(loaded.rules, loaded.scratch, &event, hits, 4), 2);
	assert_true(str_eq(rule_name(hits[0]), STR("worked")));
	rules_format(loaded.rules, loaded.scratch, hits[0], &event, NULL, &fields);
	assert_non_null(strstr(buf_text(&fields), "\"respond.action\":\"deny\",\"respond.result\":\"denied\"}"));
	event_set(&event, FIELD_RESPOND_RULE, value_str(STR("first"))); /* it does not respond */
	assert_int_equal(rules_match(loaded.rules, loaded.scratch, &event, hits, 4), 1);
	buf_done(&fields);
	event_done(&event);
	loaded_done(&loaded);
	how.match_all = false;
	set_up(&loaded, how, &event);
	event_set(&event, FIELD_RESPOND_RULE, value_str(STR("worked")));
	assert_int_equal(rules_match(loaded.rules, loaded.scratch, &event, hits, 4), 1);
	assert_true(str_eq(rule_name(hits[0]), STR("worked")));
	event_done(&event);
	loaded_done(&loaded);
}

static void those_that_respond_can_be_had_alone(void **state)
{
	struct rules_settings how = settings;
	const struct rule *hits[4];
	struct loaded loaded;
	struct event event;

	(void)state;
	how.responding = true;
	set_up(&loaded, how, &event);
	assert_int_equal(rules_enabled_count(loaded.rules), 1);
	assert_int_equal(rules_match(loaded.rules, loaded.scratch, &event, hits, 4), 0);
	event_set(&event, FIELD_EVT_RES, value_str(STR("SUCCESS")));
	assert_int_equal(rules_match(loaded.rules, loaded.scratch, &event, hits, 4), 1);
	event_done(&event);
	loaded_done(&loaded);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(what_is_said_and_what_is_not),
		cmocka_unit_test(it_can_be_overridden),
		cmocka_unit_test(the_rule_that_responded_matches),
		cmocka_unit_test(those_that_respond_can_be_had_alone),
	};
	struct CMUnitTest tests[ARRAY_LEN(bad_rows) + ARRAY_LEN(plain)];

	for (size_t i = 0; i < ARRAY_LEN(bad_rows); i++)
		tests[i] = (struct CMUnitTest){ .name = bad_rows[i].text,
						    .test_func = an_error_has_its_place,
						    .initial_state = (void *)(uintptr_t)&bad_rows[i] };
	memcpy(tests + ARRAY_LEN(bad_rows), plain, sizeof(plain));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
