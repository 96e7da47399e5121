/* The schema knows one flat set of keys for all kinds of items, and the keys of the mappings inside
 * them. Hub-only items and keys are ours to know, and are no warnings. */
#include "rules/schema.h"

enum shape { SCALAR, BOOLEAN, INTEGER, SCALARS, MAPPINGS, OVERRIDE, CHANGE, SEQUENCE, MAPPING, ANY };

struct known {
	struct str key;
	enum shape shape;
};

static const struct known item_keys[] = {
	{ STR("required_engine_version"), SCALAR },
	{ STR("required_plugin_versions"), MAPPINGS },
	{ STR("list"), SCALAR },
	{ STR("items"), SCALARS },
	{ STR("macro"), SCALAR },
	{ STR("rule"), SCALAR },
	{ STR("condition"), SCALAR },
	{ STR("output"), SCALAR },
	{ STR("desc"), SCALAR },
	{ STR("priority"), SCALAR },
	{ STR("source"), SCALAR },
	{ STR("enabled"), BOOLEAN },
	{ STR("tags"), SCALARS },
	{ STR("exceptions"), MAPPINGS },
	{ STR("warn_evttypes"), BOOLEAN },
	{ STR("skip-if-unknown-filter"), BOOLEAN },
	{ STR("capture"), BOOLEAN },
	{ STR("capture_duration"), INTEGER },
	{ STR("append"), BOOLEAN },
	{ STR("override"), OVERRIDE },
	{ STR("opa"), MAPPING },
	{ STR("respond"), ANY },
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
	{ STR("alternatives"), MAPPINGS },
	{ { 0 }, ANY },
};

static const struct known alternative_keys[] = {
	{ STR("name"), SCALAR },
	{ STR("version"), SCALAR },
	{ { 0 }, ANY },
};

static const struct known override_keys[] = {
	{ STR("items"), CHANGE },
	{ STR("desc"), CHANGE },
	{ STR("condition"), CHANGE },
	{ STR("output"), CHANGE },
	{ STR("priority"), CHANGE },
	{ STR("enabled"), CHANGE },
	{ STR("exceptions"), CHANGE },
	{ STR("capture"), CHANGE },
	{ STR("capture_duration"), CHANGE },
	{ STR("tags"), CHANGE },
	{ STR("warn_evttypes"), CHANGE },
	{ STR("skip-if-unknown-filter"), CHANGE },
	{ STR("opa"), CHANGE },
	{ STR("respond"), CHANGE },
	{ STR("count"), CHANGE },
	{ STR("within"), CHANGE },
	{ STR("by"), CHANGE },
	{ STR("of"), CHANGE },
	{ STR("learn"), CHANGE },
	{ STR("steps"), CHANGE },
	{ { 0 }, ANY },
};

static const char *const shapes[] = {
	[SCALAR] = "a scalar",
	[BOOLEAN] = "true or false",
	[INTEGER] = "a whole number",
	[SCALARS] = "a sequence of scalars",
	[MAPPINGS] = "a sequence of mappings",
	[OVERRIDE] = "a mapping with a key at least",
	[CHANGE] = "append or replace",
	[SEQUENCE] = "a sequence",
	[MAPPING] = "a mapping",
};

static bool all_are(const struct yaml *node, enum yaml_kind kind)
{
	for (size_t i = 0; node->kind == YAML_SEQUENCE && i < node->count; i++)
		if (node->items[i]->kind != kind)
			return false;
	return node->kind == YAML_SEQUENCE;
}

static bool is_one_of(const struct yaml *node, struct str a, struct str b)
{
	return node->kind == YAML_SCALAR && (str_eq(node->text, a) || str_eq(node->text, b));
}

static bool has_shape(const struct yaml *node, enum shape shape)
{
	int64_t number;

	switch (shape) {
	case SCALAR: return node->kind == YAML_SCALAR;
	case BOOLEAN: return is_one_of(node, STR("true"), STR("false"));
	case INTEGER: return node->kind == YAML_SCALAR && str_to_i64(node->text, &number);
	case SCALARS: return all_are(node, YAML_SCALAR);
	case MAPPINGS: return all_are(node, YAML_MAPPING);
	case OVERRIDE: return node->kind == YAML_MAPPING && node->count > 0;
	case CHANGE: return is_one_of(node, STR("append"), STR("replace"));
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

/* That a mapping has the keys that it needs. */
static void check_needed(struct rules_report *report, const char *what, const struct yaml *node,
			 const struct str *keys, size_t count)
{
	for (size_t i = 0; node->kind == YAML_MAPPING && i < count; i++) {
		struct yaml_place at = yaml_start(node);

		if (yaml_get(node, keys[i]) == NULL)
			report_schema(report, node->file->number, "%u:%u: %s has no '%s'", at.line, at.column,
				      what, keys[i].at);
	}
}

static void check_mappings(struct rules_report *report, const struct known *known, const char *what,
			   const struct yaml *list, size_t needed_count)
{
	static const struct str needed[] = { STR("name"), STR("version") };

	for (size_t i = 0; list != NULL && list->kind == YAML_SEQUENCE && i < list->count; i++) {
		check_mapping(report, known, what, list->items[i]);
		check_needed(report, what, list->items[i], needed, needed_count);
	}
}

static void check_plugins(struct rules_report *report, const struct yaml *list)
{
	check_mappings(report, plugin_keys, "required plugin", list, 2);
	for (size_t i = 0; list != NULL && list->kind == YAML_SEQUENCE && i < list->count; i++)
		if (list->items[i]->kind == YAML_MAPPING)
			check_mappings(report, alternative_keys, "alternative plugin",
				       yaml_get(list->items[i], STR("alternatives")), 2);
}

static void check_item(struct rules_report *report, const struct yaml *item)
{
	const struct yaml *priority, *override;

	if (item->kind != YAML_MAPPING)
		return;
	check_mapping(report, item_keys, "item", item);
	priority = yaml_get(item, STR("priority"));
	if (priority != NULL)
		check_priority(report, priority);
	override = yaml_get(item, STR("override"));
	if (override != NULL)
		check_mapping(report, override_keys, "override", override);
	check_mappings(report, exception_keys, "exception", yaml_get(item, STR("exceptions")), 1);
	check_plugins(report, yaml_get(item, STR("required_plugin_versions")));
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
