/* What tests of outputs need: settings from "key=value" words by a driver's own table, and alerts from
 * lines of JSON. */
#ifndef TESTS_OUTPUT_FIXTURE_H
#define TESTS_OUTPUT_FIXTURE_H

#include "base/cleanup.h"
#include "base/clock.h"
#include "include/output.h"

#include <inttypes.h>

static inline int64_t fixture_choice(const struct conf_field *field, struct str text)
{
	for (int64_t i = 0; field->choices[i] != NULL; i++)
		if (str_eq(str_of(field->choices[i]), text))
			return i;
	return -1;
}

/* "10s", "500ms", "64KiB" and plain numbers: as much as tests use. */
static inline int64_t fixture_number(const char *text)
{
	static const struct {
		const char *unit;
		int64_t factor;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "KiB", 1024 }, { "MiB", 1 << 20 } };
	char *unit;
	int64_t value = strtoll(text, &unit, 10);

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strcmp(unit, units[i].unit) == 0)
			return value * units[i].factor;
	return value;
}

static inline void fixture_add_pair(struct conf_map *map, const char *key, const char *value)
{
	struct conf_pair *pairs = calloc(map->count + 1, sizeof(*pairs)); /* lives as long as the test */

	if (pairs == NULL)
		abort();
	if (map->count > 0)
		memcpy(pairs, map->at, map->count * sizeof(*pairs));
	free((void *)(uintptr_t)map->at);
	pairs[map->count++] = (struct conf_pair){ key, value };
	map->at = pairs;
}

/* One setting; a map's is written "headers.NAME=value". False: there is no such setting. */
static inline bool fixture_set(const struct output_ops *ops, void *conf, const char *key, const char *value)
{
	for (const struct conf_field *field = ops->fields; field->key != NULL; field++) {
		char *at = (char *)conf + field->offset;
		size_t len = strlen(field->key);
		bool map = field->type == CONF_MAP || field->type == CONF_SECRET_MAP;

		if (map && strncmp(key, field->key, len) == 0 && key[len] == '.') {
			fixture_add_pair((struct conf_map *)at, key + len + 1, value);
			return true;
		}
		if (strcmp(key, field->key) != 0)
			continue;
		switch (field->type) {
		case CONF_BOOL: *(bool *)at = strcmp(value, "true") == 0; break;
		case CONF_CHOICE: *(int64_t *)at = fixture_choice(field, str_of(value)); break;
		case CONF_INT:
		case CONF_DURATION:
		case CONF_SIZE: *(int64_t *)at = fixture_number(value); break;
		default: *(const char **)at = value; break;
		}
		return true;
	}
	return false;
}

/* A driver's settings with their defaults; the caller frees it. */
static inline void *fixture_conf(const struct output_ops *ops)
{
	void *conf = calloc(1, ops->conf_size);

	for (const struct conf_field *field = ops->fields; conf != NULL && field->key != NULL; field++)
		if (field->fallback != NULL)
			fixture_set(ops, conf, field->key, field->fallback);
	return conf;
}

static inline void fixture_conf_free(const struct output_ops *ops, void *conf)
{
	for (const struct conf_field *field = ops->fields; field->key != NULL; field++)
		if (field->type == CONF_MAP || field->type == CONF_SECRET_MAP)
			free((void *)(uintptr_t)((struct conf_map *)((char *)conf + field->offset))->at);
	free(conf);
}

static inline struct str fixture_text(const struct json *json, uint32_t object, const char *key)
{
	uint32_t node = object == UINT32_MAX ? 0 : json_get(json, object, str_of(key));

	return node == 0 ? (struct str){ "", 0 } : json_raw(json, node);
}

/* Fills the first group of an alert from its line. False: the line is not JSON. */
static inline bool fixture_alert(struct alert *alert, struct str line, uint64_t seq, struct arena *arena)
{
	enum { NODES = 8192 };
	struct json json = { .text = line, .cap = NODES, .depth_max = 32 };
	struct str id, change;
	uint32_t tocsin;
	size_t end;

	*alert = (struct alert){ .seq = seq, .json = line, .count = 1, .priority = PRIORITY_DEBUG };
	json.nodes = arena_alloc(arena, NODES * sizeof(*json.nodes));
	if (json.nodes == NULL || json_read(&json, 0, &end) < 0)
		return false;
	id = fixture_text(&json, 0, "uuid");
	snprintf(alert->id, sizeof(alert->id), "%.*s", (int)(id.len < 36 ? id.len : 36), id.at);
	clock_parse(fixture_text(&json, 0, "time"), &alert->time_ns);
	priority_parse(fixture_text(&json, 0, "priority"), &alert->priority);
	tocsin = json_get(&json, 0, STR("tocsin"));
	if (tocsin == 0)
		return true;
	change = fixture_text(&json, tocsin, "change");
	for (int i = ALERT_REPEAT; i <= ALERT_RESOLVED; i++)
		if (str_eq(change, str_of(alert_change_name((enum alert_change)i))))
			alert->change = (enum alert_change)i;
	str_to_u64(fixture_text(&json, tocsin, "count"), &alert->count);
	return true;
}

#endif
