/* The life of an event struct. */
#include "include/event.h"

#include <errno.h>
#include <stdlib.h>

int event_init(struct event *event, size_t fields_count)
{
	*event = (struct event){ .count = fields_count };
	event->values = calloc(fields_count, sizeof(*event->values));
	event->set = calloc(fields_count, sizeof(*event->set));
	if (event->values == NULL || event->set == NULL) {
		event_done(event);
		return -ENOMEM;
	}
	return 0;
}

void event_done(struct event *event)
{
	free(event->values);
	free(event->set);
	*event = (struct event){ 0 };
}

void event_clear(struct event *event)
{
	struct value *values = event->values;
	field_id *set = event->set;
	size_t count = event->count;

	for (size_t i = 0; i < event->set_count; i++)
		values[set[i]].kind = VALUE_ABSENT;
	*event = (struct event){ .values = values, .set = set, .count = count };
}
