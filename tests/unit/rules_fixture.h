/* What tests of rules share: a load with all that it needs, and events made from JSON. */
#ifndef TESTS_RULES_FIXTURE_H
#define TESTS_RULES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rules/rules.h"

#include <jansson.h>

/* One load, with all that it needs. */
struct loaded {
	struct fields *fields;
	struct rules_report report;
	struct rules *rules;
	struct rules_scratch *scratch;
	int result;
};

static inline void loaded_done(struct loaded *loaded)
{
	rules_scratch_free(loaded->scratch);
	rules_free(loaded->rules);
	rules_report_done(&loaded->report);
	fields_free(loaded->fields);
}

static inline void load_texts(struct loaded *loaded, const struct rules_settings *settings,
			      const struct rules_text *files, size_t count)
{
	*loaded = (struct loaded){ .fields = fields_new() };
	rules_report_init(&loaded->report);
	loaded->result = rules_load_text(settings, files, count, loaded->fields, &loaded->report,
					 &loaded->rules);
	if (loaded->result == 0)
		loaded->scratch = rules_scratch_new(loaded->rules);
}

static inline const char *report_text(struct loaded *loaded)
{
	static struct buf out;

	buf_clear(&out);
	rules_report_print(&loaded->report, &out);
	return buf_text(&out);
}

/* Jansson's integers end at INT64_MAX, as ours do but for the rare unsigned one. */
static inline struct value value_of(const json_t *json, struct arena *arena)
{
	struct value *list;
	struct str text;

	switch (json_typeof(json)) {
	case JSON_INTEGER: return value_i64(json_integer_value(json));
	case JSON_REAL: return (struct value){ .kind = VALUE_DOUBLE, .d = json_real_value(json) };
	case JSON_TRUE: return value_bool(true);
	case JSON_FALSE: return value_bool(false);
	case JSON_STRING:
		text = (struct str){ json_string_value(json), json_string_length(json) };
		return value_str(arena_str(arena, text));
	case JSON_ARRAY:
		list = arena_zalloc(arena, (json_array_size(json) + 1) * sizeof(*list));
		for (size_t i = 0; i < json_array_size(json); i++)
			list[i] = value_of(json_array_get(json, i), arena);
		return (struct value){ .kind = VALUE_LIST,
				       .len = (uint32_t)json_array_size(json),
				       .list = list };
	default: return (struct value){ .kind = VALUE_NULL };
	}
}

/* Sets an event's fields from a JSON object. Strings live in the arena. */
static inline void event_fill(struct event *event, const struct fields *fields,
			      const json_t *object, struct arena *arena)
{
	const char *key;
	json_t *value;

	event->time_ns = 1700000000123456789;
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
		event_set(event, fields_find(fields, str_of(key)), value_of(value, arena));
}

static inline const struct rule *rule_named(const struct loaded *loaded, const char *name)
{
	for (size_t i = 0; i < rules_count(loaded->rules); i++)
		if (str_eq(rule_name(rules_at(loaded->rules, i)), str_of(name)))
			return rules_at(loaded->rules, i);
	return NULL;
}

/* A rule file around a condition. */
static inline void load_condition(struct loaded *loaded, struct str condition, const char *output)
{
	struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .match_all = true };
	struct buf text = { 0 };

	buf_add(&text, STR("- rule: r\n  desc: d\n  priority: INFO\n  condition: "));
	buf_add_json(&text, condition);
	buf_add(&text, STR("\n  output: "));
	buf_add_json(&text, str_of(output));
	buf_add_char(&text, '\n');
	load_texts(loaded, &settings,
		   &(struct rules_text){ .name = "rule.yaml", .text = buf_str(&text) }, 1);
	buf_done(&text);
}

/* How many rules match an event of these fields; eight at most. */
static inline size_t match_json(const struct loaded *loaded, const char *object,
				const struct rule **hits)
{
	json_t *json = json_loads(object, 0, NULL);
	struct arena arena;
	struct event event;
	size_t count;

	assert_non_null(json);
	arena_init(&arena, 1 << 20);
	assert_int_equal(event_init(&event, fields_count(loaded->fields)), 0);
	event_fill(&event, loaded->fields, json, &arena);
	count = rules_match(loaded->rules, loaded->scratch, &event, hits, 8);
	event_done(&event);
	arena_done(&arena);
	json_decref(json);
	return count;
}

#endif
