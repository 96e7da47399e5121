/* JSON nodes into the values of the event model. Wrong types where the meaning is clear are taken. */
#ifndef HUB_NORMALISE_VALUE_H
#define HUB_NORMALISE_VALUE_H

#include "base/json.h"
#include "include/event.h"

/* The text of a scalar: strings unescaped, other values as they stand; null and containers are empty. */
struct str value_text(const struct json *json, uint32_t node, struct arena *arena);

/* A typed value; arrays become lists to a small depth, what is deeper and objects their text. What it
 * points to lives in the text and the arena. 0 or -ENOMEM. */
int value_read(const struct json *json, uint32_t node, struct arena *arena, struct value *ret);

/* A point in time: RFC 3339, or a number since the epoch. */
bool value_time(const struct json *json, uint32_t node, struct arena *arena, int64_t *ret_ns);

/* Seconds, milli-, micro- or nanoseconds since the epoch, told apart by size. */
bool normalise_time_number(struct str number, int64_t *ret_ns);

#endif
