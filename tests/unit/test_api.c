/* The admin API's pure parts: who may in, which call a path is, what a filter lets through, and what is
 * said of an alert. */
#include "hub/api/access.h"
#include "hub/api/filter.h"
#include "hub/api/render.h"
#include "hub/api/routes.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

static const struct hash_key key = { 1, 2 };
static const char admin[] = "correct horse battery staple";
static const int64_t t0 = 1790000000 * (int64_t)1000000000;

enum { HOUR = 3600 };

static int64_t later(int64_t seconds)
{
	return t0 + seconds * NS_PER_S;
}

static struct access *access_with(const char *token, const char *path)
{
	const struct access_settings settings = { .token = token, .key = &key, .path = path,
		                                  .session_ns = HOUR * NS_PER_S };
	struct access *access = NULL;

	assert_int_equal(access_new(&settings, t0, &access), 0);
	return access;
}

/* --- sessions ----------------------------------------------------------------------------------- */

static void a_login_opens_a_session_that_ends(void **state)
{
	struct access *access = access_with(admin, NULL);
	char cookie[ACCESS_SECRET_LEN + 1] = "";
	struct hash128 session;

	(void)state;
	assert_int_equal(access_login(access, "10.0.0.1", STR("wrong"), t0, cookie), ACCESS_REFUSED);
	assert_int_equal(access_login(access, "10.0.0.1", str_of(admin), t0, cookie), ACCESS_GRANTED);
	assert_int_equal(strlen(cookie), ACCESS_SECRET_LEN);
	assert_true(access_session(access, str_of(cookie), later(HOUR - 1), &session));
	assert_true(access_lasts(access, session, later(HOUR - 1)));
	assert_int_equal(access_sessions(access, later(1)), 1);
	assert_false(access_session(access, str_of(cookie), later(HOUR + 1), &session));
	assert_int_equal(access_sessions(access, later(HOUR + 1)), 0);
	access_free(access);
}

static void a_logout_ends_one_session_only(void **state)
{
	struct access *access = access_with(admin, NULL);
	char one[ACCESS_SECRET_LEN + 1], other[ACCESS_SECRET_LEN + 1];
	struct hash128 session;

	(void)state;
	access_login(access, "10.0.0.1", str_of(admin), t0, one);
	access_login(access, "10.0.0.1", str_of(admin), t0, other);
	assert_string_not_equal(one, other);
	assert_true(access_session(access, str_of(one), later(1), &session));
	access_logout(access, session);
	assert_false(access_session(access, str_of(one), later(2), &session));
	assert_true(access_session(access, str_of(other), later(2), &session));
	access_free(access);
}

static void a_cookie_that_is_nearly_right_is_wrong(void **state)
{
	struct access *access = access_with(admin, NULL);
	char cookie[ACCESS_SECRET_LEN + 1];
	struct hash128 session;

	(void)state;
	access_login(access, "10.0.0.1", str_of(admin), t0, cookie);
	cookie[40] = cookie[40] == '0' ? '1' : '0';
	assert_false(access_session(access, str_of(cookie), later(1), &session));
	assert_false(access_session(access, STR(""), later(1), &session));
	assert_false(access_session(access, str_cut(str_of(cookie), 63), later(1), &session));
	access_free(access);
}

static void beyond_the_bound_the_session_that_ends_first_goes(void **state)
{
	struct access *access = access_with(admin, NULL);
	char first[ACCESS_SECRET_LEN + 1], cookie[ACCESS_SECRET_LEN + 1];
	struct hash128 session;

	(void)state;
	access_login(access, "10.0.0.1", str_of(admin), t0, first);
	for (int i = 1; i <= ACCESS_SESSIONS_MAX; i++)
		assert_int_equal(access_login(access, "10.0.0.1", str_of(admin), later(i), cookie),
		                 ACCESS_GRANTED);
	assert_false(access_session(access, str_of(first), later(500), &session));
	assert_true(access_session(access, str_of(cookie), later(500), &session));
	assert_int_equal(access_sessions(access, later(500)), ACCESS_SESSIONS_MAX);
	access_free(access);
}

static void sessions_survive_a_restart_but_not_another_admin_token(void **state)
{
	char path[] = "/tmp/test_api_XXXXXX", cookie[ACCESS_SECRET_LEN + 1], text[16384];
	autoclose int fd = mkstemp(path);
	struct access *access = access_with(admin, path);
	struct hash128 session;
	ssize_t len;

	(void)state;
	access_login(access, "10.0.0.1", str_of(admin), t0, cookie);
	access_free(access);
	access = access_with(admin, path);
	assert_true(access_session(access, str_of(cookie), later(1), &session));
	access_free(access);
	access = access_with("another token altogether", path);
	assert_false(access_session(access, str_of(cookie), later(1), &session));
	access_free(access);

	close(fd);
	fd = open(path, O_RDONLY);
	len = read(fd, text, sizeof(text));
	assert_true(len > 0);
	assert_true(str_find((struct str){ text, (size_t)len }, str_of(cookie)) < 0);
	unlink(path);
}

static void a_login_token_works_once_and_not_for_long(void **state)
{
	struct access *access = access_with(admin, NULL);
	char token[ACCESS_SECRET_LEN + 1], cookie[ACCESS_SECRET_LEN + 1];
	int64_t expires_ns = 0;

	(void)state;
	assert_true(access_login_token(access, t0, token, &expires_ns));
	assert_int_equal(expires_ns, later(ACCESS_LOGIN_TOKEN_S));
	assert_int_equal(access_bearer(access, "10.0.0.1", str_of(token), t0), ACCESS_REFUSED);
	assert_int_equal(access_login(access, "10.0.0.1", str_of(token), later(1), cookie), ACCESS_GRANTED);
	assert_int_equal(access_login(access, "10.0.0.1", str_of(token), later(2), cookie), ACCESS_REFUSED);
	assert_true(access_login_token(access, t0, token, &expires_ns));
	assert_int_equal(access_login(access, "10.0.0.1", str_of(token), later(ACCESS_LOGIN_TOKEN_S + 1), cookie),
	                 ACCESS_REFUSED);
	access_free(access);
}

static void a_session_cookie_is_no_login_token(void **state)
{
	struct access *access = access_with(admin, NULL);
	char cookie[ACCESS_SECRET_LEN + 1], other[ACCESS_SECRET_LEN + 1];

	(void)state;
	access_login(access, "10.0.0.1", str_of(admin), t0, cookie);
	assert_int_equal(access_login(access, "10.0.0.1", str_of(cookie), later(1), other), ACCESS_REFUSED);
	assert_int_equal(access_bearer(access, "10.0.0.1", str_of(cookie), later(1)), ACCESS_REFUSED);
	access_free(access);
}

/* --- guessing ----------------------------------------------------------------------------------- */

static void wrong_guesses_lock_their_address_for_a_minute(void **state)
{
	struct access *access = access_with(admin, NULL);
	char cookie[ACCESS_SECRET_LEN + 1];

	(void)state;
	for (int i = 0; i < ACCESS_LOGIN_FAILURES_MAX; i++)
		assert_int_equal(access_login(access, "10.0.0.1", STR("guess"), later(i), cookie), ACCESS_REFUSED);
	assert_int_equal(access_login(access, "10.0.0.1", str_of(admin), later(20), cookie), ACCESS_LIMITED);
	assert_int_equal(access_login(access, "10.0.0.2", str_of(admin), later(20), cookie), ACCESS_GRANTED);
	assert_int_equal(access_bearer(access, "10.0.0.1", str_of(admin), later(20)), ACCESS_GRANTED);
	assert_int_equal(access_login(access, "10.0.0.1", str_of(admin), later(ACCESS_WINDOW_S + 1), cookie),
	                 ACCESS_GRANTED);
	access_free(access);
}

static void a_slash_64_is_one_address(void **state)
{
	struct access *access = access_with(admin, NULL);
	char cookie[ACCESS_SECRET_LEN + 1], peer[64];

	(void)state;
	for (int i = 0; i < ACCESS_LOGIN_FAILURES_MAX; i++) {
		snprintf(peer, sizeof(peer), "2001:db8:1:2::%x", i + 1);
		assert_int_equal(access_login(access, peer, STR("guess"), t0, cookie), ACCESS_REFUSED);
	}
	assert_int_equal(access_login(access, "2001:db8:1:2:ffff::1", str_of(admin), t0, cookie), ACCESS_LIMITED);
	assert_int_equal(access_login(access, "2001:db8:1:3::1", str_of(admin), t0, cookie), ACCESS_GRANTED);
	access_free(access);
}

static void bearers_are_limited_too(void **state)
{
	struct access *access = access_with(admin, NULL);

	(void)state;
	for (int i = 0; i < ACCESS_BEARER_FAILURES_MAX; i++)
		assert_int_equal(access_bearer(access, "unix", STR("guess"), t0), ACCESS_REFUSED);
	assert_int_equal(access_bearer(access, "unix", str_of(admin), t0), ACCESS_LIMITED);
	assert_int_equal(access_bearer(access, "unix", str_of(admin), later(ACCESS_WINDOW_S + 1)), ACCESS_GRANTED);
	access_free(access);
}

/* --- the admin token's file --------------------------------------------------------------------- */

static void the_admin_token_is_made_once_and_only_for_its_owner(void **state)
{
	char dir[] = "/tmp/test_api_XXXXXX", path[64], first[513], again[513], error[256] = "";
	struct stat st;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/admin.token", dir);
	assert_int_equal(access_token_load(dir, first, error), 0);
	assert_int_equal(strlen(first), ACCESS_SECRET_LEN);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(access_token_load(dir, again, error), 0);
	assert_string_equal(first, again);

	file = fopen(path, "w");
	fputs("short\n", file);
	fclose(file);
	assert_true(access_token_load(dir, again, error) < 0);
	assert_non_null(strstr(error, path));
	unlink(path);
	rmdir(dir);
}

static const struct origin_row {
	const char *origin, *host;
	bool same;
} origins[] = {
	{ "http://127.0.0.1:2802", "127.0.0.1:2802", true },
	{ "https://hub.example", "HUB.example", true },
	{ "https://evil.example", "hub.example", false },
	{ "http://127.0.0.1:2803", "127.0.0.1:2802", false },
	{ "https://hub.example.evil.example", "hub.example", false },
	{ "null", "hub.example", false },
	{ "https://hub.example", NULL, false },
};

static void origins_are_compared_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(origins); i++)
		assert_int_equal(access_same_origin(origins[i].origin, origins[i].host), origins[i].same);
}

/* --- routes ------------------------------------------------------------------------------------- */

static const struct route_row {
	const char *method, *path;
	int call; /* -1: none */
	bool known;
	const char *argument;
} routes[] = {
	{ "GET", "/api/v1/alerts", API_ALERTS, true, "" },
	{ "HEAD", "/api/v1/alerts", API_ALERTS, true, "" },
	{ "GET", "/api/v1/alerts/17", API_ALERT, true, "17" },
	{ "GET", "/api/v1/alerts/", -1, false, "" },
	{ "GET", "/api/v1/alerts/17/18", -1, false, "" },
	{ "POST", "/api/v1/alerts", -1, true, "" },
	{ "POST", "/api/v1/outputs/slack/kick", API_OUTPUT_KICK, true, "slack" },
	{ "POST", "/api/v1/outputs//kick", -1, false, "" },
	{ "GET", "/api/v1/outputs/slack/kick", -1, true, "" },
	{ "POST", "/api/v1/dead-letters/replay", API_LETTERS_REPLAY, true, "" },
	{ "GET", "/api/v1", -1, false, "" },
	{ "GET", "/api/v1/", -1, false, "" },
	{ "GET", "/", -1, false, "" },
	{ "GET", "", -1, false, "" },
};

static void a_path_leads_to_its_call(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const struct route_row *row = &routes[i];
		struct str argument;
		bool known;
		const struct api_route *route = api_route_find(str_of(row->method), str_of(row->path), &argument,
		                                               &known);

		assert_int_equal(route == NULL ? -1 : (int)route->call, row->call);
		assert_int_equal(known, row->known);
		assert_true(str_eq(argument, str_of(row->argument)));
	}
}

/* "  /path:" and below it "    get:" are the only lines of such a depth under `paths`. */
static void walk_document(void (*each)(const char *method, const char *path, size_t *count), size_t *count)
{
	autofclose FILE *file = fopen(TEST_ROOT "/web/openapi.yaml", "r");
	char line[512], path[128] = "";
	bool inside = false;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		size_t depth = strspn(line, " "), len = strcspn(line + depth, ":");

		if (depth == 0)
			inside = strncmp(line, "paths:", 6) == 0;
		else if (inside && depth == 2)
			snprintf(path, sizeof(path), "%.*s", (int)len, line + depth);
		else if (inside && depth == 4) {
			line[depth + len] = '\0';
			each(line + depth, path, count);
		}
	}
}

static void documented_route_exists(const char *method, const char *path, size_t *count)
{
	for (const struct api_route *route = api_routes; route->method != NULL; route++) {
		if (strcasecmp(route->method, method) != 0 || strcmp(route->pattern, path) != 0)
			continue;
		++*count;
		return;
	}
	fail_msg("openapi.yaml describes %s %s, which is no route", method, path);
}

static void document_and_routes_are_the_same(void **state)
{
	size_t documented = 0, made = 0;

	(void)state;
	walk_document(documented_route_exists, &documented);
	for (const struct api_route *route = api_routes; route->method != NULL; route++)
		made++;
	assert_int_equal(documented, made);
	assert_int_equal(made, API_CALLS);
}

/* --- filters ------------------------------------------------------------------------------------ */

static const char *argument_of(const void *userdata, const char *name)
{
	const char *const *pairs = userdata;

	for (; *pairs != NULL; pairs += 2)
		if (strcmp(pairs[0], name) == 0)
			return pairs[1];
	return NULL;
}

static const char alert_text[] =
	"{\"uuid\":\"u\",\"output\":\"opened \\\"/etc/shadow\\\"\",\"priority\":\"Warning\",\"rule\":\"Read it\","
	"\"time\":\"2026-11-20T12:00:00.000000000Z\",\"source\":\"syscall\",\"hostname\":\"n1\\\\\uef80\",\"tags\":[],"
	"\"output_fields\":{\"fd.name\":\"/etc/shadow\"}}";

static const struct filter_row {
	const char *name, *value;
	bool passes;
} filters[] = {
	{ "priority", "Warning", true },
	{ "priority", "debug", true },
	{ "priority", "error", false },
	{ "rule", "Read it", true },
	{ "rule", "read it", false },
	{ "hostname", "n1\\\uef80", true }, /* a byte 0x80, as alerts write it */
	{ "hostname", "n", false },
	{ "source", "syscall", true },
	{ "source", "k8s_audit", false },
	{ "q", "ETC/SHADOW", true },
	{ "q", "opened \"/etc", true },
	{ "q", "n1\\\uef80", true },
	{ "q", "passwd", false },
	{ "q", "", true },
	{ "incident", "7", true },
	{ "incident", "8", false },
};

static void a_filter_lets_through_what_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const char *pairs[] = { filters[i].name, filters[i].value, NULL };
		struct alert alert = { .seq = 1, .incident = 7, .priority = PRIORITY_WARNING,
			               .json = STR(alert_text) };
		struct arena arena;
		struct filter filter;

		arena_init(&arena, 1 << 20);
		assert_null(filter_read(&filter, argument_of, pairs));
		if (filter_matches(&filter, &alert, &arena) != filters[i].passes)
			fail_msg("%s=%s", filters[i].name, filters[i].value);
		arena_done(&arena);
	}
}

static void a_filter_that_makes_no_sense_is_refused(void **state)
{
	char longer[FILTER_VALUE_MAX + 1];
	const char *rows[][2] = { { "priority", "loud" }, { "incident", "many" }, { "rule", longer }, { "q", longer } };

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *pairs[] = { rows[i][0], rows[i][1], NULL };
		struct filter filter;

		assert_non_null(filter_read(&filter, argument_of, pairs));
	}
}

/* --- what is said ------------------------------------------------------------------------------- */

static void expect(struct buf *out, const char *want)
{
	struct json_node nodes[128];
	struct json json = { .text = buf_str(out), .nodes = nodes, .cap = 128, .depth_max = 8 };
	size_t end;

	assert_string_equal(buf_text(out), want);
	assert_int_equal(json_read(&json, 0, &end), 0);
	assert_int_equal(end, out->len);
	buf_done(out);
}

static void an_alert_is_one_line_of_json(void **state)
{
	const struct alert alert = { .seq = 5, .received_ns = t0, .change = ALERT_REPEAT, .incident = 7,
		                     .count = 3, .json = STR("{\"rule\":\"r\"}") };
	struct buf out = { 0 };

	(void)state;
	render_alert_open(&out, &alert);
	buf_add_char(&out, '}');
	expect(&out, "{\"seq\":5,\"received\":\"2026-09-21T14:13:20.000000000Z\",\"change\":\"repeat\","
	             "\"incident\":7,\"count\":3,\"alert\":{\"rule\":\"r\"}}");
}

static void a_delivery_says_only_what_applies(void **state)
{
	const struct journal_trace rows[] = {
		{ .output = STR("a"), .outcome = 0, .attempts = 2 },
		{ .output = STR("b\""), .outcome = JOURNAL_DELIVERED, .attempts = 1, .at_ns = t0 },
		{ .output = STR("c"), .outcome = JOURNAL_SUPPRESSED_REPEAT, .at_ns = t0 },
		{ .output = STR("d"), .outcome = JOURNAL_DEAD, .attempts = 8, .at_ns = t0, .note = STR("HTTP 413\x1b") },
		{ .output = STR("e"), .outcome = 200 },
	};
	static const char *const want[] = {
		"{\"output\":\"a\",\"state\":\"pending\",\"attempts\":2}",
		"{\"output\":\"b\\\"\",\"state\":\"delivered\",\"attempts\":1,\"at\":\"2026-09-21T14:13:20.000000000Z\"}",
		"{\"output\":\"c\",\"state\":\"suppressed\",\"reason\":\"repeat\",\"attempts\":0,"
		"\"at\":\"2026-09-21T14:13:20.000000000Z\"}",
		"{\"output\":\"d\",\"state\":\"dead\",\"attempts\":8,\"at\":\"2026-09-21T14:13:20.000000000Z\","
		"\"note\":\"HTTP 413\\u001b\"}",
		"{\"output\":\"e\",\"state\":\"pending\",\"attempts\":0}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = { 0 };

		render_trace(&out, &rows[i]);
		expect(&out, want[i]);
	}
}

static void outputs_and_letters_are_json_whatever_their_notes_hold(void **state)
{
	struct deliver_status status = { .name = "n", .type = "webhook", .state = DELIVER_HOLD, .lag = 3 };
	struct journal_letter letter = { .id = 1, .output = STR("n"), .dead = { .seq = 2, .at_ns = t0 } };
	struct json_node nodes[128];
	struct buf out = { 0 };
	struct json json = { .nodes = nodes, .cap = 128, .depth_max = 8 };
	size_t end;

	(void)state;
	snprintf(status.note, sizeof(status.note), "\"\\\x80</script>\n");
	snprintf(letter.dead.note, sizeof(letter.dead.note), "\"\\\x80</script>\n");
	render_output(&out, &status);
	json.text = buf_str(&out);
	assert_int_equal(json_read(&json, 0, &end), 0);
	assert_true(str_eq(json_raw(&json, json_get(&json, 0, STR("state"))), STR("hold")));
	assert_true(str_is_utf8(buf_str(&out)));
	buf_clear(&out);
	render_letter(&out, &letter);
	json.text = buf_str(&out);
	assert_int_equal(json_read(&json, 0, &end), 0);
	assert_int_equal(json.nodes[json_get(&json, 0, STR("alert"))].kind, JSON_NULL);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_login_opens_a_session_that_ends),
		cmocka_unit_test(a_logout_ends_one_session_only),
		cmocka_unit_test(a_cookie_that_is_nearly_right_is_wrong),
		cmocka_unit_test(beyond_the_bound_the_session_that_ends_first_goes),
		cmocka_unit_test(sessions_survive_a_restart_but_not_another_admin_token),
		cmocka_unit_test(a_login_token_works_once_and_not_for_long),
		cmocka_unit_test(a_session_cookie_is_no_login_token),
		cmocka_unit_test(wrong_guesses_lock_their_address_for_a_minute),
		cmocka_unit_test(a_slash_64_is_one_address),
		cmocka_unit_test(bearers_are_limited_too),
		cmocka_unit_test(the_admin_token_is_made_once_and_only_for_its_owner),
		cmocka_unit_test(origins_are_compared_whole),
		cmocka_unit_test(a_path_leads_to_its_call),
		cmocka_unit_test(document_and_routes_are_the_same),
		cmocka_unit_test(a_filter_lets_through_what_it_says),
		cmocka_unit_test(a_filter_that_makes_no_sense_is_refused),
		cmocka_unit_test(an_alert_is_one_line_of_json),
		cmocka_unit_test(a_delivery_says_only_what_applies),
		cmocka_unit_test(outputs_and_letters_are_json_whatever_their_notes_hold),
	};

	return cmocka_run_group_tests_name("admin API", tests, NULL, NULL);
}
