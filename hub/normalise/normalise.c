/* JSON items into events. */
#include "hub/normalise/normalise.h"

#include "hub/normalise/engines.h"
#include "hub/normalise/value.h"

#include <errno.h>
#include <stdlib.h>

enum { TAGS_MAX = 64 };

/* A mapper unescapes a text each time that it looks at it: a few dozen times the item at most. */
enum { ARENA_ITEMS = 64, ARENA_LEAST = 1 << 20 };

struct work {
	struct normalise *normalise;
	struct json *json;
	struct arena *arena;
	struct event *event;
	struct item *item;
	struct reject *reject;
	bool has_priority, has_time;
};

int normalise_init(struct normalise *normalise, const struct fields *fields, uint32_t nodes_max,
                   uint32_t depth_max, size_t item_max)
{
	*normalise = (struct normalise){ .fields = fields, .nodes_max = nodes_max,
		                         .depth_max = depth_max, .item_max = item_max };
	normalise->nodes = calloc(nodes_max, sizeof(*normalise->nodes));
	arena_init(&normalise->arena, ARENA_ITEMS * item_max + ARENA_LEAST);
	normalise->mapped = calloc(MAP_NODES, sizeof(*normalise->mapped));
	return normalise->nodes == NULL || normalise->mapped == NULL ? -ENOMEM : 0;
}

void normalise_done(struct normalise *normalise)
{
	free(normalise->nodes);
	free(normalise->mapped);
	arena_done(&normalise->arena);
	buf_done(&normalise->out);
	buf_done(&normalise->line);
	normalise->nodes = normalise->mapped = NULL;
}

static int refuse(struct work *work, uint32_t node, const char *reason)
{
	work->reject->offset = work->json->nodes[node].at;
	work->reject->reason = reason;
	return -EBADMSG;
}

static struct str scalar_text(struct work *work, uint32_t node)
{
	return value_text(work->json, node, work->arena);
}

static int take_time(struct work *work, uint32_t node)
{
	if (work->json->nodes[node].kind == JSON_NULL)
		return 0;
	if (!value_time(work->json, node, work->arena, &work->event->time_ns))
		return refuse(work, node, "time is neither RFC 3339 nor a number since the epoch");
	work->has_time = true;
	return 0;
}

static int take_priority(struct work *work, uint32_t node)
{
	if (work->json->nodes[node].kind != JSON_STRING ||
	    !priority_parse(json_string(work->json, node, work->arena), &work->event->priority))
		return refuse(work, node, "priority is not one of Emergency, Alert, Critical, Error, Warning, "
		                          "Notice, Informational, Debug");
	work->has_priority = true;
	return 0;
}

static int compare_tags(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorted, as Falco and its forwarder send them. */
static void set_tags(struct event *event, struct str *tags, size_t count)
{
	qsort(tags, count, sizeof(*tags), compare_tags);
	event->tags = tags;
	event->tags_count = count;
}

static int take_tags(struct work *work, uint32_t node)
{
	const struct json *json = work->json;
	struct str *tags;
	size_t count = 0;

	if (json->nodes[node].kind != JSON_ARRAY)
		return 0;
	tags = arena_alloc(work->arena, TAGS_MAX * sizeof(*tags));
	if (tags == NULL)
		return -ENOMEM;
	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i].next)
		if (count < TAGS_MAX)
			tags[count++] = scalar_text(work, i);
	set_tags(work->event, tags, count);
	return 0;
}

static int take_sensor(struct work *work, uint32_t node)
{
	const struct json *json = work->json;
	struct event_sensor *sensor = &work->event->sensor;

	if (json->nodes[node].kind != JSON_OBJECT)
		return refuse(work, node, "sensor is not an object");
	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i + 1].next) {
		struct str key = json_raw(json, i);

		if (str_eq(key, STR("id")))
			sensor->id = scalar_text(work, i + 1);
		else if (str_eq(key, STR("boot")))
			sensor->boot = scalar_text(work, i + 1);
		else if (str_eq(key, STR("probe")))
			sensor->probe = scalar_text(work, i + 1);
		else if (str_eq(key, STR("seq")) && !str_to_u64(json_raw(json, i + 1), &sensor->seq))
			return refuse(work, i + 1, "sensor.seq is not a whole number");
	}
	return 0;
}

/* Sets the fields that somebody wants. */
static int take_fields(struct work *work, uint32_t node)
{
	const struct json *json = work->json;

	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i + 1].next) {
		struct str key = json_string(json, i, work->arena);
		field_id id = key.at == NULL ? FIELD_NONE : fields_find(work->normalise->fields, key);
		struct value value;
		int r;

		if (id == FIELD_NONE)
			continue;
		r = value_read(json, i + 1, work->arena, &value);
		if (r < 0)
			return r;
		event_set(work->event, id, value);
	}
	return 0;
}

static int take_fields_object(struct work *work, uint32_t node, uint32_t *ret)
{
	if (work->json->nodes[node].kind == JSON_NULL)
		return 0;
	if (work->json->nodes[node].kind != JSON_OBJECT)
		return refuse(work, node, "fields and output_fields are objects");
	*ret = node;
	return 0;
}

static int take_key(struct work *work, struct str key, uint32_t node)
{
	struct event *event = work->event;

	if (str_eq(key, STR("time")))
		return take_time(work, node);
	if (str_eq(key, STR("priority")))
		return take_priority(work, node);
	if (str_eq(key, STR("tags")))
		return take_tags(work, node);
	if (str_eq(key, STR("sensor")))
		return take_sensor(work, node);
	if (str_eq(key, STR("fields")))
		return take_fields_object(work, node, &work->item->raw_fields);
	if (str_eq(key, STR("output_fields")))
		return take_fields_object(work, node, &work->item->output_fields);
	if (str_eq(key, STR("rule")))
		event->rule = scalar_text(work, node);
	else if (str_eq(key, STR("output")))
		event->output = scalar_text(work, node);
	else if (str_eq(key, STR("source")))
		event->source = scalar_text(work, node);
	else if (str_eq(key, STR("hostname")))
		event->hostname = scalar_text(work, node);
	else if (str_eq(key, STR("uuid")))
		event->uuid = scalar_text(work, node);
	return 0; /* keys that we do not know are nobody's fault */
}

/* What kind it is, and whether what that kind needs is there. */
static int judge(struct work *work, uint32_t priority_node)
{
	struct item *item = work->item;

	if (work->normalise->as_events && item->raw_fields == 0)
		item->raw_fields = item->output_fields;
	if (work->event->rule.len > 0 && !work->normalise->as_events) {
		item->kind = ITEM_ALERT;
		if (!work->has_priority)
			return refuse(work, priority_node, "an alert needs a priority");
		/* Rules on alerts read them. */
		return item->output_fields == 0 ? 0 : take_fields(work, item->output_fields);
	}
	if (item->raw_fields != 0) {
		item->kind = ITEM_EVENT;
		return take_fields(work, item->raw_fields);
	}
	if (work->has_priority || item->output_fields != 0)
		return refuse(work, 0, "an alert needs a rule that is not empty");
	return refuse(work, 0, "neither an alert (rule, priority) nor an event (fields), nor "
	                       "Tracee's, Tetragon's, Eolh's or GuardDuty's");
}

/* What a mapper has written takes the place of the original, so that it looks like an item of ours. */
static void become(struct work *work, const struct map *map)
{
	struct item *item = work->item;

	item->original = item->json;
	item->json = (struct json){ .text = buf_str(map->out), .nodes = map->nodes, .cap = MAP_NODES,
		                    .count = map->nodes[0].next };
	item->kind = map->finding && !work->normalise->as_events ? ITEM_ALERT : ITEM_EVENT;
	*(item->kind == ITEM_ALERT ? &item->output_fields : &item->raw_fields) = MAP_OBJECT;
	item->identity = map->identity.len > 0 ? map->identity : json_whole(&item->original, 0);
}

/* Another engine's item. */
static int take_mapped(struct work *work, enum engine engine, int64_t received_ns)
{
	struct normalise *normalise = work->normalise;
	struct event *event = work->event;
	struct map map = { .json = work->json, .fields = normalise->fields, .arena = &normalise->arena,
		           .event = event, .out = &normalise->out, .line = &normalise->line,
		           .nodes = normalise->mapped };

	arena_reset(&normalise->arena);
	map.tags = arena_alloc(map.arena, MAP_TAGS_MAX * sizeof(*map.tags));
	if (map.tags == NULL)
		return -ENOMEM;
	event->received_ns = event->time_ns = received_ns;
	map_begin(&map);
	engine_map(engine, &map);
	map_end(&map);
	if (map.failed)
		return -ENOMEM;
	if (event->hostname.len == 0)
		event->hostname = normalise->sender;
	if (map.finding)
		set_tags(event, map.tags, map.tags_count);
	become(work, &map);
	return 0;
}

static int take_item(struct work *work, int64_t received_ns)
{
	const struct json *json = work->json;
	enum engine engine = engine_detect(json);
	int r;

	if (engine != ENGINE_NONE)
		return take_mapped(work, engine, received_ns);
	if (json->nodes[0].kind != JSON_OBJECT)
		return refuse(work, 0, "an event or alert is an object");
	for (uint32_t i = json_first(json, 0); i != json_end(json, 0); i = json->nodes[i + 1].next) {
		r = take_key(work, json_raw(json, i), i + 1);
		if (r < 0)
			return r;
	}
	work->event->received_ns = received_ns;
	if (!work->has_time)
		work->event->time_ns = received_ns;
	if (work->event->source.len == 0)
		work->event->source = STR("syscall");
	return judge(work, 0);
}

/* Where to go on behind an item that cannot be read. */
static size_t resync(struct str text, size_t from, bool list)
{
	const char *line;

	if (list)
		return json_skip_bad(text, from);
	line = memchr(text.at + from, '\n', text.len - from);
	return line == NULL ? text.len : (size_t)(line - text.at) + 1;
}

int normalise_item(struct normalise *normalise, struct str text, size_t from, bool list,
                   int64_t received_ns, struct arena *arena, struct event *event, struct item *ret,
                   size_t *ret_end, struct reject *reject)
{
	struct work work = { .normalise = normalise, .json = &ret->json, .arena = arena,
		             .event = event, .item = ret, .reject = reject };
	int r;

	*ret = (struct item){ .json = { .text = text, .nodes = normalise->nodes, .cap = normalise->nodes_max,
		                        .depth_max = normalise->depth_max } };
	r = json_read(&ret->json, from, ret_end);
	if (r < 0) {
		reject->offset = ret->json.error_at;
		reject->reason = ret->json.error;
		*ret_end = resync(text, from, list);
		return -EBADMSG;
	}
	if (*ret_end - from > normalise->item_max)
		return refuse(&work, 0, "larger than max_event");
	return take_item(&work, received_ns);
}
