/* Output drivers without a server: payloads against golden files, verdicts, settings. The payloads of
 * tests/data/outputs are written anew with TOCSIN_GOLDEN=write and then read by a person. */
#include "outputs/line.h"
#include "outputs/slack.h"
#include "tests/unit/output_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ALERT_HEAD "{\"uuid\":\"0192d4e0-0000-7000-8000-000000000001\",\"time\":\"2026-11-20T12:00:00.123456789Z\","

static const char plain[] = ALERT_HEAD
	"\"output\":\"Sensitive file opened (file=/etc/shadow user=root)\",\"priority\":\"Warning\","
	"\"rule\":\"Read sensitive file untrusted\",\"source\":\"syscall\",\"hostname\":\"node-1\","
	"\"tags\":[\"T1555\",\"filesystem\"],\"output_fields\":{\"user.name\":\"root\",\"evt.num\":42,"
	"\"fd.name\":\"/etc/shadow\",\"proc.is_exe_writable\":false,\"container.id\":null,"
	"\"proc.cmdline\":\"cat /etc/shadow and thirty-six characters\",\"list\":[1,2]},"
	"\"tocsin\":{\"incident\":7,\"change\":\"opened\",\"count\":1}}";

static const char repeat[] = ALERT_HEAD
	"\"output\":\"once more\",\"priority\":\"Emergency\",\"rule\":\"R\",\"output_fields\":{},"
	"\"tocsin\":{\"change\":\"repeat\",\"count\":3}}";

static const char ongoing[] = ALERT_HEAD
	"\"output\":\"still\",\"priority\":\"Debug\",\"rule\":\"R\",\"output_fields\":{},"
	"\"tocsin\":{\"change\":\"ongoing\",\"count\":57}}";

static const char resolved[] = ALERT_HEAD
	"\"output\":\"over\",\"priority\":\"Notice\",\"rule\":\"R\",\"output_fields\":{},"
	"\"tocsin\":{\"change\":\"resolved\",\"count\":57}}";

static const char hostile[] = ALERT_HEAD
	"\"output\":\"<!channel> <https://evil.example|your bank> & @here @Everyone @alice [x](http://evil)\","
	"\"priority\":\"Critical\",\"rule\":\"R<\",\"source\":\"syscall\",\"hostname\":\"h\\n<!here>\","
	"\"output_fields\":{\"fd.name\":\"/tmp/\\u001b[2J\\u202e\\uef80\\uefff\\\"\\\\\",\"<k>\":\"&amp;\"}}";

/* --- payloads ----------------------------------------------------------------------------------- */

static const struct payload_row {
	const char *name, *file, *alert;
	const char *settings[9]; /* key, value, … */
} payload_rows[] = {
	{ "slack shows text and all fields that have a value", "slack_all.json", plain, { NULL } },
	{ "slack shows the text alone", "slack_text.json", plain, { "output_format", "text" } },
	{ "slack shows the fields alone", "slack_fields.json", plain,
	  { "output_format", "fields", "channel", "#soc", "icon", ":bell:", "footer", "" } },
	{ "slack takes a picture's URL", "slack_repeat.json", repeat, { "icon", "https://x/y.png" } },
	{ "slack says that an incident goes on", "slack_ongoing.json", ongoing, { NULL } },
	{ "slack says that an incident is over", "slack_resolved.json", resolved, { NULL } },
	{ "slack shows what an attacker wrote as what it is", "slack_hostile.json", hostile, { NULL } },
};

static void read_or_write_golden(const char *file, struct str have)
{
	char path[512];
	static char want[65536];
	bool write = getenv("TOCSIN_GOLDEN") != NULL;
	autofclose FILE *stream = NULL;
	size_t len;

	snprintf(path, sizeof(path), "%s/outputs/%s", TEST_DATA, file);
	stream = fopen(path, write ? "w" : "r");
	assert_non_null(stream);
	if (write) {
		fprintf(stream, "%.*s\n", STR_ARG(have));
		return;
	}
	len = fread(want, 1, sizeof(want), stream);
	if (!str_eq(str_trim((struct str){ want, len }), have))
		fail_msg("%s: have %.*s", file, STR_ARG(have));
}

static void assert_json(struct str text)
{
	static struct json_node nodes[8192];
	struct json json = { .text = text, .nodes = nodes, .cap = ARRAY_LEN(nodes), .depth_max = 8 };
	size_t end;

	if (json_read(&json, 0, &end) < 0 || end != text.len)
		fail_msg("%s at %zu of %.*s", json.error, json.error_at, STR_ARG(text));
	assert_true(str_is_utf8(text));
}

static void payload(void **state)
{
	const struct payload_row *row = *state;
	const struct output_ops *ops = output_driver_find(STR("slack"));
	void *conf = fixture_conf(ops);
	struct arena arena;
	struct alert alert;
	struct buf out = { 0 };

	arena_init(&arena, 8 << 20);
	for (size_t i = 0; row->settings[i] != NULL; i += 2)
		assert_true(fixture_set(ops, conf, row->settings[i], row->settings[i + 1]));
	assert_true(fixture_alert(&alert, str_of(row->alert), 1, &arena));
	assert_int_equal(alert_read(&alert, &arena), 0);
	assert_true(slack_render(&out, &alert, conf));
	assert_true(buf_ok(&out));
	assert_json(buf_str(&out));
	read_or_write_golden(row->file, buf_str(&out));
	buf_done(&out);
	arena_done(&arena);
	fixture_conf_free(ops, conf);
}

/* A field's value of every length around the limits, in characters of every size. */
static void slack_cuts_between_characters(void **state)
{
	static const char *const pieces[] = { "x", "ü", "…", "😀", "&", "<", "\\u0001", "\\uef80", "@all" };
	const struct output_ops *ops = output_driver_find(STR("slack"));
	void *conf = fixture_conf(ops);

	(void)state;
	for (size_t p = 0; p < ARRAY_LEN(pieces); p++) {
		for (size_t count = 100; count < 5000; count += 97) {
			struct buf line = { 0 }, out = { 0 };
			struct arena arena;
			struct alert alert;

			arena_init(&arena, 8 << 20);
			buf_add(&line, STR("{\"output\":\"x\",\"rule\":\"r\",\"output_fields\":{\"f\":\""));
			for (size_t i = 0; i < count; i++)
				buf_add(&line, str_of(pieces[p]));
			buf_add(&line, STR("\"}}"));
			assert_true(fixture_alert(&alert, buf_str(&line), 1, &arena));
			assert_int_equal(alert_read(&alert, &arena), 0);
			slack_render(&out, &alert, conf);
			assert_json(buf_str(&out));
			assert_true(out.len < 8000);
			buf_done(&line);
			buf_done(&out);
			arena_done(&arena);
		}
	}
	fixture_conf_free(ops, conf);
}

static void slack_bounds_the_whole_message(void **state)
{
	const struct output_ops *ops = output_driver_find(STR("slack"));
	void *conf = fixture_conf(ops);
	struct buf line = { 0 }, out = { 0 };
	struct arena arena;
	struct alert alert;

	(void)state;
	arena_init(&arena, 64 << 20);
	buf_add(&line, STR("{\"output\":\"x\",\"rule\":\"r\",\"output_fields\":{"));
	for (int i = 0; i < 500; i++) {
		buf_addf(&line, "%s\"f%d\":\"", i == 0 ? "" : ",", i);
		for (int k = 0; k < 900; k++)
			buf_add(&line, STR("ü"));
		buf_add_char(&line, '"');
	}
	buf_add(&line, STR("}}"));
	assert_true(fixture_alert(&alert, buf_str(&line), 1, &arena));
	assert_int_equal(alert_read(&alert, &arena), 0);
	slack_render(&out, &alert, conf);
	assert_json(buf_str(&out));
	assert_true(out.len < 80000);
	assert_true(str_find(buf_str(&out), STR(" more fields")) > 0);
	buf_done(&line);
	buf_done(&out);
	arena_done(&arena);
	fixture_conf_free(ops, conf);
}

/* --- lines -------------------------------------------------------------------------------------- */

static void a_text_line_stays_one_line(void **state)
{
	struct arena arena;
	struct alert alert;
	struct buf out = { 0 };

	(void)state;
	arena_init(&arena, 8 << 20);
	assert_true(fixture_alert(&alert, STR(ALERT_HEAD "\"output\":\"a\\nb\\u001b[1m\\u202e\\uef80\",\"rule\":\"r\\r\","
	                                      "\"priority\":\"Alert\"}"), 1, &arena));
	assert_true(line_add(&out, LINE_TEXT, &alert, &arena));
	assert_string_equal(buf_text(&out), "2026-11-20T12:00:00.123456789Z Alert r\\x0d: a\\x0ab\\x1b[1m\\u{202e}\\x80\n");
	buf_done(&out);
	arena_done(&arena);
}

static void what_is_no_alert_adds_no_line(void **state)
{
	struct alert alert = { .json = STR("[]") };
	struct arena arena;
	struct buf out = { 0 };

	(void)state;
	arena_init(&arena, 1 << 20);
	assert_false(line_add(&out, LINE_TEXT, &alert, &arena));
	assert_int_equal(out.len, 0);
	buf_done(&out);
	arena_done(&arena);
}

/* --- verdicts and settings ---------------------------------------------------------------------- */

static const struct verdict_row {
	const char *name;
	int status;
	enum output_verdict want;
} verdict_rows[] = {
	{ "200 is delivered", 200, OUTPUT_DELIVERED },
	{ "any other 2xx is delivered", 299, OUTPUT_DELIVERED },
	{ "a redirect is for a person to look at", 301, OUTPUT_BROKEN },
	{ "a bad request is given up", 400, OUTPUT_NEVER },
	{ "refused credentials hold everything", 401, OUTPUT_BROKEN },
	{ "a refused client holds everything", 403, OUTPUT_BROKEN },
	{ "an address that is not there holds everything", 404, OUTPUT_BROKEN },
	{ "a wrong method holds everything", 405, OUTPUT_BROKEN },
	{ "a slow request is for later", 408, OUTPUT_LATER },
	{ "an address that is gone holds everything", 410, OUTPUT_BROKEN },
	{ "a body that is too large is given up", 413, OUTPUT_NEVER },
	{ "a body that makes no sense is given up", 422, OUTPUT_NEVER },
	{ "too early is for later", 425, OUTPUT_LATER },
	{ "a rate limit is for later", 429, OUTPUT_LATER },
	{ "a server's trouble is for later", 500, OUTPUT_LATER },
	{ "an overloaded server is for later", 503, OUTPUT_LATER },
	{ "no status is for later", 0, OUTPUT_LATER },
};

static void verdict(void **state)
{
	const struct verdict_row *row = *state;

	assert_int_equal(output_verdict_of_http(row->status), row->want);
}

static void every_setting_is_described(void **state)
{
	(void)state;
	for (size_t d = 0; output_drivers[d] != NULL; d++) {
		const struct output_ops *ops = output_drivers[d];
		void *conf = fixture_conf(ops);

		assert_ptr_equal(output_driver_find(str_of(ops->type)), ops);
		assert_in_range(ops->batch_max, 1, OUTPUT_BATCH_MAX);
		for (const struct conf_field *field = ops->fields; field->key != NULL; field++) {
			if (field->help == NULL || field->help[0] == '\0' || field->offset >= ops->conf_size)
				fail_msg("%s.%s", ops->type, field->key);
			assert_int_equal(field->type == CONF_CHOICE, field->choices != NULL);
			for (const struct conf_field *other = ops->fields; other < field; other++)
				assert_string_not_equal(other->key, field->key);
		}
		fixture_conf_free(ops, conf);
	}
	assert_null(output_driver_find(STR("slac")));
}

/* RFC 2104 by another implementation: printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key */
static void a_signature_is_hmac_sha256_of_time_and_body(void **state)
{
	struct buf out = { 0 };

	(void)state;
	assert_true(http_post_sign(&out, "key", 1700000000, STR("{\"a\":1}")));
	assert_string_equal(buf_text(&out), "t=1700000000,v1="
	                    "a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03");
	buf_done(&out);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(payload_rows) + ARRAY_LEN(verdict_rows) + 6];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(payload_rows); i++)
		tests[n++] = (struct CMUnitTest){ .name = payload_rows[i].name, .test_func = payload,
			                          .initial_state = (void *)(uintptr_t)&payload_rows[i] };
	for (size_t i = 0; i < ARRAY_LEN(verdict_rows); i++)
		tests[n++] = (struct CMUnitTest){ .name = verdict_rows[i].name, .test_func = verdict,
			                          .initial_state = (void *)(uintptr_t)&verdict_rows[i] };
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(slack_cuts_between_characters);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(slack_bounds_the_whole_message);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_text_line_stays_one_line);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(what_is_no_alert_adds_no_line);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_setting_is_described);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_signature_is_hmac_sha256_of_time_and_body);
	return cmocka_run_group_tests_name("outputs", tests, NULL, NULL);
}
