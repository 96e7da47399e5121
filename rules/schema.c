/* The schema knows one flat set of keys for all kinds of items. Hub-only items and keys are ours to
 * know, and are no warnings. */
#include "rules/schema.h"

enum shape { SCALAR, SEQUENCE, MAPPING, ANY };

static const struct {
	struct str key;
	enum shape shape;
} keys[] = {
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
};

static const char *const shapes[] = { [SCALAR] = "a scalar",
				      [SEQUENCE] = "a sequence",
				      [MAPPING] = "a mapping" };

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

static void check_key(struct rules_report *report, const struct yaml *key, const struct yaml *value)
{
	struct yaml_place at;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (key->kind != YAML_SCALAR || !str_eq(keys[i].key, key->text))
			continue;
		if (str_eq(key->text, STR("priority")))
			check_priority(report, value);
		if (has_shape(value, keys[i].shape))
			return;
		at = yaml_start(value);
		report_schema(report, key->file->number, "%u:%u: the value of '%s' is not %s",
			      at.line, at.column, keys[i].key.at, shapes[keys[i].shape]);
		return;
	}
	at = yaml_start(key);
	report_schema(report, key->file->number, "%u:%u: no item has a key '%.*s'", at.line,
		      at.column, STR_ARG(str_cut(key->kind == YAML_SCALAR ? key->text : STR("?"), 80)));
}

static void check_item(struct rules_report *report, const struct yaml *item)
{
	for (size_t i = 0; item->kind == YAML_MAPPING && i + 1 < item->count &&
			   !report_schema_is_full(report, item->file->number);
	     i += 2)
		check_key(report, item->items[i], item->items[i + 1]);
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
