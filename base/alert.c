/* Reading an alert's own text: what outputs, routes and the UI need of it. */
#include "include/alert.h"

#include "base/clock.h"

#include <errno.h>

/* What ingest lets through at most (ingest.max_fields, ingest.max_depth) and our own members. */
enum { ALERT_NODES = 65536 + 64, ALERT_DEPTH = 256 };

static int read_tags(struct alert *alert, const struct json *json, uint32_t node, struct arena *arena)
{
	struct str *tags;
	size_t count = 0;

	if (json->nodes[node].kind != JSON_ARRAY)
		return 0;
	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i].next)
		count++;
	tags = arena_alloc(arena, (count + 1) * sizeof(*tags));
	if (tags == NULL)
		return -ENOMEM;
	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i].next)
		tags[alert->tags_count++] = json_string(json, i, arena);
	alert->tags = tags;
	return 0;
}

static int read_fields(struct alert *alert, const struct json *json, uint32_t node, struct arena *arena)
{
	struct alert_field *fields;
	size_t count = 0;

	if (json->nodes[node].kind != JSON_OBJECT)
		return 0;
	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i + 1].next)
		count++;
	fields = arena_alloc(arena, (count + 1) * sizeof(*fields));
	if (fields == NULL)
		return -ENOMEM;
	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i + 1].next) {
		struct alert_field *field = &fields[alert->fields_count++];

		field->key = json_string(json, i, arena);
		field->kind = (enum json_kind)json->nodes[i + 1].kind;
		field->text = field->kind == JSON_STRING ? json_string(json, i + 1, arena)
		                                         : json_raw(json, i + 1);
	}
	alert->fields = fields;
	return 0;
}

int alert_read(struct alert *alert, struct arena *arena)
{
	struct json json = { .text = alert->json, .cap = ALERT_NODES, .depth_max = ALERT_DEPTH };
	size_t end;
	int r;

	if (alert->is_read)
		return 0;
	/* one node takes at least two bytes of text, a comma or bracket and itself */
	if (alert->json.len / 2 + 2 < json.cap)
		json.cap = (uint32_t)(alert->json.len / 2 + 2);
	json.nodes = arena_alloc(arena, json.cap * sizeof(*json.nodes));
	if (json.nodes == NULL)
		return -ENOMEM;
	r = json_read(&json, 0, &end);
	if (r < 0 || json.nodes[0].kind != JSON_OBJECT)
		return -EBADMSG;
	alert->tags_count = alert->fields_count = 0;
	for (uint32_t i = json_first(&json, 0); i != json_end(&json, 0); i = json.nodes[i + 1].next) {
		struct str key = json_raw(&json, i);

		r = 0;
		if (str_eq(key, STR("tags")))
			r = read_tags(alert, &json, i + 1, arena);
		else if (str_eq(key, STR("output_fields")))
			r = read_fields(alert, &json, i + 1, arena);
		else if (json.nodes[i + 1].kind != JSON_STRING)
			continue;
		else if (str_eq(key, STR("rule")))
			alert->rule = json_string(&json, i + 1, arena);
		else if (str_eq(key, STR("source")))
			alert->source = json_string(&json, i + 1, arena);
		else if (str_eq(key, STR("hostname")))
			alert->hostname = json_string(&json, i + 1, arena);
		else if (str_eq(key, STR("output")))
			alert->output = json_string(&json, i + 1, arena);
		if (r < 0)
			return r;
	}
	alert->is_read = true;
	return 0;
}

void buf_add_alert_time(struct buf *buf, const struct alert *alert)
{
	buf_add_time(buf, alert->time_ns);
}

const char *alert_change_name(enum alert_change change)
{
	static const char *const names[] = { "repeat", "opened", "ongoing", "resolved" };

	return names[change];
}
