/* Loading the configured rules and telling of them. */
#include "hub/rules_file.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void print_report(const struct rules_report *report)
{
	struct buf text = { 0 };

	rules_report_print(report, &text);
	if (buf_ok(&text) && text.len > 0) {
		ssize_t written = write(STDERR_FILENO, text.at, text.len);

		(void)written;
	}
	buf_done(&text);
}

int rules_file_load(const struct config *config, struct fields *fields, struct rules **ret)
{
	const struct rules_settings settings = {
		.files = config->rules_files,
		.priority_max = (enum priority)config->rules_priority,
		.match_all = config->rule_matching == 1,
		.suggested_output = false,
	};
	struct rules_report *report;
	int r;

	*ret = NULL;
	if (config->rules_files.count == 0)
		return 0;
	report = malloc(sizeof(*report));
	if (report == NULL)
		return -ENOMEM;
	rules_report_init(report);
	r = rules_load(&settings, fields, report, ret);
	if (r < 0) {
		print_report(report);
		log_err("rules: %zu errors; not loaded", report->errors);
	} else {
		log_info("rules: %zu loaded, %zu enabled, %zu warnings", rules_count(*ret),
		         rules_enabled_count(*ret), report->warnings);
	}
	rules_report_done(report);
	free(report);
	return r;
}

static void add_rule(const struct rule *rule, struct buf *out)
{
	size_t count;
	const struct str *tags = rule_tags(rule, &count);

	buf_add(out, STR("{\"name\":"));
	buf_add_json(out, rule_name(rule));
	buf_addf(out, ",\"priority\":\"%s\",\"enabled\":%s,\"source\":", priority_name(rule_priority(rule)),
	         rule_is_enabled(rule) ? "true" : "false");
	buf_add_json(out, rule_source(rule));
	buf_add(out, STR(",\"description\":"));
	buf_add_json(out, rule_description(rule));
	buf_add(out, STR(",\"file\":"));
	buf_add_json(out, str_of(rule_file(rule)));
	buf_addf(out, ",\"line\":%u,\"tags\":[", rule_line(rule));
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_json(out, tags[i]);
	}
	buf_add(out, STR("]}"));
}

void rules_file_list(const struct rules *rules, struct buf *out)
{
	buf_add_char(out, '[');
	for (size_t i = 0; rules != NULL && i < rules_count(rules); i++) {
		if (i > 0)
			buf_add_char(out, ',');
		add_rule(rules_at(rules, i), out);
	}
	buf_add_char(out, ']');
}
