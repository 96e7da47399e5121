/* HTTP out over libcurl's multi interface. A client owns one multi handle, which keeps the
 * connections, and a pool of easy handles, which keep their options: a request on a warm client sets
 * what differs and nothing else. */
#include "base/http.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>

enum {
	HTTP_TIMEOUT_MS = 10000,
	HTTP_CONNECT_TIMEOUT_MS = 5000,
	HTTP_ANSWER_MAX = 4096,
	HTTP_DRAIN_MAX = 256 << 10,  /* read beyond answer_max to keep the connection; then it is closed */
	HTTP_HEADERS_MAX = 64,
	HTTP_CONCURRENCY_MAX = 256,
	HTTP_RETRY_AFTER_MAX_S = 86400,
	HTTP_POLL_MS = 1000,
};

#define NONE UINT32_MAX

/* One transfer under way, or an idle easy handle. */
struct slot {
	CURL *easy;
	struct http *http;
	struct http_request *request;
	size_t answered;             /* bytes of body so far */
	const char *method;          /* as the handle is set; compared by text */
	const char *proxy;
	struct curl_slist headers[HTTP_HEADERS_MAX + 1]; /* points into the caller's strings */
	char method_copy[24];
	char error[CURL_ERROR_SIZE];
};

struct http {
	struct http_settings settings;
	CURLM *multi;
	struct slot *slots[HTTP_CONCURRENCY_MAX];
	unsigned slots_count;
	struct slot *idle[HTTP_CONCURRENCY_MAX];
	unsigned idle_count;
	/* The environment's, asked once: libcurl would ask for every request. */
	char *proxy_http, *proxy_https, *no_proxy;
	/* One call's schedule: chains of requests with one order key, and those that may go now. */
	uint32_t *chain;   /* index of the next of the same key, or NONE */
	uint32_t *ready;   /* a queue of `schedule_cap` indices: each request enters it once */
	uint32_t *table;   /* order key → last index, open addressing, twice the requests */
	size_t schedule_cap;
};

/* One call of http_perform(). */
struct call {
	struct http *http;
	struct http_request *requests;
	size_t count;
	size_t ready_head, ready_tail;
	unsigned busy, concurrency;
	bool (*settled)(const struct http_request *request, void *userdata);
	void *userdata;
};

int http_global_init(void)
{
	struct sigaction action;

	/* OpenSSL writes without MSG_NOSIGNAL: a peer that went away must not end the process */
	if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

/* --- life --------------------------------------------------------------------------------------- */

static char *environment(const char *lower, const char *upper)
{
	const char *value = getenv(lower);

	if ((value == NULL || value[0] == '\0') && upper != NULL)
		value = getenv(upper);
	return strdup(value == NULL ? "" : value);
}

static char *environment_or_all(const char *lower, const char *upper)
{
	char *value = environment(lower, upper);

	if (value == NULL || value[0] != '\0')
		return value;
	free(value);
	return environment("all_proxy", "ALL_PROXY");
}

/* Upper-case HTTP_PROXY is not read: in a CGI program a stranger sets it. */
static int read_proxies(struct http *http)
{
	http->proxy_http = environment_or_all("http_proxy", NULL);
	http->proxy_https = environment_or_all("https_proxy", "HTTPS_PROXY");
	http->no_proxy = environment("no_proxy", "NO_PROXY");
	return http->proxy_http == NULL || http->proxy_https == NULL || http->no_proxy == NULL ? -ENOMEM : 0;
}

static int check_files(const struct http_settings *settings)
{
	const char *const files[] = { settings->ca_file, settings->cert_file, settings->key_file };

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (files[i] != NULL && access(files[i], R_OK) < 0)
			return -errno;
	return (settings->cert_file == NULL) != (settings->key_file == NULL) ? -EINVAL : 0;
}

int http_new(const struct http_settings *settings, struct http **ret)
{
	struct http *http;
	int r = check_files(settings);

	if (r < 0)
		return r;
	http = calloc(1, sizeof(*http));
	if (http == NULL)
		return -ENOMEM;
	http->settings = *settings;
	if (http->settings.timeout_ms <= 0)
		http->settings.timeout_ms = HTTP_TIMEOUT_MS;
	if (http->settings.connect_timeout_ms <= 0)
		http->settings.connect_timeout_ms = HTTP_CONNECT_TIMEOUT_MS;
	if (http->settings.answer_max == 0)
		http->settings.answer_max = HTTP_ANSWER_MAX;
	http->multi = curl_multi_init();
	if (http->multi == NULL || read_proxies(http) < 0) {
		http_free(http);
		return -ENOMEM;
	}
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_CONCURRENCY_MAX);
	*ret = http;
	return 0;
}

void http_free(struct http *http)
{
	if (http == NULL)
		return;
	for (unsigned i = 0; i < http->slots_count; i++) {
		curl_easy_cleanup(http->slots[i]->easy);
		free(http->slots[i]);
	}
	if (http->multi != NULL)
		curl_multi_cleanup(http->multi);
	free(http->proxy_http);
	free(http->proxy_https);
	free(http->no_proxy);
	free(http->chain);
	free(http->ready);
	free(http->table);
	free(http);
}

/* --- one transfer ------------------------------------------------------------------------------- */

/* libcurl's header lists and option strings are not const but are only read. */
static char *unconst(const char *text)
{
	union {
		const char *in;
		char *out;
	} cast = { .in = text };

	return cast.out;
}

static size_t on_body(char *bytes, size_t one, size_t len, void *userdata)
{
	struct slot *slot = userdata;
	struct buf *answer = &slot->request->answer;
	size_t max = slot->http->settings.answer_max;

	(void)one;
	if (answer->len < max)
		buf_add(answer, str_cut((struct str){ bytes, len }, max - answer->len));
	slot->answered += len;
	return slot->answered > max + HTTP_DRAIN_MAX ? 0 : len;
}

/* Anything but 0 ends the transfer. */
static int on_progress(void *cancel, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)a, (void)b, (void)c, (void)d;
	return *(const _Atomic bool *)cancel;
}

static void set_lasting_options(struct slot *slot)
{
	const struct http_settings *settings = &slot->http->settings;
	CURL *easy = slot->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
	if (settings->cancel != NULL) {
		curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(easy, CURLOPT_XFERINFODATA, (void *)(uintptr_t)settings->cancel);
	}
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
			 (long)(settings->http2 ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_1_1));
	/* libcurl 7.88 says hello again on such a connection, which the far side takes for nonsense. */
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, settings->http2 ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, settings->insecure ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, settings->insecure ? 0L : 2L);
	if (settings->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);
	if (settings->cert_file != NULL) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, settings->cert_file);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, settings->key_file);
	}
	if (settings->unix_socket != NULL)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, settings->unix_socket);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, slot->http->no_proxy);
}

/* An idle slot, or a new one; NULL when out of memory. */
static struct slot *take_slot(struct http *http)
{
	struct slot *slot;

	if (http->idle_count > 0)
		return http->idle[--http->idle_count];
	slot = calloc(1, sizeof(*slot));
	if (slot == NULL)
		return NULL;
	slot->easy = curl_easy_init();
	if (slot->easy == NULL) {
		free(slot);
		return NULL;
	}
	slot->http = http;
	set_lasting_options(slot);
	http->slots[http->slots_count++] = slot;
	return slot;
}

static bool method_has_body(const char *method)
{
	return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 &&
	       strcmp(method, "DELETE") != 0 && strcmp(method, "OPTIONS") != 0;
}

static void set_method(struct slot *slot, const struct http_request *request)
{
	const char *method = request->method;
	CURL *easy = slot->easy;

	if (request->body.len > 0 || method_has_body(method)) {
		/* an empty body still wants its Content-Length: 0, and a NULL would mean a read callback */
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.len > 0 ? request->body.at : "");
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
	} else if (strcmp(method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
	if (slot->method != NULL && strcmp(slot->method, method) == 0)
		return;
	snprintf(slot->method_copy, sizeof(slot->method_copy), "%s", method);
	slot->method = slot->method_copy;
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, slot->method_copy);
}

static void set_proxy(struct slot *slot, const char *url)
{
	const struct http *http = slot->http;
	const char *proxy = http->settings.proxy;

	if (http->settings.unix_socket != NULL)
		proxy = "";
	else if (proxy == NULL)
		proxy = strncasecmp(url, "https:", 6) == 0 ? http->proxy_https : http->proxy_http;
	if (slot->proxy == proxy)
		return;
	slot->proxy = proxy;
	curl_easy_setopt(slot->easy, CURLOPT_PROXY, proxy);
}

/* Without "Expect: 100-continue", which costs a round trip on large bodies. */
static const char *set_headers(struct slot *slot, const struct http_request *request)
{
	size_t count = 0;

	slot->headers[count++] = (struct curl_slist){ .data = unconst("Expect:") };
	for (const char *const *header = request->headers; header != NULL && *header != NULL; header++) {
		if (count > HTTP_HEADERS_MAX)
			return "too many headers";
		if (strpbrk(*header, "\r\n") != NULL)
			return "a header holds a line break";
		slot->headers[count - 1].next = &slot->headers[count];
		slot->headers[count++] = (struct curl_slist){ .data = unconst(*header) };
	}
	curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, slot->headers);
	return NULL;
}

static bool method_is_good(const char *method)
{
	size_t len = strlen(method);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)method[i]) && strchr("!#$%&'*+-.^_`|~", method[i]) == NULL)
			return false;
	return len > 0 && len < sizeof(((struct slot *)NULL)->method_copy);
}

/* NULL, or why the request cannot be made. */
static const char *prepare(struct slot *slot, struct http_request *request)
{
	slot->request = request;
	slot->answered = 0;
	slot->error[0] = '\0';
	if (!method_is_good(request->method))
		return "not a method";
	set_method(slot, request);
	set_proxy(slot, request->url);
	if (curl_easy_setopt(slot->easy, CURLOPT_URL, request->url) != CURLE_OK)
		return "bad URL";
	return set_headers(slot, request);
}

/* --- what became of it -------------------------------------------------------------------------- */

/* A handshake may fail because either side refuses the other, or because the connection went away. */
static enum http_failure tls_failure(const struct slot *slot)
{
	static const char *const gone[] = { "SSL_ERROR_SYSCALL", "unexpected eof", "Connection reset" };

	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		if (strstr(slot->error, gone[i]) != NULL)
			return HTTP_UNREACHABLE;
	return HTTP_CERTIFICATE;
}

static enum http_failure failure_of(const struct slot *slot, CURLcode code)
{
	switch (code) {
	case CURLE_OK: return HTTP_OK;
	case CURLE_OPERATION_TIMEDOUT: return HTTP_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR: return tls_failure(slot);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CLIENTCERT: return HTTP_CERTIFICATE;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_BAD_FUNCTION_ARGUMENT: return HTTP_REFUSED;
	default:
		/* TLS 1.3 tells of a refused client certificate only after the handshake */
		return strstr(slot->error, " alert ") != NULL ? HTTP_CERTIFICATE : HTTP_UNREACHABLE;
	}
}

/* libcurl's own text may quote a mistyped URL with a password in it; only that of TLS is used. */
static void explain(struct slot *slot, CURLcode code)
{
	struct http_request *request = slot->request;
	long os_error = 0;

	if (request->failure == HTTP_CERTIFICATE && slot->error[0] != '\0') {
		snprintf(request->error, sizeof(request->error), "%.150s", slot->error);
		return;
	}
	curl_easy_getinfo(slot->easy, CURLINFO_OS_ERRNO, &os_error);
	if (request->failure == HTTP_UNREACHABLE && os_error != 0)
		snprintf(request->error, sizeof(request->error), "%s: %s", curl_easy_strerror(code),
		         strerror((int)os_error));
	else
		snprintf(request->error, sizeof(request->error), "%s", curl_easy_strerror(code));
}

static void read_answer(struct slot *slot, CURLcode code)
{
	struct http_request *request = slot->request;
	curl_off_t retry_after = 0;
	long status = 0;

	curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_WRITE_ERROR && status > 0 &&
	    slot->answered > slot->http->settings.answer_max + HTTP_DRAIN_MAX)
		code = CURLE_OK; /* cut short by on_body() */
	request->failure = failure_of(slot, code);
	if (request->failure != HTTP_OK) {
		explain(slot, code);
		return;
	}
	request->status = (int)status;
	if (status < 300)
		return;
	curl_easy_getinfo(slot->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (retry_after > HTTP_RETRY_AFTER_MAX_S)
		retry_after = HTTP_RETRY_AFTER_MAX_S;
	request->retry_after_ms = retry_after > 0 ? (unsigned)retry_after * 1000 : 0;
}

/* --- the schedule ------------------------------------------------------------------------------- */

static bool schedule_reserve(struct http *http, size_t count)
{
	uint32_t *chain, *ready, *table;

	if (count <= http->schedule_cap)
		return true;
	if (count > UINT32_MAX / 8)
		return false;
	chain = malloc(count * sizeof(*chain));
	ready = malloc(count * sizeof(*ready));
	table = malloc(count * 2 * sizeof(*table));
	if (chain == NULL || ready == NULL || table == NULL) {
		free(chain);
		free(ready);
		free(table);
		return false;
	}
	free(http->chain);
	free(http->ready);
	free(http->table);
	http->chain = chain;
	http->ready = ready;
	http->table = table;
	http->schedule_cap = count;
	return true;
}

/* The place of an order key in the table: its own, or the free one where it belongs. */
static uint32_t *find_key(const struct call *call, uint64_t order)
{
	size_t places = call->count * 2;
	size_t at = (size_t)((order * 0x9E3779B97F4A7C15u) >> 17) % places; /* Knuth's golden ratio */
	uint32_t *table = call->http->table;

	while (table[at] != NONE && call->requests[table[at]].order != order)
		at = (at + 1) % places;
	return &table[at];
}

static void schedule(struct call *call)
{
	struct http *http = call->http;

	memset(http->table, 0xff, call->count * 2 * sizeof(*http->table));
	for (uint32_t i = 0; i < call->count; i++) {
		uint32_t *last = call->requests[i].order == 0 ? NULL : find_key(call, call->requests[i].order);

		http->chain[i] = NONE;
		if (last != NULL && *last != NONE)
			http->chain[*last] = i;
		else
			http->ready[call->ready_tail++] = i;
		if (last != NULL)
			*last = i;
	}
}

static bool is_settled(const struct call *call, const struct http_request *request)
{
	if (call->settled != NULL)
		return call->settled(request, call->userdata);
	return request->failure == HTTP_OK && request->status >= 200 && request->status < 300;
}

/* The next of the same key may go, or none of them; those keep sent = false. */
static void release_next(struct call *call, const struct http_request *request)
{
	uint32_t next = call->http->chain[request - call->requests];

	if (next != NONE && is_settled(call, request))
		call->http->ready[call->ready_tail++] = next;
}

static void refuse(struct call *call, struct http_request *request, enum http_failure failure,
                   const char *why)
{
	request->failure = failure;
	snprintf(request->error, sizeof(request->error), "%s", why);
	release_next(call, request);
}

static void start(struct call *call, struct http_request *request)
{
	struct http *http = call->http;
	struct slot *slot = take_slot(http);
	const char *why;

	request->sent = true;
	if (slot == NULL) {
		refuse(call, request, HTTP_UNREACHABLE, "out of memory");
		return;
	}
	why = prepare(slot, request);
	if (why == NULL && curl_multi_add_handle(http->multi, slot->easy) == CURLM_OK) {
		call->busy++;
		return;
	}
	http->idle[http->idle_count++] = slot;
	refuse(call, request, why != NULL ? HTTP_REFUSED : HTTP_UNREACHABLE,
	       why != NULL ? why : "out of memory");
}

static void start_ready(struct call *call)
{
	while (call->busy < call->concurrency && call->ready_head < call->ready_tail)
		start(call, &call->requests[call->http->ready[call->ready_head++]]);
}

/* Takes in what has finished; true when something has. */
static bool collect(struct call *call)
{
	struct http *http = call->http;
	unsigned before = call->busy;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		CURLcode code = message->data.result;
		struct slot *slot;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
		read_answer(slot, code);
		curl_multi_remove_handle(http->multi, slot->easy);
		http->idle[http->idle_count++] = slot;
		call->busy--;
		release_next(call, slot->request);
	}
	return call->busy != before;
}

static void clear_answers(struct http_request *requests, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct http_request *request = &requests[i];

		request->failure = HTTP_UNREACHABLE;
		request->status = 0;
		request->retry_after_ms = 0;
		request->error[0] = '\0';
		request->sent = false;
		buf_clear(&request->answer);
	}
}

void http_perform(struct http *http, struct http_request *requests, size_t count,
                  unsigned concurrency,
                  bool (*settled)(const struct http_request *request, void *userdata), void *userdata)
{
	struct call call = { .http = http, .requests = requests, .count = count, .settled = settled,
		             .userdata = userdata, .concurrency = concurrency };
	int running;

	clear_answers(requests, count);
	if (count == 0 || !schedule_reserve(http, count))
		return;
	if (call.concurrency == 0)
		call.concurrency = 1;
	if (call.concurrency > HTTP_CONCURRENCY_MAX)
		call.concurrency = HTTP_CONCURRENCY_MAX;
	schedule(&call);
	for (;;) {
		start_ready(&call);
		if (call.busy == 0)
			return;
		curl_multi_perform(http->multi, &running);
		if (!collect(&call))
			curl_multi_poll(http->multi, NULL, 0, HTTP_POLL_MS, NULL);
	}
}

/* --- for logs ----------------------------------------------------------------------------------- */

void http_origin(const char *url, struct buf *out)
{
	CURLU *parts = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;

	if (parts == NULL || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		buf_add(out, STR("(not a URL)"));
	else
		buf_addf(out, "%s://%s:%s", scheme, host, port);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(parts);
}
