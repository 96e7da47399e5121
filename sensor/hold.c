/* A ring of packed events: each one block, its fields behind its head and its texts behind them. */
#include "sensor/hold.h"

#include <stdlib.h>

struct held_field {
	field_id id;
	struct value value;
};

struct held {
	struct container_id container;
	bool sure;
	struct event event; /* without its values */
	size_t bytes, fields_count;
	struct held_field fields[];
};

struct hold {
	struct held *ring[HOLD_EVENTS]; /* the oldest first, without gaps */
	unsigned count;
	size_t bytes;
	struct hold_stats stats;
};

struct hold *hold_new(void)
{
	return calloc(1, sizeof(struct hold));
}

void hold_free(struct hold *hold)
{
	for (unsigned i = 0; hold != NULL && i < hold->count; i++)
		free(hold->ring[i]);
	free(hold);
}

bool hold_is_empty(const struct hold *hold)
{
	return hold->count == 0;
}

/* Bytes behind the fields that a value's own bytes take. Lists hold texts only. */
static size_t size_of(const struct value *value)
{
	size_t size = 0;

	if (value->kind == VALUE_STR)
		return value->len;
	if (value->kind != VALUE_LIST)
		return 0;
	for (uint32_t i = 0; i < value->len; i++)
		size += sizeof(struct value) + size_of(&value->list[i]);
	return size;
}

static struct value copy_text(struct value value, char **to)
{
	if (value.kind != VALUE_STR || value.len == 0)
		return value;
	memcpy(*to, value.s, value.len);
	value.s = *to;
	*to += value.len;
	return value;
}

/* Lists first need an aligned place: they are copied before all texts. */
static struct value copy_list(struct value value, char **lists)
{
	struct value *list = (struct value *)(void *)*lists;

	memcpy(list, value.list, value.len * sizeof(*list));
	*lists += value.len * sizeof(*list);
	value.list = list;
	return value;
}

static void copy_values(const struct event *event, struct held *held)
{
	char *to = (char *)(held->fields + held->fields_count);

	for (size_t i = 0; i < held->fields_count; i++) {
		held->fields[i] = (struct held_field){ event->set[i], event->values[event->set[i]] };
		if (held->fields[i].value.kind == VALUE_LIST)
			held->fields[i].value = copy_list(held->fields[i].value, &to);
	}
	for (size_t i = 0; i < held->fields_count; i++) {
		struct value *value = &held->fields[i].value;

		*value = copy_text(*value, &to);
		for (uint32_t n = 0; value->kind == VALUE_LIST && n < value->len; n++) {
			struct value *list = (struct value *)(uintptr_t)value->list;

			list[n] = copy_text(list[n], &to);
		}
	}
}

bool hold_put(struct hold *hold, const struct event *event, const struct container_id *id, bool sure)
{
	size_t size = sizeof(struct held) + event->set_count * sizeof(struct held_field);
	struct held *held;

	for (size_t i = 0; i < event->set_count; i++)
		size += size_of(&event->values[event->set[i]]);
	held = hold->count == HOLD_EVENTS || hold->bytes + size > HOLD_BYTES ? NULL : malloc(size);
	if (held == NULL) {
		hold->stats.refused++;
		return false;
	}
	held->container = *id;
	held->sure = sure;
	held->event = *event;
	held->bytes = size;
	held->fields_count = event->set_count;
	copy_values(event, held);
	hold->ring[hold->count++] = held;
	hold->bytes += size;
	hold->stats.held++;
	return true;
}

static void unpack(const struct held *held, struct event *event)
{
	event_clear(event);
	event->time_ns = held->event.time_ns;
	event->received_ns = held->event.received_ns;
	event->source = held->event.source; /* of the program, as is the host's name */
	event->hostname = held->event.hostname;
	for (size_t i = 0; i < held->fields_count; i++)
		event_set(event, held->fields[i].id, held->fields[i].value);
}

void hold_release(struct hold *hold, struct event *event,
		  bool (*ready)(const struct container_id *id, void *userdata),
		  void (*take)(struct event *event, const struct container_id *id, bool sure,
			       void *userdata),
		  void *userdata)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < hold->count; i++) {
		struct held *held = hold->ring[i];

		if (!ready(&held->container, userdata)) {
			hold->ring[kept++] = held;
			continue;
		}
		unpack(held, event);
		take(event, &held->container, held->sure, userdata);
		hold->bytes -= held->bytes;
		free(held);
	}
	hold->count = kept;
}

struct hold_stats hold_stats(const struct hold *hold)
{
	struct hold_stats stats = hold->stats;

	stats.waiting = hold->count;
	return stats;
}
