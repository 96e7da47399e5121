/* tocsin-sensor observe, and whoever looks on from the hub (tail.h): which events are shown, and how. Filters are made
 * rules, so that the kernel looks for no more than they can match: one says what is shown, and where processes are
 * followed another one from which on. */
#ifndef SENSOR_OBSERVE_H
#define SENSOR_OBSERVE_H

#include "sensor/follow.h"
#include "sensor/options.h"
#include "sensor/prefilter.h"

#define OBSERVE_SHOWN_RULE "tocsin tail"
#define OBSERVE_CHOSEN_RULE "tocsin tail of whom"

enum { OBSERVE_RULES = 2 };

struct observe;

/* 0 or -errno; why a filter is none is in `ret_why`, for people. Interns into `fields`. */
int observe_new(const struct observe_options *options, struct fields *fields, struct buf *ret_why,
		struct observe **ret, struct prefilter **ret_prefilter);
void observe_free(struct observe *observe);

/* Appends the rules of a condition that was found good: they are to stand before all others. With `follow` they show what
 * observe shows unasked, of processes for which the condition was once true and of all that these begin. 0 or -errno. */
int observe_add_rules(struct str filter, bool follow, struct buf *out);

/* The name of the rule that matters only when a process is followed; empty: nobody is. */
struct str observe_of_followed(const struct observe *observe);

/* Whether the event is to be shown, by the rules that it hit; those of here come first, and are taken off the count.
 * `follow` NULL: nobody is followed. */
bool observe_wants(const struct rule *const *hits, size_t *count, struct follow *follow, const struct event *event);

/* Appends the event as a line. `line` is not used for JSON, which is as wire_add_event() has it. */
void observe_add(const struct observe *observe, const struct event *event, const struct fields *fields,
		 struct buf *out);
bool observe_is_json(const struct observe *observe);

#endif
