/* What is wrong with rules: where it stands, how a rule leads to it, what may have been meant; and
 * files that are made to be too much. */
#include "rules_fixture.h"

#include <errno.h>
#include <stdio.h>

struct row {
	const char *name, *yaml;
	enum rules_code code;
	unsigned line, column;
	const char *text, *near;
	const char *uses; /* "macro@line:column …", from the rule inwards */
};

#define RULE(condition) "- rule: r\n  desc: d\n  output: o\n  priority: INFO\n  condition: " condition "\n"
#define MACRO(name, condition) "- macro: " name "\n  condition: " condition "\n"

static const struct row rows[] = {
	{ "a field", RULE("evt.type = open and proc.nmae = a"), RULES_ERR_COMPILE_CONDITION, 5, 34,
	  "nonexistent field proc.nmae", "proc.name", "" },
	{ "a field in a folded scalar", RULE(">\n    evt.type = open\n    and proc.nmae = a"),
	  RULES_ERR_COMPILE_CONDITION, 7, 9, "nonexistent field", "proc.name", "" },
	{ "a field in a literal scalar, indented", RULE("|2\n      evt.type = open\n        and proc.nmae = a"),
	  RULES_ERR_COMPILE_CONDITION, 7, 13, "nonexistent field", "proc.name", "" },
	{ "a field behind escapes", RULE("\"evt.type = \\x6fpen and proc.cwd = '\\u00e9' and proc.nmae = a\""),
	  RULES_ERR_COMPILE_CONDITION, 5, 62, "nonexistent field", "proc.name", "" },
	{ "a field in single quotes", RULE("'proc.cwd = ''a'' and proc.nmae = a'"),
	  RULES_ERR_COMPILE_CONDITION, 5, 36, "nonexistent field", "proc.name", "" },
	{ "a field that was appended",
	  RULE("evt.type = open") "- rule: r\n  override: {condition: append}\n  condition: and proc.nmae = a\n",
	  RULES_ERR_COMPILE_CONDITION, 8, 18, "nonexistent field", "proc.name", "" },
	{ "a field behind a list", "- list: l\n  items: [a, b, c]\n" RULE("proc.name in (l) and proc.nmae = a"),
	  RULES_ERR_COMPILE_CONDITION, 7, 35, "nonexistent field", "proc.name", "" },
	{ "a type in a list", "- list: l\n  items: [open, opn]\n" RULE("evt.type in (l)"),
	  RULES_ERR_COMPILE_CONDITION, 7, 27, "unknown event type opn", "open", "" },
	{ "an event's argument", RULE("evt.type = open and evt.arg.flgs = a"), RULES_ERR_COMPILE_CONDITION, 5, 34,
	  "unknown event argument flgs", "flags", "" },
	{ "a field in a macro", MACRO("m", "proc.nmae = a") RULE("evt.type = open and m"),
	  RULES_ERR_COMPILE_CONDITION, 2, 14, "nonexistent field", "proc.name", "m@7:34" },
	{ "a field in a macro of a macro",
	  MACRO("inner", "proc.nmae = a") MACRO("outer", "inner or inner") RULE("evt.type = open and outer"),
	  RULES_ERR_COMPILE_CONDITION, 2, 14, "nonexistent field", "proc.name", "outer@9:34 inner@4:14" },
	{ "a macro's syntax", MACRO("m", "(proc.name = a") MACRO("n", "m") RULE("n"),
	  RULES_ERR_COMPILE_CONDITION, 2, 28, "expected a ')' token", NULL, "n@9:14 m@4:14" },
	{ "a macro that is not there", MACRO("spawned", "evt.type = execve") RULE("spawnde and spawned"),
	  RULES_ERR_VALIDATE, 7, 14, "Undefined macro 'spawnde'", "spawned", "" },
	{ "an operator", RULE("proc.name startwith a"), RULES_ERR_COMPILE_CONDITION, 5, 24,
	  "expected a valid check operator", "startswith", "" },
	{ "a transformer", RULE("tolowr(proc.name) = a"), RULES_ERR_COMPILE_CONDITION, 5, 14,
	  "unknown transformer 'tolowr'", "tolower", "" },
	{ "a join", RULE("evt.type = open adn proc.name = a"), RULES_ERR_COMPILE_CONDITION, 5, 30,
	  "unexpected token after 'open'", "and", "" },
	{ "another language's and", RULE("evt.type = open && proc.name = a"), RULES_ERR_COMPILE_CONDITION, 5, 30,
	  "unexpected token after 'open'", "and", "" },
	{ "a field of an output",
	  "- rule: r\n  desc: d\n  condition: evt.type = open\n  output: a %container.info %proc.nmae\n  priority: INFO\n",
	  RULES_ERR_COMPILE_OUTPUT, 4, 30, "unknown filter: proc.nmae", "proc.name", "" },
	{ "a priority", "- rule: r\n  desc: d\n  condition: evt.type = open\n  output: o\n  priority: WARNNG\n",
	  RULES_ERR_YAML_VALIDATE, 5, 13, "Invalid priority 'WARNNG'", "Warning", "" },
	{ "a key", RULE("evt.type = open") "  tgas: [a]\n", RULES_UNKNOWN_KEY, 6, 3, "Unknown key 'tgas'", "tags", "" },
	{ "a key to override", RULE("evt.type = open") "- rule: r\n  override: {conditon: append}\n",
	  RULES_ERR_YAML_VALIDATE, 7, 14, "Key 'conditon' cannot be appended to", "condition", "" },
	{ "an exception's field", RULE("evt.type = open") "  exceptions:\n    - {name: e, fields: [proc.nmae], values: [[a]]}\n",
	  RULES_ERR_VALIDATE, 7, 26, "'proc.nmae' is not a supported filter field", NULL, "" },
	{ "bytes that are no text", "- rule: \xc3\xa9\n  desc: \xff\n", RULES_ERR_YAML_PARSE, 2, 9, "", NULL, "" },
	{ "YAML behind umlauts", "- rule: \"\xc3\xa9\xc3\xa9\" {\n", RULES_ERR_YAML_PARSE, 1, 16, "", NULL, "" },
};

static struct rules_settings all_rules(void)
{
	return (struct rules_settings){ .priority_max = PRIORITY_DEBUG, .match_all = true };
}

static void load_str(struct loaded *loaded, const struct rules_settings *settings, struct str text)
{
	load_texts(loaded, settings, &(struct rules_text){ .name = "rules.yaml", .text = text }, 1);
}

/* The note that a row is about: the first of its code. */
static const struct rules_note *note_of(const struct loaded *loaded, enum rules_code code)
{
	for (size_t i = 0; i < loaded->report.count; i++)
		if (loaded->report.notes[i].code == code)
			return &loaded->report.notes[i];
	return NULL;
}

static void a_note_says_where_how_and_what(void **state)
{
	const struct row *row = *state;
	struct rules_settings settings = all_rules();
	const struct rules_note *note;
	struct loaded loaded;
	struct buf uses = { 0 };

	load_str(&loaded, &settings, str_of(row->yaml));
	note = note_of(&loaded, row->code);
	if (note == NULL)
		fail_msg("%s", report_text(&loaded));
	assert_non_null(strstr(note->text, row->text));
	if (note->line != row->line || note->column != row->column)
		fail_msg("%s", report_text(&loaded));
	assert_true((row->near == NULL) == (note->did_you_mean == NULL));
	if (row->near != NULL)
		assert_string_equal(note->did_you_mean, row->near);
	for (size_t i = 0; i < note->uses_count; i++)
		buf_addf(&uses, "%s%s@%u:%u", i > 0 ? " " : "", note->uses[i].item_name, note->uses[i].line,
			 note->uses[i].column);
	assert_string_equal(row->uses, buf_text(&uses));
	assert_true(note->locations_count > 0);
	assert_string_equal(note->locations[0].item_type, "rules content");
	buf_done(&uses);
	loaded_done(&loaded);
}

static void the_first_error_is_the_last_word(void **state)
{
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	(void)state;
	settings.first_error = true;
	load_str(&loaded, &settings, STR("- what: ever\n" RULE("proc.nmae = a") RULE("proc.nam = b")));
	assert_int_equal(loaded.result, -EINVAL);
	assert_int_equal(loaded.report.errors, 1);
	assert_int_equal(loaded.report.warnings, 1);
	loaded_done(&loaded);
}

static void neither_errors_nor_warnings_crowd_out_the_other(void **state)
{
	struct rules_settings settings = all_rules();
	struct buf text = { 0 };
	struct loaded loaded;

	(void)state;
	for (int i = 0; i < 3000; i++)
		buf_addf(&text, "- rule: r%d\n  desc: d\n  output: o\n  priority: INFO\n  zz: 1\n"
				"  condition: proc.nmae = a\n", i);
	load_str(&loaded, &settings, buf_str(&text));
	assert_int_equal(loaded.report.errors, 3000);
	assert_int_equal(loaded.report.warnings, 3000);
	assert_int_equal(loaded.report.count, 2 * RULES_NOTES_MAX);
	buf_done(&text);
	loaded_done(&loaded);
}

/* Bombs. Each is a head, a line that is repeated, and a tail; @ is the line's number from 1, # the one
 * before. */
struct bomb {
	const char *name, *head, *line, *tail;
	unsigned count;
	const char *text;  /* part of the error; NULL: it loads */
};

static const struct bomb bombs[] = {
	{ "macros that double", MACRO("m0", "evt.type = open or proc.name = a"),
	  "- macro: m@\n  condition: m# and m# or (m# and proc.name = x@)\n", RULE("m60"), 60, NULL },
	{ "rules on macros that double",
	  MACRO("a", "evt.type = open or proc.name = a") MACRO("b", "a and a and a and a") MACRO("c", "b and b and b and b"),
	  "- rule: r@\n  desc: d\n  output: o\n  priority: INFO\n  condition: c and proc.name = x@\n", "", 5000, NULL },
	{ "parentheses", "- macro: m\n  condition: ", "(", "\n", 100000, "exceeded max depth limit of 1000" },
	{ "transformers", "- macro: m\n  condition: ", "tolower(", "\n", 50000, "exceeded max depth limit of 1000" },
	{ "lists in lists", "- list: a\n  items: [x, y, z, u, v, w, x, y, z, u]\n- list: b\n  items:\n", "  - a\n",
	  RULE("proc.name in (b)"), 20000, "more than 100000 items" },
	{ "exceptions", RULE("evt.type = open") "  exceptions:\n", "  - {name: e@, fields: proc.name, values: [a]}\n", "",
	  20000, "too many exceptions" },
	{ "keys", "- rule: r\n", "  k@: 1\n", "", 20000, "too many keys" },
	{ "sequences", "- ", "[", "", 20000, "nested too deep" },
	{ "mappings", "- ", "{a: ", "", 20000, "nested too deep" },
	{ "aliases", "- list: a\n  items: &a0 [x, x, x, x]\n",
	  "- list: l@\n  items: &a@ [*a#, *a#, *a#, *a#]\n", "", 40, "sequence value is not scalar" },
	{ "tags", RULE("evt.type = open"), "- rule: r\n  override: {tags: append}\n  tags: [t@]\n", "", 5000,
	  "more than 1000 tags" },
	{ "a long condition", RULE("evt.type = open"), "- rule: r\n  override: {condition: append}\n  condition: or proc.name = @00000000000000000000000000000000000000000000000000\n",
	  "", 19000, "longer than 1048576 bytes" },
	{ "regular expressions", "- macro: m\n  condition: >\n    evt.type = open\n",
	  "    or proc.name regex \"(([a-f]{1,10}){1,10}){1,9}@\"\n", RULE("m"), 5000, "all rules together are too large" },
	{ "nots", "- macro: m\n  condition: >\n", "    not\n", "    evt.type = open\n" RULE("m"), 20000, NULL },
	{ "lists that every condition could use", RULE("evt.type = open"),
	  "- list: l@\n  items: [a]\n- rule: r@\n  desc: d\n  output: o\n  priority: INFO\n  condition: evt.type = open and proc.name in (b, c, d, l@)\n",
	  "", 5000, NULL },
};

static void add_line(struct buf *text, const char *line, unsigned number)
{
	for (; *line != '\0'; line++)
		if (*line == '@' || *line == '#')
			buf_addf(text, "%u", *line == '@' ? number : number - 1);
		else
			buf_add_char(text, *line);
}

static void a_bomb_is_bounded(void **state)
{
	const struct bomb *bomb = *state;
	struct rules_settings settings = all_rules();
	struct buf text = { 0 };
	struct loaded loaded;

	buf_add(&text, str_of(bomb->head));
	for (unsigned i = 1; i <= bomb->count; i++)
		add_line(&text, bomb->line, i);
	buf_add(&text, str_of(bomb->tail));
	assert_true(buf_ok(&text));
	load_str(&loaded, &settings, buf_str(&text));
	if (bomb->text == NULL && loaded.result < 0)
		fail_msg("%s", report_text(&loaded));
	if (bomb->text != NULL) {
		assert_int_equal(loaded.result, -EINVAL);
		assert_true(loaded.report.errors > 0);
		assert_non_null(strstr(report_text(&loaded), bomb->text));
	}
	assert_true(loaded.report.arena.used <= loaded.report.arena.limit);
	if (loaded.result == 0)
		assert_true(rules_count(loaded.rules) <= bomb->count + 1);
	buf_done(&text);
	loaded_done(&loaded);
}

/* So much text that no tree of it fits: an error, not memory without end. */
static void memory_ends_with_an_error(void **state)
{
	struct rules_settings settings = all_rules();
	struct buf text = { 0 };
	struct loaded loaded;

	(void)state;
	buf_add_char(&text, '[');
	for (int i = 0; i < 6000000; i++)
		buf_add(&text, STR("a,"));
	buf_add_char(&text, ']');
	load_str(&loaded, &settings, buf_str(&text));
	assert_int_equal(loaded.result, -EINVAL);
	assert_non_null(strstr(report_text(&loaded), "memory"));
	buf_done(&text);
	loaded_done(&loaded);
}

/* A macro of macros of mistakes, each of which is one. */
static void all_that_is_wrong_with_one_condition_is_told(void **state)
{
	struct rules_settings settings = all_rules();
	struct loaded loaded;

	(void)state;
	load_str(&loaded, &settings,
		 STR(MACRO("m", "proc.nmae = a or proc.pidd = 1") MACRO("n", "m or m")
		     RULE("evt.type = opn and n and fd.nmae = 3 and nowhere")));
	assert_int_equal(loaded.result, -EINVAL);
	assert_int_equal(loaded.report.errors, 5);
	assert_non_null(strstr(report_text(&loaded), "Undefined macro 'nowhere'"));
	assert_non_null(strstr(report_text(&loaded), "unknown event type opn"));
	assert_non_null(strstr(report_text(&loaded), "field proc.nmae"));
	assert_non_null(strstr(report_text(&loaded), "field proc.pidd"));
	assert_non_null(strstr(report_text(&loaded), "field fd.nmae"));
	loaded_done(&loaded);
}

int main(void)
{
	static struct CMUnitTest tests[ARRAY_LEN(rows) + ARRAY_LEN(bombs) + 4] = {
		{ .name = "with first_error the first error is the last word",
		  .test_func = the_first_error_is_the_last_word },
		{ .name = "neither errors nor warnings crowd out the other",
		  .test_func = neither_errors_nor_warnings_crowd_out_the_other },
		{ .name = "memory ends with an error", .test_func = memory_ends_with_an_error },
		{ .name = "all that is wrong with one condition is told",
		  .test_func = all_that_is_wrong_with_one_condition_is_told },
	};
	size_t count = 4;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[count++] = (struct CMUnitTest){ .name = rows[i].name,
						      .test_func = a_note_says_where_how_and_what,
						      .initial_state = (void *)(uintptr_t)&rows[i] };
	for (size_t i = 0; i < ARRAY_LEN(bombs); i++)
		tests[count++] = (struct CMUnitTest){ .name = bombs[i].name,
						      .test_func = a_bomb_is_bounded,
						      .initial_state = (void *)(uintptr_t)&bombs[i] };
	return _cmocka_run_group_tests("rule errors", tests, count, NULL, NULL);
}
