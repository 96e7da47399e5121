/* Files, documents and the simple items: versions, plugins, lists, macros. */
#include "rules/load.h"

#include <errno.h>
#include <stdio.h>

/* The rule engine whose language this is. */
enum { ENGINE_MAJOR = 0, ENGINE_MINOR = 63, ENGINE_PATCH = 0 };

void *load_grow(struct loader *loader, void *items, size_t count, size_t *cap, size_t size)
{
	size_t bigger_cap = *cap == 0 ? 8 : *cap * 2;
	void *bigger;

	if (count < *cap)
		return items;
	bigger = arena_alloc(loader->arena, bigger_cap * size);
	if (bigger == NULL) {
		loader->out_of_memory = true;
		return NULL;
	}
	if (count > 0)
		memcpy(bigger, items, count * size);
	*cap = bigger_cap;
	return bigger;
}

bool item_text(struct loader *loader, const struct place *place, const struct yaml *item,
               struct str key, bool may_be_empty, const struct yaml **ret)
{
	const struct yaml *value = yaml_get(item, key);
	struct place here = *place;

	here.node = value == NULL ? item : value;
	if (value == NULL)
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here, "Item has no mapping for key '%s'",
		           key.at);
	else if (value->is_null)
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here, "Mapping for key '%s' is empty",
		           key.at);
	else if (value->kind != YAML_SCALAR)
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here, "Value is not a scalar value");
	else if (value->text.len == 0 && !may_be_empty)
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here, "Value must be non-empty");
	else {
		*ret = value;
		return true;
	}
	return false;
}

static int parse_bool(struct str text)
{
	static const char *const names[] = { "true",  "True",  "TRUE",  "yes", "Yes", "YES", "on",
		                             "On",    "ON",    "y",     "Y",   "false", "False",
		                             "FALSE", "no",    "No",    "NO",  "off",   "Off",
		                             "OFF",   "n",     "N" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(text, str_of(names[i])))
			return i < 11;
	return -1;
}

/* Leaves *ret alone when the key is not there. */
bool item_bool(struct loader *loader, const struct place *place, const struct yaml *item,
               struct str key, bool *ret)
{
	const struct yaml *value = NULL;
	int flag;

	if (yaml_get(item, key) == NULL)
		return true;
	if (!item_text(loader, place, item, key, false, &value))
		return false;
	flag = parse_bool(value->text);
	if (flag < 0) {
		struct place here = *place;

		here.node = value;
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
		           "Can't decode YAML scalar value: '%s' is not true or false", key.at);
		return false;
	}
	*ret = flag != 0;
	return true;
}

bool item_sequence(struct loader *loader, const struct place *place, const struct yaml *item,
                   struct str key, const struct yaml **ret)
{
	const struct yaml *value = yaml_get(item, key);
	struct place here = *place;

	here.node = value == NULL ? item : value;
	if (value == NULL) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here, "Item has no mapping for key '%s'",
		           key.at);
		return false;
	}
	if (value->kind != YAML_SEQUENCE) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here, "Value is not a sequence");
		return false;
	}
	for (size_t i = 0; i < value->count; i++) {
		if (value->items[i]->kind == YAML_SCALAR)
			continue;
		here.node = value->items[i];
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here, "sequence value is not scalar");
		return false;
	}
	*ret = value;
	return true;
}

void item_unknown_keys(struct loader *loader, const struct place *place, const struct yaml *item,
                       const struct str *known)
{
	struct place here = *place;

	for (size_t i = 0; i + 1 < item->count; i += 2) {
		const struct yaml *key = item->items[i];
		size_t j = 0;

		here.node = key;
		if (key->kind != YAML_SCALAR)
			continue;
		while (known[j].len > 0 && !str_eq(known[j], key->text))
			j++;
		if (known[j].len == 0)
			report_add(loader->report, RULES_UNKNOWN_KEY, &here,
			           "Unknown key '%.*s'. The key will be ignored.", STR_ARG(key->text));
		else if (yaml_get(item, key->text) != item->items[i + 1])
			report_add(loader->report, RULES_UNKNOWN_KEY, &here,
			           "Key '%.*s' stands twice. The first one counts.", STR_ARG(key->text));
	}
}

/* "1.2.3"; false for anything else. */
static bool parse_semver(struct str text, uint64_t ret[3])
{
	for (size_t i = 0; i < 3; i++) {
		const char *dot = i == 2 ? NULL : memchr(text.at, '.', text.len);
		size_t len = i == 2 ? text.len : dot == NULL ? 0 : (size_t)(dot - text.at);

		if (!str_to_u64(str_cut(text, len), &ret[i]))
			return false;
		text = str_from(text, len + 1);
	}
	return true;
}

static void load_engine_version(struct loader *loader, const struct yaml *item)
{
	struct place place = { .node = item, .item_kind = "required_engine_version" };
	static const struct str known[] = { STR("required_engine_version"), { 0 } };
	const struct yaml *value = NULL;
	uint64_t want[3] = { 0 };

	if (!item_text(loader, &place, item, known[0], false, &value))
		return;
	item_unknown_keys(loader, &place, item, known);
	place.node = value;
	if (!str_to_u64(value->text, &want[1]) && !parse_semver(value->text, want)) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place,
		           "Unable to parse engine version '%s' as a semver string. Expected \"x.y.z\" semver "
		           "format.",
		           value->text.at);
		return;
	}
	if (want[0] != ENGINE_MAJOR || want[1] > ENGINE_MINOR ||
	    (want[1] == ENGINE_MINOR && want[2] > ENGINE_PATCH))
		report_add(loader->report, RULES_ERR_VALIDATE, &place,
		           "Rules require engine version %s, but engine version is %d.%d.%d", value->text.at,
		           ENGINE_MAJOR, ENGINE_MINOR, ENGINE_PATCH);
}

/* Adds one {name, version} to the requirement. */
static bool requirement_add(struct loader *loader, const struct yaml *entry,
                            struct requirement *requirement)
{
	struct place place = { .node = entry, .item_kind = "required plugin versions entry" };
	const struct yaml *name, *version;
	uint64_t unused[3];

	if (entry->kind != YAML_MAPPING) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place, "Value is not a mapping");
		return false;
	}
	if (!item_text(loader, &place, entry, STR("name"), false, &name) ||
	    !item_text(loader, &place, entry, STR("version"), false, &version))
		return false;
	place.item_name = name->text;
	place.node = version;
	if (!parse_semver(version->text, unused)) {
		report_add(loader->report, RULES_ERR_VALIDATE, &place,
		           "'%s' is not a version of the form x.y.z", version->text.at);
		return false;
	}
	for (size_t i = 0; i < requirement->count; i++) {
		if (!str_eq(requirement->names[i], name->text))
			continue;
		report_add(loader->report, RULES_ERR_VALIDATE, &place,
		           "Plugin '%s' is named more than once in one requirement", name->text.at);
		return false;
	}
	if (requirement->count == ARRAY_LEN(requirement->names)) {
		report_add(loader->report, RULES_ERR_VALIDATE, &place, "too many alternatives");
		return false;
	}
	requirement->names[requirement->count] = name->text;
	requirement->versions[requirement->count++] = version->text;
	return true;
}

static void load_requirement(struct loader *loader, const struct yaml *entry)
{
	struct requirement requirement = { .node = entry };
	const struct yaml *others;
	void *bigger;

	if (!requirement_add(loader, entry, &requirement))
		return;
	others = yaml_get(entry, STR("alternatives"));
	for (size_t i = 0; others != NULL && others->kind == YAML_SEQUENCE && i < others->count; i++)
		if (!requirement_add(loader, others->items[i], &requirement))
			return;
	if (loader->requirements_count >= RULES_ITEMS_MAX)
		return;
	bigger = load_grow(loader, loader->requirements, loader->requirements_count,
	                   &loader->requirements_cap, sizeof(requirement));
	if (bigger == NULL)
		return;
	loader->requirements = bigger;
	loader->requirements[loader->requirements_count++] = requirement;
}

static void load_plugin_versions(struct loader *loader, const struct yaml *item)
{
	struct place place = { .node = item, .item_kind = "required plugin versions" };
	const struct yaml *value = yaml_get(item, STR("required_plugin_versions"));

	if (value->kind != YAML_SEQUENCE) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place, "Value is not a sequence");
		return;
	}
	for (size_t i = 0; i < value->count; i++)
		load_requirement(loader, value->items[i]);
}

/* The version of a loaded plugin, or NULL. The built-in one stands in for Falco's container plugin. */
static const char *plugin_version(const struct rules_settings *settings, struct str name)
{
	for (size_t i = 0; i < settings->plugins_count; i++)
		if (str_eq(str_of(settings->plugins[i].name), name))
			return settings->plugins[i].version;
	return str_eq(name, STR("container")) ? "0.7.0" : NULL;
}

/* The first of the names that is loaded decides. */
static bool requirement_holds(const struct loader *loader, const struct requirement *requirement)
{
	for (size_t i = 0; i < requirement->count; i++) {
		const char *version = plugin_version(loader->settings, requirement->names[i]);
		uint64_t have[3], want[3];

		if (version == NULL)
			continue;
		return parse_semver(str_of(version), have) && parse_semver(requirement->versions[i], want) &&
		       have[0] == want[0] &&
		       (have[1] > want[1] || (have[1] == want[1] && have[2] >= want[2]));
	}
	return false;
}

void load_check_plugins(struct loader *loader)
{
	for (size_t i = 0; i < loader->requirements_count; i++) {
		const struct requirement *requirement = &loader->requirements[i];
		struct place place = { .node = requirement->node,
			               .item_kind = "required plugin versions entry" };
		struct buf names = { .max = 1000 };

		if (requirement_holds(loader, requirement))
			continue;
		for (size_t j = 0; j < requirement->count; j++)
			buf_addf(&names, "%s%.*s (>= %.*s)", j == 0 ? "" : ", ", STR_ARG(requirement->names[j]),
			         STR_ARG(requirement->versions[j]));
		report_add(loader->report, RULES_ERR_VALIDATE, &place,
		           "Plugin requirement not satisfied, must load one of: %s",
		           buf_ok(&names) ? buf_text(&names) : "(a long list)");
		buf_done(&names);
	}
}

/* What `append` and `override` say about the one key of a list or a macro. */
enum change {
	CHANGE_DEFINE = 0,
	CHANGE_APPEND,
	CHANGE_REPLACE,
	CHANGE_REFUSED,
};

static enum change refused(struct loader *loader, const struct place *place, const struct yaml *node,
                           const char *text)
{
	struct place here = *place;

	here.node = node;
	report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here, "%s", text);
	return CHANGE_REFUSED;
}

static enum change read_override(struct loader *loader, const struct place *place,
                                 const struct yaml *override, struct str key)
{
	struct place here = *place;
	const struct yaml *operation;

	here.node = override;
	if (override->kind != YAML_MAPPING)
		return refused(loader, place, override, "Value of 'override' is not a mapping");
	for (size_t i = 0; i < override->count; i += 2) {
		if (override->items[i]->kind == YAML_SCALAR && str_eq(override->items[i]->text, key))
			continue;
		here.node = override->items[i];
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
		           "Key '%.*s' cannot be appended to or replaced", STR_ARG(override->items[i]->text));
		return CHANGE_REFUSED;
	}
	operation = yaml_get(override, key);
	if (operation == NULL)
		return refused(loader, place, override,
		               "Unexpected key: no corresponding entry under 'override' is defined.");
	if (str_eq(operation->text, STR("append")))
		return CHANGE_APPEND;
	if (str_eq(operation->text, STR("replace")))
		return CHANGE_REPLACE;
	here.node = operation;
	report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
	           "Invalid override operation for key '%s': '%.*s'. Allowed values are: append, replace",
	           key.at, STR_ARG(operation->text));
	return CHANGE_REFUSED;
}

static enum change change_of(struct loader *loader, const struct place *place,
                             const struct yaml *item, struct str key)
{
	const struct yaml *override = yaml_get(item, STR("override"));
	struct place here = *place;
	bool append = false;

	if (!item_bool(loader, place, item, STR("append"), &append))
		return CHANGE_REFUSED;
	if (append) {
		here.node = yaml_get(item, STR("append"));
		report_add(loader->report, RULES_DEPRECATED_ITEM, &here,
		           "'append' key is deprecated. Add an 'append' entry (e.g. '%s: append') under "
		           "'override' instead.",
		           key.at);
	}
	if (append && override != NULL)
		return refused(loader, place, override,
		               "Keys 'override' and 'append: true' cannot be used together. Add an 'append' "
		               "entry (e.g. 'condition: append') under 'override' instead.");
	if (override != NULL)
		return read_override(loader, place, override, key);
	return append ? CHANGE_APPEND : CHANGE_DEFINE;
}

/* A name whose item could not be read: who uses it need not be told again. */
static void note_broken(struct loader *loader, struct str name)
{
	if (table_put(&loader->broken, name, 0) < 0)
		loader->out_of_memory = true;
}

static bool too_many(struct loader *loader, const struct place *place, size_t count)
{
	if (count < RULES_ITEMS_MAX)
		return false;
	report_add(loader->report, RULES_ERR_VALIDATE, place, "more than %d items of one kind",
	           RULES_ITEMS_MAX);
	return true;
}

static bool is_list_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (strchr("()\"'=, \t\r\n\v\f", name.at[i]) != NULL)
			return false;
	return name.len > 0;
}

static bool is_macro_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '_')))
			return false;
	}
	return name.len > 0;
}

/* The list by that name, made when there is none; NULL: refused. */
static struct list *list_for(struct loader *loader, const struct place *place, struct str name,
                             enum change change)
{
	void *bigger;
	uint32_t at;

	if (table_get(&loader->list_names, name, &at))
		return &loader->lists[at];
	if (change == CHANGE_APPEND) {
		report_add(loader->report, RULES_ERR_VALIDATE, place,
		           "List uses 'append' or 'override.items: append' but no list by that name already "
		           "exists");
		return NULL;
	}
	if (too_many(loader, place, loader->lists_count))
		return NULL;
	bigger = load_grow(loader, loader->lists, loader->lists_count, &loader->lists_cap,
	                   sizeof(*loader->lists));
	if (bigger == NULL || table_put(&loader->list_names, name, (uint32_t)loader->lists_count) < 0) {
		loader->out_of_memory = true;
		return NULL;
	}
	loader->lists = bigger;
	loader->lists[loader->lists_count] = (struct list){ .name = name, .index = loader->index };
	return &loader->lists[loader->lists_count++];
}

static bool list_set_items(struct loader *loader, struct list *list, const struct yaml *items,
                           bool append)
{
	size_t kept = append ? list->count : 0;
	struct str *all;

	if (kept + items->count > RULES_LIST_MAX) {
		struct place place = { .node = items, .item_kind = "list", .item_name = list->name };

		report_add(loader->report, RULES_ERR_VALIDATE, &place, "more than %d items", RULES_LIST_MAX);
		return false;
	}
	all = arena_alloc(loader->arena, (kept + items->count + 1) * sizeof(*all));
	if (all == NULL) {
		loader->out_of_memory = true;
		return false;
	}
	if (kept > 0)
		memcpy(all, list->items, kept * sizeof(*all));
	for (size_t i = 0; i < items->count; i++)
		all[kept + i] = items->items[i]->text;
	list->items = all;
	list->count = kept + items->count;
	return true;
}

void load_list(struct loader *loader, const struct yaml *item)
{
	static const struct str known[] = { STR("list"), STR("items"), STR("append"), STR("override"),
		                            { 0 } };
	struct place place = { .node = item, .item_kind = "list" };
	const struct yaml *name = NULL, *items = NULL;
	enum change change;
	struct list *list;

	if (!item_text(loader, &place, item, known[0], false, &name))
		return;
	place.node = name;
	place.item_name = name->text;
	change = change_of(loader, &place, item, STR("items"));
	if (change == CHANGE_REFUSED || !item_sequence(loader, &place, item, STR("items"), &items)) {
		note_broken(loader, name->text);
		return;
	}
	item_unknown_keys(loader, &place, item, known);
	if (!is_list_name(name->text))
		report_add(loader->report, RULES_INVALID_LIST_NAME, &place,
		           "List has an invalid name. List names should match a regular expression: "
		           "[^()\"'[:space:]=,]+");
	list = list_for(loader, &place, name->text, change);
	if (list == NULL || !list_set_items(loader, list, items, change == CHANGE_APPEND))
		return;
	list->node = name;
	list->visibility = loader->index;
}

static struct macro *macro_for(struct loader *loader, const struct place *place, struct str name,
                               enum change change)
{
	struct macro *macro;
	void *bigger;
	uint32_t at;

	if (table_get(&loader->macro_names, name, &at))
		return loader->macros[at];
	if (change == CHANGE_APPEND) {
		report_add(loader->report, RULES_ERR_VALIDATE, place,
		           "Macro uses 'append' or 'override.condition: append' but no macro by that name "
		           "already exists");
		note_broken(loader, name);
		return NULL;
	}
	if (too_many(loader, place, loader->macros_count))
		return NULL;
	bigger = load_grow(loader, loader->macros, loader->macros_count, &loader->macros_cap,
	                   sizeof(struct macro *));
	macro = arena_zalloc(loader->arena, sizeof(*macro));
	if (bigger == NULL || macro == NULL ||
	    table_put(&loader->macro_names, name, (uint32_t)loader->macros_count) < 0) {
		loader->out_of_memory = true;
		return NULL;
	}
	macro->name = name;
	macro->index = loader->index;
	loader->macros = bigger;
	loader->macros[loader->macros_count++] = macro;
	return macro;
}

void load_macro(struct loader *loader, const struct yaml *item)
{
	static const struct str known[] = { STR("macro"), STR("condition"), STR("append"),
		                            STR("override"), { 0 } };
	struct place place = { .node = item, .item_kind = "macro" };
	const struct yaml *name = NULL, *condition = NULL;
	enum change change;
	struct macro *macro;

	if (!item_text(loader, &place, item, known[0], false, &name))
		return;
	place.node = name;
	place.item_name = name->text;
	change = change_of(loader, &place, item, STR("condition"));
	if (change == CHANGE_REFUSED ||
	    !item_text(loader, &place, item, STR("condition"), false, &condition)) {
		note_broken(loader, name->text);
		return;
	}
	item_unknown_keys(loader, &place, item, known);
	if (!is_macro_name(name->text))
		report_add(loader->report, RULES_INVALID_MACRO_NAME, &place,
		           "Macro has an invalid name. Macro names should match a regular expression: "
		           "[a-zA-Z]+[a-zA-Z0-9_]*");
	macro = macro_for(loader, &place, name->text, change);
	if (macro == NULL)
		return;
	if (change != CHANGE_APPEND)
		macro->condition = (struct pieces){ 0 };
	pieces_add(loader, &macro->condition, condition->text, condition, true);
	macro->node = name;
	macro->visibility = loader->index;
}

static void load_item(struct loader *loader, const struct yaml *item)
{
	static const struct {
		struct str key;
		void (*load)(struct loader *loader, const struct yaml *item);
	} kinds[] = {
		{ STR("required_engine_version"), load_engine_version },
		{ STR("required_plugin_versions"), load_plugin_versions },
		{ STR("list"), load_list },
		{ STR("macro"), load_macro },
		{ STR("rule"), load_rule },
	};
	struct place place = { .node = item, .item_kind = "rules content item" };

	if (item->is_null)
		return;
	if (item->kind != YAML_MAPPING) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place,
		           "Unexpected element type. Each element should be a yaml associative array.");
		return;
	}
	loader->index++;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (yaml_get(item, kinds[i].key) != NULL) {
			kinds[i].load(loader, item);
			return;
		}
	}
	report_add(loader->report, RULES_UNKNOWN_ITEM, &place, "Unknown top level item");
}

static void load_document(struct loader *loader, const struct yaml *root)
{
	struct place place = { .node = root, .item_kind = "rules content" };

	if (root->is_null)
		return;
	if (root->kind == YAML_SEQUENCE) {
		for (size_t i = 0; i < root->count && !loader->out_of_memory; i++)
			load_item(loader, root->items[i]);
		return;
	}
	report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place,
	           root->kind == YAML_SCALAR ? "Rules content is not yaml"
	                                     : "Rules content is not yaml array of objects");
}

int load_file(struct loader *loader, const struct yaml_file *file)
{
	struct yaml_error error = { 0 };
	const struct yaml **roots;
	size_t count;
	int r;

	if (file->text.len > RULES_FILE_MAX) {
		report_add_at(loader->report, RULES_ERR_FILE_READ, file, 0, 0, NULL, "the file is too large");
		return 0;
	}
	r = yaml_read(file, loader->arena, &roots, &count, &error);
	if (r == -EBADMSG) {
		loader->has_bad_yaml = true;
		report_add_at(loader->report, RULES_ERR_YAML_PARSE, file, error.line, error.column,
		              "rules content", error.text);
		return 0;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < count && !loader->out_of_memory; i++)
		load_document(loader, roots[i]);
	return loader->out_of_memory ? -ENOMEM : 0;
}
