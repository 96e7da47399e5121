/* A rules file and a condition. Whatever the bytes, loading ends with rules or with a reason; a
 * condition's canonical spelling is one that it parses back to; matching shares nothing wrongly. */
#include "rules/eval.h"
#include "rules/load.h"
#include "rules/validation.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
/* libFuzzer's own; not there when the corpus is only replayed. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

enum { INPUT_MAX = 64 << 10 };

static bool has_call(const struct ast *ast)
{
	for (size_t i = 0; i < ast->count; i++)
		if (has_call(ast->items[i]))
			return true;
	return (ast->left != NULL && ast->left->kind != AST_FIELD) ||
	       (ast->right != NULL && ast->right->kind != AST_FIELD);
}

static void one_condition(struct str text)
{
	struct buf once = { 0 }, twice = { 0 };
	struct parse_error error;
	struct arena arena;
	struct ast *ast, *again;

	arena_init(&arena, 64 << 20);
	/* The arguments of transformers are printed without their quotes, as Falco does. */
	if (ast_parse(text, 100, &arena, &ast, &error) == 0 && !has_call(ast)) {
		struct type_pair types;

		evttypes_of(ast, &types, NULL);
		ast_print(&once, ast);
		if (ast_parse(buf_str(&once), RULES_DEPTH_MAX, &arena, &again, &error) < 0)
			abort();
		ast_print(&twice, again);
		if (!str_eq(buf_str(&once), buf_str(&twice)))
			abort();
	}
	buf_done(&once);
	buf_done(&twice);
	arena_done(&arena);
}

static void set(struct event *event, const struct fields *fields, const char *name,
		struct value value)
{
	event_set(event, fields_find(fields, str_of(name)), value);
}

static void fill(struct event *event, const struct fields *fields)
{
	static const struct value args[] = { { .kind = VALUE_STR, .len = 2, .s = "-c" },
					     { .kind = VALUE_STR, .len = 2, .s = "\xff\n" } };

	event->time_ns = 1700000000123456789;
	set(event, fields, "evt.type", value_str(STR("openat")));
	set(event, fields, "evt.rawres", value_str(STR("3")));
	set(event, fields, "evt.arg.flags", value_str(STR("O_WRONLY|O_CREAT")));
	set(event, fields, "fd.name", value_str(STR("/usr/bin/../bin/\x80sh")));
	set(event, fields, "fd.num", value_i64(3));
	set(event, fields, "fd.typechar", value_str(STR("f")));
	set(event, fields, "fd.sip", value_str(STR("10.1.2.3")));
	set(event, fields, "proc.name", value_str(STR("bash")));
	set(event, fields, "proc.args",
	    (struct value){ .kind = VALUE_LIST, .len = 2, .list = args });
	set(event, fields, "proc.aname[2]", value_str(STR("sshd")));
	set(event, fields, "user.uid", value_i64(-1));
}

static void match_one(const struct rules *rules, const struct fields *fields)
{
	struct rules_scratch *scratch = rules_scratch_new(rules);
	const struct rule *hits[16], *plain[16];
	struct buf output = { 0 }, members = { 0 };
	struct event event;
	size_t count;

	if (scratch == NULL || event_init(&event, fields_count(fields)) < 0)
		abort();
	fill(&event, fields);
	count = rules_match(rules, scratch, &event, hits, 16);
	for (size_t i = 0; i < count; i++)
		rules_format(rules, scratch, hits[i], &event, &output, &members);
	if (!str_is_utf8(buf_str(&members)))
		abort();
	if (rules_scratch_overflows(scratch) == 0 &&
	    (rules_match_plain(rules, scratch, &event, plain, 16) != count ||
	     (count > 0 && memcmp(hits, plain, count * sizeof(*hits)) != 0)) &&
	    rules_scratch_overflows(scratch) == 0)
		abort();
	buf_done(&output);
	buf_done(&members);
	event_done(&event);
	rules_scratch_free(scratch);
}

/* Every place is in the file, and on the line that it says. */
static void check_places(const struct rules_report *report, struct str text)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct rules_note *note = &report->notes[i];

		if (note->line == 0)
			continue;
		if (note->offset > text.len || note->column == 0 || note->column - 1 > note->offset)
			abort();
		for (size_t j = 1; j < note->column; j++)
			if (text.at[note->offset - j] == '\n')
				abort();
		if (note->locations_count == 0)
			abort();
	}
}

static void one_file(struct str text)
{
	struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .match_all = true };
	struct rules_text file = { .name = "fuzz.yaml", .text = text };
	struct rules_report *report = malloc(sizeof(*report));
	struct fields *fields = fields_new();
	struct buf printed = { 0 };
	struct rules *rules = NULL;
	int r;

	if (report == NULL || fields == NULL)
		abort();
	rules_report_init(report);
	r = rules_load_text(&settings, &file, 1, fields, report, &rules);
	rules_report_print(report, &printed);
	buf_clear(&printed);
	validation_files(report, &printed);
	validation_notes(report, true, &printed);
	if (!str_is_utf8(buf_str(&printed)))
		abort();
	check_places(report, text);
	if (r == 0)
		match_one(rules, fields);
	else if (r == -EINVAL && report->errors == 0)
		abort();
	rules_free(rules);
	buf_done(&printed);
	rules_report_done(report);
	fields_free(fields);
	free(report);
}

/* What a rules file is made of; a blank stands in front of each when it is put in. */
static const char *const words[] = {
	"- rule: r\n  desc: d\n  priority: INFO\n  output: o\n  condition: ",
	"- macro: m\n  condition: ",
	"- list: l\n  items: [",
	"- list: l\n  override: {items: append}\n  items: [",
	"\n  append: true\n",
	"\n  override: {condition: append}\n  condition: and ",
	"\n  override: {exceptions: append}\n",
	"\n  exceptions:\n  - name: e\n    fields: [proc.name, fd.name]\n    comps: [=, in]\n    values: [[a, [b]]]\n",
	"\n  enabled: false\n",
	"\n  skip-if-unknown-filter: true\n",
	"\n  tags: [a, b]\n",
	"\n  source: other\n",
	"\n  condition: >\n    ",
	"\n  condition: |\n    ",
	"- required_engine_version: 0.57.0\n",
	"- required_plugin_versions:\n  - {name: container, version: 0.4.0}\n",
	"\n---\n", "&a ", "*a ", "!x ", "\"\\u00e9\\x41\"", "'it''s'", "\xc3\xa9", "\xff",
	"m", "l", "(l)", "and", "or", "not", "(", ")", "not (", "exists", "=", "!=", "<", ">=", "in (",
	"intersects (", "pmatch (", "contains", "startswith", "glob", "regex", "regex (a{1,9}){9}", "oneof (", "allof (",
	"val(proc.name)", "tolower(proc.name)", "concat(proc.name, \"a\")", "getopt(proc.args, \"a:b\")[a]", "join(\",\", (",
	"evt.type", "evt.type in (open, openat)", "proc.name", "proc.aname[2]", "proc.args[1]", "fd.sip", "fd.snet", "evt.arg.flags",
	"evt.arg[1]", "proc.pid", "user.uid", "0x1f", "-1", "18446744073709551616", "%proc.name", "%tolower(proc.name)",
	"%container.info", "%10proc.name", "<NA>", "%evt.dir", "ka.x",
};

/* Puts a word in, or takes a line out, or sets one twice; else as libFuzzer does. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	const char *word = words[seed / 7 % (sizeof(words) / sizeof(words[0]))];
	size_t at = size == 0 ? 0 : seed / 1009 % (size + 1), len = strlen(word), end = at;

	switch (seed % 7) {
	case 0:
	case 1:
	case 2:
		if (size + len + 1 > max)
			break;
		memmove(data + at + len + 1, data + at, size - at);
		data[at] = ' ';
		memcpy(data + at + 1, word, len);
		return size + len + 1;
	case 3:
	case 4:
		while (at > 0 && data[at - 1] != '\n')
			at--;
		while (end < size && data[end] != '\n')
			end++;
		end += end < size;
		len = end - at;
		if (seed % 7 == 4 && len > 0 && len < size) {
			memmove(data + at, data + end, size - end);
			return size - len;
		}
		if (size + len > max)
			break;
		memmove(data + end + len, data + end, size - end);
		memcpy(data + end, data + at, len);
		return size + len;
	default: break;
	}
	return LLVMFuzzerMutate(data, size, max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { .at = (const char *)data, .len = size };

	if (size > INPUT_MAX)
		return 0;
	one_condition(text);
	one_file(text);
	return 0;
}
