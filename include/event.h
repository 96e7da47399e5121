/* The event: what a sensor saw, or an alert that another engine raised (an alert is evaluated by the
 * same rules: its fields are `output_fields`). Immutable once filled. Everything an event points to
 * lives in one arena or in the text it was read from; event_clear() makes the struct ready for the
 * next one without freeing.
 *
 * Sensors and hub share it: a sensor sets typed values by id, the hub reads them from JSON. */
#ifndef INCLUDE_EVENT_H
#define INCLUDE_EVENT_H

#include "include/fields.h"
#include "include/priority.h"

enum value_kind {
	VALUE_ABSENT = 0, /* the field does not apply: no value in the rules' sense */
	VALUE_NULL,       /* wanted but unknown: no value either, printed as null */
	VALUE_BOOL,
	VALUE_INT,
	VALUE_UINT,       /* only when beyond INT64_MAX; else VALUE_INT */
	VALUE_DOUBLE,
	VALUE_STR,        /* any bytes; also of ip addresses and nets, in text form */
	VALUE_LIST,
};

struct value {
	uint8_t kind; /* enum value_kind */
	uint32_t len; /* of a str: bytes; of a list: values */
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double d;
		const char *s;
		const struct value *list;
	};
};

static inline struct value value_str(struct str s)
{
	return (struct value){ .kind = VALUE_STR, .len = (uint32_t)s.len, .s = s.at };
}

static inline struct value value_i64(int64_t i)
{
	return (struct value){ .kind = VALUE_INT, .i = i };
}

static inline struct value value_bool(bool b)
{
	return (struct value){ .kind = VALUE_BOOL, .b = b };
}

static inline struct str value_as_str(const struct value *value)
{
	return (struct str){ value->s, value->len };
}

/* Where the event came from: a sensor of ours. */
struct event_sensor {
	struct str id;   /* stable over restarts */
	struct str boot; /* new at each start of the sensor */
	uint64_t seq;    /* from 1, without gaps, per id and boot; 0: not given */
	struct str probe;
};

struct event {
	int64_t time_ns;     /* when it happened */
	int64_t received_ns; /* when the hub or the sensor took it */
	struct str source;   /* "syscall" when not given */
	struct str hostname;
	struct event_sensor sensor;

	/* Of an alert that another engine raised, else rule.len is 0: */
	struct str rule;
	struct str output;
	enum priority priority;
	struct str uuid;     /* as it came; empty: none */
	const struct str *tags;
	size_t tags_count;

	/* Typed values, indexed by field id, `count` long. `set` lists the ids in use, so that clearing
	 * costs what was set. */
	struct value *values;
	size_t count;
	field_id *set;
	size_t set_count;

	/* Puts the value of a field that is dear to find out, or leaves it absent; called when such a one is read.
	 * NULL: all that is known is there. */
	void (*ask)(void *ask_arg, field_id id);
	void *ask_arg;
};

/* Arrays for `fields_count` fields. 0 or -ENOMEM. */
int event_init(struct event *event, size_t fields_count);
void event_done(struct event *event);

/* Empty again; keeps the arrays. */
void event_clear(struct event *event);

/* Sets a field; an id out of range is ignored (nobody wants that field), and so is an absent value. */
static inline void event_set(struct event *event, field_id id, struct value value)
{
	if (id == FIELD_NONE || id >= event->count || value.kind == VALUE_ABSENT)
		return;
	if (event->values[id].kind == VALUE_ABSENT)
		event->set[event->set_count++] = id;
	event->values[id] = value;
}

/* The value of a field; kind VALUE_ABSENT when the event does not have it. Never NULL. */
static inline const struct value *event_get(const struct event *event, field_id id)
{
	static const struct value absent = { 0 };

	return id < event->count ? &event->values[id] : &absent;
}

/* The same, and what has to be asked for is. */
static inline const struct value *event_read(const struct event *event, field_id id)
{
	if (event_get(event, id)->kind == VALUE_ABSENT && event->ask != NULL)
		event->ask(event->ask_arg, id);
	return event_get(event, id);
}

#endif
