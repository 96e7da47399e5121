/* The schema knows one flat set of keys for all kinds of items, and the keys of the mappings inside
 * them. Hub-only items and keys are ours to know, and are no warnings. */
#include "rules/schema.h"

enum shape { SCALAR, SEQUENCE, MAPPING, ANY };

struct known {
	struct str key;
	enum shape shape;
};

static const struct known item_keys[] = {
	{ STR("required_engine_version"), SCALAR },
	{ STR("required_plugin_versions"), SEQUENCE },
	{ STR("list"), SCALAR },
	{ STR("items"), SEQUENCE },
	{ STR("macro"), SCALAR },
	{ STR("rule"), SCALAR },
	{ STR("condition"), SCALAR },
	{ STR("output"), SCALAR },
	{ STR("desc"), SCALAR },
	{ STR("priority"), SCALAR },
	{ STR("source"), SCALAR },
	{ STR("enabled"), SCALAR },
	{ STR("tags"), SEQUENCE },
	{ STR("exceptions"), ANY },
	{ STR("warn_evttypes"), SCALAR },
	{ STR("skip-if-unknown-filter"), SCALAR },
	{ STR("capture"), SCALAR },
	{ STR("capture_duration"), SCALAR },
	{ STR("append"), SCALAR },
	{ STR("override"), MAPPING },
	{ STR("opa"), MAPPING },
	{ STR("threshold"), SCALAR },
	{ STR("sequence"), SCALAR },
	{ STR("distinct"), SCALAR },
	{ STR("first_seen"), SCALAR },
	{ STR("absent"), SCALAR },
	{ STR("count"), SCALAR },
	{ STR("within"), SCALAR },
	{ STR("by"), ANY },
	{ STR("of"), ANY },
	{ STR("learn"), SCALAR },
	{ STR("steps"), SEQUENCE },
	{ { 0 }, ANY },
};

static const struct known exception_keys[] = {
	{ STR("name"), SCALAR }, { STR("fields"), ANY }, { STR("comps"), ANY },
	{ STR("values"), ANY },	 { { 0 }, ANY },
};

static const struct known plugin_keys[] = {
	{ STR("name"), SCALAR },
	{ STR("version"), SCALAR },
	{ STR("alternatives"), SEQUENCE },
	{ { 0 }, ANY },
};

static const char *const shapes[] = {
	[SCALAR] = "a scalar", [SEQUENCE] = "a sequence", [MAPPING] = "a mapping"
};

static bool has_shape(const struct yaml *node, enum shape shape)
{
	switch (shape) {
	case SCALAR: return node->kind == YAML_SCALAR;
	case SEQUENCE: return node->kind == YAML_SEQUENCE;
	case MAPPING: return node->kind == YAML_MAPPING;
	case ANY: return true;
	}
	return true;
}

static void check_priority(struct rules_report *report, const struct yaml *value)
{
	static const struct str names[] = { STR("EMERGENCY"), STR("ALERT"),	    STR("CRITICAL"),
					    STR("ERROR"),     STR("WARNING"),	    STR("NOTICE"),
					    STR("INFO"),      STR("INFORMATIONAL"), STR("DEBUG") };
	struct yaml_place at = yaml_start(value);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (value->kind != YAML_SCALAR || str_eq(names[i], value->text))
			return;
	report_schema(report, value->file->number,
		      "%u:%u: priority '%.*s' is not one of EMERGENCY, ALERT, CRITICAL, ERROR, "
		      "WARNING, NOTICE, INFO, INFORMATIONAL, DEBUG",
		      at.line, at.column, STR_ARG(str_cut(value->text, 80)));
}

static void check_key(struct rules_report *report, const struct known *known, const char *what,
		      const struct yaml *key, const struct yaml *value)
{
	struct yaml_place at;

	for (; known->key.len > 0; known++) {
		if (key->kind != YAML_SCALAR || !str_eq(known->key, key->text))
			continue;
		if (has_shape(value, known->shape))
			return;
		at = yaml_start(value);
		report_schema(report, key->file->number, "%u:%u: the value of '%s' is not %s",
			      at.line, at.column, known->key.at, shapes[known->shape]);
		return;
	}
	at = yaml_start(key);
	report_schema(report, key->file->number, "%u:%u: no %s has a key '%.*s'", at.line,
		      at.column, what,
		      STR_ARG(str_cut(key->kind == YAML_SCALAR ? key->text : STR("?"), 80)));
}

static void check_mapping(struct rules_report *report, const struct known *known, const char *what,
			  const struct yaml *node)
{
	for (size_t i = 0; node->kind == YAML_MAPPING && i + 1 < node->count &&
			   !report_schema_is_full(report, node->file->number);
	     i += 2)
		check_key(report, known, what, node->items[i], node->items[i + 1]);
}

static void check_mappings(struct rules_report *report, const struct known *known, const char *what,
			   const struct yaml *list)
{
	for (size_t i = 0; list != NULL && list->kind == YAML_SEQUENCE && i < list->count; i++)
		check_mapping(report, known, what, list->items[i]);
}

static void check_item(struct rules_report *report, const struct yaml *item)
{
	const struct yaml *priority;

	if (item->kind != YAML_MAPPING)
		return;
	check_mapping(report, item_keys, "item", item);
	priority = yaml_get(item, STR("priority"));
	if (priority != NULL)
		check_priority(report, priority);
	check_mappings(report, exception_keys, "exception", yaml_get(item, STR("exceptions")));
	check_mappings(report, plugin_keys, "required plugin",
		       yaml_get(item, STR("required_plugin_versions")));
}

void schema_check(struct rules_report *report, const struct yaml *root)
{
	struct yaml_place at = yaml_start(root);

	if (root->is_null)
		return;
	if (root->kind != YAML_SEQUENCE) {
		report_schema(report, root->file->number, "%u:%u: not a sequence of items", at.line,
			      at.column);
		return;
	}
	for (size_t i = 0; i < root->count; i++)
		check_item(report, root->items[i]);
}
