/* Events as JSON lines. */
#include "sensor/wire.h"

#include "base/clock.h"

static void add_value(struct buf *out, const struct value *value)
{
	switch ((enum value_kind)value->kind) {
	case VALUE_BOOL: buf_add(out, value->b ? STR("true") : STR("false")); break;
	case VALUE_INT: buf_add_i64(out, value->i); break;
	case VALUE_UINT: buf_add_u64(out, value->u); break;
	case VALUE_DOUBLE: buf_addf(out, "%.17g", value->d); break;
	case VALUE_STR: buf_add_json(out, value_as_str(value)); break;
	case VALUE_LIST:
		buf_add_char(out, '[');
		for (uint32_t i = 0; i < value->len; i++) {
			if (i > 0)
				buf_add_char(out, ',');
			add_value(out, &value->list[i]);
		}
		buf_add_char(out, ']');
		break;
	default: buf_add(out, STR("null")); break;
	}
}

static void add_member(struct buf *out, struct str key, struct str text)
{
	buf_add(out, key);
	buf_add_json(out, text);
}

void wire_add_event(struct buf *out, const struct event *event, const struct fields *fields,
		    const struct wire_sensor *sensor, uint64_t seq)
{
	bool first = true;

	buf_add(out, STR("{\"time\":\""));
	buf_add_time(out, event->time_ns);
	add_member(out, STR("\",\"source\":"), event->source);
	add_member(out, STR(",\"hostname\":"), event->hostname);
	add_member(out, STR(",\"sensor\":{\"id\":"), sensor->id);
	add_member(out, STR(",\"boot\":"), sensor->boot);
	buf_add(out, STR(",\"seq\":"));
	buf_add_u64(out, seq);
	add_member(out, STR(",\"probe\":"), sensor->probe);
	buf_add(out, STR("},\"fields\":{"));
	for (size_t i = 0; i < event->set_count; i++) {
		field_id id = event->set[i];

		if (event->values[id].kind == VALUE_ABSENT)
			continue;
		if (!first)
			buf_add_char(out, ',');
		first = false;
		buf_add_json(out, fields_name(fields, id));
		buf_add_char(out, ':');
		add_value(out, &event->values[id]);
	}
	buf_add(out, STR("}}\n"));
}
