/* JSON items into events. */
#include "hub/normalise/normalise.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

enum { TAGS_MAX = 64, LIST_DEPTH = 4 };

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
	return normalise->nodes == NULL ? -ENOMEM : 0;
}

void normalise_done(struct normalise *normalise)
{
	free(normalise->nodes);
	normalise->nodes = NULL;
}

static int refuse(struct work *work, uint32_t node, const char *reason)
{
	work->reject->offset = work->json->nodes[node].at;
	work->reject->reason = reason;
	return -EBADMSG;
}

/* The text of a scalar: strings unescaped, other values as they stand; null and containers are empty. */
static struct str scalar_text(struct work *work, uint32_t node)
{
	switch (work->json->nodes[node].kind) {
	case JSON_STRING: return json_string(work->json, node, work->arena);
	case JSON_NULL: case JSON_ARRAY: case JSON_OBJECT: return (struct str){ 0 };
	default: return json_raw(work->json, node);
	}
}

bool normalise_time_number(struct str number, int64_t *ret_ns)
{
	int64_t whole, unit, ns;
	double value;

	if (str_to_i64(number, &whole)) {
		unit = whole < 100000000000 ? NS_PER_S /* seconds until the year 5138 */
		       : whole < 100000000000000 ? NS_PER_MS
		       : whole < 100000000000000000 ? 1000 : 1;
		if (whole <= 0 || __builtin_mul_overflow(whole, unit, &ns))
			return false; /* nanoseconds end in the year 2262 */
		*ret_ns = ns;
		return true;
	}
	if (!str_to_double(number, &value) || !(value > 0) || value > 9e9)
		return false;
	*ret_ns = (int64_t)(value * 1e9);
	return true;
}

static int take_time(struct work *work, uint32_t node)
{
	uint8_t kind = work->json->nodes[node].kind;
	struct str text = scalar_text(work, node);

	if (kind == JSON_NULL)
		return 0;
	if (kind == JSON_NUMBER ? !normalise_time_number(text, &work->event->time_ns)
	                        : kind != JSON_STRING || !clock_parse(text, &work->event->time_ns))
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
	qsort(tags, count, sizeof(*tags), compare_tags);
	work->event->tags = tags;
	work->event->tags_count = count;
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

static int take_list(struct work *work, uint32_t node, struct value *ret, unsigned depth);

static int take_value(struct work *work, uint32_t node, struct value *ret, unsigned depth)
{
	const struct json *json = work->json;
	struct str text = json_raw(json, node);

	*ret = (struct value){ .kind = VALUE_NULL };
	switch (json->nodes[node].kind) {
	case JSON_TRUE: case JSON_FALSE:
		*ret = value_bool(json->nodes[node].kind == JSON_TRUE);
		break;
	case JSON_NUMBER:
		if (str_to_i64(text, &ret->i))
			ret->kind = VALUE_INT;
		else if (str_to_u64(text, &ret->u))
			ret->kind = VALUE_UINT;
		else if (str_to_double(text, &ret->d))
			ret->kind = VALUE_DOUBLE;
		else
			*ret = value_str(text); /* a number beyond everything: its text */
		break;
	case JSON_STRING:
		*ret = value_str(json_string(json, node, work->arena));
		return ret->s == NULL ? -ENOMEM : 0;
	case JSON_ARRAY:
		return take_list(work, node, ret, depth);
	case JSON_OBJECT:
		*ret = value_str(text);
		break;
	default:
		break;
	}
	return 0;
}

static int take_list(struct work *work, uint32_t node, struct value *ret, unsigned depth)
{
	const struct json *json = work->json;
	struct value *values;
	uint32_t count = 0;
	int r;

	if (depth >= LIST_DEPTH) {
		*ret = value_str(json_raw(json, node));
		return 0;
	}
	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i].next)
		count++;
	values = arena_zalloc(work->arena, (count + 1) * sizeof(*values));
	if (values == NULL)
		return -ENOMEM;
	count = 0;
	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i].next) {
		r = take_value(work, i, &values[count++], depth + 1);
		if (r < 0)
			return r;
	}
	*ret = (struct value){ .kind = VALUE_LIST, .len = count, .list = values };
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
		r = take_value(work, i + 1, &value, 0);
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
	return refuse(work, 0, "neither an alert (rule, priority) nor an event (fields)");
}

static int take_item(struct work *work, int64_t received_ns)
{
	const struct json *json = work->json;
	int r;

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
