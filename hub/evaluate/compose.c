/* The alert's JSON. */
#include "hub/evaluate/compose.h"

#include "base/clock.h"

static void add_tags(struct buf *out, const struct compose *compose)
{
	buf_add(out, STR(",\"tags\":["));
	for (size_t i = 0; i < compose->tags_count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_json(out, compose->tags[i]);
	}
	buf_add_char(out, ']');
}

static void add_fields(struct buf *out, const struct compose *compose)
{
	buf_add(out, STR(",\"output_fields\":"));
	if (compose->output_fields.len > 2) { /* more than "{}" */
		buf_add(out, compose->output_fields);
		return;
	}
	/* Never empty: forwarders refuse that. */
	buf_add(out, STR("{\"evt.time\":"));
	buf_add_i64(out, compose->time_ns);
	buf_add_char(out, '}');
}

static void add_tocsin(struct buf *out, const struct compose *compose)
{
	buf_add(out, STR(",\"tocsin\":{\"incident\":"));
	buf_add_u64(out, compose->incident);
	buf_add(out, STR(",\"change\":\""));
	buf_add(out, str_of(alert_change_name(compose->change)));
	buf_add(out, STR("\",\"count\":"));
	buf_add_u64(out, compose->count);
	if (compose->first_ns != 0) {
		buf_add(out, STR(",\"first\":\""));
		buf_add_time(out, compose->first_ns);
		buf_add_char(out, '"');
	}
	if (compose->sensor != NULL && compose->sensor->id.len > 0) {
		buf_add(out, STR(",\"sensor\":{\"id\":"));
		buf_add_json(out, compose->sensor->id);
		buf_add(out, STR(",\"seq\":"));
		buf_add_u64(out, compose->sensor->seq);
		if (compose->sensor->probe.len > 0) {
			buf_add(out, STR(",\"probe\":"));
			buf_add_json(out, compose->sensor->probe);
		}
		buf_add_char(out, '}');
	}
	if (compose->evidence.len > 0) {
		buf_add(out, STR(",\"evidence\":"));
		buf_add(out, compose->evidence);
	}
	if (compose->raw.len > 0) {
		buf_add(out, STR(",\"raw\":"));
		buf_add(out, compose->raw);
	}
	buf_add(out, STR("}}"));
}

void compose_alert(struct buf *out, const struct compose *compose)
{
	buf_add(out, STR("{\"uuid\":\""));
	buf_add(out, str_of(compose->id));
	buf_add(out, STR("\",\"time\":\""));
	buf_add_time(out, compose->time_ns);
	buf_add(out, STR("\",\"rule\":"));
	buf_add_json(out, compose->rule);
	buf_add(out, STR(",\"priority\":\""));
	buf_add(out, str_of(priority_name(compose->priority)));
	buf_add(out, STR("\",\"source\":"));
	buf_add_json(out, compose->source);
	buf_add(out, STR(",\"hostname\":"));
	buf_add_json(out, compose->hostname);
	buf_add(out, STR(",\"output\":"));
	buf_add_json(out, compose->output);
	add_tags(out, compose);
	add_fields(out, compose);
	add_tocsin(out, compose);
}

void compose_uuid(char id[37], const uint64_t identity[2])
{
	static const char digits[] = "0123456789abcdef";
	const uint64_t halves[2] = { (identity[0] & ~(uint64_t)0xf000) | 0x8000,
		                     (identity[1] & ~((uint64_t)3 << 62)) | (uint64_t)1 << 63 };
	size_t len = 0;

	for (unsigned i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			id[len++] = '-';
		id[len++] = digits[halves[i / 16] >> (60 - i % 16 * 4) & 15];
	}
	id[len] = '\0';
}
