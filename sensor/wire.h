/* An event as the hub wants it: one JSON object on one line. Pure. */
#ifndef SENSOR_WIRE_H
#define SENSOR_WIRE_H

#include "base/buf.h"
#include "include/event.h"

struct wire_sensor {
	struct str id, boot, probe;
};

/* Appends {"time":…,"source":…,"hostname":…,"sensor":{…},"fields":{…}} and a newline. Integers are
 * numbers; bytes that are not UTF-8 survive as buf_add_json() has it. */
void wire_add_event(struct buf *out, const struct event *event, const struct fields *fields,
		    const struct wire_sensor *sensor, uint64_t seq);

#endif
