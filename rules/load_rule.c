/* Rule items: defined, redefined, appended to, overridden, switched on and off. */
#include "rules/load.h"

#include "rules/near.h"

/* What a rule's keys allow under `override`. */
enum {
	MAY_APPEND = 1,
	MAY_REPLACE = 2,
};

/* Which kinds have a key, and which cannot do without: bits of enum watch_kind. */
enum {
	PLAIN = 1 << WATCH_NONE,
	THRESHOLD = 1 << WATCH_THRESHOLD,
	SEQUENCE = 1 << WATCH_SEQUENCE,
	DISTINCT = 1 << WATCH_DISTINCT,
	FIRST_SEEN = 1 << WATCH_FIRST_SEEN,
	ABSENT = 1 << WATCH_ABSENT,
	WATCHES = THRESHOLD | SEQUENCE | DISTINCT | FIRST_SEEN | ABSENT,
	ALL = PLAIN | WATCHES,
};

/* Takes a key's value into the rule; with `append` it joins what is there. */
typedef bool take_fn(struct loader *loader, const struct place *place, const struct yaml *item,
		     struct rule_item *rule, bool append);

static take_fn take_condition, take_output, take_desc, take_priority, take_tags, take_exceptions,
	take_enabled, take_warn, take_skip, take_capture, take_duration, take_opa, take_respond, take_count,
	take_within, take_learn, take_by, take_of, take_steps;

static const struct key {
	struct str name;
	unsigned flags, kinds, required;
	take_fn *take;
} keys[] = {
	{ STR("condition"), MAY_APPEND | MAY_REPLACE, ALL & ~SEQUENCE, ALL & ~SEQUENCE, take_condition },
	{ STR("steps"), MAY_REPLACE, SEQUENCE, SEQUENCE, take_steps },
	{ STR("output"), MAY_APPEND | MAY_REPLACE, ALL, ALL, take_output },
	{ STR("desc"), MAY_APPEND | MAY_REPLACE, ALL, ALL, take_desc },
	{ STR("priority"), MAY_REPLACE, ALL, ALL, take_priority },
	{ STR("count"), MAY_REPLACE, THRESHOLD | DISTINCT, THRESHOLD | DISTINCT, take_count },
	{ STR("within"), MAY_REPLACE, WATCHES, WATCHES, take_within },
	{ STR("of"), MAY_REPLACE, DISTINCT | FIRST_SEEN, DISTINCT | FIRST_SEEN, take_of },
	{ STR("by"), MAY_REPLACE, WATCHES, 0, take_by },
	{ STR("learn"), MAY_REPLACE, FIRST_SEEN, 0, take_learn },
	{ STR("tags"), MAY_APPEND | MAY_REPLACE, ALL, 0, take_tags },
	{ STR("exceptions"), MAY_APPEND | MAY_REPLACE, ALL, 0, take_exceptions },
	{ STR("enabled"), MAY_REPLACE, ALL, 0, take_enabled },
	{ STR("warn_evttypes"), MAY_REPLACE, ALL, 0, take_warn },
	{ STR("skip-if-unknown-filter"), MAY_REPLACE, ALL, 0, take_skip },
	{ STR("capture"), MAY_REPLACE, PLAIN, 0, take_capture },
	{ STR("capture_duration"), MAY_REPLACE, PLAIN, 0, take_duration },
	{ STR("opa"), MAY_REPLACE, PLAIN, 0, take_opa },
	{ STR("respond"), MAY_REPLACE, PLAIN, 0, take_respond },
};

/* Keys that say what is done with an item, and belong to every kind. */
static const struct str common_keys[] = { STR("source"), STR("append"), STR("override") };

static bool has_key(enum watch_kind kind, const struct key *key)
{
	return (key->kinds >> kind & 1) != 0;
}

static bool is_required(enum watch_kind kind, const struct key *key)
{
	return (key->required >> kind & 1) != 0;
}

static void unknown_keys(struct loader *loader, const struct place *place, const struct yaml *item,
			 enum watch_kind kind)
{
	struct str known[ARRAY_LEN(keys) + ARRAY_LEN(common_keys) + 2];
	size_t count = 0;

	known[count++] = str_of(watch_kind_name(kind));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (has_key(kind, &keys[i]))
			known[count++] = keys[i].name;
	for (size_t i = 0; i < ARRAY_LEN(common_keys); i++)
		known[count++] = common_keys[i];
	known[count] = (struct str){ 0 };
	item_unknown_keys(loader, place, item, known);
}

static bool take_pieces(struct loader *loader, const struct place *place, const struct yaml *item,
			struct str key, bool trim, struct pieces *pieces, bool append)
{
	const struct yaml *value;
	struct str text;

	if (!item_text(loader, place, item, key, false, &value))
		return false;
	if (!append)
		*pieces = (struct pieces){ 0 };
	text = trim ? str_trim(value->text) : value->text;
	return pieces_add(loader, pieces, text, value, true);
}

static bool take_condition(struct loader *loader, const struct place *place,
			   const struct yaml *item, struct rule_item *rule, bool append)
{
	return take_pieces(loader, place, item, STR("condition"), false, &rule->condition, append);
}

static bool take_output(struct loader *loader, const struct place *place, const struct yaml *item,
			struct rule_item *rule, bool append)
{
	return take_pieces(loader, place, item, STR("output"), true, &rule->output, append);
}

static bool take_desc(struct loader *loader, const struct place *place, const struct yaml *item,
		      struct rule_item *rule, bool append)
{
	return take_pieces(loader, place, item, STR("desc"), false, &rule->description, append);
}

static bool take_priority(struct loader *loader, const struct place *place, const struct yaml *item,
			  struct rule_item *rule, bool append)
{
	struct place here = *place;
	const struct yaml *value;
	struct rules_note *note;
	struct near near;

	(void)append;
	if (!item_text(loader, place, item, STR("priority"), false, &value))
		return false;
	if (priority_parse(value->text, &rule->priority))
		return true;
	here.node = value;
	note = report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			  "Invalid priority '%s': use EMERGENCY, ALERT, CRITICAL, ERROR, WARNING, "
			  "NOTICE, INFORMATIONAL or DEBUG",
			  value->text.at);
	near = near_to(value->text);
	for (enum priority p = PRIORITY_EMERGENCY; p <= PRIORITY_DEBUG; p++)
		near_try(&near, str_of(priority_name(p)));
	report_suggest(loader->report, note, near.best);
	return false;
}

static int compare_tags(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* A set, kept sorted. */
static bool take_tags(struct loader *loader, const struct place *place, const struct yaml *item,
		      struct rule_item *rule, bool append)
{
	size_t count = append ? rule->tags_count : 0, kept = 0;
	const struct yaml *value;
	struct str *tags;

	if (!item_sequence(loader, place, item, STR("tags"), &value))
		return false;
	if (count + value->count > RULES_TAGS_MAX) {
		struct place here = *place;

		here.node = value;
		report_add(loader->report, RULES_ERR_VALIDATE, &here, "more than %d tags",
			   RULES_TAGS_MAX);
		return false;
	}
	tags = arena_alloc(loader->arena, (count + value->count + 1) * sizeof(*tags));
	if (tags == NULL) {
		loader->out_of_memory = true;
		return false;
	}
	if (count > 0)
		memcpy(tags, rule->tags, count * sizeof(*tags));
	for (size_t i = 0; i < value->count; i++)
		tags[count++] = value->items[i]->text;
	qsort(tags, count, sizeof(*tags), compare_tags);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || !str_eq(tags[kept - 1], tags[i]))
			tags[kept++] = tags[i];
	rule->tags = tags;
	rule->tags_count = kept;
	return true;
}

static bool take_exceptions(struct loader *loader, const struct place *place,
			    const struct yaml *item, struct rule_item *rule, bool append)
{
	(void)place;
	if (!append)
		rule->exceptions_count = 0;
	return load_exceptions(loader, rule, item, append ? EXCEPTIONS_APPEND : EXCEPTIONS_DEFINE);
}

static bool take_enabled(struct loader *loader, const struct place *place, const struct yaml *item,
			 struct rule_item *rule, bool append)
{
	(void)append;
	return item_bool(loader, place, item, STR("enabled"), &rule->enabled);
}

static bool take_warn(struct loader *loader, const struct place *place, const struct yaml *item,
		      struct rule_item *rule, bool append)
{
	(void)append;
	return item_bool(loader, place, item, STR("warn_evttypes"), &rule->warn_evttypes);
}

static bool take_skip(struct loader *loader, const struct place *place, const struct yaml *item,
		      struct rule_item *rule, bool append)
{
	(void)append;
	return item_bool(loader, place, item, STR("skip-if-unknown-filter"), &rule->skip_unknown);
}

static bool take_capture(struct loader *loader, const struct place *place, const struct yaml *item,
			 struct rule_item *rule, bool append)
{
	(void)append;
	return item_bool(loader, place, item, STR("capture"), &rule->capture);
}

static bool take_duration(struct loader *loader, const struct place *place, const struct yaml *item,
			  struct rule_item *rule, bool append)
{
	struct place here = *place;
	const struct yaml *value;

	(void)append;
	if (!item_text(loader, place, item, STR("capture_duration"), false, &value))
		return false;
	if (str_to_u64(value->text, &rule->capture_ms) && rule->capture_ms <= UINT32_MAX)
		return true;
	here.node = value;
	report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
		   "Can't decode YAML scalar value: capture_duration is a number of milliseconds");
	return false;
}

static bool take_opa(struct loader *loader, const struct place *place, const struct yaml *item,
		     struct rule_item *rule, bool append)
{
	(void)append;
	return load_opa(loader, place, item, rule);
}

static bool take_respond(struct loader *loader, const struct place *place, const struct yaml *item,
			 struct rule_item *rule, bool append)
{
	(void)append;
	return load_respond(loader, place, item, rule);
}

static bool take_count(struct loader *loader, const struct place *place, const struct yaml *item,
		       struct rule_item *rule, bool append)
{
	(void)append;
	return load_watch_count(loader, place, item, rule);
}

static bool take_within(struct loader *loader, const struct place *place, const struct yaml *item,
			struct rule_item *rule, bool append)
{
	(void)append;
	return load_watch_time(loader, place, item, STR("within"), &rule->watch.within_ns);
}

static bool take_learn(struct loader *loader, const struct place *place, const struct yaml *item,
		       struct rule_item *rule, bool append)
{
	(void)append;
	return load_watch_time(loader, place, item, STR("learn"), &rule->watch.learn_ns);
}

static bool take_by(struct loader *loader, const struct place *place, const struct yaml *item,
		    struct rule_item *rule, bool append)
{
	(void)append;
	return load_watch_fields(loader, place, item, STR("by"), true, &rule->watch.by,
				 &rule->watch.by_hostname);
}

static bool take_of(struct loader *loader, const struct place *place, const struct yaml *item,
		    struct rule_item *rule, bool append)
{
	(void)append;
	return load_watch_fields(loader, place, item, STR("of"), false, &rule->watch.of,
				 &rule->watch.of_hostname);
}

static bool take_steps(struct loader *loader, const struct place *place, const struct yaml *item,
		       struct rule_item *rule, bool append)
{
	(void)append;
	return load_watch_steps(loader, place, item, rule);
}

static struct rule_item *rule_find(const struct loader *loader, struct str name)
{
	uint32_t at;

	return table_get(&loader->rule_names, name, &at) ? loader->rules[at] : NULL;
}

/* Rules and hub-only rules share their names, so each name is of one kind. */
static bool same_kind(struct loader *loader, const struct place *place, const struct rule_item *rule,
		      enum watch_kind kind)
{
	if (rule == NULL || rule->watch.kind == kind)
		return true;
	report_add(loader->report, RULES_ERR_VALIDATE, place,
		   "there is a %s of this name already, at %s:%u: it cannot be a %s as well",
		   watch_kind_name(rule->watch.kind), rule->node->file->name, rule->node->line,
		   watch_kind_name(kind));
	return false;
}

static bool is_broken(const struct loader *loader, struct str name)
{
	uint32_t unused;

	return table_get(&loader->broken, name, &unused);
}

static void note_broken(struct loader *loader, struct str name)
{
	if (table_put(&loader->broken, name, 0) < 0)
		loader->out_of_memory = true;
}

static bool source_is_known(const struct rules_settings *settings, struct str source)
{
	if (source.len == 0 || str_eq(source, STR("syscall")))
		return true;
	for (size_t i = 0; i < settings->sources.count; i++)
		if (str_eq(source, str_of(settings->sources.at[i])))
			return true;
	return false;
}

/* The item's source, empty when not given; false when the rule has another one. */
static bool take_source(struct loader *loader, const struct place *place, const struct yaml *item,
			const struct rule_item *old, struct str *ret)
{
	const struct yaml *value;
	struct place here = *place;

	*ret = (struct str){ 0 };
	if (yaml_get(item, STR("source")) == NULL)
		return true;
	if (!item_text(loader, place, item, STR("source"), true, &value))
		return false;
	*ret = value->text;
	if (old == NULL || ret->len == 0 || old->source.len == 0 || str_eq(*ret, old->source))
		return true;
	here.node = value;
	report_add(loader->report, RULES_ERR_VALIDATE, &here,
		   "Rule has been re-defined with a different source");
	return false;
}

static struct rule_item *rule_new(struct loader *loader, const struct place *place, struct str name)
{
	struct rule_item *rule;
	void *bigger;

	if (loader->rules_count >= RULES_ITEMS_MAX) {
		report_add(loader->report, RULES_ERR_VALIDATE, place, "more than %d rules",
			   RULES_ITEMS_MAX);
		return NULL;
	}
	bigger = load_grow(loader, loader->rules, loader->rules_count, &loader->rules_cap,
			   sizeof(struct rule_item *));
	rule = arena_zalloc(loader->arena, sizeof(*rule));
	if (bigger == NULL || rule == NULL ||
	    table_put(&loader->rule_names, name, (uint32_t)loader->rules_count) < 0) {
		loader->out_of_memory = true;
		return NULL;
	}
	loader->rules = bigger;
	loader->rules[loader->rules_count++] = rule;
	return rule;
}

/* A rule of its own, in the place of an earlier one by its name. */
static void define(struct loader *loader, const struct place *place, const struct yaml *item,
		   enum watch_kind kind)
{
	struct rule_item rule = { .name = place->item_name,
				  .node = place->node,
				  .enabled = true,
				  .warn_evttypes = true,
				  .watch.kind = kind };
	struct rule_item *slot = rule_find(loader, rule.name);
	bool ok = take_source(loader, place, item, slot, &rule.source);

	if (rule.source.len == 0)
		rule.source = STR("syscall");
	rule.source_is_unknown = !source_is_known(loader->settings, rule.source);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (is_required(kind, &keys[i]) ||
		    (has_key(kind, &keys[i]) && yaml_get(item, keys[i].name) != NULL))
			ok &= keys[i].take(loader, place, item, &rule, false);
	if (!ok) {
		note_broken(loader, rule.name);
		rule.is_broken = true;
	}
	if (slot == NULL)
		slot = rule_new(loader, place, rule.name);
	if (slot == NULL)
		return;
	if (rule.source_is_unknown)
		report_add(loader->report, RULES_UNKNOWN_SOURCE, place,
			   "Unknown source %.*s, skipping", STR_ARG(rule.source));
	*slot = rule;
}

static void append(struct loader *loader, const struct place *place, const struct yaml *item,
		   enum watch_kind kind)
{
	struct rule_item *rule = rule_find(loader, place->item_name);
	struct place here = *place;
	struct str source;
	bool ok = true;

	here.node = yaml_get(item, STR("append"));
	report_add(loader->report, RULES_DEPRECATED_ITEM, &here,
		   "'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') "
		   "under "
		   "'override' instead.");
	if (yaml_get(item, STR("override")) != NULL) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "Keys 'override' and 'append: true' cannot be used together. Add an "
			   "'append' entry "
			   "(e.g. 'condition: append') under 'override' instead.");
		return;
	}
	if ((kind == WATCH_SEQUENCE || yaml_get(item, STR("condition")) == NULL) &&
	    yaml_get(item, STR("exceptions")) == NULL) {
		report_add(loader->report, RULES_ERR_VALIDATE, place,
			   "Appended rule must have exceptions or condition property");
		return;
	}
	if (rule == NULL) {
		report_add(loader->report, RULES_ERR_VALIDATE, place,
			   "Rule uses 'append' or 'override.<key>: append' but no rule by that "
			   "name already "
			   "exists");
		note_broken(loader, place->item_name);
		return;
	}
	ok = take_source(loader, place, item, rule, &source);
	if (ok && kind != WATCH_SEQUENCE && yaml_get(item, STR("condition")) != NULL)
		ok = take_condition(loader, place, item, rule, true);
	if (ok && yaml_get(item, STR("exceptions")) != NULL)
		ok = take_exceptions(loader, place, item, rule, true);
	if (!ok)
		rule->is_broken = true;
}

/* What `override` says of a key: 0 nothing, else MAY_APPEND or MAY_REPLACE; -1 when it is wrong. */
static int override_of(struct loader *loader, const struct place *place, const struct yaml *item,
		       const struct key *key)
{
	const struct yaml *operation = yaml_get(yaml_get(item, STR("override")), key->name);
	struct place here = *place;
	bool append_it;

	if (operation == NULL)
		return 0;
	here.node = operation;
	append_it = str_eq(operation->text, STR("append"));
	if (!append_it && !str_eq(operation->text, STR("replace")))
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "Invalid override operation for key '%s': '%.*s'. Allowed values are: "
			   "append, "
			   "replace",
			   key->name.at, STR_ARG(operation->text));
	else if (append_it && !(key->flags & MAY_APPEND))
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "Key '%s' cannot be appended to, use 'replace' instead", key->name.at);
	else if (yaml_get(item, key->name) == NULL)
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "An %s override for '%s' was specified but '%s' is not defined",
			   operation->text.at, key->name.at, key->name.at);
	else
		return append_it ? MAY_APPEND : MAY_REPLACE;
	return -1;
}

/* Keys under `override` that no rule has, or that cannot change. */
static bool override_keys_are_known(struct loader *loader, const struct place *place,
				    const struct yaml *override, enum watch_kind kind)
{
	struct place here = *place;
	struct near near;

	here.node = override;
	if (override->kind != YAML_MAPPING) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
			   "Value of 'override' is not a mapping");
		return false;
	}
	for (size_t i = 0; i < override->count; i += 2) {
		size_t j = 0;

		while (j < ARRAY_LEN(keys) && (!has_key(kind, &keys[j]) ||
					       !str_eq(keys[j].name, override->items[i]->text)))
			j++;
		if (j < ARRAY_LEN(keys))
			continue;
		here.node = override->items[i];
		near = near_to(override->items[i]->text);
		for (j = 0; j < ARRAY_LEN(keys); j++)
			if (has_key(kind, &keys[j]))
				near_try(&near, keys[j].name);
		report_suggest(loader->report,
			       report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
					  str_eq(override->items[i + 1]->text, STR("append")) ?
						  "Key '%.*s' cannot be appended to, use 'replace' "
						  "instead" :
						  "Key '%.*s' cannot be replaced",
					  STR_ARG(override->items[i]->text)),
			       near.best);
		return false;
	}
	return true;
}

static bool override_plan(struct loader *loader, const struct place *place, const struct yaml *item,
			  enum watch_kind kind, int plan[ARRAY_LEN(keys)], bool *ret_appends)
{
	struct place here = *place;

	*ret_appends = false;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		plan[i] = 0;
		if (!has_key(kind, &keys[i]))
			continue;
		plan[i] = override_of(loader, place, item, &keys[i]);
		if (plan[i] < 0)
			return false;
		*ret_appends |= plan[i] == MAY_APPEND;
		here.node = yaml_get(item, keys[i].name);
		if (plan[i] == 0 && here.node != NULL) {
			report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here,
				   "Unexpected key '%s': no corresponding entry under 'override' "
				   "is defined.",
				   keys[i].name.at);
			return false;
		}
	}
	return true;
}

static void override_rule(struct loader *loader, const struct place *place, const struct yaml *item,
			  enum watch_kind kind)
{
	struct rule_item *rule = rule_find(loader, place->item_name);
	int plan[ARRAY_LEN(keys)];
	struct str source;
	bool appends, ok;

	if (!override_keys_are_known(loader, place, yaml_get(item, STR("override")), kind) ||
	    !override_plan(loader, place, item, kind, plan, &appends)) {
		if (rule != NULL)
			rule->is_broken = true;
		return;
	}
	if (rule == NULL) {
		report_add(loader->report, RULES_ERR_VALIDATE, place, "%s",
			   appends ? "Rule uses 'append' or 'override.<key>: append' but no rule "
				     "by that name "
				     "already exists"
				   : "An 'override.<key>: replace' to a rule was requested but no "
				     "rule by "
				     "that name already exists");
		return;
	}
	ok = take_source(loader, place, item, rule, &source);
	for (size_t i = 0; ok && i < ARRAY_LEN(keys); i++)
		if (plan[i] == MAY_APPEND)
			ok = keys[i].take(loader, place, item, rule, true);
	for (size_t i = 0; ok && i < ARRAY_LEN(keys); i++)
		if (plan[i] == MAY_REPLACE)
			ok = keys[i].take(loader, place, item, rule, false);
	if (!ok)
		rule->is_broken = true;
}

static bool has_required(const struct yaml *item, enum watch_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (is_required(kind, &keys[i]) && yaml_get(item, keys[i].name) != NULL)
			return true;
	return false;
}

/* `rule` and `enabled` alone. */
static void switch_rule(struct loader *loader, const struct place *place, const struct yaml *item)
{
	struct rule_item *rule = rule_find(loader, place->item_name);
	const struct yaml *value;

	if (!item_text(loader, place, item, STR("enabled"), false, &value))
		return;
	report_add(loader->report, RULES_DEPRECATED_ITEM, place,
		   "The standalone 'enabled' key usage is deprecated. The correct approach "
		   "requires also "
		   "a 'replace' entry under the 'override' key (i.e. 'enabled: replace').");
	if (rule != NULL)
		take_enabled(loader, place, item, rule, false);
	else if (!is_broken(loader, place->item_name))
		report_add(loader->report, RULES_ERR_VALIDATE, place,
			   "Rule has 'enabled' key but no rule by that name already exists");
}

/* Its item's kind: which of the keys that name one stands there. */
static enum watch_kind kind_of(const struct yaml *item)
{
	enum watch_kind kind = WATCH_NONE;

	while (kind + 1 < WATCH_KINDS && yaml_get(item, str_of(watch_kind_name(kind))) == NULL)
		kind++;
	return kind;
}

void load_rule(struct loader *loader, const struct yaml *item)
{
	enum watch_kind kind = kind_of(item);
	struct place place = { .node = item, .item_kind = watch_kind_name(kind) };
	const struct yaml *name = NULL;
	bool append_it = false;

	if (!item_text(loader, &place, item, str_of(watch_kind_name(kind)), false, &name))
		return;
	place.node = name;
	place.item_name = name->text;
	if (!same_kind(loader, &place, rule_find(loader, name->text), kind))
		return;
	unknown_keys(loader, &place, item, kind);
	if (!item_bool(loader, &place, item, STR("append"), &append_it))
		return;
	if (append_it)
		append(loader, &place, item, kind);
	else if (yaml_get(item, STR("override")) != NULL)
		override_rule(loader, &place, item, kind);
	else if (has_required(item, kind))
		define(loader, &place, item, kind);
	else
		switch_rule(loader, &place, item);
}
