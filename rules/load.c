/* Files, documents and the simple items: lists and macros. */
#include "rules/load.h"

#include "rules/near.h"
#include "rules/schema.h"

#include <errno.h>
#include <stdio.h>

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
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "Item has no mapping for key '%s'", key.at);
	else if (value->is_null)
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "Mapping for key '%s' is empty", key.at);
	else if (value->kind != YAML_SCALAR)
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "Value is not a scalar value");
	else if (value->text.len == 0 && !may_be_empty)
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "Value must be non-empty");
	else {
		*ret = value;
		return true;
	}
	return false;
}

static int parse_bool(struct str text)
{
	static const char *const names[] = { "true",  "True",  "TRUE", "yes", "Yes", "YES",
					     "on",    "On",    "ON",   "y",   "Y",   "false",
					     "False", "FALSE", "no",   "No",  "NO",  "off",
					     "Off",   "OFF",   "n",    "N" };

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
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "Item has no mapping for key '%s'", key.at);
		return false;
	}
	if (value->kind != YAML_SEQUENCE) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "Value is not a sequence");
		return false;
	}
	for (size_t i = 0; i < value->count; i++) {
		if (value->items[i]->kind == YAML_SCALAR && !value->items[i]->is_null)
			continue;
		here.node = value->items[i];
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "sequence value is not scalar");
		return false;
	}
	*ret = value;
	return true;
}

static void unknown_key(struct loader *loader, const struct place *place, const struct yaml *key,
			const struct str *known)
{
	struct near near = near_to(key->text);
	struct rules_note *note =
		report_add(loader->report, RULES_UNKNOWN_KEY, place,
			   "Unknown key '%.*s'. The key will be ignored.", STR_ARG(key->text));

	for (size_t i = 0; note != NULL && known[i].len > 0; i++)
		near_try(&near, known[i]);
	report_suggest(loader->report, note, near.best);
}

void item_unknown_keys(struct loader *loader, const struct place *place, const struct yaml *item,
		       const struct str *known)
{
	struct place here = *place;
	uint64_t seen = 0;

	for (size_t i = 0; i + 1 < item->count; i += 2) {
		const struct yaml *key = item->items[i];
		size_t j = 0;

		here.node = key;
		if (key->kind != YAML_SCALAR)
			continue;
		while (known[j].len > 0 && !str_eq(known[j], key->text))
			j++;
		if (known[j].len == 0)
			unknown_key(loader, &here, key, known);
		else if (seen & (uint64_t)1 << j)
			report_add(loader->report, RULES_UNKNOWN_KEY, &here,
				   "Key '%.*s' stands twice. The first one counts.",
				   STR_ARG(key->text));
		seen |= (uint64_t)1 << j;
	}
}

/* What `append` and `override` say about the one key of a list or a macro. */
enum change {
	CHANGE_DEFINE = 0,
	CHANGE_APPEND,
	CHANGE_REPLACE,
	CHANGE_REFUSED,
};

static enum change refused(struct loader *loader, const struct place *place,
			   const struct yaml *node, const char *text)
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
		if (override->items[i]->kind == YAML_SCALAR &&
		    str_eq(override->items[i]->text, key))
			continue;
		here.node = override->items[i];
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "Key '%.*s' cannot be appended to or replaced",
			   STR_ARG(override->items[i]->text));
		return CHANGE_REFUSED;
	}
	operation = yaml_get(override, key);
	if (operation == NULL)
		return refused(
			loader, place, override,
			"Unexpected key: no corresponding entry under 'override' is defined.");
	if (str_eq(operation->text, STR("append")))
		return CHANGE_APPEND;
	if (str_eq(operation->text, STR("replace")))
		return CHANGE_REPLACE;
	here.node = operation;
	report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
		   "Invalid override operation for key '%s': '%.*s'. Allowed values are: append, "
		   "replace",
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
			   "'append' key is deprecated. Add an 'append' entry (e.g. '%s: append') "
			   "under "
			   "'override' instead.",
			   key.at);
	}
	if (append && override != NULL)
		return refused(loader, place, override,
			       "Keys 'override' and 'append: true' cannot be used together. Add an "
			       "'append' "
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
			   "List uses 'append' or 'override.items: append' but no list by that "
			   "name already "
			   "exists");
		return NULL;
	}
	if (too_many(loader, place, loader->lists_count))
		return NULL;
	bigger = load_grow(loader, loader->lists, loader->lists_count, &loader->lists_cap,
			   sizeof(*loader->lists));
	if (bigger == NULL ||
	    table_put(&loader->list_names, name, (uint32_t)loader->lists_count) < 0) {
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
	struct place place = { .node = items, .item_kind = "list", .item_name = list->name };

	if (!append)
		list->count = 0;
	if (list->count + items->count > RULES_LIST_MAX) {
		report_add(loader->report, RULES_ERR_VALIDATE, &place, "more than %d items",
			   RULES_LIST_MAX);
		return false;
	}
	for (size_t i = 0; i < items->count; i++) {
		void *bigger = load_grow(loader, list->items, list->count, &list->cap,
					 sizeof(*list->items));

		if (bigger == NULL)
			return false;
		list->items = bigger;
		list->items[list->count++] = items->items[i]->text;
	}
	return true;
}

void load_list(struct loader *loader, const struct yaml *item)
{
	static const struct str known[] = {
		STR("list"), STR("items"), STR("append"), STR("override"), { 0 }
	};
	struct place place = { .node = item, .item_kind = "list" };
	const struct yaml *name = NULL, *items = NULL;
	enum change change;
	struct list *list;

	if (!item_text(loader, &place, item, known[0], false, &name))
		return;
	place.node = name;
	place.item_name = name->text;
	change = change_of(loader, &place, item, STR("items"));
	if (change == CHANGE_REFUSED ||
	    !item_sequence(loader, &place, item, STR("items"), &items)) {
		note_broken(loader, name->text);
		return;
	}
	item_unknown_keys(loader, &place, item, known);
	if (!is_list_name(name->text))
		report_add(
			loader->report, RULES_INVALID_LIST_NAME, &place,
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
			   "Macro uses 'append' or 'override.condition: append' but no macro by "
			   "that name "
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
	static const struct str known[] = {
		STR("macro"), STR("condition"), STR("append"), STR("override"), { 0 }
	};
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
		report_add(
			loader->report, RULES_INVALID_MACRO_NAME, &place,
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
		{ STR("threshold"), load_rule },
		{ STR("sequence"), load_rule },
		{ STR("distinct"), load_rule },
		{ STR("first_seen"), load_rule },
		{ STR("absent"), load_rule },
	};
	struct place place = { .node = item, .item_kind = "rules content item" };

	if (item->is_null)
		return;
	if (item->kind != YAML_MAPPING) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place,
			   "Unexpected element type. Each element should be a yaml associative "
			   "array.");
		return;
	}
	loader->index++;
	loader->at = item;
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
	loader->at = root;
	if (root->kind == YAML_SEQUENCE) {
		for (size_t i = 0; i < root->count && !loader->out_of_memory &&
				   !report_is_over(loader->report);
		     i++)
			load_item(loader, root->items[i]);
		return;
	}
	report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place,
		   root->kind == YAML_SCALAR ? "Rules content is not yaml"
					     : "Rules content is not yaml array of objects");
}

/* Not even a tree fits: there is no node to blame. */
static int file_too_large(struct loader *loader, const struct yaml_file *file, const char *text)
{
	loader->has_bad_yaml = true;
	report_add_at(loader->report, RULES_ERR_FILE_READ, file, (struct yaml_place){ 0 }, NULL,
		      text);
	return 0;
}

int load_file(struct loader *loader, const struct yaml_file *file)
{
	struct yaml_error error = { 0 };
	const struct yaml **roots;
	char text[100];
	size_t count;
	int r;

	loader->total += file->text.len;
	if (file->text.len > RULES_FILE_MAX || loader->total > RULES_TOTAL_MAX) {
		snprintf(text, sizeof(text),
			 "the file is too large: %d MB may be in one, %d MB in all of them",
			 RULES_FILE_MAX >> 20, RULES_TOTAL_MAX >> 20);
		return file_too_large(loader, file, text);
	}
	r = yaml_read(file, loader->arena, &roots, &count, &error);
	if (r == -EBADMSG) {
		loader->has_bad_yaml = true;
		report_add_at(loader->report, RULES_ERR_YAML_PARSE, file, error.place,
			      "rules content", error.text);
		return 0;
	}
	if (r == -ENOMEM)
		return file_too_large(loader, file, "there is not enough memory for the file");
	for (size_t i = 0; i < count && !loader->out_of_memory; i++) {
		schema_check(loader->report, roots[i]);
		load_document(loader, roots[i]);
	}
	return loader->out_of_memory ? -ENOMEM : 0;
}
