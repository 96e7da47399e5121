/* Between the configuration, the rules and the API. */
#include "hub/rules_file.h"

void rules_file_settings(const struct config *config, struct rules_settings *ret)
{
	*ret = (struct rules_settings){
		.files = config->rules_files,
		.priority_max = (enum priority)config->rules_priority,
		.match_all = config->rule_matching == 1,
		.plugins = config->plugins,
		.plugins_count = config->plugins_by_name.count,
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

static void add_pair(struct buf *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_addf(out, ",\"%s\":", name);
	buf_add_json(out, str_of(value));
}

static void add_choices(const struct config *config, struct buf *out)
{
	buf_add(out, STR(",\"rules\":["));
	for (size_t i = 0; i < config->choices_count; i++) {
		const struct rules_choice *choice = &config->choices[i];

		buf_addf(out, "%s{\"enable\":%s", i > 0 ? "," : "", choice->enable ? "true" : "false");
		add_pair(out, choice->by_tag ? "tag" : "rule", choice->pattern);
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
}

/* Sensors send the fields that outputs name: what is appended to outputs counts, whichever rules get
 * it. */
static void add_extras(const struct config *config, struct buf *out)
{
	struct buf text = { .max = RULES_TEXT_MAX };
	bool suggested = false;

	for (size_t i = 0; i < config->extras_count; i++) {
		const struct rules_extra *extra = &config->extras[i];

		suggested |= extra->suggested;
		if (extra->output != NULL)
			buf_addf(&text, " %s", extra->output);
		for (size_t j = 0; j < extra->fields.count; j++)
			if (extra->fields.at[j].value != NULL)
				buf_addf(&text, " %s", extra->fields.at[j].value);
			else
				buf_addf(&text, " %%%s", extra->fields.at[j].key);
	}
	buf_add(out, STR(",\"extra_output\":"));
	buf_add_json(out, str_trim(buf_str(&text)));
	buf_addf(out, ",\"suggested_output\":%s", suggested ? "true" : "false");
	buf_done(&text);
}

void rules_file_bundle(const struct config *config, const struct rules *rules, struct buf *out)
{
	buf_addf(out, "{\"priority\":\"%s\"", priority_name((enum priority)config->rules_priority));
	add_choices(config, out);
	add_extras(config, out);
	buf_add(out, STR(",\"plugins\":["));
	for (size_t i = 0; i < config->plugins_by_name.count; i++) {
		buf_addf(out, "%s{\"name\":", i > 0 ? "," : "");
		buf_add_json(out, str_of(config->plugins[i].name));
		add_pair(out, "version", config->plugins[i].version);
		buf_add_char(out, '}');
	}
	buf_add(out, STR("],\"files\":["));
	for (size_t i = 0; rules != NULL && i < rules_files_count(rules); i++) {
		struct rules_text file = rules_file_at(rules, i);

		buf_add(out, i > 0 ? STR(",{\"name\":") : STR("{\"name\":"));
		buf_add_json(out, str_of(file.name));
		buf_add(out, STR(",\"text\":"));
		buf_add_json(out, file.text);
		buf_add_char(out, '}');
	}
	buf_add(out, STR("]}\n"));
}
