/* JSON items into events: what is taken, what is refused and where. */
#include "base/clock.h"
#include "hub/ingest/unpack.h"
#include "hub/normalise/normalise.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

struct setup {
	struct fields *fields;
	struct normalise normalise;
	struct event event;
	struct arena arena;
	struct item item;
	struct reject reject;
};

static int make(void **state)
{
	static struct setup setup;

	setup.fields = fields_new();
	arena_init(&setup.arena, 1 << 20);
	*state = &setup;
	return normalise_init(&setup.normalise, setup.fields, 256, 16, 65536) +
	       event_init(&setup.event, fields_count(setup.fields));
}

static int unmake(void **state)
{
	struct setup *setup = *state;

	normalise_done(&setup->normalise);
	event_done(&setup->event);
	arena_done(&setup->arena);
	fields_free(setup->fields);
	return 0;
}

static int take(struct setup *setup, struct str text, size_t from, bool list, size_t *end)
{
	event_clear(&setup->event);
	return normalise_item(&setup->normalise, text, from, list, 42, &setup->arena, &setup->event,
	                      &setup->item, end, &setup->reject);
}

static const struct row {
	const char *name, *text;
	int want;
	size_t offset;
} rows[] = {
	{ "an alert as Falco sends it",
	  "{\"hostname\":\"n\",\"output\":\"o\",\"priority\":\"Warning\",\"rule\":\"r\",\"source\":\"syscall\","
	  "\"tags\":[\"b\",\"a\"],\"time\":\"2026-01-01T00:00:00Z\",\"output_fields\":{\"fd.name\":null}}", 0, 0 },
	{ "a pod name that is not a text", "{\"rule\":\"r\",\"priority\":\"info\",\"output_fields\":{\"k8s.pod.name\":7}}", 0, 0 },
	{ "a number as time", "{\"rule\":\"r\",\"priority\":\"info\",\"time\":1790000000,\"output_fields\":{}}", 0, 0 },
	{ "null output", "{\"rule\":\"r\",\"priority\":\"info\",\"output\":null,\"output_fields\":null}", 0, 0 },
	{ "keys that nobody knows", "{\"rule\":\"r\",\"priority\":\"DEBUG\",\"x\":{\"y\":[1]},\"message\":3}", 0, 0 },
	{ "bytes that are not UTF-8", "{\"rule\":\"r\xff\",\"priority\":\"info\"}", 0, 0 },
	{ "a sensor's event", "{\"fields\":{\"evt.type\":\"openat\",\"fd.num\":3},\"sensor\":{\"id\":\"s\",\"seq\":1}}", 0, 0 },
	{ "a key twice", "{\"rule\":\"r\",\"rule\":\"q\",\"priority\":\"info\"}", -EBADMSG, 13 },
	{ "no rule", "{\"priority\":\"info\",\"output_fields\":{}}", -EBADMSG, 0 },
	{ "an empty rule", "{\"rule\":\"\",\"priority\":\"info\"}", -EBADMSG, 0 },
	{ "no priority", "{\"rule\":\"r\"}", -EBADMSG, 0 },
	{ "an unknown priority", "{\"rule\":\"r\",\"priority\":\"loud\"}", -EBADMSG, 24 },
	{ "a time that is none", "{\"rule\":\"r\",\"priority\":\"info\",\"time\":\"noon\"}", -EBADMSG, 38 },
	{ "fields that are no object", "{\"fields\":[1]}", -EBADMSG, 10 },
	{ "a sensor without number", "{\"fields\":{},\"sensor\":{\"id\":\"s\",\"seq\":-1}}", -EBADMSG, 38 },
	{ "a list where an object should be", "[1]", -EBADMSG, 0 },
	{ "cut off", "{\"rule\":\"r\",\"prio", -EBADMSG, 17 },
};

static void items(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct setup *setup = *state;
		size_t end;
		int r = take(setup, str_of(rows[i].text), 0, false, &end);

		if (r != rows[i].want || (r < 0 && setup->reject.offset != rows[i].offset))
			fail_msg("%s: %d at %zu: %s", rows[i].name, r, setup->reject.offset,
			         r < 0 ? setup->reject.reason : "");
	}
}

static void values_have_their_types(void **state)
{
	struct setup *setup = *state;
	const struct value *value;
	size_t end;

	assert_int_equal(take(setup, STR("{\"source\":\"x\",\"fields\":{\"fd.num\":-3,\"proc.name\":\"a\\u0000b\","
	                                 "\"evt.is_open_write\":true,\"proc.exe_ino\":18446744073709551615,"
	                                 "\"proc.tty\":null,\"proc.args\":[\"x\",1]}}"), 0, false, &end), 0);
	assert_int_equal(event_get(&setup->event, FIELD_FD_NUM)->i, -3);
	assert_true(str_eq(value_as_str(event_get(&setup->event, FIELD_PROC_NAME)), STR("a\0b")));
	assert_true(event_get(&setup->event, FIELD_EVT_IS_OPEN_WRITE)->b);
	value = event_get(&setup->event, FIELD_PROC_EXE_INO);
	assert_true(value->kind == VALUE_UINT && value->u == UINT64_MAX);
	assert_int_equal(event_get(&setup->event, FIELD_PROC_TTY)->kind, VALUE_NULL);
	value = event_get(&setup->event, FIELD_PROC_ARGS);
	assert_true(value->kind == VALUE_LIST && value->len == 2 && value->list[1].i == 1);
	assert_int_equal(event_get(&setup->event, FIELD_PROC_PNAME)->kind, VALUE_ABSENT);
	assert_int_equal(setup->event.time_ns, 42); /* when it came, since it does not say */
}

static void a_bad_item_costs_only_itself(void **state)
{
	struct setup *setup = *state;
	struct str list = STR("[{\"a\":nul},{\"rule\":\"r\",\"priority\":\"info\"}]");
	struct str lines = STR("{\"a\":nul}\n{\"rule\":\"r\",\"priority\":\"info\"}\n");
	size_t end;

	assert_int_equal(take(setup, list, 1, true, &end), -EBADMSG);
	assert_int_equal(list.at[end], ',');
	assert_int_equal(take(setup, list, end + 1, true, &end), 0);
	assert_int_equal(take(setup, lines, 0, false, &end), -EBADMSG);
	assert_int_equal(take(setup, lines, end, false, &end), 0);
}

static const struct {
	const char *text;
	int64_t ns; /* -1: refused */
} numbers[] = {
	{ "1790000000", 1790000000000000000 },  { "1790000000123", 1790000000123000000 },
	{ "1790000000123456", 1790000000123456000 }, { "1790000000123456789", 1790000000123456789 },
	{ "1790000000.5", 1790000000500000000 }, { "0", -1 }, { "-5", -1 }, { "1e300", -1 },
	{ "9223372036", 9223372036000000000 }, { "9223372037", -1 }, { "99999999999999", -1 },
	{ "18446744073710", -1 }, { "99999999999999999", -1 }, /* beyond 2262, whatever the unit */
};

static void times_as_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int64_t ns = -1;

		normalise_time_number(str_of(numbers[i].text), &ns);
		assert_int_equal(ns, numbers[i].ns);
	}
}

static void packed_bodies(void **state)
{
	char plain[5000], packed[6000];
	struct buf out = { 0 };
	z_stream z = { 0 };
	size_t len;

	(void)state;
	memset(plain, 'a', sizeof(plain));
	deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	z.next_in = (Bytef *)plain;
	z.avail_in = sizeof(plain);
	z.next_out = (Bytef *)packed;
	z.avail_out = sizeof(packed);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	len = z.total_out;
	deflateEnd(&z);
	assert_int_equal(unpack_body((struct str){ packed, len }, "gzip", 5000, &out), 0);
	assert_int_equal(out.len, 5000);
	assert_int_equal(unpack_body((struct str){ packed, len }, "gzip", 4999, &out), -EFBIG);
	assert_int_equal(unpack_body((struct str){ packed, len - 4 }, "gzip", 5000, &out), -EBADMSG);
	assert_int_equal(unpack_body(STR("nonsense"), "gzip", 5000, &out), -EBADMSG);
	len = ZSTD_compress(packed, sizeof(packed), plain, sizeof(plain), 1);
	assert_int_equal(unpack_body((struct str){ packed, len }, "zstd", 5000, &out), 0);
	assert_int_equal(out.len, 5000);
	assert_int_equal(unpack_body((struct str){ packed, len }, "zstd", 4999, &out), -EFBIG);
	assert_int_equal(unpack_body((struct str){ packed, len - 1 }, "zstd", 5000, &out), -EBADMSG);
	assert_int_equal(unpack_body(STR(""), "zstd", 5000, &out), -EBADMSG);
	assert_int_equal(unpack_body(STR("x"), "br", 5000, &out), -ENOTSUP);
	assert_int_equal(unpack_body(STR("x"), NULL, 5000, &out), 1);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items),
		cmocka_unit_test(values_have_their_types),
		cmocka_unit_test(a_bad_item_costs_only_itself),
		cmocka_unit_test(times_as_numbers),
		cmocka_unit_test(packed_bodies),
	};

	return cmocka_run_group_tests_name("normalise", tests, make, unmake);
}
