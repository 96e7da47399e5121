/* Reading server-sent events. */
#include "cli/sse.h"

static bool dispatch(struct sse *sse)
{
	struct sse_event event = { .type = buf_str(&sse->type), .data = buf_str(&sse->data) };
	bool go = true;

	if (event.data.len > 0) {
		event.data.len--; /* the line end behind the last line */
		if (event.type.len == 0)
			event.type = STR("message");
		go = sse->event(sse->userdata, &event);
		memcpy(sse->last_id, sse->id, sizeof(sse->id));
	}
	buf_clear(&sse->data);
	buf_clear(&sse->type);
	return go;
}

static bool take_line(struct sse *sse)
{
	struct str line = buf_str(&sse->line), name = line, value = { 0 };
	ptrdiff_t colon = str_find(line, STR(":"));

	if (line.len == 0)
		return dispatch(sse);
	if (colon >= 0) {
		name = str_cut(line, (size_t)colon);
		value = str_from(line, (size_t)colon + 1);
		if (str_starts(value, STR(" ")))
			value = str_from(value, 1);
	}
	if (str_eq(name, STR("data"))) {
		buf_add(&sse->data, value);
		buf_add_char(&sse->data, '\n');
	} else if (str_eq(name, STR("event"))) {
		buf_clear(&sse->type);
		buf_add(&sse->type, value);
	} else if (str_eq(name, STR("id")) && value.len < sizeof(sse->id) &&
	           memchr(value.at == NULL ? "" : value.at, '\0', value.len) == NULL) {
		memcpy(sse->id, value.at == NULL ? "" : value.at, value.len);
		sse->id[value.len] = '\0';
	}
	return buf_ok(&sse->data) && buf_ok(&sse->type);
}

bool sse_feed(struct sse *sse, struct str bytes)
{
	sse->line.max = SSE_LINE_MAX;
	sse->data.max = SSE_LINE_MAX;
	while (bytes.len > 0) {
		size_t len = 0;
		bool good;

		if (sse->after_cr && bytes.at[0] == '\n')
			bytes = str_from(bytes, 1);
		sse->after_cr = false;
		while (len < bytes.len && bytes.at[len] != '\n' && bytes.at[len] != '\r')
			len++;
		buf_add(&sse->line, str_cut(bytes, len));
		if (!buf_ok(&sse->line))
			return false;
		if (len == bytes.len)
			return true;
		sse->after_cr = bytes.at[len] == '\r';
		bytes = str_from(bytes, len + 1);
		good = take_line(sse);
		buf_clear(&sse->line);
		if (!good)
			return false;
	}
	return true;
}

void sse_restart(struct sse *sse)
{
	buf_clear(&sse->line);
	buf_clear(&sse->data);
	buf_clear(&sse->type);
	memcpy(sse->id, sse->last_id, sizeof(sse->id));
	sse->after_cr = false;
}

void sse_done(struct sse *sse)
{
	buf_done(&sse->line);
	buf_done(&sse->data);
	buf_done(&sse->type);
}
