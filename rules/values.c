/* Terms' values: from the event, else derived, each brought to the type that its operators expect.
 * JSON may be looser than the catalogue (a port as text, a flag as number), so conversion is here.
 */
#include "rules/compiled.h"

#include <stdio.h>
#include <stdlib.h>

bool value_to_number(const struct value *value, __int128 *ret)
{
	struct str text;
	int64_t small;
	uint64_t big;

	switch (value->kind) {
	case VALUE_INT: *ret = value->i; return true;
	case VALUE_UINT: *ret = value->u; return true;
	case VALUE_BOOL: *ret = value->b; return true;
	case VALUE_DOUBLE:
		if (!(value->d > -1e30 && value->d < 1e30))
			return false;
		*ret = (__int128)value->d;
		return true;
	case VALUE_STR:
		text = value_as_str(value);
		if (str_to_i64(text, &small))
			*ret = small;
		else if (str_to_u64(text, &big))
			*ret = big;
		else
			return false;
		return true;
	default: return false;
	}
}

bool value_to_real(const struct value *value, double *ret)
{
	switch (value->kind) {
	case VALUE_INT: *ret = (double)value->i; return true;
	case VALUE_UINT: *ret = (double)value->u; return true;
	case VALUE_DOUBLE: *ret = value->d; return true;
	case VALUE_STR: return str_to_double(value_as_str(value), ret);
	default: return false;
	}
}

bool value_to_bool(const struct value *value, bool *ret)
{
	switch (value->kind) {
	case VALUE_BOOL: *ret = value->b; return true;
	case VALUE_INT: *ret = value->i != 0; return true;
	case VALUE_STR:
		*ret = str_eq_nocase(value_as_str(value), STR("true")) ||
		       str_eq(value_as_str(value), STR("1"));
		return *ret || str_eq_nocase(value_as_str(value), STR("false")) ||
		       str_eq(value_as_str(value), STR("0"));
	default: return false;
	}
}

static bool print_number(struct rules_scratch *scratch, const struct value *value, struct str *ret)
{
	enum { ROOM = 400 }; /* the longest is a double in full */
	char *out = scratch_take(scratch, ROOM);
	int len;

	if (out == NULL)
		return false;
	switch (value->kind) {
	case VALUE_UINT: len = snprintf(out, ROOM, "%llu", (unsigned long long)value->u); break;
	case VALUE_DOUBLE: len = snprintf(out, ROOM, "%.1f", value->d); break;
	default: len = snprintf(out, ROOM, "%lld", (long long)value->i); break;
	}
	*ret = (struct str){ .at = out, .len = (size_t)len };
	return len > 0 && len < ROOM;
}

/* A list where one text is wanted, such as proc.args: joined with blanks. */
static bool join_list(struct rules_scratch *scratch, const struct value *value, struct str *ret)
{
	size_t len = 0, used = 0;
	char *out;

	for (uint32_t i = 0; i < value->len; i++)
		len += value->list[i].kind == VALUE_STR ? value->list[i].len + 1 : 40;
	out = scratch_take(scratch, len + 1);
	if (out == NULL)
		return false;
	for (uint32_t i = 0; i < value->len; i++) {
		struct str text;

		if (value->list[i].kind == VALUE_LIST ||
		    !value_to_text(scratch, &value->list[i], &text) || used + text.len + 1 > len)
			continue;
		if (i > 0)
			out[used++] = ' ';
		memcpy(out + used, text.at, text.len);
		used += text.len;
	}
	*ret = (struct str){ .at = out, .len = used };
	return true;
}

bool value_to_text(struct rules_scratch *scratch, const struct value *value, struct str *ret)
{
	switch (value->kind) {
	case VALUE_STR:
		*ret = value_as_str(value);
		if (ret->at == NULL)
			*ret = STR("");
		return true;
	case VALUE_BOOL: *ret = value->b ? STR("true") : STR("false"); return true;
	case VALUE_INT:
	case VALUE_UINT:
	case VALUE_DOUBLE: return print_number(scratch, value, ret);
	case VALUE_LIST: return join_list(scratch, value, ret);
	default: return false;
	}
}

static bool to_text(struct rules_scratch *scratch, struct value *value)
{
	struct str text;

	if (value->kind == VALUE_STR)
		return true;
	if (!value_to_text(scratch, value, &text))
		return false;
	*value = value_str(text);
	return true;
}

/* Falco's alerts have such numbers as they are printed. */
static bool from_printed(enum field_format format, struct value *value)
{
	char text[32], *end;
	unsigned long long number;

	if (value->kind != VALUE_STR || value->len == 0 || value->len >= sizeof(text) ||
	    (format != FIELD_FORMAT_HEX && format != FIELD_FORMAT_OCT))
		return false;
	memcpy(text, value->s, value->len);
	text[value->len] = '\0';
	number = strtoull(text, &end, format == FIELD_FORMAT_HEX ? 16 : 8);
	if (*end != '\0')
		return false;
	*value = (struct value){ .kind = VALUE_UINT, .u = number };
	return true;
}

static bool to_number(const struct term *term, struct value *value)
{
	__int128 number;

	from_printed(term->format, value);
	if (!value_to_number(value, &number) || number > (__int128)UINT64_MAX ||
	    number < (__int128)INT64_MIN)
		return false;
	/* An unset audit id is all ones in the kernel and -1 in the language. */
	if (term->base == FIELD_USER_LOGINUID && number == UINT32_MAX)
		number = -1;
	if (number <= INT64_MAX)
		*value = value_i64((int64_t)number);
	else
		*value = (struct value){ .kind = VALUE_UINT, .u = (uint64_t)number };
	return true;
}

/* A list of texts; one value alone is a list of one. */
static bool to_list(struct rules_scratch *scratch, struct value *value)
{
	uint32_t count = value->kind == VALUE_LIST ? value->len : 1;
	const struct value *from = value->kind == VALUE_LIST ? value->list : value;
	struct value *list = scratch_take(scratch, (count + 1) * sizeof(*list));

	if (list == NULL)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		list[i] = from[i];
		if (!to_text(scratch, &list[i]))
			list[i] = value_str(STR(""));
	}
	*value = (struct value){ .kind = VALUE_LIST, .len = count, .list = list };
	return true;
}

static bool to_class(struct rules_scratch *scratch, const struct term *term, struct value *value)
{
	bool truth;

	if (value->kind == VALUE_ABSENT || value->kind == VALUE_NULL)
		return false;
	if (term->is_list)
		return to_list(scratch, value);
	switch (term->class) {
	case CLASS_TEXT:
	case CLASS_BYTES:
	case CLASS_ADDRESS:
	case CLASS_NETWORK: return to_text(scratch, value);
	case CLASS_NUMBER: return to_number(term, value);
	case CLASS_REAL: return value_to_real(value, &(double){ 0 });
	case CLASS_BOOL:
		if (!value_to_bool(value, &truth))
			return false;
		*value = value_bool(truth);
		return true;
	case CLASS_ANY: return true;
	}
	return false;
}

/* What belongs to the event itself when it has no field of that name. */
static bool from_event(const struct event *event, const struct term *term, struct value *ret)
{
	switch (term->base) {
	case FIELD_EVT_SOURCE:
		*ret = value_str(event->source.len > 0 ? event->source : STR("syscall"));
		break;
	case FIELD_EVT_HOSTNAME: *ret = value_str(event->hostname); break;
	case FIELD_EVT_RAWTIME: *ret = value_i64(event->time_ns); break;
	case FIELD_EVT_RAWTIME_S: *ret = value_i64(event->time_ns / 1000000000); break;
	case FIELD_EVT_RAWTIME_NS: *ret = value_i64(event->time_ns % 1000000000); break;
	case FIELD_EVT_NUM:
		*ret = value_i64((int64_t)event->sensor.seq);
		return event->sensor.seq > 0;
	default: return false;
	}
	return ret->kind != VALUE_STR || ret->len > 0;
}

static bool field_value(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	*ret = *event_read(scratch->event, term->id);
	if (ret->kind != VALUE_ABSENT && ret->kind != VALUE_NULL)
		return true;
	return from_event(scratch->event, term, ret) || derive_field(scratch, term, ret);
}

static bool list_value(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	struct value *list = scratch_take(scratch, (term->count + 1) * sizeof(*list));

	if (list == NULL)
		return false;
	for (uint32_t i = 0; i < term->count; i++) {
		const struct slot *slot = term_values(scratch, term->items[i]);

		if (slot->count == 0)
			return false;
		list[i] = slot->values[0];
	}
	*ret = (struct value){ .kind = VALUE_LIST, .len = term->count, .list = list };
	return true;
}

static bool one_value(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	switch (term->kind) {
	case AST_FIELD: return field_value(scratch, term, ret);
	case AST_CALL: return transform(scratch, term, ret);
	case AST_LIST: return list_value(scratch, term, ret);
	case AST_STRING:
	case AST_NUMBER: *ret = term->literal; return true;
	}
	return false;
}

/* Each of several values as the term's operators want it; what cannot be is left out. */
static void many_to_class(struct rules_scratch *scratch, const struct term *term, struct slot *slot)
{
	uint32_t count = slot->count;
	struct value *values = scratch_take(scratch, (count + 1) * sizeof(*values));

	slot->count = 0;
	if (values == NULL)
		return;
	for (uint32_t i = 0; i < count; i++) {
		values[slot->count] = slot->values[i];
		slot->count += to_class(scratch, term, &values[slot->count]);
	}
	slot->values = values;
}

static void fill(struct rules_scratch *scratch, const struct term *term, struct slot *slot)
{
	slot->values = &slot->value;
	slot->word = WORD_UNKNOWN;
	slot->count = 0;
	if (term->is_many) {
		derive_ancestors(scratch, term, slot);
		many_to_class(scratch, term, slot);
		return;
	}
	if (term->two_sided && event_read(scratch->event, term->id)->kind <= VALUE_NULL) {
		derive_two_sides(scratch, term, slot);
		return;
	}
	slot->count =
		one_value(scratch, term, &slot->value) && to_class(scratch, term, &slot->value);
}

const struct slot *term_values(struct rules_scratch *scratch, uint32_t term)
{
	struct slot *slot = &scratch->slots[term];
	uint64_t bit = (uint64_t)1 << (term % 64);

	if ((scratch->filled[term / 64] & bit) == 0) {
		fill(scratch, &scratch->rules->terms[term], slot);
		scratch->filled[term / 64] |= bit;
	}
	return slot;
}
