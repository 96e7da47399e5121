/* The rule engine by its front door: loading, places of errors, matching, texts, what sensors need.
 */
#include "rules_fixture.h"

#include "rules/eval.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static struct rules_settings all_rules(void)
{
	return (struct rules_settings){ .priority_max = PRIORITY_DEBUG, .match_all = true };
}

static void load_one(struct loaded *loaded, const struct rules_settings *settings, const char *yaml)
{
	load_texts(loaded, settings, &(struct rules_text){ .name = "t.yaml", .text = str_of(yaml) },
		   1);
}

/* Places of errors */

static const struct place_row {
	const char *name;
	const char *yaml;
	enum rules_code code;
	unsigned line, column;
	const char *text; /* a part of it */
} place_rows[] = {
	{ "an unknown field is shown where it stands",
	  "- rule: r\n  desc: d\n  condition: evt.type=open and proc.nam=cat\n  output: o\n  "
	  "priority: INFO\n",
	  RULES_ERR_COMPILE_CONDITION, 3, 32, "Did you mean 'proc.name'?" },
	{ "so it is on the third line of a folded condition",
	  "- rule: r\n  desc: d\n  condition: >\n    evt.type=open\n    and proc.nam=cat\n  "
	  "output: o\n"
	  "  priority: INFO\n",
	  RULES_ERR_COMPILE_CONDITION, 5, 9, "nonexistent field" },
	{ "and behind a list that was filled in",
	  "- list: l\n  items: [aaaa, bbbb, cccc]\n- rule: r\n  desc: d\n"
	  "  condition: proc.name in (l) and fd.num=x\n  output: o\n  priority: INFO\n",
	  RULES_ERR_COMPILE_CONDITION, 5, 42, "not a whole decimal number" },
	{ "and in what another item appended",
	  "- rule: r\n  desc: d\n  condition: evt.type=open\n  output: o\n  priority: INFO\n"
	  "- rule: r\n  condition: and x.y = 1\n  override: {condition: append}\n",
	  RULES_ERR_COMPILE_CONDITION, 7, 18, "nonexistent field x.y" },
	{ "an unknown field of an output",
	  "- rule: r\n  desc: d\n  condition: evt.type=open\n  output: a %proc.nme b\n  priority: "
	  "INFO\n",
	  RULES_ERR_COMPILE_OUTPUT, 4, 0, "unknown filter: proc.nme" },
	{ "a macro that is nearly there",
	  "- macro: spawned\n  condition: evt.type=execve\n- rule: r\n  desc: d\n  condition: "
	  "spwned\n"
	  "  output: o\n  priority: INFO\n",
	  RULES_ERR_VALIDATE, 5, 14, "Did you mean 'spawned'?" },
	{ "bad YAML", "- rule: [\n", RULES_ERR_YAML_PARSE, 2, 1, "" },
	{ "a loop of macros",
	  "- macro: a\n  condition: b\n- macro: b\n  condition: a\n- macro: a\n  condition: b\n",
	  RULES_ERR_VALIDATE, 0, 0, "reference loop" },
	{ "a macro sees itself only when it is there before", "- macro: a\n  condition: a\n",
	  RULES_ERR_VALIDATE, 2, 14, "Undefined macro 'a'" },
	{ "a list of nothing", "- list: l\n  items: [~]\n", RULES_ERR_YAML_VALIDATE, 2, 11,
	  "sequence value is not scalar" },
	{ "plugins that are no sequence", "- required_plugin_versions: container\n", RULES_ERR_YAML_VALIDATE, 0, 0,
	  "Value of required_plugin_versions must be a sequence" },
	{ "a plugin that is no mapping", "- required_plugin_versions: [container]\n", RULES_ERR_YAML_VALIDATE, 0, 0,
	  "Plugin version must be a mapping" },
	{ "alternatives that are no sequence",
	  "- required_plugin_versions: [{name: container, version: 0.4.0, alternatives: x}]\n",
	  RULES_ERR_YAML_VALIDATE, 0, 0, "Value of plugin version alternatives must be a sequence" },
	{ "an alternative that is no mapping",
	  "- required_plugin_versions: [{name: container, version: 0.4.0, alternatives: [x]}]\n",
	  RULES_ERR_YAML_VALIDATE, 0, 0, "Plugin version alternative must be a mapping" },
	{ "an exception's value that is no tuple",
	  "- rule: r\n  desc: d\n  condition: evt.type=open\n  output: o\n  priority: INFO\n"
	  "  exceptions: [{name: e, fields: [proc.name], values: [x]}]\n",
	  RULES_ERR_VALIDATE, 0, 0, "Fields and values lists must have equal length" },
	{ "a bad exception",
	  "- rule: r\n  desc: d\n  condition: evt.type=open\n  output: o\n  priority: INFO\n  "
	  "exceptions:\n"
	  "    - name: e\n      fields: [proc.name]\n      comps: [like]\n",
	  RULES_ERR_VALIDATE, 9, 15, "'like' is not a supported comparison operator" },
};

static void error_has_its_place(void **state)
{
	const struct place_row *row = *state;
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	load_one(&loaded, &settings, row->yaml);
	assert_int_equal(loaded.result, -EINVAL);
	assert_true(loaded.report.count > 0);
	assert_string_equal(rules_code_name(loaded.report.notes[0].code),
			    rules_code_name(row->code));
	assert_non_null(strstr(loaded.report.notes[0].text, row->text));
	if (row->line > 0)
		assert_int_equal(loaded.report.notes[0].line, row->line);
	if (row->column > 0)
		assert_int_equal(loaded.report.notes[0].column, row->column);
	loaded_done(&loaded);
}

static void all_errors_in_one_run(void **state)
{
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	(void)state;
	load_one(
		&loaded, &settings,
		"- rule: a\n  desc: d\n  condition: proc.nam=x\n  output: '%x.y'\n  priority: "
		"INFO\n"
		"- rule: b\n  desc: d\n  condition: (evt.type=open\n  output: o\n  priority: LOUD\n"
		"- list: l\n  items: 3\n"
		"- rule: c\n  desc: d\n  condition: evt.type=opn\n  output: o\n  priority: INFO\n");
	assert_int_equal(loaded.report.errors, 6);
	assert_null(loaded.rules);
	loaded_done(&loaded);
}

static void a_broken_macro_is_told_once(void **state)
{
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	(void)state;
	load_one(&loaded, &settings,
		 "- macro: m\n  condition: (evt.type=open\n"
		 "- rule: a\n  desc: d\n  condition: m\n  output: o\n  priority: INFO\n"
		 "- rule: b\n  desc: d\n  condition: m and fd.num=1\n  output: o\n  priority: "
		 "INFO\n");
	assert_int_equal(loaded.report.errors, 1);
	loaded_done(&loaded);
}

static void a_skipped_rule_does_not_hide_an_error(void **state)
{
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	(void)state;
	load_one(&loaded, &settings,
		 "- macro: m\n  condition: new.field = 1\n"
		 "- rule: a\n  desc: d\n  condition: evt.type=open and m\n  output: o\n"
		 "  priority: INFO\n  skip-if-unknown-filter: true\n"
		 "- rule: b\n  desc: d\n  condition: evt.type=open and m\n  output: o\n"
		 "  priority: INFO\n");
	assert_int_equal(loaded.report.errors, 1);
	assert_int_equal(loaded.report.warnings, 1);
	assert_string_equal(rules_code_name(loaded.report.notes[0].code), "LOAD_UNKNOWN_FILTER");
	loaded_done(&loaded);
}

/* Bounds */

static void a_bomb_of_macros_is_small(void **state)
{
	struct rules_settings settings = all_rules();
	struct buf yaml = { 0 };
	struct loaded loaded;

	(void)state;
	buf_add(&yaml, STR("- macro: m0\n  condition: evt.type=open or proc.name=x\n"));
	for (int i = 1; i < 200; i++)
		buf_addf(&yaml,
			 "- macro: m%d\n  condition: (m%d and fd.num>%d) or (m%d and fd.num<%d)\n",
			 i, i - 1, i, i - 1, i);
	buf_add(&yaml,
		STR("- rule: r\n  desc: d\n  condition: m199\n  output: o\n  priority: INFO\n"));
	load_one(&loaded, &settings, buf_text(&yaml));
	assert_int_equal(loaded.result, 0);
	assert_true(loaded.rules->nodes_count < 2000);
	loaded_done(&loaded);
	buf_done(&yaml);
}

static void nesting_is_bounded(void **state)
{
	struct rules_settings settings = all_rules();
	struct buf yaml = { 0 };
	struct loaded loaded;

	(void)state;
	buf_add(&yaml, STR("- rule: r\n  desc: d\n  output: o\n  priority: INFO\n  condition: "));
	for (int i = 0; i < 5000; i++)
		buf_add(&yaml, STR("(not "));
	load_one(&loaded, &settings, buf_text(&yaml));
	assert_int_equal(loaded.result, -EINVAL);
	assert_non_null(strstr(loaded.report.notes[0].text, "exceeded max depth limit of 1000"));
	loaded_done(&loaded);
	buf_clear(&yaml);
	/* A chain of macros, each defined before the one it uses. */
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < 3000; i++)
			buf_addf(&yaml, "- macro: m%d\n  condition: not m%d\n", i, i + 1);
	buf_add(&yaml, STR("- macro: m3000\n  condition: evt.type=open\n"));
	load_one(&loaded, &settings, buf_text(&yaml));
	assert_int_equal(loaded.result, -EINVAL);
	loaded_done(&loaded);
	buf_done(&yaml);
}

static void lists_that_multiply_are_refused(void **state)
{
	struct rules_settings settings = all_rules();
	struct buf yaml = { 0 };
	struct loaded loaded;

	(void)state;
	for (int i = 0; i < 12; i++)
		buf_addf(&yaml, "- list: l%d\n  items: [l%d, l%d, l%d, l%d]\n", i, i + 1, i + 1,
			 i + 1, i + 1);
	buf_add(&yaml, STR("- list: l12\n  items: [aaaaaaaa]\n"));
	buf_add(&yaml, STR("- rule: r\n  desc: d\n  condition: proc.name in (l0)\n  output: o\n"
			   "  priority: INFO\n"));
	load_one(&loaded, &settings, buf_text(&yaml));
	assert_int_equal(loaded.result, -EINVAL);
	assert_non_null(strstr(loaded.report.notes[0].text, "longer than"));
	loaded_done(&loaded);
	buf_done(&yaml);
}

/* Matching */

static const char *const three_rules =
	"- rule: first\n  desc: d\n  condition: evt.type=open and fd.num=1\n  output: o\n  "
	"priority: ERROR\n"
	"- rule: second\n  desc: d\n  condition: evt.type in (open, close)\n  output: o\n  "
	"priority: INFO\n"
	"- rule: third\n  desc: d\n  condition: proc.name=x\n  output: o\n  priority: NOTICE\n"
	"  warn_evttypes: false\n";

static void order_and_first(void **state)
{
	const char *event = "{\"evt.type\":\"open\",\"fd.num\":1,\"proc.name\":\"x\"}";
	struct rules_settings settings = all_rules();
	const struct rule *hits[8];
	struct loaded loaded;

	(void)state;
	load_one(&loaded, &settings, three_rules);
	assert_int_equal(match_json(&loaded, event, hits), 3);
	assert_true(str_eq(rule_name(hits[0]), STR("first")));
	assert_true(str_eq(rule_name(hits[2]), STR("third")));
	loaded_done(&loaded);
	settings.match_all = false;
	load_one(&loaded, &settings, three_rules);
	assert_int_equal(match_json(&loaded, event, hits), 1);
	assert_true(str_eq(rule_name(hits[0]), STR("first")));
	loaded_done(&loaded);
	settings.priority_max = PRIORITY_NOTICE;
	load_one(&loaded, &settings, three_rules);
	assert_int_equal(match_json(&loaded, "{\"evt.type\":\"close\"}", hits), 0);
	assert_int_equal(rules_enabled_count(loaded.rules), 2);
	loaded_done(&loaded);
}

static void types_select(void **state)
{
	struct rules_settings settings = all_rules();
	const struct rule *hits[8];
	struct loaded loaded;

	(void)state;
	load_one(&loaded, &settings, three_rules);
	assert_true(rules_wants_all_types(loaded.rules));
	assert_true(rule_wants_type(rules_at(loaded.rules, 0), STR("open")));
	assert_false(rule_wants_type(rules_at(loaded.rules, 0), STR("close")));
	/* No type, and one that we have never heard of. */
	assert_int_equal(match_json(&loaded, "{\"proc.name\":\"x\"}", hits), 1);
	assert_int_equal(
		match_json(&loaded, "{\"evt.type\":\"new_call\",\"proc.name\":\"x\"}", hits), 1);
	loaded_done(&loaded);
}

/* More names than are kept as bits, in falling order and with one twice. */
static void lists_of_thousands_are_whole(void **state)
{
	struct rules_settings settings = all_rules();
	const struct rule *hits[8];
	struct buf yaml = { 0 };
	struct loaded loaded;
	char event[64];

	(void)state;
	for (int odd = 0; odd < 2; odd++) {
		buf_addf(&yaml, "- list: l%d\n  items: [n%d", odd, odd);
		for (int i = 9998; i >= 0; i -= 2)
			buf_addf(&yaml, ", n%d", i + odd);
		buf_add(&yaml, STR("]\n"));
	}
	buf_add(&yaml, STR("- rule: even\n  desc: d\n  condition: proc.name in (l0) and evt.num > 0\n  output: o\n"
			   "  priority: INFO\n  warn_evttypes: false\n"));
	buf_add(&yaml, STR("- rule: not odd\n  desc: d\n  condition: not proc.name in (l1) and evt.num > 0\n"
			   "  output: o\n  priority: INFO\n  warn_evttypes: false\n"));
	load_one(&loaded, &settings, buf_text(&yaml));
	for (int i = 0; i < 10002; i++) {
		size_t hit = i >= 10000 ? 1 : i % 2 == 0 ? 2 : 0;

		snprintf(event, sizeof(event), "{\"evt.num\":1,\"proc.name\":\"n%d\"}", i);
		assert_int_equal(match_json(&loaded, event, hits), hit);
	}
	loaded_done(&loaded);
	buf_done(&yaml);
}

static const struct loose_row {
	const char *name, *condition, *event;
	bool matches;
} loose_rows[] = {
	{ "a number as text is a number", "fd.num >= 10", "{\"fd.num\":\"12\"}", true },
	{ "text that is no number is no value", "fd.num >= 0", "{\"fd.num\":\"many\"}", false },
	{ "a port as text is a port", "fd.sport in (80, 443)", "{\"fd.sport\":\"443\"}", true },
	{ "a flag as text is a flag", "evt.is_open_write = true",
	  "{\"evt.is_open_write\":\"true\"}", true },
	{ "a letter as a number is its text", "fd.typechar = 4", "{\"fd.typechar\":4}", true },
	{ "a list where one text is meant is joined", "proc.args = \"-a b\"",
	  "{\"proc.args\":[\"-a\",\"b\"]}", true },
	{ "a real number is cut", "proc.pid = 3", "{\"proc.pid\":3.7}", true },
	{ "null is no value", "proc.name exists", "{\"proc.name\":null}", false },
	{ "null fails != too", "proc.name != x", "{\"proc.name\":null}", false },
	{ "a list of nothing intersects nothing", "fd.types in (a)", "{\"fd.types\":[]}", false },
	{ "an unset audit id is -1", "user.loginuid = -1", "{\"user.loginuid\":4294967295}", true },
	{ "a huge number does not wrap", "fd.num > 0", "{\"fd.num\":1e40}", false },
	{ "an address in a socket's name counts", "fd.sip = 6.7.8.9 and fd.sport = 10",
	  "{\"fd.typechar\":\"4\",\"fd.name\":\"1.2.3.4:5->6.7.8.9:10\"}", true },
	{ "a v6 one too", "fd.cip = ::1 and fd.cport = 5", "{\"fd.name\":\"::1:5->::2:10\"}",
	  true },
	{ "either side is the socket's address", "fd.ip = 1.2.3.4 and fd.net = 6.0.0.0/8",
	  "{\"fd.cip\":\"1.2.3.4\",\"fd.sip\":\"6.7.8.9\"}", true },
	{ "neither side for !=", "fd.ip != 1.2.3.4",
	  "{\"fd.cip\":\"1.2.3.4\",\"fd.sip\":\"6.7.8.9\"}", false },
	{ "no address fails != too", "fd.ip != 1.2.3.4", "{\"proc.name\":\"x\"}", false },
	{ "a mapped address is the v4 one", "fd.sip = 10.0.0.1", "{\"fd.sip\":\"::ffff:10.0.0.1\"}",
	  true },
	{ "text that is no address is no value", "fd.sip != 10.0.0.1", "{\"fd.sip\":\"lost\"}",
	  false },
	{ "the local side is the server's when it serves", "fd.lport = 80",
	  "{\"fd.is_server\":true,\"fd.cport\":5000,\"fd.sport\":80}", true },
	{ "the folder of a file follows", "fd.directory = /bin and fd.filename = x",
	  "{\"fd.name\":\"/bin/x\"}", true },
	{ "the root's folder is the root", "fd.directory = /", "{\"fd.name\":\"/x\"}", true },
	{ "a socket has no folder", "fd.directory exists",
	  "{\"fd.name\":\"/run/x\",\"fd.typechar\":\"u\"}", false },
	{ "the result follows from its number", "evt.res = EACCES and evt.failed = true",
	  "{\"evt.rawres\":-13}", true },
	{ "success has a name", "evt.res = SUCCESS and evt.failed = false", "{\"evt.rawres\":5}",
	  true },
	{ "the command line follows", "proc.cmdline = \"ls -l\"",
	  "{\"proc.name\":\"ls\",\"proc.args\":\"-l\"}", true },
	{ "the parent is the first ancestor", "proc.pname = sh", "{\"proc.aname[1]\":\"sh\"}",
	  true },
	{ "and the other way round", "proc.aname[1] = sh and proc.aname = sh",
	  "{\"proc.pname\":\"sh\"}", true },
	{ "any ancestor will do", "proc.aname = sshd",
	  "{\"proc.aname[1]\":\"sh\",\"proc.aname[7]\":\"sshd\"}", true },
	{ "the process is no ancestor", "proc.aname = cat",
	  "{\"proc.name\":\"cat\",\"proc.pname\":\"sh\"}", false },
	{ "opening is not writing", "evt.is_open_write = false",
	  "{\"evt.type\":\"openat\","
	  "\"evt.arg.flags\":\"O_RDONLY\"}",
	  true },
	{ "another event opens nothing, for certain", "evt.is_open_read = false",
	  "{\"evt.type\":\"close\"}", true },
	{ "an argument has a number", "proc.args[1] = b", "{\"proc.args\":\"a b c\"}", true },
	{ "a variable has a name", "proc.env[HOME] = /root",
	  "{\"proc.env\":[\"A=1\",\"HOME=/root\"]}", true },
	{ "a variable in a text, with a blank in its value", "proc.env[LD_PRELOAD] = '/a.so /b.so'",
	  "{\"proc.env\":\"HOME=/root LD_PRELOAD=/a.so /b.so A_1=x y=z\"}", true },
	{ "a variable's name is whole", "proc.env[PATH] exists",
	  "{\"proc.env\":\"MANPATH=/x LD=/PATH=y\"}", false },
	{ "a mount is found by its source", "container.mount.dest[/proc*] = /host",
	  "{\"container.mounts\":\"/a:/b:ro:false:x,/proc:/host:rw:true:y\"}", true },
	{ "a container's image follows", "container.image = nginx:1",
	  "{\"container.image.repository\":\"nginx\",\"container.image.tag\":\"1\"}", true },
	{ "letters of either case", "proc.cmdline iglob '*MINER*'",
	  "{\"proc.cmdline\":\"./xMiNeR -o\"}", true },
	{ "a glob's set and range", "proc.name glob '[!a-c]?[[:digit:]]'",
	  "{\"proc.name\":\"xy1\"}", true },
	{ "a regular expression is whole", "proc.name regex 'a+'", "{\"proc.name\":\"aab\"}",
	  false },
	{ "also where its end occurs before", "proc.name regex 's.*h'", "{\"proc.name\":\"shsha\"}",
	  false },
	{ "and longest, not first", "proc.name regex '(a|ab)(c|bcd)?'", "{\"proc.name\":\"abcd\"}",
	  true },
};

static void loose_values_compare(void **state)
{
	const struct loose_row *row = *state;
	const struct rule *hits[8];
	struct loaded loaded;

	load_condition(&loaded, str_of(row->condition), "o");
	if (loaded.result < 0)
		print_message("%s", report_text(&loaded));
	assert_int_equal(loaded.result, 0);
	assert_int_equal(match_json(&loaded, row->event, hits), row->matches ? 1 : 0);
	loaded_done(&loaded);
}

static void a_wild_expression_ends(void **state)
{
	const struct rule *hits[8];
	struct loaded loaded;
	struct buf event = { 0 };

	(void)state;
	load_condition(&loaded, STR("proc.cmdline regex '(a*)*(a|aa)*b'"), "o");
	assert_int_equal(loaded.result, 0);
	buf_add(&event, STR("{\"proc.cmdline\":\""));
	for (int i = 0; i < 20000; i++)
		buf_add_char(&event, 'a');
	buf_add(&event, STR("\"}"));
	assert_int_equal(match_json(&loaded, buf_text(&event), hits), 0);
	buf_done(&event);
	loaded_done(&loaded);
}

/* Texts */

static void texts_are_falcos(void **state)
{
	const struct rule *hits[8];
	struct loaded loaded;
	struct buf output = { 0 }, members = { 0 };
	struct event event;

	(void)state;
	setenv("TZ", "UTC", 1);
	load_condition(&loaded, STR("evt.type = open"),
		       "File %fd.name by %proc.name up=%toupper(proc.name) %proc.tty [%6proc.name] "
		       "%evt.time");
	assert_int_equal(loaded.result, 0);
	assert_int_equal(event_init(&event, fields_count(loaded.fields)), 0);
	event.time_ns = 1700000000123456789;
	event_set(&event, FIELD_EVT_TYPE, value_str(STR("open")));
	event_set(&event, FIELD_FD_NAME, value_str(STR("/a\n\xff\"")));
	event_set(&event, FIELD_PROC_NAME, value_str(STR("cat")));
	assert_int_equal(rules_match(loaded.rules, loaded.scratch, &event, hits, 8), 1);
	rules_format(loaded.rules, loaded.scratch, hits[0], &event, &output, &members);
	assert_string_equal(buf_text(&output),
			    "22:13:20.123456789: Informational File /a\n\xff\" by cat "
			    "up=CAT <NA> [cat   ] 22:13:20.123456789");
	assert_string_equal(buf_text(&members),
			    "{\"fd.name\":\"/a\\n\xee\xbf\xbf\\\"\",\"proc.name\":\"cat\","
			    "\"proc.tty\":null,\"evt.time\":1700000000123456789}");
	event_done(&event);
	buf_done(&output);
	buf_done(&members);
	loaded_done(&loaded);
}

static void the_container_is_appended_when_asked(void **state)
{
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	(void)state;
	settings.suggested_output = true;
	load_one(&loaded, &settings, three_rules);
	assert_int_equal(loaded.result, 0);
	assert_true(str_starts(rule_output(rules_at(loaded.rules, 0)),
			       STR("o container_id=%container.id container_name=%container.name")));
	loaded_done(&loaded);
}

static void what_the_settings_append_goes_to_the_rules_that_match(void **state)
{
	const char *const tags[] = { "t" };
	const struct conf_pair pairs[] = { { "proc.pid", NULL }, { "who", "%proc.name (%proc.pid)" },
					   { "proc.pid", "twice" }, { "fd.name", NULL } };
	const struct rules_extra extras[] = {
		{ .tags = { .at = tags, .count = 1 }, .output = "by=%proc.name",
		  .fields = { .at = pairs, .count = ARRAY_LEN(pairs) } },
		{ .rule = "b", .suggested = true },
	};
	struct rules_settings settings = all_rules();
	const struct rule *hit;
	struct buf fields = { 0 };
	struct loaded loaded;
	struct event event;

	(void)state;
	settings.extras = extras;
	settings.extras_count = ARRAY_LEN(extras);
	load_one(&loaded, &settings,
		 "- {rule: a, desc: d, condition: evt.type = open, output: '%fd.name', priority: INFO, tags: [t]}\n"
		 "- {rule: b, desc: d, condition: evt.type = open, output: o, priority: INFO}\n");
	assert_int_equal(loaded.result, 0);
	assert_true(str_eq(rule_output(rules_at(loaded.rules, 0)), STR("%fd.name by=%proc.name")));
	assert_true(str_starts(rule_output(rules_at(loaded.rules, 1)), STR("o container_id=%container.id")));
	assert_int_equal(event_init(&event, fields_count(loaded.fields)), 0);
	event_set(&event, FIELD_EVT_TYPE, value_str(STR("open")));
	event_set(&event, FIELD_FD_NAME, value_str(STR("/a")));
	event_set(&event, FIELD_PROC_NAME, value_str(STR("cat")));
	event_set(&event, FIELD_PROC_PID, value_i64(7));
	assert_int_equal(rules_match(loaded.rules, loaded.scratch, &event, &hit, 1), 1);
	rules_format(loaded.rules, loaded.scratch, hit, &event, NULL, &fields);
	assert_string_equal(buf_text(&fields),
			    "{\"fd.name\":\"/a\",\"proc.name\":\"cat\",\"evt.time\":0,\"proc.pid\":7,"
			    "\"who\":\"cat (7)\"}");
	buf_done(&fields);
	event_done(&event);
	loaded_done(&loaded);
}

static void a_plugin_makes_its_source_known(void **state)
{
	static const char rule[] = "- {rule: a, desc: d, condition: ct.name = x, output: o, priority: INFO, "
				   "source: aws_cloudtrail}\n";
	const struct rules_plugin plugins[] = { { "cloudtrail", "0.12.0" } };
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	(void)state;
	load_one(&loaded, &settings, rule);
	assert_int_equal(loaded.result, 0);
	assert_int_equal(rules_count(loaded.rules), 0);
	loaded_done(&loaded);
	settings.plugins = plugins;
	settings.plugins_count = 1;
	load_one(&loaded, &settings, rule);
	assert_int_equal(loaded.result, 0);
	assert_int_equal(rules_count(loaded.rules), 1);
	loaded_done(&loaded);
}

/* What sensors need */

static void derived_fields_ask_for_what_they_are_made_of(void **state)
{
	struct loaded loaded;
	bool name = false, flags = false, other = false;
	size_t cursor = 0;
	struct str type;
	field_id id;

	(void)state;
	load_condition(&loaded,
		       STR("evt.type in (open, openat) and fd.directory = /bin and "
			   "evt.is_open_write = true"),
		       "o");
	assert_int_equal(loaded.result, 0);
	while (rules_next_field(loaded.rules, &cursor, &id)) {
		name |= id == FIELD_FD_NAME;
		flags |= str_eq(fields_name(loaded.fields, id), STR("evt.arg.flags"));
		other |= id == FIELD_PROC_NAME;
	}
	assert_true(name && flags && !other);
	cursor = 0;
	assert_true(rules_next_type(loaded.rules, &cursor, &type) && str_eq(type, STR("open")));
	assert_true(rules_next_type(loaded.rules, &cursor, &type) && str_eq(type, STR("openat")));
	assert_false(rules_next_type(loaded.rules, &cursor, &type));
	assert_true(rules_wants_type(loaded.rules, STR("open")));
	assert_false(rules_wants_type(loaded.rules, STR("connect")));
	loaded_done(&loaded);
}

/* Other sources */

static void another_engines_alert_is_matched(void **state)
{
	const char *sources[] = { "guardduty" };
	struct rules_settings settings = all_rules();
	const struct rule *hits[8];
	struct loaded loaded;
	struct event event;

	(void)state;
	settings.sources = (struct conf_strings){ .at = sources, .count = 1 };
	load_one(&loaded, &settings,
		 "- rule: r\n  desc: d\n  source: guardduty\n  condition: aws.account = 111 and "
		 "aws.count > 2\n"
		 "  output: '%aws.account %proc.name'\n  priority: INFO\n");
	if (loaded.result < 0)
		print_message("%s", report_text(&loaded));
	assert_int_equal(loaded.result, 0);
	assert_int_equal(event_init(&event, fields_count(loaded.fields)), 0);
	event_set(&event, fields_find(loaded.fields, STR("aws.account")), value_str(STR("111")));
	event_set(&event, fields_find(loaded.fields, STR("aws.count")), value_i64(3));
	event.source = STR("guardduty");
	assert_int_equal(rules_match(loaded.rules, loaded.scratch, &event, hits, 8), 1);
	event.source = STR("syscall");
	assert_int_equal(rules_match(loaded.rules, loaded.scratch, &event, hits, 8), 0);
	event_done(&event);
	loaded_done(&loaded);
}

/* A macro means something else to another source, whose fields we do not know. */
static void a_macro_is_checked_for_each_source(void **state)
{
	const char *sources[] = { "guardduty" };
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	(void)state;
	settings.sources = (struct conf_strings){ .at = sources, .count = 1 };
	load_one(&loaded, &settings,
		 "- macro: m\n  condition: aws.account = 1\n"
		 "- rule: a\n  desc: d\n  source: guardduty\n  condition: m\n  output: o\n  "
		 "priority: INFO\n"
		 "- rule: b\n  desc: d\n  condition: evt.type=open and m\n  output: o\n  priority: "
		 "INFO\n");
	assert_int_equal(loaded.report.errors, 1);
	assert_string_equal(loaded.report.notes[0].item_name, "b");
	loaded_done(&loaded);
}

/* Files */

static void write_text(const char *folder, const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void folders_load_by_name(void **state)
{
	char folder[] = "/tmp/tocsin-rules-XXXXXX", path[512];
	struct rules_settings settings = all_rules();
	const char *files[2];
	struct loaded loaded = { .fields = fields_new() };

	(void)state;
	assert_non_null(mkdtemp(folder));
	write_text(folder, "20.yml", "- rule: r\n  enabled: false\n");
	write_text(folder, "10.yaml", three_rules);
	write_text(folder, "30.txt", "not: rules");
	/* Neither waits for a writer nor fails. */
	snprintf(path, sizeof(path), "%s/12.yaml", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/13.yaml", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	write_text(folder, "15.yaml",
		   "- rule: r\n  desc: d\n  condition: evt.type=open\n  output: o\n"
		   "  priority: INFO\n");
	files[0] = folder;
	files[1] = "/nowhere/rules.yaml";
	settings.files = (struct conf_strings){ .at = files, .count = 1 };
	rules_report_init(&loaded.report);
	assert_int_equal(rules_load(&settings, loaded.fields, &loaded.report, &loaded.rules), 0);
	assert_int_equal(rules_count(loaded.rules), 4);
	assert_int_equal(rules_enabled_count(loaded.rules), 3);
	loaded_done(&loaded);
	settings.files.count = 2;
	loaded = (struct loaded){ .fields = fields_new() };
	rules_report_init(&loaded.report);
	assert_int_equal(rules_load(&settings, loaded.fields, &loaded.report, &loaded.rules),
			 -EINVAL);
	assert_int_equal(loaded.report.notes[0].code, RULES_ERR_FILE_READ);
	loaded_done(&loaded);
	for (const char *const *name =
		     (const char *const[]){ "20.yml", "10.yaml", "30.txt", "15.yaml", "12.yaml", "13.yaml", NULL };
	     *name != NULL; name++) {
		snprintf(path, sizeof(path), "%s/%s", folder, *name);
		remove(path);
	}
	rmdir(folder);
}

static void load_stock(struct loaded *loaded)
{
	const char *files[] = { TEST_ROOT "/../shared/rules/falco_rules.yaml",
				TEST_ROOT "/rules/tocsin_rules.yaml" };
	struct rules_settings settings = all_rules();

	settings.files = (struct conf_strings){ .at = files, .count = 2 };
	*loaded = (struct loaded){ .fields = fields_new() };
	rules_report_init(&loaded->report);
	loaded->result = rules_load(&settings, loaded->fields, &loaded->report, &loaded->rules);
	if (loaded->result < 0 || loaded->report.warnings > 0)
		print_message("%s", report_text(loaded));
	assert_int_equal(loaded->result, 0);
	loaded->scratch = rules_scratch_new(loaded->rules);
}

static void stock_rules_load_as_they_are(void **state)
{
	const struct rule *hits[8];
	struct loaded loaded;
	size_t count;

	(void)state;
	load_stock(&loaded);
	assert_int_equal(loaded.report.errors + loaded.report.warnings, 0);
	count = match_json(
		&loaded,
		"{\"evt.type\":\"openat\",\"evt.arg.flags\":\"O_RDONLY\",\"fd.num\":3,"
		"\"fd.typechar\":\"f\",\"fd.name\":\"/etc/shadow\",\"proc.name\":\"cat\","
		"\"container.id\":\"host\"}",
		hits);
	assert_true(count >= 1);
	assert_true(str_eq(rule_name(hits[0]), STR("Read sensitive file untrusted")));
	assert_int_equal(
		match_json(
			&loaded,
			"{\"evt.type\":\"openat\",\"evt.arg.flags\":\"O_RDONLY\",\"fd.num\":3,"
			"\"fd.typechar\":\"f\",\"fd.name\":\"/etc/hosts\",\"proc.name\":\"cat\"}",
			hits),
		0);
	loaded_done(&loaded);
}

static uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Random events out of values that rules ask for: with and without sharing, the same must match. */
static void sharing_changes_nothing(void **state)
{
	static const char *const texts[] = {
		"open", "openat",  "execve",	  "connect",	      "dup2", "bash",
		"cat",	"sshd",	   "/etc/shadow", "/usr/bin/x",	      "f",    "4",
		"host", "SUCCESS", "root",	  "O_WRONLY|O_CREAT", ""
	};
	static const field_id first[] = { FIELD_EVT_TYPE,    FIELD_PROC_NAME,  FIELD_FD_NAME,
					  FIELD_FD_TYPECHAR, FIELD_PROC_PNAME, FIELD_CONTAINER_ID };
	const struct rule *hits[64], *plain[64];
	struct loaded loaded;
	struct event event;
	uint32_t seed = 7;
	size_t hit = 0;

	(void)state;
	load_stock(&loaded);
	assert_int_equal(event_init(&event, fields_count(loaded.fields)), 0);
	for (int round = 0; round < 3000; round++) {
		size_t count;

		event_clear(&event);
		event.time_ns = 1700000000000000000;
		for (int i = 0; i < 30; i++) {
			size_t any = 1 + random_next(&seed) % (fields_count(loaded.fields) - 1);
			field_id id = (field_id)(i < 6 ? first[i] : any);
			const char *text = texts[random_next(&seed) % ARRAY_LEN(texts)];

			if (i == 0)
				text = texts[random_next(&seed) % 5];
			event_set(&event, id,
				  random_next(&seed) % 4 == 0 && i > 0
					  ? value_i64(random_next(&seed) % 5)
					  : value_str(str_of(text)));
		}
		count = rules_match(loaded.rules, loaded.scratch, &event, hits, 64);
		assert_int_equal(rules_match_plain(loaded.rules, loaded.scratch, &event, plain, 64),
				 count);
		if (count > 0)
			assert_memory_equal(hits, plain, count * sizeof(*hits));
		hit += count;
	}
	assert_true(hit > 0);
	event_done(&event);
	loaded_done(&loaded);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		{ .name = "all errors are told in one run", .test_func = all_errors_in_one_run },
		{ .name = "a broken macro is told once", .test_func = a_broken_macro_is_told_once },
		{ .name = "a rule that is skipped does not hide an error",
		  .test_func = a_skipped_rule_does_not_hide_an_error },
		{ .name = "macros that double each other stay small",
		  .test_func = a_bomb_of_macros_is_small },
		{ .name = "nesting is bounded", .test_func = nesting_is_bounded },
		{ .name = "lists that multiply are bounded",
		  .test_func = lists_that_multiply_are_refused },
		{ .name = "hits come in definition order, the first or all",
		  .test_func = order_and_first },
		{ .name = "types select rules", .test_func = types_select },
		{ .name = "lists of thousands of names are whole", .test_func = lists_of_thousands_are_whole },
		{ .name = "an expression made to run away ends",
		  .test_func = a_wild_expression_ends },
		{ .name = "output and fields are as Falco writes them",
		  .test_func = texts_are_falcos },
		{ .name = "container and pod are appended when asked",
		  .test_func = the_container_is_appended_when_asked },
		{ .name = "a plugin makes its source known", .test_func = a_plugin_makes_its_source_known },
		{ .name = "what the settings append goes to the rules that match",
		  .test_func = what_the_settings_append_goes_to_the_rules_that_match },
		{ .name = "derived fields ask for what they are made of",
		  .test_func = derived_fields_ask_for_what_they_are_made_of },
		{ .name = "another engine's alert is matched",
		  .test_func = another_engines_alert_is_matched },
		{ .name = "a macro is checked for each source",
		  .test_func = a_macro_is_checked_for_each_source },
		{ .name = "folders load by name", .test_func = folders_load_by_name },
		{ .name = "the stock rules load as they are",
		  .test_func = stock_rules_load_as_they_are },
		{ .name = "sharing between rules changes nothing",
		  .test_func = sharing_changes_nothing },
	};
	enum {
		PLACES = ARRAY_LEN(place_rows),
		LOOSE = ARRAY_LEN(loose_rows),
		PLAIN = ARRAY_LEN(plain)
	};
	struct CMUnitTest tests[PLACES + LOOSE + PLAIN];

	for (size_t i = 0; i < PLACES; i++)
		tests[i] =
			(struct CMUnitTest){ .name = place_rows[i].name,
					     .test_func = error_has_its_place,
					     .initial_state = (void *)(uintptr_t)&place_rows[i] };
	for (size_t i = 0; i < LOOSE; i++)
		tests[PLACES + i] =
			(struct CMUnitTest){ .name = loose_rows[i].name,
					     .test_func = loose_values_compare,
					     .initial_state = (void *)(uintptr_t)&loose_rows[i] };
	memcpy(tests + PLACES + LOOSE, plain, sizeof(plain));
	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
