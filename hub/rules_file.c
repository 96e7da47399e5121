/* Between the configuration, the rules and the API. */
#include "hub/rules_file.h"

void rules_file_settings(const struct config *config, struct rules_settings *ret)
{
	*ret = (struct rules_settings){
		.files = config->rules_files,
		.priority_max = (enum priority)config->rules_priority,
		.match_all = config->rule_matching == 1,
		.choices = config->choices,
		.choices_count = config->choices_count,
		.extras = config->extras,
		.extras_count = config->extras_count,
		.sources = rules_hub_sources,
	};
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
