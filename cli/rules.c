/* tocsin rules check: are these rules files good? */
#include "cli/check.h"
#include "cli/cli.h"

#include <stdlib.h>

static void add_note(const struct rules_note *note, struct buf *out)
{
	if (out->len > 0)
		buf_add_char(out, ',');
	buf_add(out, STR("{\"file\":"));
	buf_add_json(out, str_of(note->file));
	buf_addf(out, ",\"line\":%u,\"column\":%u,\"severity\":\"%s\",\"code\":\"%s\",\"text\":", note->line,
	         note->column, rules_code_is_error(note->code) ? "error" : "warning",
	         rules_code_name(note->code));
	buf_add_json(out, str_of(note->text));
	if (note->item_kind != NULL && note->item_name != NULL) {
		buf_addf(out, ",\"%s\":", note->item_kind);
		buf_add_json(out, str_of(note->item_name));
	}
	buf_add_char(out, '}');
}

static void report_notes(const struct rules_report *report, struct rules_check *check)
{
	struct buf text = { 0 };

	if (cli.json) {
		for (size_t i = 0; i < report->count; i++)
			add_note(&report->notes[i], &check->json);
		return;
	}
	rules_report_print(report, &text);
	cli_tell(&text);
}

int rules_check(struct rules_check *check)
{
	const struct rules_settings settings = {
		.files = check->files, .priority_max = check->priority_max, .match_all = check->match_all,
		.sources = rules_hub_sources,
	};
	struct rules_report *report;
	struct fields *fields;
	struct rules *rules = NULL;

	check->ok = true;
	if (check->files.count == 0)
		return CLI_YES;
	report = malloc(sizeof(*report));
	fields = fields_new();
	if (report == NULL || fields == NULL) {
		cli_complain("out of memory");
		free(report);
		fields_free(fields);
		return CLI_NO;
	}
	rules_report_init(report);
	check->ok = rules_load(&settings, fields, report, &rules) == 0;
	report_notes(report, check);
	check->warnings = report->warnings;
	if (check->ok) {
		check->count = rules_count(rules);
		check->enabled = rules_enabled_count(rules);
		rules_free(rules);
	}
	rules_report_done(report);
	free(report);
	fields_free(fields);
	return check->ok ? CLI_YES : CLI_NO;
}

static int run(int argc, char **argv)
{
	struct rules_check check = {
		.files = { .at = (const char *const *)argv, .count = (size_t)argc },
		.priority_max = PRIORITY_DEBUG,
	};
	struct buf out = { 0 };
	int status;

	if (argc == 0)
		return cli_usage("rules check wants files or folders");
	status = rules_check(&check);
	if (cli.json)
		buf_addf(&out, "{\"ok\":%s,\"rules\":%zu,\"enabled\":%zu,\"errors\":[%.*s]}\n",
		         check.ok ? "true" : "false", check.count, check.enabled, STR_ARG(check.json));
	else if (status == CLI_YES)
		buf_addf(&out, "%s%s: ok (%zu rules, %zu enabled, %zu warning%s)\n", argv[0],
		         argc > 1 ? " and others" : "", check.count, check.enabled, check.warnings,
		         check.warnings == 1 ? "" : "s");
	if (cli_print(&out) != CLI_YES)
		status = CLI_NO;
	buf_done(&out);
	buf_done(&check.json);
	return status;
}

const struct cli_verb verb_rules_check = {
	.name = "rules check",
	.arguments = "FILE...",
	.summary = "check rules files, in the order in which they are loaded",
	.examples = "  tocsin rules check /etc/tocsin/rules             a folder: its *.yaml by name\n"
	            "  tocsin rules check falco_rules.yaml local.yaml   the second changes the first\n"
	            "  tocsin rules check -o json rules.yaml            for editors and CI",
	.needs = CLI_FORMAT,
	.run = run,
};
