/* Falco's lists about rules: which are enabled, and what is appended to outputs. */
#include "hub/config_rules.h"

/* The node is a sequence of at most `max` mappings. */
static bool is_list(struct conf_reader *reader, const struct conf_node *node, size_t max, const char *what)
{
	if (node == NULL || node->is_null)
		return false;
	if (node->kind == CONF_NODE_SEQUENCE && node->count <= max)
		return true;
	conf_fault(reader, node, "is not a list of at most %zu %s", max, what);
	return false;
}

/* --- rules: ------------------------------------------------------------------------------------- */

/* {rule: PATTERN} or {tag: TAG}. */
static bool fill_target(struct conf_reader *reader, struct conf_node *node, struct rules_choice *ret)
{
	struct conf_node *one = node->first;

	if (node->kind != CONF_NODE_MAPPING || node->count != 1 || one->kind != CONF_NODE_SCALAR || one->is_null ||
	    (!str_eq(one->key, STR("rule")) && !str_eq(one->key, STR("tag")))) {
		conf_fault(reader, node, "is not rule: PATTERN or tag: TAG");
		return false;
	}
	ret->by_tag = str_eq(one->key, STR("tag"));
	ret->pattern = one->text.at;
	return true;
}

static void fill_choices(struct conf_reader *reader, struct config *config)
{
	const struct conf_node *node = conf_get(reader->tree.root, STR("rules"));
	struct rules_choice *choices;

	if (!is_list(reader, node, CONFIG_CHOICES_MAX, "choices (enable or disable)"))
		return;
	choices = arena_zalloc(reader->arena, (node->count + 1) * sizeof(*choices));
	if (choices == NULL)
		return;
	for (struct conf_node *one = node->first; one != NULL; one = one->next) {
		struct rules_choice *choice = &choices[config->choices_count];
		struct conf_node *target = one->kind == CONF_NODE_MAPPING && one->count == 1 ? one->first : NULL;

		conf_show_values(one);
		if (target == NULL || (!str_eq(target->key, STR("enable")) && !str_eq(target->key, STR("disable")))) {
			conf_fault(reader, one, "is not enable: or disable: with rule: PATTERN or tag: TAG below it");
			continue;
		}
		choice->enable = str_eq(target->key, STR("enable"));
		if (fill_target(reader, target, choice))
			config->choices_count++;
	}
	config->choices = choices;
}

/* --- append_output: ----------------------------------------------------------------------------- */

struct extra {
	struct {
		const char *source, *rule;
		struct conf_strings tags;
	} match;
	const char *output;
	bool suggested;
};

static const struct conf_field extra_fields[] = {
	{ "extra_output", CONF_STRING, offsetof(struct extra, output), .help = "appended to the output, after a blank" },
	{ "suggested_output", CONF_BOOL, offsetof(struct extra, suggested), .fallback = "false",
	  .help = "append container and pod, as Falco does" },
	{ 0 },
};

static const struct conf_field match_fields[] = {
	{ "source", CONF_STRING, offsetof(struct extra, match.source), .help = "rules of this source only" },
	{ "rule", CONF_STRING, offsetof(struct extra, match.rule), .help = "the rule of this name only" },
	{ "tags", CONF_STRINGS, offsetof(struct extra, match.tags), .help = "rules that have all of these tags" },
	{ 0 },
};

/* `- name` or `- name: format`; both are kept in one list of pairs, the bare name with a NULL value. */
static bool fill_extra_fields(struct conf_reader *reader, const struct conf_node *extra, struct conf_map *ret)
{
	const struct conf_node *node = conf_get(extra, STR("extra_fields"));
	struct conf_pair *pairs;
	size_t count = 0;

	if (!is_list(reader, node, CONFIG_EXTRAS_MAX, "fields (NAME or NAME: FORMAT)"))
		return node == NULL || node->is_null;
	pairs = arena_zalloc(reader->arena, (node->count + 1) * sizeof(*pairs));
	if (pairs == NULL)
		return false;
	for (const struct conf_node *one = node->first; one != NULL; one = one->next) {
		const struct conf_node *value = one->kind == CONF_NODE_MAPPING && one->count == 1 ? one->first : NULL;

		if (one->kind == CONF_NODE_SCALAR && !one->is_null) {
			pairs[count++] = (struct conf_pair){ .key = one->text.at };
		} else if (value != NULL && value->kind == CONF_NODE_SCALAR) {
			pairs[count++] = (struct conf_pair){ .key = value->key.at, .value = value->text.at };
		} else {
			conf_fault(reader, one, "is not NAME or NAME: FORMAT");
			return false;
		}
	}
	*ret = (struct conf_map){ .at = pairs, .count = count };
	return true;
}

static void fill_extra(struct conf_reader *reader, struct conf_node *node, struct config *config,
                       struct rules_extra *ret)
{
	struct conf_node *match = conf_get(node, STR("match"));
	struct extra extra = { 0 };

	conf_show_values(node);
	conf_fill(reader, node, "append_output", extra_fields, &extra);
	conf_unknown(reader, node, (const struct conf_field *const[]){ extra_fields, NULL },
	             (const char *const[]){ "match", "extra_fields", NULL });
	if (!conf_is_mapping(reader, match, "source, rule and tags"))
		match = NULL;
	conf_fill(reader, match, "append_output.match", match_fields, &extra);
	conf_unknown(reader, match, (const struct conf_field *const[]){ match_fields, NULL }, NULL);
	*ret = (struct rules_extra){ .source = extra.match.source, .rule = extra.match.rule,
		                     .tags = extra.match.tags, .output = extra.output,
		                     .suggested = extra.suggested };
	if (fill_extra_fields(reader, node, &ret->fields))
		config->extras_count++;
}

static void fill_extras(struct conf_reader *reader, struct config *config)
{
	const struct conf_node *node = conf_get(reader->tree.root, STR("append_output"));
	struct rules_extra *extras;

	if (!is_list(reader, node, CONFIG_EXTRAS_MAX, "entries (match, extra_output, extra_fields)"))
		return;
	extras = arena_zalloc(reader->arena, (node->count + 1) * sizeof(*extras));
	if (extras == NULL)
		return;
	config->extras = extras;
	for (struct conf_node *one = node->first; one != NULL; one = one->next) {
		if (one->kind == CONF_NODE_MAPPING)
			fill_extra(reader, one, config, &extras[config->extras_count]);
		else
			conf_fault(reader, one, "is not an entry (match, extra_output, extra_fields)");
	}
}

/* Rules files may require plugins; who sends their events says here that they are there. */
static void fill_plugins(struct conf_reader *reader, struct config *config)
{
	const size_t count = config->plugins_by_name.count;
	struct rules_plugin *plugins = arena_zalloc(reader->arena, (count + 1) * sizeof(*plugins));

	for (size_t i = 0; plugins != NULL && i < count; i++) {
		const struct conf_pair *pair = &config->plugins_by_name.at[i];

		plugins[i] = (struct rules_plugin){ .name = pair->key, .version = pair->value };
	}
	config->plugins = plugins;
}

void config_rules_fill(struct conf_reader *reader, struct config *config)
{
	const char *prefix = reader->prefix;

	reader->prefix = NULL; /* entries have no names that the environment could use */
	fill_choices(reader, config);
	fill_extras(reader, config);
	fill_plugins(reader, config);
	reader->prefix = prefix;
}

/* --- back as YAML ------------------------------------------------------------------------------- */

static void show(struct buf *out, const char *before, const char *value)
{
	if (value == NULL)
		return;
	buf_add(out, str_of(before));
	conf_add_scalar(str_of(value), out);
	buf_add_char(out, '\n');
}

static void show_extra(const struct rules_extra *extra, struct buf *out)
{
	buf_addf(out, "  - suggested_output: %s\n", extra->suggested ? "true" : "false");
	show(out, "    extra_output: ", extra->output);
	if (extra->source != NULL || extra->rule != NULL || extra->tags.count > 0)
		buf_add(out, STR("    match:\n"));
	show(out, "      source: ", extra->source);
	show(out, "      rule: ", extra->rule);
	for (size_t i = 0; i < extra->tags.count; i++)
		show(out, i == 0 ? "      tags:\n        - " : "        - ", extra->tags.at[i]);
	if (extra->fields.count > 0)
		buf_add(out, STR("    extra_fields:\n"));
	for (size_t i = 0; i < extra->fields.count; i++) {
		buf_add(out, STR("      - "));
		conf_add_scalar(str_of(extra->fields.at[i].key), out);
		if (extra->fields.at[i].value == NULL)
			buf_add_char(out, '\n');
		else
			show(out, ": ", extra->fields.at[i].value);
	}
}

void config_rules_show(const struct config *config, struct buf *out)
{
	if (config->choices_count > 0)
		buf_add(out, STR("rules:\n"));
	for (size_t i = 0; i < config->choices_count; i++) {
		const struct rules_choice *choice = &config->choices[i];

		buf_addf(out, "  - %s:\n      %s: ", choice->enable ? "enable" : "disable", choice->by_tag ? "tag" : "rule");
		conf_add_scalar(str_of(choice->pattern), out);
		buf_add_char(out, '\n');
	}
	if (config->extras_count > 0)
		buf_add(out, STR("append_output:\n"));
	for (size_t i = 0; i < config->extras_count; i++)
		show_extra(&config->extras[i], out);
}
