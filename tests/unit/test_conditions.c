/* Conditions as Falco reads them: what is refused, how it is spelt, which types it can meet, what
 * it matches. Corners only; the common road is in test_rules.c and the shared cases. */
#include "rules_fixture.h"

#include "rules/ast.h"

static const char *const refused[] = {
	"proc.aname[first] = sh",  "proc.apid[-1] = 1",
	"proc.args[last] = x",	   "proc.pid = len(proc.name)",
	"evt.num = val(proc.pid)", "fd.sport in (https, no-such-service)",
	"evt.cpu = val(proc.pid)", "user.uid = val(evt.num)",
	/* No event has such an argument, or only one that begins so. */
	"evt.arg.nosuch = 1",	   "evt.rawarg.nosuch = 1",
	"evt.arg.flagsfoo = 1",	   "evt.arg[first] = 1",
	"evt.rawarg[0] = 1",
	/* A raw argument has its type. */
	"evt.rawarg.flags contains 1", "evt.rawarg.uid = root",
	"evt.rawarg.exe_ino_ctime glob '/path/*'", "evt.rawarg.addr > 0",
	"evt.rawarg.tuple = 0",	   "evt.rawarg.data regex x",
	/* POSIX syntax has no more than this. */
	"proc.name regex '(?i)abc'", "proc.name regex '(?:a)b'", "proc.name regex '\\\\d+'",
	"proc.name regex 'a\\\\b'",  "proc.name regex '(a)\\\\1'",	"proc.name regex 'a(?!b)'",
	"proc.name regex '[[:foo:]]'", "proc.name regex '[z-a]'", "proc.name regex '[a-c-e]'",
	"proc.name regex 'a{1001}'", "proc.name regex '(a{100}){100}'", "proc.name regex '*a'",
	"proc.name regex 'a|{2}'",   "proc.name regex 'a)'",	"proc.name regex '(a'",
	"proc.name regex '[]'",	     "proc.name regex \"\\\\\"",
	"evt.rawarg.name bcontains 00", "toupper(evt.rawarg.name) = A",
};

static const char *const accepted[] = {
	"proc.aname[7] = sh",	    "proc.env[HOME] = /root",	 "fd.num = val(proc.pid)",
	"evt.num = len(proc.name)", "fd.sport in (https, 8080)",
	"proc.name regex 'a**'",    "proc.name regex '[]a]'",	 "proc.name regex '[-a]{2}'",
	"proc.name regex 'a{b}'",   "proc.name regex '[[.a.]'",  "proc.name regex '\\\\.\\\\x41\\\\12'",
	"evt.arg[0] = 1",	    "evt.arg.flags contains O_CREAT",
	"evt.rawarg.uid = 0",	    "evt.rawarg.size < -20",
	"evt.rawarg.addr exists",   "evt.rawarg.name glob '/path/*'",
	"evt.rawarg.data bcontains 00", "user.uid = val(group.gid)",
};

static const struct spelling {
	const char *written, *canonical;
} spellings[] = {
	{ "a.b==c", "a.b == c" },
	{ "a.b=c", "a.b = c" },
	{ "a.b == anyof ( c,d )", "a.b == anyof (c, d)" },
	{ "a.b in some_list", "a.b in some_list" },
	{ "a.b endswith oneof some_list", "a.b endswith oneof some_list" },
	{ "a.b in (one)", "a.b in (one)" },
	{ "a.b = 'c\\ d'", "a.b = \"c\\\\d\"" },
};

static const struct reach {
	const char *condition;
	bool openat, close;
} reaches[] = {
	{ "evt.type exists", true, true },
	{ "not evt.type exists", false, false },
	{ "evt.type in ()", false, false },
	{ "not evt.type in ()", true, true },
	{ "evt.type=openat and evt.type exists", true, false },
	{ "not (proc.name=x or evt.type=openat)", false, true },
};

static const struct outcome {
	const char *condition, *event;
	bool matches;
} outcomes[] = {
	/* An argument that was given counts, also an empty one. */
	{ "getopt((\"-o\", \"\", \"-v\"), \"o:v\") intersects (\"o\")", "{}", true },
	{ "len(getopt((\"-o\", \"\", \"-v\"), \"o:v\")) = 3", "{}", true },
	/* One that is missing leaves nothing but an empty text. */
	{ "getopt((\"-v\", \"-o\"), \"o:v\") intersects (\"o\")", "{}", false },
	{ "len(getopt((\"-v\", \"-o\"), \"o:v\")) = 2", "{}", true },
	{ "fd.sport in (https, 8080)", "{\"fd.sport\":443}", true },
	/* Raw arguments compare as numbers, and as Falco prints them. */
	{ "evt.rawarg.size < 60", "{\"evt.rawarg.size\":7}", true },
	{ "evt.rawarg.flags = 512", "{\"evt.rawarg.flags\":\"200\"}", true },
	{ "evt.rawarg.mode = 420", "{\"evt.rawarg.mode\":\"644\"}", true },
	{ "evt.rawarg.pgid in (0)", "{}", false },
	/* Expressions: lines count for anchors, a new line is no character for a dot, operators stack. */
	{ "proc.args regex 'a$[^x]*'", "{\"proc.args\":\"a\\nb\"}", true },
	{ "proc.args regex '[^x]*^b'", "{\"proc.args\":\"a\\nb\"}", true },
	{ "proc.args regex 'a.b'", "{\"proc.args\":\"a\\nb\"}", false },
	{ "proc.args regex 'a$'", "{\"proc.args\":\"a\\n\"}", false },
	{ "proc.args regex '(ab)+?'", "{\"proc.args\":\"abab\"}", true },
	{ "proc.args regex 'a*+b'", "{\"proc.args\":\"aab\"}", true },
	{ "proc.args regex 'a{2}{3}'", "{\"proc.args\":\"aaaaaa\"}", true },
	{ "proc.args regex 'a{,2}'", "{\"proc.args\":\"a{,2}\"}", true },
	{ "proc.args regex '[[:^alpha:]-]+'", "{\"proc.args\":\"1-2\"}", true },
	{ "proc.args regex '\\\\x{e9}.'", "{\"proc.args\":\"\u00e9\u00fc\"}", true },
	{ "proc.args regex '[a\u00e0-\u00ff]+'", "{\"proc.args\":\"\u00e9a\"}", true },
	{ "user.uid = -1", "{\"user.uid\":4294967295}", true },
	{ "fd.dev = 2049", "{\"fd.dev\":\"801\"}", true },
	{ "proc.name in sh", "{\"proc.name\":\"sh\"}", true },
	{ "proc.name == sh", "{\"proc.name\":\"sh\"}", true },
};

static void what_no_type_can_meet_is_refused(void **state)
{
	struct loaded loaded;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		load_condition(&loaded, str_of(refused[i]), "o");
		if (loaded.result == 0)
			print_message("# loads: %s\n", refused[i]);
		assert_int_not_equal(loaded.result, 0);
		loaded_done(&loaded);
	}
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		load_condition(&loaded, str_of(accepted[i]), "o");
		if (loaded.result != 0)
			print_message("# %s", report_text(&loaded));
		assert_int_equal(loaded.result, 0);
		loaded_done(&loaded);
	}
}

static void a_number_is_a_minor_engine_version(void **state)
{
	struct rules_settings settings = { .priority_max = PRIORITY_DEBUG };
	struct rules_text file = { .name = "v.yaml",
				   .text = STR("- required_engine_version: 7000\n") };
	struct loaded loaded;

	(void)state;
	load_texts(&loaded, &settings, &file, 1);
	assert_int_not_equal(loaded.result, 0);
	assert_non_null(strstr(report_text(&loaded), "require engine version 0.7000.0, but"));
	loaded_done(&loaded);
}

static void a_condition_keeps_its_spelling(void **state)
{
	struct parse_error error;
	struct buf out = { 0 };
	struct arena arena;
	struct ast *ast;

	(void)state;
	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
		assert_int_equal(ast_parse(str_of(spellings[i].written), 100, &arena, &ast, &error),
				 0);
		buf_clear(&out);
		ast_print(&out, ast);
		assert_string_equal(buf_text(&out), spellings[i].canonical);
	}
	buf_done(&out);
	arena_done(&arena);
}

static void types_follow_the_algebra(void **state)
{
	struct loaded loaded;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(reaches); i++) {
		load_condition(&loaded, str_of(reaches[i].condition), "o");
		assert_int_equal(loaded.result, 0);
		assert_int_equal(rule_wants_type(rules_at(loaded.rules, 0), STR("openat")),
				 reaches[i].openat);
		assert_int_equal(rule_wants_type(rules_at(loaded.rules, 0), STR("close")),
				 reaches[i].close);
		loaded_done(&loaded);
	}
}

static void corners_match(void **state)
{
	const struct rule *hits[8];
	struct loaded loaded;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
		load_condition(&loaded, str_of(outcomes[i].condition), "o");
		assert_int_equal(loaded.result, 0);
		if (match_json(&loaded, outcomes[i].event, hits) != outcomes[i].matches)
			fail_msg("%s", outcomes[i].condition);
		loaded_done(&loaded);
	}
}

static void a_pid_without_a_number_is_the_processs_own(void **state)
{
	const char *event = "{\"proc.pid\":40,\"proc.apid[1]\":30,\"proc.apid[2]\":1,"
			    "\"proc.aname[1]\":\"sh\",\"proc.aname[2]\":\"init\"}";
	json_t *json = json_loads(event, 0, NULL);
	struct buf output = { 0 }, fields = { 0 };
	struct loaded loaded;
	struct arena arena;
	struct event one;

	(void)state;
	arena_init(&arena, 1 << 20);
	load_condition(&loaded, STR("proc.pid exists"), "%proc.apid of %proc.aname");
	assert_int_equal(loaded.result, 0);
	assert_int_equal(event_init(&one, fields_count(loaded.fields)), 0);
	event_fill(&one, loaded.fields, json, &arena);
	rules_format(loaded.rules, loaded.scratch, rules_at(loaded.rules, 0), &one, &output,
		     &fields);
	assert_non_null(strstr(buf_text(&output), " 40 of sh init"));
	assert_non_null(strstr(buf_text(&fields), "\"proc.apid\":40"));
	event_done(&one);
	loaded_done(&loaded);
	buf_done(&output);
	buf_done(&fields);
	arena_done(&arena);
	json_decref(json);
}

static void numbers_are_printed_in_their_base(void **state)
{
	const char *event = "{\"fd.dev\":2058,\"evt.rawarg.flags\":255,\"evt.rawarg.mode\":420,"
			    "\"evt.rawarg.pid\":7,\"evt.rawtime.ns\":12}";
	json_t *json = json_loads(event, 0, NULL);
	struct buf output = { 0 }, fields = { 0 };
	struct loaded loaded;
	struct arena arena;
	struct event one;

	(void)state;
	arena_init(&arena, 1 << 20);
	load_condition(&loaded, STR("fd.dev exists"),
		       "%fd.dev %evt.rawarg.flags %evt.rawarg.mode %evt.rawarg.pid %evt.rawtime.ns");
	assert_int_equal(loaded.result, 0);
	assert_int_equal(event_init(&one, fields_count(loaded.fields)), 0);
	event_fill(&one, loaded.fields, json, &arena);
	rules_format(loaded.rules, loaded.scratch, rules_at(loaded.rules, 0), &one, &output,
		     &fields);
	assert_non_null(strstr(buf_text(&output), " 80A FF 644 7 000000012"));
	assert_non_null(strstr(buf_text(&fields), "\"fd.dev\":\"80A\",\"evt.rawarg.flags\":\"FF\","
						  "\"evt.rawarg.mode\":\"644\",\"evt.rawarg.pid\":7,"
						  "\"evt.rawtime.ns\":\"000000012\""));
	event_done(&one);
	loaded_done(&loaded);
	buf_done(&output);
	buf_done(&fields);
	arena_done(&arena);
	json_decref(json);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{ .name = "what no type can meet is refused",
		  .test_func = what_no_type_can_meet_is_refused },
		{ .name = "a number is a minor engine version",
		  .test_func = a_number_is_a_minor_engine_version },
		{ .name = "a condition keeps its spelling",
		  .test_func = a_condition_keeps_its_spelling },
		{ .name = "types follow the algebra of sets",
		  .test_func = types_follow_the_algebra },
		{ .name = "corners match", .test_func = corners_match },
		{ .name = "numbers are printed in their base",
		  .test_func = numbers_are_printed_in_their_base },
		{ .name = "a pid without a number is the process's own",
		  .test_func = a_pid_without_a_number_is_the_processs_own },
	};

	return cmocka_run_group_tests_name("conditions", tests, NULL, NULL);
}
