/* tocsin-sensor observe: which events are shown, and how. Its filters are made rules, so that the kernel
 * looks for no more than they can match. */
#ifndef SENSOR_OBSERVE_H
#define SENSOR_OBSERVE_H

#include "sensor/options.h"
#include "sensor/prefilter.h"
#include "sensor/record.h"

struct observe;

/* 0 or -errno; why a filter is none is in `ret_why`, for people. Interns into `fields`. */
int observe_new(const struct observe_options *options, struct fields *fields, struct buf *ret_why,
		struct observe **ret, struct prefilter **ret_prefilter);
void observe_free(struct observe *observe);

/* A process began or ended: told before its event is made, or in place of it. */
void observe_birth(struct observe *observe, const struct record *record);
void observe_death(struct observe *observe, const struct record *record);

/* The name of the rule that matters only when a process is followed; empty: nobody is. */
struct str observe_of_followed(const struct observe *observe);

/* What to say to the probe of the record's process, once the record was looked at. */
enum probe_follow observe_verdict(struct observe *observe, const struct record *record);

/* Whether the event is to be shown. */
bool observe_wants(struct observe *observe, struct prefilter *prefilter, const struct event *event);

/* Appends the event as a line. `line` is not used for JSON, which is as wire_add_event() has it. */
void observe_add(const struct observe *observe, const struct event *event, const struct fields *fields,
		 struct buf *out);
bool observe_is_json(const struct observe *observe);

#endif
