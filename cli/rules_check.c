/* tocsin rules check: are these rules files good? */
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/rules_set.h"
#include "rules/validation.h"

static bool first_error, strict;

static const struct cli_option options[] = {
	{ "first-error", 0, NULL, NULL, "stop at the first error, as Falco does", NULL, &first_error },
	{ "strict", 0, NULL, NULL, "fail for warnings too", NULL, &strict },
	{ 0 },
};

int rules_check(struct rules_check *check)
{
	struct fields *fields = fields_new();
	struct rules *rules = NULL;

	rules_report_init(&check->report);
	check->ok = true;
	if (fields == NULL) {
		check->ok = false;
		cli_complain("out of memory");
	} else if (check->settings.files.count > 0) {
		check->ok = rules_load(&check->settings, fields, &check->report, &rules) == 0;
		if (!check->ok && check->report.errors == 0)
			cli_complain("out of memory");
	}
	if (rules != NULL) {
		check->count = rules_count(rules);
		check->enabled = rules_enabled_count(rules);
		set_tell_idle(&check->settings, rules);
	}
	rules_free(rules);
	fields_free(fields);
	return check->ok ? CLI_YES : CLI_NO;
}

void rules_check_done(struct rules_check *check)
{
	rules_report_done(&check->report);
}

/* What Falco prints, and behind it what it does not. */
static void add_json(const struct rules_check *check, bool good, struct buf *out)
{
	const struct rules_report *report = &check->report;

	buf_add(out, STR("{\"falco_load_results\":["));
	validation_files(report, out);
	buf_addf(out, "],\"tocsin\":{\"enabled\":%zu,\"errors\":[", check->enabled);
	validation_notes(report, true, out);
	buf_addf(out, "],\"more\":%zu,\"ok\":%s,\"rules\":%zu,\"warnings\":[",
	         report->errors + report->warnings - report->count, good ? "true" : "false", check->count);
	validation_notes(report, false, out);
	buf_add(out, STR("]}}\n"));
}

static void add_text(const struct rules_check *check, struct buf *out)
{
	const struct rules_report *report = &check->report;
	const size_t left = report->errors + report->warnings - report->count;

	for (size_t i = 0; i < report->files_count; i++) {
		buf_add_printable(out, str_of(report->files[i]->name));
		buf_addf(out, ": %s\n", validation_word(report->files[i]));
		for (size_t j = 0; j < report->count; j++)
			if (report->notes[j].file_number == i)
				rules_note_print(&report->notes[j], out);
	}
	if (left > 0)
		buf_addf(out, "and %zu more\n", left);
	buf_addf(out, "%zu file%s, %zu rule%s, %zu enabled, %zu error%s, %zu warning%s\n", report->files_count,
	         report->files_count == 1 ? "" : "s", check->count, check->count == 1 ? "" : "s",
	         check->enabled, report->errors, report->errors == 1 ? "" : "s", report->warnings,
	         report->warnings == 1 ? "" : "s");
}

static bool wants_stdin(const struct conf_strings *files)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(files->at[i], "-") == 0)
			return true;
	return false;
}

static int run(int argc, char **argv)
{
	static struct rules_check check;
	struct buf given = { .max = RULES_FILE_MAX }, out = { 0 };
	struct rules_text text = { .name = "-" };
	int status;

	if (!set_settings(&check.settings) || !set_operands(&check.settings, argc, argv, NULL))
		return CLI_USAGE;
	check.settings.first_error = first_error;
	if (wants_stdin(&check.settings.files)) {
		if (!cli_read("-", &given)) {
			buf_done(&given);
			return CLI_NO;
		}
		text.text = buf_str(&given);
		check.settings.given = &text;
	}
	status = rules_check(&check);
	if (strict && check.report.warnings > 0)
		status = CLI_NO;
	if (cli.json)
		add_json(&check, status == CLI_YES, &out);
	else
		add_text(&check, &out);
	if (cli_print(&out) != CLI_YES)
		status = CLI_NO;
	rules_check_done(&check);
	buf_done(&given);
	buf_done(&out);
	return status;
}

const struct cli_verb verb_rules_check = {
	.name = "rules check",
	.arguments = "FILE|FOLDER|-...",
	.summary = "check rules files, in the order in which they are loaded",
	.examples = "  tocsin rules check /etc/tocsin/rules             a folder: its *.yaml by name\n"
	            "  tocsin rules check falco_rules.yaml local.yaml   the second changes the first\n"
	            "  tocsin rules check --plugin k8saudit:0.7.0 --plugin json:0.7.0 k8s_audit_rules.yaml\n"
	            "  tocsin rules check -o json rules.yaml            for editors and CI: as falco -V prints it",
	.needs = CLI_FORMAT | CLI_RULES,
	.options = options,
	.run = run,
};
