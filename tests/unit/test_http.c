/* The HTTP client against a small server of its own, over a Unix socket. */
#include "base/http.h"

#include "base/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>

static char socket_path[64];
static pid_t server;

/* Reads one request; true when it came whole. */
static bool read_request(int fd, char *text, size_t size)
{
	size_t len = 0, want = 0;

	while (len + 1 < size) {
		ssize_t n = read(fd, text + len, size - 1 - len);
		const char *end, *length;

		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = '\0';
		end = strstr(text, "\r\n\r\n");
		if (end == NULL)
			continue;
		length = strcasestr(text, "content-length:");
		want = (size_t)(end - text) + 4 + (length == NULL ? 0 : strtoul(length + 15, NULL, 10));
		if (len >= want)
			return true;
	}
	return false;
}

/* The status is the path: "/503". The body is the request, then blanks when the path ends with "long". */
static void serve(int listener)
{
	static char text[65536], padding[20000];

	memset(padding, ' ', sizeof(padding));
	for (;;) {
		autoclose int fd = accept(listener, NULL, NULL);
		const char *path;
		size_t pad, len;

		if (fd < 0 || !read_request(fd, text, sizeof(text)))
			continue;
		path = strchr(text, '/');
		if (path == NULL)
			continue;
		pad = strncmp(path + 4, "long", 4) == 0 ? sizeof(padding) : 0;
		len = strncmp(text, "HEAD", 4) == 0 ? 0 : strlen(text);
		dprintf(fd, "HTTP/1.1 %.3s X\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%.*s%.*s", path + 1,
		        len + pad, (int)len, text, (int)pad, padding);
	}
}

static int start(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(socket_path, sizeof(socket_path), "/tmp/test_http.%d", getpid());
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	if (http_global_init() < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 64) < 0)
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

static struct http *client(size_t answer_max)
{
	struct http_settings settings = { .unix_socket = socket_path, .answer_max = answer_max };
	struct http *http;

	assert_int_equal(http_new(&settings, &http), 0);
	return http;
}

static void an_answer_is_kept_up_to_its_bound(void **state)
{
	const char *const headers[] = { "X-One: 1", NULL };
	struct http *http = client(40);
	struct http_request request = { .method = "POST", .url = "http://x/200long", .headers = headers,
		                        .body = STR("hello") };

	(void)state;
	http_perform(http, &request, 1, 1, NULL, NULL);
	assert_true(request.sent);
	assert_int_equal(request.failure, HTTP_OK);
	assert_int_equal(request.status, 200);
	assert_int_equal(request.answer.len, 40);
	assert_memory_equal(request.answer.at, "POST /200long HTTP/1.1\r\nHost: x\r\n", 33);
	buf_done(&request.answer);
	http_free(http);
}

static void methods_have_the_body_they_should_have(void **state)
{
	static const struct {
		const char *method;
		struct str body;
		const char *holds, *lacks;
	} rows[] = {
		{ "POST", { "abc", 3 }, "\r\n\r\nabc", "Expect:" },
		{ "GET", { NULL, 0 }, "GET /200 ", "Content-Length" },
		{ "PUT", { NULL, 0 }, "Content-Length: 0", "Transfer-Encoding" },
		{ "DELETE", { NULL, 0 }, "DELETE /200 ", "Content-Length" },
		{ "POST", { NULL, 0 }, "Content-Length: 0", "Transfer-Encoding" },
		{ "PATCH", { "xy", 2 }, "\r\n\r\nxy", "Expect:" },
		{ "HEAD", { NULL, 0 }, "", "HEAD" },
		{ "POST", { "abc", 3 }, "\r\n\r\nabc", "Expect:" },
	};
	struct http *http = client(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_request request = { .method = rows[i].method, .url = "http://x/200",
			                        .body = rows[i].body };

		http_perform(http, &request, 1, 1, NULL, NULL);
		if (request.status != 200)
			fail_msg("%s: %s", rows[i].method, request.error);
		buf_text(&request.answer);
		if (strstr(request.answer.at, rows[i].holds) == NULL || strstr(request.answer.at, rows[i].lacks) != NULL)
			fail_msg("%s: %s", rows[i].method, request.answer.at);
		buf_done(&request.answer);
	}
	http_free(http);
}

static void a_failure_holds_back_only_its_own_key(void **state)
{
	struct http_request requests[] = {
		{ .method = "POST", .url = "http://x/200", .order = 1 }, { .method = "POST", .url = "http://x/503", .order = 2 },
		{ .method = "POST", .url = "http://x/500", .order = 1 }, { .method = "POST", .url = "http://x/200", .order = 2 },
		{ .method = "POST", .url = "http://x/200", .order = 0 }, { .method = "POST", .url = "http://x/200", .order = 1 },
		{ .method = "POST", .url = "http://x/200", .order = 3 }, { .method = "POST", .url = "http://x/500", .order = 0 },
	};
	static const int want[] = { 200, 503, 500, 0, 200, 0, 200, 500 };
	struct http *http = client(0);

	(void)state;
	for (unsigned concurrency = 1; concurrency <= 8; concurrency++) {
		http_perform(http, requests, ARRAY_LEN(requests), concurrency, NULL, NULL);
		for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
			assert_int_equal(requests[i].status, want[i]);
			assert_int_equal(requests[i].sent, want[i] != 0);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		buf_done(&requests[i].answer);
	http_free(http);
}

static bool always(const struct http_request *request, void *userdata)
{
	++*(int *)userdata;
	return request->status != 0;
}

static void the_caller_may_say_what_lets_the_next_one_go(void **state)
{
	struct http_request requests[] = { { .method = "POST", .url = "http://x/400", .order = 9 },
		                           { .method = "POST", .url = "http://x/200", .order = 9 } };
	struct http *http = client(0);
	int asked = 0;

	(void)state;
	http_perform(http, requests, 2, 4, always, &asked);
	assert_int_equal(requests[1].status, 200);
	assert_int_equal(asked, 1);
	buf_done(&requests[0].answer);
	buf_done(&requests[1].answer);
	http_free(http);
}

static void what_cannot_be_sent_is_refused(void **state)
{
	static const char *const split[] = { "X: a\r\nY: b", NULL };
	struct http_request requests[] = {
		{ .method = "PO ST", .url = "http://x/200" },
		{ .method = "", .url = "http://x/200" },
		{ .method = "POST", .url = "http://x/200", .headers = split },
		{ .method = "POST", .url = "ftp://x/200" },
		{ .method = "POST", .url = "file:///etc/passwd" },
		{ .method = "POST", .url = "http://us er:hidden@x/" },
	};
	struct http *http = client(0);

	(void)state;
	http_perform(http, requests, ARRAY_LEN(requests), 3, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		assert_int_equal(requests[i].failure, HTTP_REFUSED);
		assert_int_equal(requests[i].status, 0);
		assert_true(requests[i].error[0] != '\0');
		assert_null(strstr(requests[i].error, "hidden"));
	}
	http_free(http);
}

static void nobody_there_is_unreachable_and_names_no_address(void **state)
{
	struct http_settings settings = { .connect_timeout_ms = 2000, .proxy = "" };
	struct http_request request = { .method = "POST", .url = "http://user:hidden@127.0.0.1:1/secret" };
	struct http *http;

	(void)state;
	assert_int_equal(http_new(&settings, &http), 0);
	http_perform(http, &request, 1, 1, NULL, NULL);
	assert_int_equal(request.failure, HTTP_UNREACHABLE);
	assert_non_null(strstr(request.error, "refused"));
	assert_null(strstr(request.error, "hidden"));
	assert_null(strstr(request.error, "secret"));
	http_free(http);
}

static void files_that_cannot_be_read_are_said_at_once(void **state)
{
	struct http_settings missing = { .ca_file = "/does/not/exist" };
	struct http_settings half = { .cert_file = "/dev/null" };
	struct http *http;

	(void)state;
	assert_int_equal(http_new(&missing, &http), -ENOENT);
	assert_int_equal(http_new(&half, &http), -EINVAL);
}

static void an_origin_has_no_secrets(void **state)
{
	static const char *const rows[][2] = {
		{ "https://hooks.example.com/services/T/B/x?token=y", "https://hooks.example.com:443" },
		{ "http://user:pass@[::1]:8080/p", "http://[::1]:8080" },
		{ "not a url", "(not a URL)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = { 0 };

		http_origin(rows[i][0], &out);
		assert_string_equal(buf_text(&out), rows[i][1]);
		buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_kept_up_to_its_bound),
		cmocka_unit_test(methods_have_the_body_they_should_have),
		cmocka_unit_test(a_failure_holds_back_only_its_own_key),
		cmocka_unit_test(the_caller_may_say_what_lets_the_next_one_go),
		cmocka_unit_test(what_cannot_be_sent_is_refused),
		cmocka_unit_test(nobody_there_is_unreachable_and_names_no_address),
		cmocka_unit_test(files_that_cannot_be_read_are_said_at_once),
		cmocka_unit_test(an_origin_has_no_secrets),
	};

	return cmocka_run_group_tests_name("HTTP client", tests, start, stop);
}
