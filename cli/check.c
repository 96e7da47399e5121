/* tocsin check: is this configuration good, the rules that it names included? */
#include "cli/check.h"

#include "cli/cli.h"
#include "hub/config.h"
#include "hub/rules_file.h"
#include "rules/validation.h"

enum { ARENA_MAX = 16 << 20 };

static bool show;

static const struct cli_option options[] = {
	{ "show", 0, NULL, NULL, "print the effective configuration, secrets hidden", NULL, &show },
	{ 0 },
};

static void print_errors(const struct conf_errors *errors)
{
	struct buf text = { 0 };

	conf_errors_print(errors, &text);
	cli_tell(&text);
}

/* What conf_errors_json() says, with the rules' notes put in before its end. */
static void add_json(const struct conf_errors *errors, const struct rules_report *report, struct buf *out)
{
	struct buf notes = { 0 };

	validation_notes(report, true, &notes);
	validation_notes(report, false, &notes);
	if (notes.len == 0)
		conf_errors_json(errors, out);
	else
		buf_addf(out, "{\"ok\":%s,\"errors\":[%.*s],\"more\":%zu}", report->errors == 0 ? "true" : "false",
		         STR_ARG(buf_str(&notes)), report->errors + report->warnings - report->count);
	buf_add_char(out, '\n');
	buf_done(&notes);
}

static int check_loaded(const char *path, const struct config *config, const struct conf_errors *errors)
{
	static struct rules_check rules;
	struct buf out = { 0 }, notes = { 0 };
	int status;

	rules_file_settings(config, &rules.settings);
	status = rules_check(&rules);
	if (cli.json) {
		add_json(errors, &rules.report, &out);
	} else {
		rules_report_print(&rules.report, &notes);
		cli_tell(&notes);
	}
	if (!cli.json && status == CLI_YES && show)
		config_show(config, &out);
	else if (!cli.json && status == CLI_YES)
		buf_addf(&out, "%s: ok (%zu output%s, %zu rule%s)\n", path, config->outputs_count,
		         config->outputs_count == 1 ? "" : "s", rules.count, rules.count == 1 ? "" : "s");
	if (cli_print(&out) != CLI_YES)
		status = CLI_NO;
	buf_done(&out);
	rules_check_done(&rules);
	return status;
}

static int run(int argc, char **argv)
{
	const char *path = argc > 0 ? argv[0] : cli.config != NULL ? cli.config : "/etc/tocsin/tocsin.yaml";
	struct conf_errors errors = { 0 };
	struct config *config;
	struct arena arena;
	struct buf out = { 0 };
	int status = CLI_NO;

	if (argc > 1)
		return cli_usage("check takes one file");
	arena_init(&arena, ARENA_MAX);
	errors.arena = &arena;
	if (config_load(path, &config, &errors) == 0) {
		if (!cli.json)
			print_errors(&errors);
		status = check_loaded(path, config, &errors);
		config_free(config);
	} else if (cli.json) {
		conf_errors_json(&errors, &out);
		buf_add_char(&out, '\n');
		cli_print(&out);
	} else {
		print_errors(&errors);
	}
	buf_done(&out);
	arena_done(&arena);
	return status;
}

const struct cli_verb verb_check = {
	.name = "check",
	.arguments = "[FILE]",
	.summary = "check a configuration and the rules files that it names",
	.examples = "  tocsin check                       /etc/tocsin/tocsin.yaml\n"
	            "  tocsin check hub.yaml              all that is wrong, each with its place\n"
	            "  tocsin check -o json - < hub.yaml  for editors and CI",
	.needs = CLI_CONFIG | CLI_FORMAT,
	.options = options,
	.run = run,
};
