/* The words are those of Falco's validation result. */
#include "rules/locate.h"

/* What the nodes below an item's key are called: the value itself, then what is in it. */
static const struct {
	struct str kind, key; /* kind: the item's first key; empty: any */
	const char *type, *inner;
} values[] = {
	{ STR("rule"), STR("condition"), "rule condition", NULL },
	{ STR("macro"), STR("condition"), "macro condition", NULL },
	{ STR("rule"), STR("output"), "rule output", NULL },
	{ STR("rule"), STR("priority"), "rule priority", NULL },
	{ STR("rule"), STR("exceptions"), "exceptions", "exception" },
	{ STR(""), STR("override"), "overrides", "value for" },
	{ STR("list"), STR("items"), "value for", "list item" },
	{ STR("required_plugin_versions"), STR("required_plugin_versions"), NULL,
	  "required plugin versions entry" },
	{ STR("exception"), STR("values"), "exception values", "exception value" },
	{ STR("required plugin versions entry"), STR("alternatives"), "value for",
	  "required plugin versions alternative" },
};

static const struct {
	struct str key;
	const char *type;
} kinds[] = {
	{ STR("required_engine_version"), "required_engine_version" },
	{ STR("required_plugin_versions"), "required plugin versions" },
	{ STR("list"), "list" },
	{ STR("macro"), "macro" },
	{ STR("rule"), "rule" },
	{ STR("threshold"), "threshold" },
	{ STR("sequence"), "sequence" },
	{ STR("distinct"), "distinct" },
	{ STR("first_seen"), "first_seen" },
	{ STR("absent"), "absent" },
};

struct walk {
	struct step *steps;
	size_t count;
	struct str kind; /* of the item or of the exception that the next keys belong to */
	const char *inner;
};

static void add(struct walk *walk, const char *type, struct str name, const struct yaml *node)
{
	if (walk->count < STEPS_MAX)
		walk->steps[walk->count++] =
			(struct step){ .type = type, .name = name, .node = node };
}

static struct str text_under(const struct yaml *mapping, struct str key)
{
	const struct yaml *value =
		mapping->kind == YAML_MAPPING ? yaml_get(mapping, key) : NULL;

	return value != NULL && value->kind == YAML_SCALAR ? value->text : (struct str){ 0 };
}

static void add_item(struct walk *walk, const struct yaml *item)
{
	for (size_t i = 0; item->kind == YAML_MAPPING && i < sizeof(kinds) / sizeof(kinds[0]);
	     i++) {
		if (yaml_get(item, kinds[i].key) == NULL)
			continue;
		walk->kind = kinds[i].key;
		add(walk, kinds[i].type, i < 2 ? (struct str){ 0 } : text_under(item, kinds[i].key),
		    item);
		return;
	}
	add(walk, "rules content item", (struct str){ 0 }, item);
}

/* A node below a mapping's key, or the key itself. */
static void add_value(struct walk *walk, const struct yaml *mapping, const struct yaml *node)
{
	const struct yaml *key = NULL;

	for (size_t i = 0; i + 1 < mapping->count && key == NULL; i += 2)
		if (mapping->items[i] == node || mapping->items[i + 1] == node)
			key = mapping->items[i];
	if (key == NULL || key->kind != YAML_SCALAR)
		return;
	walk->inner = NULL;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]) && key != node; i++) {
		if ((values[i].kind.len > 0 && !str_eq(values[i].kind, walk->kind)) ||
		    !str_eq(values[i].key, key->text))
			continue;
		walk->inner = values[i].inner;
		if (values[i].type != NULL)
			add(walk, values[i].type,
			    values[i].type[0] == 'v' ? key->text : (struct str){ 0 }, node);
		return;
	}
	/* The name of an item stands for the item. */
	if (!str_eq(key->text, walk->kind))
		add(walk, "value for", key->text, node);
}

/* An element of a sequence. */
static void add_element(struct walk *walk, const struct yaml *node)
{
	const char *type = walk->inner;

	if (type == NULL)
		return;
	if (node->kind == YAML_MAPPING) {
		walk->kind = str_of(type);
		add(walk, type, text_under(node, STR("name")), node);
	} else {
		add(walk, type, node->kind == YAML_SCALAR ? node->text : (struct str){ 0 }, node);
	}
}

size_t locate(const struct yaml *node, struct step steps[STEPS_MAX])
{
	const struct yaml *way[STEPS_MAX] = { node };
	struct walk walk = { .steps = steps };
	size_t depth = 0;

	/* What is deeper than anything has a name is left out. */
	for (const struct yaml *at = node; at != NULL; at = at->parent)
		depth++;
	for (; depth > STEPS_MAX; depth--)
		node = node->parent;
	for (size_t i = depth; i-- > 0; node = node->parent)
		way[i] = node;
	add(&walk, "rules content", (struct str){ 0 }, way[0]);
	for (size_t i = 1; i < depth; i++) {
		if (i == 1)
			add_item(&walk, way[i]);
		else if (way[i - 1]->kind == YAML_MAPPING)
			add_value(&walk, way[i - 1], way[i]);
		else
			add_element(&walk, way[i]);
	}
	return walk.count;
}
