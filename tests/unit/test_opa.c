/* The OPA client against a small server of its own, over a Unix socket; and its pure parts. */
#include "hub/evaluate/opa_inner.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

/* --- a server ----------------------------------------------------------------------------------- */

static char socket_path[64];
static pid_t server;

/* /v1/data/yes, /no, /why, /500; anything else hangs. */
static void answer(int fd)
{
	static const char *const answers[][2] = { { "/v1/data/yes ", "{\"result\":true}" },
		                                  { "/v1/data/no ", "{\"result\":false}" },
		                                  { "/v1/data/why ", "{\"result\":[\"a\",\"b\"]}" },
		                                  { "/v1/data/500 ", "" } };
	char text[65536];
	ssize_t len = read(fd, text, sizeof(text) - 1);

	text[len < 0 ? 0 : len] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		if (strstr(text, answers[i][0]) == NULL)
			continue;
		dprintf(fd, "HTTP/1.1 %s X\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
		        i == 3 ? "500" : "200", strlen(answers[i][1]), answers[i][1]);
		return;
	}
	sleep(10);
}

static void serve(int listener)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		autoclose int fd = accept(listener, NULL, NULL);

		if (fd < 0 || fork() != 0)
			continue;
		signal(SIGALRM, SIG_DFL);
		alarm(10);
		answer(fd);
		_exit(0);
	}
}

static int start(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(socket_path, sizeof(socket_path), "/tmp/test_opa.%d", getpid());
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	if (http_global_init() < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 256) < 0)
		return -1;
	server = fork();
	if (server == 0)
		serve(listener);
	close(listener);
	return server < 0 ? -1 : 0;
}

static int stop(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return unlink(socket_path);
}

/* --- an asker ----------------------------------------------------------------------------------- */

struct asker {
	struct opa *opa;
	struct arena arena;
	int fd;
};

static size_t done_count;

static void done(struct opa_ask *ask)
{
	(void)ask;
	done_count++;
}

static void begin(struct asker *asker)
{
	done_count = 0;
	asker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	arena_init(&asker->arena, 1 << 20);
	assert_int_equal(opa_new(asker->fd, &asker->opa), 0);
}

static void end(struct asker *asker)
{
	opa_free(asker->opa);
	arena_done(&asker->arena);
	close(asker->fd);
}

static struct rule_opa rule_of(const char *path)
{
	return (struct rule_opa){ .url = "http://localhost", .unix_socket = socket_path, .path = path,
		                  .timeout_ms = 3000, .cache_ms = 60000 };
}

/* True: answered at once. */
static bool put(struct asker *asker, const struct rule_opa *rule, const char *input, struct opa_ask *ask)
{
	*ask = (struct opa_ask){ .arena = &asker->arena, .done = done };
	return opa_ask(asker->opa, rule, str_of(input), 0, ask);
}

static void wait_for(struct asker *asker, size_t count)
{
	int64_t until = clock_mono() + 30 * NS_PER_S;

	while (done_count < count && clock_mono() < until) {
		struct pollfd poll_fd = { .fd = asker->fd, .events = POLLIN };
		uint64_t news;

		poll(&poll_fd, 1, 1000);
		if (read(asker->fd, &news, sizeof(news)) > 0)
			opa_collect(asker->opa);
	}
	assert_int_equal(done_count, count);
}

static void verdicts_come(void **state)
{
	struct rule_opa yes = rule_of("yes"), no = rule_of("no"), why = rule_of("why");
	struct asker asker;
	struct opa_ask asks[3];

	(void)state;
	begin(&asker);
	assert_false(put(&asker, &yes, "\"a\":1", &asks[0]));
	assert_false(put(&asker, &no, "\"a\":1", &asks[1]));
	assert_false(put(&asker, &why, "\"a\":1", &asks[2]));
	wait_for(&asker, 3);
	assert_int_equal(asks[0].verdict, OPA_YES);
	assert_int_equal(asks[0].message.len, 0);
	assert_int_equal(asks[1].verdict, OPA_NO);
	assert_int_equal(asks[2].verdict, OPA_YES);
	assert_true(str_eq(asks[2].message, STR("a; b")));
	end(&asker);
}

static void what_was_answered_is_kept(void **state)
{
	struct rule_opa why = rule_of("why"), fresh = rule_of("why");
	struct asker asker;
	struct opa_ask ask, other;

	(void)state;
	fresh.cache_ms = 0;
	begin(&asker);
	assert_false(put(&asker, &why, "\"a\":1", &ask));
	assert_false(put(&asker, &why, "\"a\":1", &other)); /* joins */
	wait_for(&asker, 2);
	assert_true(str_eq(other.message, STR("a; b")));
	assert_true(put(&asker, &why, "\"a\":1", &ask));
	assert_int_equal(ask.verdict, OPA_YES);
	assert_true(str_eq(ask.message, STR("a; b")));
	assert_false(put(&asker, &why, "\"a\":2", &ask));
	wait_for(&asker, 3);
	assert_false(put(&asker, &fresh, "\"a\":2", &ask));
	wait_for(&asker, 4);
	end(&asker);
}

/* As over many reloads that change a server's address or time. */
static void a_server_that_nobody_asks_gives_way(void **state)
{
	struct rule_opa rule = rule_of("yes");
	struct asker asker;
	struct opa_ask ask, asks[OPA_SERVERS_MAX + 1];

	(void)state;
	rule.cache_ms = 0;
	begin(&asker);
	for (size_t i = 0; i < 3 * OPA_SERVERS_MAX; i++) {
		rule.timeout_ms++;
		assert_false(put(&asker, &rule, "\"a\":1", &ask));
		wait_for(&asker, i + 1);
		assert_int_equal(ask.verdict, OPA_YES);
	}
	/* One that is asked stays. */
	for (size_t i = 0; i < OPA_SERVERS_MAX; i++) {
		char input[32];

		snprintf(input, sizeof(input), "\"b\":%zu", i);
		rule.timeout_ms++;
		assert_false(put(&asker, &rule, input, &asks[i]));
	}
	rule.timeout_ms++;
	assert_true(put(&asker, &rule, "\"c\":1", &asks[OPA_SERVERS_MAX]));
	assert_int_equal(asks[OPA_SERVERS_MAX].cause, OPA_FULL);
	wait_for(&asker, 4 * OPA_SERVERS_MAX);
	assert_false(put(&asker, &rule, "\"c\":1", &asks[OPA_SERVERS_MAX]));
	wait_for(&asker, 4 * OPA_SERVERS_MAX + 1);
	end(&asker);
}

static void who_fails_again_and_again_is_left_alone(void **state)
{
	struct rule_opa bad = rule_of("500");
	struct asker asker;
	struct opa_ask ask;
	char input[32];

	(void)state;
	begin(&asker);
	for (size_t i = 0; i < OPA_FAILURES_MAX; i++) {
		snprintf(input, sizeof(input), "\"a\":%zu", i);
		assert_false(put(&asker, &bad, input, &ask));
		wait_for(&asker, i + 1);
		assert_int_equal(ask.verdict, OPA_UNANSWERED);
		assert_int_equal(ask.cause, OPA_STATUS);
	}
	assert_true(put(&asker, &bad, "\"b\":1", &ask));
	assert_int_equal(ask.cause, OPA_CIRCUIT);
	bad.timeout_ms++; /* another server: it has a circuit of its own */
	assert_false(put(&asker, &bad, "\"b\":1", &ask));
	wait_for(&asker, OPA_FAILURES_MAX + 1);
	end(&asker);
}

static void a_probe_finds_it_well_again(void **state)
{
	struct rule_opa bad = rule_of("500"), good = rule_of("yes");
	struct asker asker;
	struct opa_ask ask, probe;
	size_t count = 0;
	char input[32];

	(void)state;
	begin(&asker);
	for (; count < OPA_FAILURES_MAX; count++) {
		snprintf(input, sizeof(input), "\"a\":%zu", count);
		assert_false(put(&asker, &bad, input, &ask));
		wait_for(&asker, count + 1);
	}
	assert_true(put(&asker, &good, "\"b\":1", &ask));
	sleep(1);
	assert_false(put(&asker, &good, "\"b\":1", &probe));
	assert_true(put(&asker, &good, "\"b\":2", &ask)); /* one at a time */
	wait_for(&asker, count + 1);
	assert_int_equal(probe.verdict, OPA_YES);
	assert_false(put(&asker, &good, "\"b\":3", &ask));
	wait_for(&asker, count + 2);
	assert_int_equal(ask.verdict, OPA_YES);
	end(&asker);
}

static void a_server_that_hangs_costs_no_more_than_its_timeout(void **state)
{
	enum { ASKS = OPA_QUEUE_MAX + 200 };
	static struct opa_ask asks[ASKS];
	struct rule_opa hang = rule_of("hang");
	size_t causes[OPA_CAUSES] = { 0 }, waiting = 0;
	struct asker asker;
	int64_t began;
	char input[32];

	(void)state;
	hang.timeout_ms = 500;
	begin(&asker);
	began = clock_mono();
	for (size_t i = 0; i < ASKS; i++) {
		snprintf(input, sizeof(input), "\"a\":%zu", i);
		waiting += !put(&asker, &hang, input, &asks[i]);
	}
	wait_for(&asker, waiting);
	assert_true(clock_mono() - began < 5 * NS_PER_S);
	for (size_t i = 0; i < ASKS; i++) {
		assert_int_equal(asks[i].verdict, OPA_UNANSWERED);
		causes[asks[i].cause]++;
	}
	assert_true(waiting >= OPA_QUEUE_MAX);
	assert_int_equal(causes[OPA_FULL], ASKS - waiting);
	assert_true(causes[OPA_TIMEOUT] >= OPA_FAILURES_MAX);
	assert_int_equal(causes[OPA_TIMEOUT] + causes[OPA_CIRCUIT] + causes[OPA_FULL], ASKS);
	end(&asker);
}

static void it_ends_with_questions_open(void **state)
{
	static struct opa_ask asks[100];
	struct rule_opa hang = rule_of("hang");
	struct asker asker;
	char input[32];

	(void)state;
	hang.timeout_ms = 200;
	begin(&asker);
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		snprintf(input, sizeof(input), "\"a\":%zu", i);
		assert_false(put(&asker, &hang, input, &asks[i]));
	}
	end(&asker);
}

/* --- pure parts --------------------------------------------------------------------------------- */

static void answers_are_read_strictly(void **state)
{
	static const struct {
		const char *text;
		int verdict; /* -1: none */
		const char *message;
	} rows[] = {
		{ "{}", OPA_NO, "" },
		{ "{\"decision_id\":\"x\"}", OPA_NO, "" },
		{ "{\"result\":true}", OPA_YES, "" },
		{ " {\"result\" : false}\n", OPA_NO, "" },
		{ "{\"result\":[]}", OPA_NO, "" },
		{ "{\"result\":[\"\"]}", OPA_YES, "" },
		{ "{\"result\":[\"a\\\"\\u00e4\",\"b\"],\"x\":[1]}", OPA_YES, "a\"\xc3\xa4; b" },
		{ "{\"result\":[\"a\",[]]}", -1, NULL },
		{ "{\"result\":1}", -1, NULL },
		{ "{\"result\":null}", -1, NULL },
		{ "{\"result\":{}}", -1, NULL },
		{ "{\"result\":\"true\"}", -1, NULL },
		{ "{\"result\":true,\"result\":false}", -1, NULL },
		{ "{\"result\":true}{", -1, NULL },
		{ "true", -1, NULL },
		{ "", -1, NULL },
	};
	static struct json_node nodes[OPA_NODES_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf message = { 0 };
		enum opa_verdict verdict = OPA_UNANSWERED;
		bool ok = opa_read_answer(str_of(rows[i].text), nodes, &message, &verdict);

		assert_int_equal(ok, rows[i].verdict >= 0);
		if (ok) {
			assert_int_equal(verdict, rows[i].verdict);
			assert_true(str_eq(buf_str(&message), str_of(rows[i].message)));
		}
		buf_done(&message);
	}
}

static void verdicts_are_kept_for_their_time_and_bounded(void **state)
{
	struct opa_cache *cache = opa_cache_new();
	struct hash128 key = { .lo = 5, .hi = 6 };
	enum opa_verdict verdict;
	char text[1024];
	struct str message;

	(void)state;
	assert_false(opa_cache_get(cache, key, 0, &verdict, &message));
	opa_cache_put(cache, key, 10, 20, OPA_YES, STR("because"));
	assert_true(opa_cache_get(cache, key, 19, &verdict, &message));
	assert_int_equal(verdict, OPA_YES);
	assert_true(str_eq(message, STR("because")));
	opa_cache_put(cache, key, 11, 30, OPA_NO, STR(""));
	assert_int_equal(opa_cache_count(cache), 1);
	assert_true(opa_cache_get(cache, key, 29, &verdict, &message));
	assert_int_equal(verdict, OPA_NO);
	assert_false(opa_cache_get(cache, key, 30, &verdict, &message));
	assert_int_equal(opa_cache_count(cache), 0);
	memset(text, 'x', sizeof(text));
	for (uint64_t i = 0; i < 100000; i++)
		opa_cache_put(cache, (struct hash128){ .lo = i * 0x9e3779b97f4a7c15u, .hi = i }, 1, 100, OPA_YES,
		              (struct str){ text, sizeof(text) });
	assert_true(opa_cache_count(cache) <= 4096); /* 4 MiB of messages */
	for (uint64_t i = 0; i < 100000; i++)
		opa_cache_put(cache, (struct hash128){ .lo = i * 0x9e3779b97f4a7c15u, .hi = i }, 200, 300, OPA_NO,
		              STR(""));
	assert_true(opa_cache_count(cache) <= 8192);
	opa_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_read_strictly),
		cmocka_unit_test(verdicts_are_kept_for_their_time_and_bounded),
		cmocka_unit_test(verdicts_come),
		cmocka_unit_test(what_was_answered_is_kept),
		cmocka_unit_test(a_server_that_nobody_asks_gives_way),
		cmocka_unit_test(who_fails_again_and_again_is_left_alone),
		cmocka_unit_test(a_probe_finds_it_well_again),
		cmocka_unit_test(a_server_that_hangs_costs_no_more_than_its_timeout),
		cmocka_unit_test(it_ends_with_questions_open),
	};

	return cmocka_run_group_tests_name("opa", tests, start, stop);
}
