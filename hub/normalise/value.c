/* JSON nodes into values. */
#include "hub/normalise/value.h"

#include "base/clock.h"

#include <errno.h>

enum { LIST_DEPTH = 4 };

struct str value_text(const struct json *json, uint32_t node, struct arena *arena)
{
	switch (json->nodes[node].kind) {
	case JSON_STRING: return json_string(json, node, arena);
	case JSON_NULL: case JSON_ARRAY: case JSON_OBJECT: return (struct str){ 0 };
	default: return json_raw(json, node);
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

bool value_time(const struct json *json, uint32_t node, struct arena *arena, int64_t *ret_ns)
{
	struct str text = value_text(json, node, arena);

	switch (json->nodes[node].kind) {
	case JSON_NUMBER: return normalise_time_number(text, ret_ns);
	case JSON_STRING: return clock_parse(text, ret_ns);
	default: return false;
	}
}

static int read_list(const struct json *json, uint32_t node, struct arena *arena, struct value *ret,
                     unsigned depth);

static int read_value(const struct json *json, uint32_t node, struct arena *arena, struct value *ret,
                      unsigned depth)
{
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
		*ret = value_str(json_string(json, node, arena));
		return ret->s == NULL ? -ENOMEM : 0;
	case JSON_ARRAY:
		return read_list(json, node, arena, ret, depth);
	case JSON_OBJECT:
		*ret = value_str(text);
		break;
	default:
		break;
	}
	return 0;
}

static int read_list(const struct json *json, uint32_t node, struct arena *arena, struct value *ret,
                     unsigned depth)
{
	struct value *values;
	uint32_t count = 0;
	int r;

	if (depth >= LIST_DEPTH) {
		*ret = value_str(json_raw(json, node));
		return 0;
	}
	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i].next)
		count++;
	values = arena_zalloc(arena, (count + 1) * sizeof(*values));
	if (values == NULL)
		return -ENOMEM;
	count = 0;
	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i].next) {
		r = read_value(json, i, arena, &values[count++], depth + 1);
		if (r < 0)
			return r;
	}
	*ret = (struct value){ .kind = VALUE_LIST, .len = count, .list = values };
	return 0;
}

int value_read(const struct json *json, uint32_t node, struct arena *arena, struct value *ret)
{
	return read_value(json, node, arena, ret, 0);
}
