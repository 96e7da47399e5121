/* What only hub-only rules have: how often, how long, by what. Everything is checked here or, for
 * fields, where outputs are. */
#include "rules/load.h"

#include "base/conf.h"

static const char *const kind_names[WATCH_KINDS] = {
	[WATCH_NONE] = "rule",		 [WATCH_THRESHOLD] = "threshold",
	[WATCH_SEQUENCE] = "sequence",	 [WATCH_DISTINCT] = "distinct",
	[WATCH_FIRST_SEEN] = "first_seen", [WATCH_ABSENT] = "absent",
};

static const char *const field_names[] = { "watch.count", "watch.key",	  "watch.first_time",
					   "watch.last_time", "watch.value" };

const struct conf_strings watch_fields = { .at = field_names, .count = ARRAY_LEN(field_names) };

const char *watch_kind_name(enum watch_kind kind)
{
	return kind_names[kind];
}

bool watch_is_field(struct str name)
{
	for (size_t i = 0; i < watch_fields.count; i++)
		if (str_eq(name, str_of(watch_fields.at[i])))
			return true;
	return false;
}

static bool refuse(struct loader *loader, const struct place *place, const struct yaml *node,
		   const char *text)
{
	struct place here = *place;

	here.node = node;
	report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here, "%s", text);
	return false;
}

bool load_watch_count(struct loader *loader, const struct place *place, const struct yaml *item,
		      struct rule_item *rule)
{
	const struct yaml *value;
	uint64_t count;

	if (!item_text(loader, place, item, STR("count"), false, &value))
		return false;
	if (!str_to_u64(value->text, &count) || count < 1 || count > WATCH_COUNT_MAX)
		return refuse(loader, place, value, "count is a number from 1 to 1000");
	rule->watch.count = (uint32_t)count;
	return true;
}

bool load_watch_time(struct loader *loader, const struct place *place, const struct yaml *item,
		     struct str key, int64_t *ret_ns)
{
	const struct yaml *value;
	int64_t ms = 0;

	if (!item_text(loader, place, item, key, false, &value))
		return false;
	if (!conf_parse_duration(value->text, &ms) || ms < 1 ||
	    ms > (int64_t)WATCH_TIME_MAX_S * 1000)
		return refuse(loader, place, value,
			      "not a duration from 1ms to 90d, like 500ms, 60s, 5m, 1h, 1d");
	*ret_ns = ms * 1000000;
	return true;
}

/* Each as "%field": together they are compiled like an output. */
static bool add_field(struct loader *loader, const struct place *place, const struct yaml *node,
		      struct pieces *pieces, bool *hostname)
{
	struct str name = str_trim(node->text);
	char *text = arena_alloc(loader->arena, name.len + 2);

	if (text == NULL) {
		loader->out_of_memory = true;
		return false;
	}
	if (name.len == 0)
		return refuse(loader, place, node, "not the name of a field");
	for (size_t i = 0; i < name.len; i++)
		if (strchr(" \t\r\n%", name.at[i]) != NULL)
			return refuse(loader, place, node, "not the name of a field");
	if (str_eq(name, STR("hostname"))) {
		*hostname = true;
		return true;
	}
	text[0] = '%';
	memcpy(text + 1, name.at, name.len);
	text[name.len + 1] = '\0';
	return pieces_add(loader, pieces, (struct str){ text, name.len + 1 }, node, false);
}

bool load_watch_fields(struct loader *loader, const struct place *place, const struct yaml *item,
		       struct str key, bool may_be_empty, struct pieces *pieces, bool *hostname)
{
	const struct yaml *value = yaml_get(item, key);
	bool ok = true;

	*pieces = (struct pieces){ 0 };
	*hostname = false;
	if (value != NULL && value->kind == YAML_SCALAR)
		return item_text(loader, place, item, key, false, &value) &&
		       add_field(loader, place, value, pieces, hostname);
	if (!item_sequence(loader, place, item, key, &value))
		return false;
	if (value->count > WATCH_FIELDS_MAX)
		return refuse(loader, place, value, "more than 8 fields");
	for (size_t i = 0; i < value->count && ok; i++)
		ok = add_field(loader, place, value->items[i], pieces, hostname);
	if (ok && !may_be_empty && value->count == 0)
		return refuse(loader, place, value, "names no field");
	return ok;
}

bool load_watch_steps(struct loader *loader, const struct place *place, const struct yaml *item,
		      struct rule_item *rule)
{
	static const struct str known[] = { STR("condition"), STR("name"), { 0 } };
	const struct yaml *steps = yaml_get(item, STR("steps")), *condition;
	struct place here = *place;

	if (steps == NULL)
		return refuse(loader, place, item, "Item has no mapping for key 'steps'");
	if (steps->kind != YAML_SEQUENCE || steps->count < 2 || steps->count > WATCH_STEPS_MAX)
		return refuse(loader, place, steps,
			      "steps is a list of 2 to 8, each with a condition");
	rule->watch.steps_count = 0;
	for (size_t i = 0; i < steps->count; i++) {
		struct pieces *pieces = &rule->watch.steps[i];

		here.node = steps->items[i];
		if (here.node->kind != YAML_MAPPING)
			return refuse(loader, place, here.node,
				      "a step is a mapping: {condition: …, name: …}");
		item_unknown_keys(loader, &here, here.node, known);
		if (!item_text(loader, &here, here.node, known[0], false, &condition))
			return false;
		*pieces = (struct pieces){ 0 };
		if (!pieces_add(loader, pieces, condition->text, condition, true))
			return false;
		rule->watch.steps_count++;
	}
	return true;
}
