/* Telling how tests went. */
#include "cli/rules_test_report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_MAX = 64 << 20 };

static void add_xml(struct buf *out, struct str text)
{
	struct buf shown = { 0 };

	buf_add_printable(&shown, text);
	for (size_t i = 0; i < shown.len; i++) {
		switch (shown.at[i]) {
		case '<': buf_add(out, STR("&lt;")); break;
		case '>': buf_add(out, STR("&gt;")); break;
		case '&': buf_add(out, STR("&amp;")); break;
		case '"': buf_add(out, STR("&quot;")); break;
		default: buf_add_char(out, shown.at[i]); break;
		}
	}
	buf_done(&shown);
}

/* Line by line, so that the newlines stay. */
static void add_xml_lines(struct buf *out, struct str text)
{
	while (text.len > 0) {
		const char *newline = memchr(text.at, '\n', text.len);
		size_t len = newline == NULL ? text.len : (size_t)(newline - text.at);

		add_xml(out, str_cut(text, len));
		buf_add_char(out, '\n');
		text = str_from(text, len + 1);
	}
}

void report_open(struct test_report *report, bool verbose, bool tap, const char *junit, bool uncovered)
{
	*report = (struct test_report){ .verbose = verbose, .tap = tap, .junit = junit, .uncovered = uncovered };
	arena_init(&report->arena, ARENA_MAX);
	if (tap)
		buf_add(&report->out, STR("TAP version 13\n"));
	else if (cli.json)
		buf_add(&report->out, STR("{\"files\":["));
}

void report_begin(struct test_report *report, const char *path)
{
	report->file_tests = report->file_failed = 0;
	if (cli.json) {
		buf_add(&report->out, report->files > 0 ? STR(",{\"file\":") : STR("{\"file\":"));
		buf_add_json(&report->out, str_of(path));
		buf_add(&report->out, STR(",\"tests\":["));
	}
	report->files++;
}

static void add_place(const struct test_file *file, const struct test_case *test, struct buf *out)
{
	buf_add_printable(out, str_of(file->text.name));
	buf_addf(out, ":%u: ", test->node->line);
	buf_add_printable(out, test->name);
}

static void case_tap(struct test_report *report, const struct test_file *file, const struct test_case *test,
                     struct str diff)
{
	struct buf *out = &report->out;

	buf_addf(out, "%sok %zu - ", diff.len == 0 ? "" : "not ", report->tests);
	add_place(file, test, out);
	buf_add_char(out, '\n');
	while (diff.len > 0) {
		size_t len = (size_t)((const char *)memchr(diff.at, '\n', diff.len) - diff.at) + 1;

		buf_add(out, STR("# "));
		buf_add(out, str_cut(diff, len));
		diff = str_from(diff, len);
	}
}

static void case_json(struct test_report *report, const struct test_case *test, struct str diff)
{
	struct buf *out = &report->out;

	buf_add(out, report->file_tests > 1 ? STR(",{\"name\":") : STR("{\"name\":"));
	buf_add_json(out, test->name);
	buf_addf(out, ",\"line\":%u,\"ok\":%s", test->node->line, diff.len == 0 ? "true" : "false");
	if (diff.len > 0) {
		buf_add(out, STR(",\"text\":"));
		buf_add_json(out, diff);
	}
	buf_add_char(out, '}');
}

static void case_text(struct test_report *report, const struct test_file *file, const struct test_case *test,
                      struct str diff)
{
	struct buf *out = &report->out;

	if (diff.len == 0 && !report->verbose)
		return;
	cli_add_color(out, diff.len == 0 ? CLI_GREEN : CLI_RED);
	buf_add(out, diff.len == 0 ? STR("ok   ") : STR("FAIL "));
	cli_add_color(out, CLI_PLAIN);
	add_place(file, test, out);
	buf_add_char(out, '\n');
	buf_add(out, diff);
}

static void case_xml(struct test_report *report, const struct test_file *file, const struct test_case *test,
                     struct str diff)
{
	struct buf *out = &report->cases;

	buf_add(out, STR("    <testcase classname=\""));
	add_xml(out, str_of(file->text.name));
	buf_add(out, STR("\" name=\""));
	add_xml(out, test->name);
	buf_addf(out, "\" line=\"%u\"", test->node->line);
	if (diff.len == 0) {
		buf_add(out, STR("/>\n"));
		return;
	}
	buf_add(out, STR(">\n      <failure message=\"other rules fired than expected\">"));
	add_xml_lines(out, diff);
	buf_add(out, STR("</failure>\n    </testcase>\n"));
}

void report_case(struct test_report *report, const struct test_file *file, const struct test_case *test,
                 struct str diff)
{
	report->tests++;
	report->file_tests++;
	report->failed += diff.len > 0;
	report->file_failed += diff.len > 0;
	if (report->tap)
		case_tap(report, file, test, diff);
	else if (cli.json)
		case_json(report, test, diff);
	else
		case_text(report, file, test, diff);
	if (report->junit != NULL)
		case_xml(report, file, test, diff);
}

static void end_json(struct test_report *report, const struct conf_errors *errors)
{
	buf_add(&report->out, STR("],\"errors\":["));
	for (size_t i = 0; i < errors->count; i++) {
		buf_addf(&report->out, "%s{\"line\":%u,\"column\":%u,\"text\":", i > 0 ? "," : "", errors->at[i].line,
		         errors->at[i].column);
		buf_add_json(&report->out, str_of(errors->at[i].text));
		buf_add_char(&report->out, '}');
	}
	buf_add(&report->out, STR("]}"));
}

static void end_xml(struct test_report *report, const struct test_file *file, size_t errors)
{
	struct buf *out = &report->xml;

	buf_add(out, STR("  <testsuite name=\""));
	add_xml(out, str_of(file->text.name));
	buf_addf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n", report->file_tests + (errors > 0),
	         report->file_failed, (size_t)(errors > 0));
	buf_add(out, buf_str(&report->cases));
	buf_clear(&report->cases);
	if (errors > 0) {
		buf_add(out, STR("    <testcase classname=\""));
		add_xml(out, str_of(file->text.name));
		buf_add(out, STR("\" name=\"(the file)\">\n      <error message=\""));
		add_xml(out, str_of(file->errors.count > 0 ? file->errors.at[0].text : "it or its rules cannot be read"));
		buf_add(out, STR("\"/>\n    </testcase>\n"));
	}
	buf_add(out, STR("  </testsuite>\n"));
}

void report_end(struct test_report *report, const struct test_file *file)
{
	const size_t errors = conf_errors_failed(&file->errors);
	struct buf text = { 0 };

	report->errors += errors > 0;
	if (report->junit != NULL)
		end_xml(report, file, errors);
	if (cli.json) {
		end_json(report, &file->errors);
		return;
	}
	if (file->errors.count > 0)
		conf_errors_print(&file->errors, &text);
	cli_tell(&text);
	if (report->tap && errors > 0) {
		buf_addf(&report->out, "not ok %zu - ", ++report->tests);
		buf_add_printable(&report->out, str_of(file->text.name));
		buf_add(&report->out, STR(": the file is wrong\n"));
		report->failed++;
	}
}

void report_rules(struct test_report *report, const struct rules *rules)
{
	for (size_t i = 0; report->uncovered && i < rules_count(rules); i++) {
		const struct rule *rule = rules_at(rules, i);
		size_t known = 0;

		while (known < report->names_count && !str_eq(report->names[known], rule_name(rule)))
			known++;
		if (known < report->names_count || !rule_is_enabled(rule))
			continue;
		if (report->names_count == report->names_cap) {
			size_t cap = report->names_cap == 0 ? 64 : report->names_cap * 2;
			struct str *names = reallocarray(report->names, cap, sizeof(*names));
			bool *fired;

			report->names = names != NULL ? names : report->names;
			fired = reallocarray(report->fired, cap, sizeof(*fired));
			report->fired = fired != NULL ? fired : report->fired;
			if (names == NULL || fired == NULL)
				return;
			report->names_cap = cap;
		}
		report->names[known] = arena_str(&report->arena, rule_name(rule));
		report->fired[known] = false;
		report->names_count++;
	}
}

void report_cover(struct test_report *report, const struct rule *rule)
{
	for (size_t i = 0; i < report->names_count; i++)
		if (str_eq(report->names[i], rule_name(rule)))
			report->fired[i] = true;
}

static void add_uncovered(struct test_report *report, struct buf *out)
{
	size_t count = 0;

	for (size_t i = 0; i < report->names_count; i++)
		count += !report->fired[i];
	if (cli.json)
		buf_add(out, STR(",\"untested\":["));
	else
		buf_addf(out, "%s%zu of %zu rules were not made to fire%s\n", report->tap ? "# " : "", count,
		         report->names_count, count > 0 ? ":" : "");
	for (size_t i = 0, shown = 0; i < report->names_count; i++) {
		if (report->fired[i])
			continue;
		if (cli.json) {
			buf_add(out, shown++ > 0 ? STR(",") : STR(""));
			buf_add_json(out, report->names[i]);
			continue;
		}
		buf_add(out, report->tap ? STR("#   ") : STR("  "));
		buf_add_printable(out, report->names[i]);
		buf_add_char(out, '\n');
	}
	if (cli.json)
		buf_add_char(out, ']');
}

static bool write_xml(const struct test_report *report)
{
	struct buf whole = { 0 };
	FILE *file = fopen(report->junit, "we");
	bool good;

	buf_addf(&whole, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"%zu\" failures=\"%zu\" "
	         "errors=\"%zu\">\n", report->tests, report->failed, report->errors);
	buf_add(&whole, buf_str(&report->xml));
	buf_add(&whole, STR("</testsuites>\n"));
	good = file != NULL && buf_ok(&report->xml) && buf_ok(&whole) &&
	       fwrite(whole.at, 1, whole.len, file) == whole.len;
	if (file != NULL)
		good &= fclose(file) == 0;
	if (!good)
		cli_complain("%s: %s", report->junit, strerror(errno));
	buf_done(&whole);
	return good;
}

static void add_summary(struct test_report *report, struct buf *out)
{
	const size_t passed = report->tests - report->failed;

	if (report->tap) {
		buf_addf(out, "1..%zu\n", report->tests);
	} else if (cli.json) {
		buf_addf(out, "],\"ok\":%s,\"passed\":%zu,\"failed\":%zu,\"bad_files\":%zu",
		         report->failed + report->errors == 0 ? "true" : "false", passed, report->failed, report->errors);
	} else {
		buf_addf(out, "%zu file%s, %zu test%s: %zu passed, %zu failed", report->files,
		         report->files == 1 ? "" : "s", report->tests, report->tests == 1 ? "" : "s", passed, report->failed);
		if (report->errors > 0)
			buf_addf(out, ", %zu file%s wrong", report->errors, report->errors == 1 ? " is" : "s are");
		buf_add_char(out, '\n');
	}
	if (report->uncovered)
		add_uncovered(report, out);
	if (cli.json)
		buf_add(out, STR("}\n"));
}

int report_close(struct test_report *report)
{
	int status = report->failed + report->errors == 0 ? CLI_YES : CLI_NO;

	add_summary(report, &report->out);
	if (cli_print(&report->out) != CLI_YES || (report->junit != NULL && !write_xml(report)))
		status = CLI_NO;
	buf_done(&report->out);
	buf_done(&report->xml);
	buf_done(&report->cases);
	arena_done(&report->arena);
	free(report->names);
	free(report->fired);
	return status;
}
