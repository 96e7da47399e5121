/* Strings, escapes, JSON, time and hashing. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct time_row {
	const char *name, *text;
	int64_t ns; /* -1: refused */
} time_rows[] = {
	{ "nine decimals and Z", "2016-08-04T16:17:57.881781397Z", 1470327477881781397 },
	{ "no decimals", "1970-01-01T00:00:01Z", 1000000000 },
	{ "an offset is subtracted", "1970-01-01T02:00:00+02:00", 0 },
	{ "an offset without colon", "1970-01-01T00:00:00.5+0000", 500000000 },
	{ "a leap day", "2024-02-29T00:00:00Z", 1709164800000000000 },
	{ "no leap day in 2023", "2023-02-29T00:00:00Z", -1 },
	{ "no zone", "2023-02-28T00:00:00", -1 },
	{ "text behind", "2023-02-28T00:00:00Zx", -1 },
	{ "month 13", "2023-13-01T00:00:00Z", -1 },
	{ "empty fraction", "2023-01-01T00:00:00.Z", -1 },
};

static void times(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(time_rows) / sizeof(time_rows[0]); i++) {
		int64_t ns = -1;
		bool ok = clock_parse(str_of(time_rows[i].text), &ns);

		if (ok != (time_rows[i].ns != -1) || ns != time_rows[i].ns)
			fail_msg("%s: %s gives %d %lld", time_rows[i].name, time_rows[i].text, ok, (long long)ns);
	}
}

static void times_are_written_as_they_are_read(void **state)
{
	struct buf out = { 0 };
	int64_t ns = 0, back;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		ns += 40000000000000 + i * 7919; /* half a day and a bit: past 2250, with all leap years */
		buf_clear(&out);
		buf_add_time(&out, ns);
		assert_int_equal(out.len, 30);
		assert_true(clock_parse(buf_str(&out), &back) && back == ns);
	}
	buf_done(&out);
}

static void a_buffer_ends_at_its_bound(void **state)
{
	struct buf out = { .max = 10 };

	(void)state;
	buf_add(&out, STR("12345"));
	buf_add(&out, STR("67890"));
	assert_true(buf_ok(&out) && out.len == 10);
	assert_string_equal(buf_text(&out), "1234567890");
	buf_add_char(&out, '1'); /* although there is memory for it */
	assert_false(buf_ok(&out));
	buf_clear(&out);
	buf_add(&out, STR("12345678901"));
	assert_true(!buf_ok(&out) && out.len == 0);
	buf_done(&out);
}

static const struct json_row {
	const char *text;
	bool good;
	size_t error_at;
} json_rows[] = {
	{ "{}", true, 0 },
	{ " [1, 2.5e-3, -0, true, false, null, \"x\", {\"a\":[]}] ", true, 0 },
	{ "\"\\u00e9\\n\\ud83d\\ude00\"", true, 0 },
	{ "{\"a\":1,\"a\":2}", false, 8 },
	{ "{\"a\":1,\"\\u0061\":2}", false, 8 },
	{ "01", false, 0 },
	{ "1.", false, 2 },
	{ "[1,]", false, 3 },
	{ "{\"a\":1,}", false, 7 },
	{ "{\"a\" 1}", false, 5 },
	{ "\"\t\"", false, 1 },
	{ "\"\\x\"", false, 1 },
	{ "tru", false, 0 },
	{ "", false, 0 },
	{ "[", false, 1 },
	{ "\"abc", false, 4 },
};

static void json_grammar(void **state)
{
	struct json_node nodes[64];

	(void)state;
	for (size_t i = 0; i < sizeof(json_rows) / sizeof(json_rows[0]); i++) {
		struct json json = { .text = str_of(json_rows[i].text), .nodes = nodes, .cap = 64, .depth_max = 8 };
		size_t end;
		bool good = json_read(&json, 0, &end) == 0;

		if (good != json_rows[i].good || (!good && json.error_at != json_rows[i].error_at))
			fail_msg("%s: %d at %zu: %s", json_rows[i].text, good, json.error_at,
			         json.error == NULL ? "" : json.error);
	}
}

static void every_byte_string_survives_json(void **state)
{
	struct buf out = { 0 };
	struct json_node nodes[4];
	struct arena arena;
	unsigned seed = 1;

	(void)state;
	arena_init(&arena, 1 << 20);
	for (int round = 0; round < 20000; round++) {
		char bytes[24];
		size_t len = (size_t)round % sizeof(bytes), end;
		struct json json = { .nodes = nodes, .cap = 4, .depth_max = 2 };
		struct str back;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245u + 12345u;
			bytes[i] = (char)(seed >> 16);
			if (round % 3 == 0 && i % 3 == 0)
				bytes[i] = (char)0xee; /* the range that stands for raw bytes */
			if (round % 3 == 0 && i % 3 == 1)
				bytes[i] = (char)0xbe;
		}
		buf_clear(&out);
		buf_add_json(&out, (struct str){ bytes, len });
		assert_true(str_is_utf8(buf_str(&out)));
		json.text = buf_str(&out);
		assert_int_equal(json_read(&json, 0, &end), 0);
		assert_int_equal(end, out.len);
		back = json_string(&json, 0, &arena);
		assert_int_equal(back.len, len);
		assert_memory_equal(back.at, bytes, len);
		arena_reset(&arena);
	}
	arena_done(&arena);
	buf_done(&out);
}

static void subtrees_are_stepped_over(void **state)
{
	struct json_node nodes[32];
	struct json json = { .text = STR("{\"a\":null,\"b\":[1,[true,{}]],\"c\":{\"d\":\"x\"},\"e\":2}"),
		             .nodes = nodes, .cap = 32, .depth_max = 8 };
	size_t end, keys = 0;

	(void)state;
	assert_int_equal(json_read(&json, 0, &end), 0);
	for (uint32_t i = json_first(&json, 0); i != json_end(&json, 0); i = json.nodes[i + 1].next)
		assert_int_equal(json_raw(&json, i).at[0], "abce"[keys++]);
	assert_int_equal(keys, 4);
	assert_true(str_eq(json_raw(&json, json_get(&json, 0, STR("e"))), STR("2")));
	assert_int_equal(json_get(&json, 0, STR("d")), 0);
}

/* An object with so many keys, each with an object of the same keys behind it, and the key `again` once more. */
static int read_keys(size_t count, size_t again, struct buf *out)
{
	enum { KEYS_MAX = 2000 };
	static struct json_node nodes[KEYS_MAX];
	struct json json = { .nodes = nodes, .cap = KEYS_MAX, .depth_max = 8 };
	size_t end;

	buf_clear(out);
	buf_add_char(out, '{');
	for (size_t i = 0; i < count; i++)
		buf_addf(out, "\"key.%zu\":{\"key.%zu\":1,\"key.0\":{}},", i, i + 1);
	buf_addf(out, "\"key.%zu\":2}", again);
	json.text = buf_str(out);
	return json_read(&json, 0, &end);
}

static void no_key_stands_twice_among_many(void **state)
{
	enum { KEYS = 300 };
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(read_keys(KEYS, KEYS, &out), 0);
	for (size_t i = 0; i < KEYS; i++)
		assert_int_equal(read_keys(KEYS, i, &out), -EBADMSG);
	buf_done(&out);
}

static void limits_are_kept(void **state)
{
	struct json_node nodes[4];
	struct json json = { .text = STR("[1,2,3,4]"), .nodes = nodes, .cap = 4, .depth_max = 2 };
	size_t end;

	(void)state;
	assert_int_equal(json_read(&json, 0, &end), -E2BIG);
	json.text = STR("[[[1]]]");
	assert_int_equal(json_read(&json, 0, &end), -ELOOP);
}

static void bad_neighbours_are_skipped(void **state)
{
	struct str text = STR("[{\"a\":tru,\"b\":\"]},\"},{\"c\":1}]");

	(void)state;
	assert_int_equal(json_skip_bad(text, 1), 20);
}

/* The vector of the SipHash paper's reference code: key 00..0f, input 00..0e, 128 bit. */
static void siphash_vector(void **state)
{
	struct hash_key key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	char input[15];
	struct hash128 hash;

	(void)state;
	for (int i = 0; i < 15; i++)
		input[i] = (char)i;
	hash = hash128_of(&key, (struct str){ input, sizeof(input) });
	assert_true(hash.lo == 0x11a8b03399e99354 && hash.hi == 0xd9c3cf970fec087e);
}

static void printable_shows_controls(void **state)
{
	struct buf out = { 0 };

	(void)state;
	buf_add_printable(&out, STR("a\x1b[31m\xff\xee\xbe\x80\xe2\x80\xae\xc3\xa9"));
	assert_string_equal(buf_text(&out), "a\\x1b[31m\\xff\\x80\\u{202e}\xc3\xa9");
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times),
		cmocka_unit_test(times_are_written_as_they_are_read),
		cmocka_unit_test(a_buffer_ends_at_its_bound),
		cmocka_unit_test(json_grammar),
		cmocka_unit_test(every_byte_string_survives_json),
		cmocka_unit_test(subtrees_are_stepped_over),
		cmocka_unit_test(no_key_stands_twice_among_many),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(bad_neighbours_are_skipped),
		cmocka_unit_test(siphash_vector),
		cmocka_unit_test(printable_shows_controls),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
