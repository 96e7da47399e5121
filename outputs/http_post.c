/* The common part of outputs over HTTP. Alerts go out one a request, concurrently but for those of
 * one order key; or in batches, one batch after the other as soon as order matters. A batch that is
 * refused for good is taken apart at once, so that only the alert that is to blame is lost to the
 * far side. */
#include "outputs/http_post.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "outputs/verdict.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

enum {
	BATCH_BYTES = 4 << 20,  /* a batch is closed here; one larger alert still goes alone */
	EXCERPT_MAX = 80,       /* of a refusal's text in a note */
	SECRET_MIN = 4,         /* shorter ones would hide half of every text */
	OWN_HEADERS = 5,        /* content type, idempotency key, signature, NULL, one to spare */
	HEADERS_MAX = 50,       /* of the configuration */
};

struct http_post {
	struct http_post_service service;
	struct http *http;
	char *content_type;                     /* "Content-Type: …" */
	char *headers[HEADERS_MAX];             /* "Name: value" */
	size_t headers_count;
	struct buf bodies;                      /* all bodies of one round, end to end */
	struct http_request requests[OUTPUT_BATCH_MAX]; /* their answer buffers are kept */
	struct group {
		size_t first, count;            /* deliveries of one request */
		size_t body_at, body_len;
	} groups[OUTPUT_BATCH_MAX];
};

/* --- life --------------------------------------------------------------------------------------- */

static char *header_text(const char *name, const char *value)
{
	char *text;

	return asprintf(&text, "%s: %s", name, value) < 0 ? NULL : text;
}

static int copy_headers(struct http_post *post, char *note)
{
	const struct conf_map *headers = &post->service.headers;

	if (headers->count > HEADERS_MAX) {
		snprintf(note, OUTPUT_NOTE_MAX, "more than %d headers", HEADERS_MAX);
		return -E2BIG;
	}
	post->content_type = header_text("Content-Type", post->service.content_type);
	if (post->content_type == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < headers->count; i++) {
		post->headers[i] = header_text(headers->at[i].key, headers->at[i].value);
		if (post->headers[i] == NULL)
			return -ENOMEM;
		post->headers_count++;
	}
	return 0;
}

static int connect_settings(struct http_post *post, const struct http_post_conf *conf, char *note)
{
	struct http_settings settings = { .timeout_ms = conf->timeout_ms, .ca_file = conf->ca_file,
		                          .cert_file = conf->cert_file, .key_file = conf->key_file,
		                          .insecure = conf->insecure, .proxy = conf->proxy };
	int r = http_new(&settings, &post->http);

	if (r < 0)
		snprintf(note, OUTPUT_NOTE_MAX, "ca_file, cert_file or key_file: %s", strerror(-r));
	return r;
}

void http_post_close(struct http_post *post)
{
	if (post == NULL)
		return;
	http_free(post->http);
	free(post->content_type);
	for (size_t i = 0; i < post->headers_count; i++)
		free(post->headers[i]);
	for (size_t i = 0; i < OUTPUT_BATCH_MAX; i++)
		buf_done(&post->requests[i].answer);
	buf_done(&post->bodies);
	free(post);
}
DEFINE_CLEANUP(struct http_post *, http_post_close);

int http_post_open(const struct http_post_service *service, const struct http_post_conf *conf,
                   struct http_post **ret, char *note)
{
	CLEANUP(http_post_close_p) struct http_post *post = calloc(1, sizeof(*post));
	int r;

	if (post == NULL)
		return -ENOMEM;
	post->service = *service;
	if (post->service.method == NULL)
		post->service.method = "POST";
	if (post->service.batch <= 1)
		post->service.form = HTTP_POST_SINGLE;
	r = copy_headers(post, note);
	if (r == 0)
		r = connect_settings(post, conf, note);
	if (r < 0)
		return r;
	*ret = TAKE(post);
	return 0;
}

static bool url_is_good(const char *url)
{
	struct buf origin = { 0 };
	bool good;

	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return false;
	http_origin(url, &origin);
	good = buf_ok(&origin) && origin.len > 0 && origin.at[0] != '(';
	buf_done(&origin);
	return good;
}

bool http_post_check(const char *key, const char *url, const struct http_post_conf *conf, char *note)
{
	if (url == NULL || !url_is_good(url)) {
		snprintf(note, OUTPUT_NOTE_MAX, "%s: not an http:// or https:// URL", key);
		return false;
	}
	if ((conf->cert_file == NULL) != (conf->key_file == NULL)) {
		snprintf(note, OUTPUT_NOTE_MAX, "cert_file and key_file go together: set both or neither");
		return false;
	}
	return true;
}

/* --- requests ----------------------------------------------------------------------------------- */

static void add_hex(struct buf *out, const unsigned char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		buf_add_char(out, digits[bytes[i] >> 4]);
		buf_add_char(out, digits[bytes[i] & 15]);
	}
}

bool http_post_sign(struct buf *out, const char *key, int64_t unix_s, struct str body)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	struct buf text = { 0 };
	unsigned len = 0;
	bool good;

	buf_addf(&text, "%lld.", (long long)unix_s);
	buf_add(&text, body);
	good = buf_ok(&text) && HMAC(EVP_sha256(), key, (int)strlen(key),
	                             (const unsigned char *)text.at, text.len, mac, &len) != NULL;
	buf_done(&text);
	if (!good)
		return false;
	buf_addf(out, "t=%lld,v1=", (long long)unix_s);
	add_hex(out, mac, len);
	return buf_ok(out);
}

/* One alert's own id, or for a batch one made of all ids: another batch with the same first alert
 * must not be taken for this one. */
static void add_idempotency_key(struct buf *out, const struct output_call *call,
                                const struct group *group)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct buf ids = { 0 };
	unsigned len = 0;

	if (group->count == 1) {
		buf_add(out, str_of(call->deliveries[group->first].alert->id));
		return;
	}
	for (size_t i = 0; i < group->count; i++)
		buf_addf(&ids, "%s\n", call->deliveries[group->first + i].alert->id);
	if (buf_ok(&ids) && EVP_Digest(ids.at, ids.len, digest, &len, EVP_sha256(), NULL) == 1)
		add_hex(out, digest, 16);
	else
		out->failed = true;
	buf_done(&ids);
}

/* The text of a scratch buffer in the arena; NULL when something failed. */
static const char *in_arena(struct buf *scratch, struct arena *arena)
{
	const char *text = buf_ok(scratch) ? arena_str(arena, buf_str(scratch)).at : NULL;

	buf_done(scratch);
	return text;
}

/* The request's header lines, ends with NULL; NULL when out of memory. */
static const char *const *make_headers(const struct http_post *post, const struct output_call *call,
                                       const struct group *group, struct str body)
{
	const char **lines = arena_alloc(call->arena,
	                                 (post->headers_count + OWN_HEADERS) * sizeof(*lines));
	size_t count = 0;

	if (lines == NULL)
		return NULL;
	lines[count++] = post->content_type;
	if (post->service.idempotency_key) {
		struct buf text = { 0 };

		buf_add(&text, STR("Idempotency-Key: "));
		add_idempotency_key(&text, call, group);
		lines[count++] = in_arena(&text, call->arena);
	}
	if (post->service.sign_key != NULL) {
		struct buf text = { 0 };

		buf_add(&text, STR("X-Tocsin-Signature: "));
		if (!http_post_sign(&text, post->service.sign_key, clock_now() / NS_PER_S, body))
			text.failed = true;
		lines[count++] = in_arena(&text, call->arena);
	}
	for (size_t i = 0; i < count; i++)
		if (lines[i] == NULL)
			return NULL;
	for (size_t i = 0; i < post->headers_count; i++)
		lines[count++] = post->headers[i];
	lines[count] = NULL;
	return lines;
}

/* Adds one alert's body to the round's; false: it has none. */
static bool render(struct http_post *post, struct output_call *call, struct delivery *delivery)
{
	int r;

	if (post->service.render == NULL) {
		buf_add(&post->bodies, delivery->alert->json);
		return true;
	}
	r = alert_read(delivery->alert, call->arena);
	if (r == 0)
		return post->service.render(&post->bodies, delivery->alert, post->service.conf);
	if (r != -EBADMSG)
		post->bodies.failed = true;
	return false;
}

/* Adds a group's body in the service's form. Alerts that cannot be shown are settled and left out;
 * false when none is left. */
static bool add_body(struct http_post *post, struct output_call *call, struct group *group)
{
	enum http_post_form form = post->service.form;
	size_t added = 0;

	group->body_at = post->bodies.len;
	for (size_t i = 0; i < group->count; i++) {
		struct delivery *delivery = &call->deliveries[group->first + i];
		size_t before = post->bodies.len;

		delivery->verdict = OUTPUT_UNTRIED;
		if (form == HTTP_POST_ARRAY)
			buf_add_char(&post->bodies, added == 0 ? '[' : ',');
		if (!render(post, call, delivery) && buf_ok(&post->bodies)) {
			buf_cut(&post->bodies, before);
			delivery_settle(delivery, OUTPUT_NEVER, "the alert cannot be shown");
			continue;
		}
		if (form == HTTP_POST_NDJSON)
			buf_add_char(&post->bodies, '\n');
		added++;
	}
	if (form == HTTP_POST_ARRAY && added > 0)
		buf_add_char(&post->bodies, ']');
	group->body_len = post->bodies.len - group->body_at;
	return added > 0;
}

/* --- answers ------------------------------------------------------------------------------------ */

static enum output_verdict verdict_of(const struct http_post *post, const struct http_request *request)
{
	switch (request->failure) {
	case HTTP_OK: break;
	case HTTP_CERTIFICATE:
	case HTTP_REFUSED: return OUTPUT_BROKEN;
	default: return OUTPUT_LATER;
	}
	if (post->service.verdict != NULL)
		return post->service.verdict(request);
	return output_verdict_of_http(request->status);
}

static bool is_settled(const struct http_request *request, void *userdata)
{
	enum output_verdict verdict = verdict_of(userdata, request);

	return verdict == OUTPUT_DELIVERED || verdict == OUTPUT_NEVER;
}

static bool is_delivered(const struct http_request *request, void *userdata)
{
	return verdict_of(userdata, request) == OUTPUT_DELIVERED;
}

static bool holds_text(struct str hay, const char *needle)
{
	return needle != NULL && strlen(needle) >= SECRET_MIN && str_find(hay, str_of(needle)) >= 0;
}

/* A far side may send our own credentials back in its complaint. */
static bool holds_secret(const struct http_post *post, struct str text)
{
	const char *path = strstr(post->service.url, "://");

	path = path == NULL ? NULL : strchr(path + 3, '/');
	if (holds_text(text, post->service.sign_key) || holds_text(text, path))
		return true;
	for (size_t i = 0; i < post->service.headers.count; i++)
		if (holds_text(text, post->service.headers.at[i].value))
			return true;
	return false;
}

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} rows[] = { { 301, "Moved Permanently" }, { 302, "Found" }, { 307, "Temporary Redirect" },
		     { 308, "Permanent Redirect" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
		     { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
		     { 407, "Proxy Authentication Required" }, { 408, "Request Timeout" },
		     { 410, "Gone" }, { 413, "Content Too Large" }, { 415, "Unsupported Media Type" },
		     { 422, "Unprocessable Content" }, { 429, "Too Many Requests" },
		     { 500, "Internal Server Error" }, { 502, "Bad Gateway" },
		     { 503, "Service Unavailable" }, { 504, "Gateway Timeout" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return "";
}

static void note_answer(const struct http_post *post, const struct http_request *request, char *note)
{
	struct buf text = { 0 };
	struct str answer = str_trim(buf_str(&request->answer));

	if (request->failure != HTTP_OK) {
		snprintf(note, OUTPUT_NOTE_MAX, "%s", request->error);
		return;
	}
	buf_addf(&text, "HTTP %d", request->status);
	if (reason_of(request->status)[0] != '\0')
		buf_addf(&text, " %s", reason_of(request->status));
	if (answer.len > 0 && !holds_secret(post, answer)) {
		buf_add(&text, STR(": "));
		buf_add_printable(&text, str_cut(answer, EXCERPT_MAX));
	}
	snprintf(note, OUTPUT_NOTE_MAX, "%s", buf_ok(&text) ? buf_text(&text) : "out of memory");
	buf_done(&text);
}

/* One answer's meaning for all deliveries of its request. */
static enum output_verdict settle_group(struct http_post *post, struct output_call *call, size_t index)
{
	const struct http_request *request = &post->requests[index];
	const struct group *group = &post->groups[index];
	enum output_verdict verdict = request->sent ? verdict_of(post, request) : OUTPUT_UNTRIED;
	char note[OUTPUT_NOTE_MAX] = "";

	if (verdict > OUTPUT_DELIVERED)
		note_answer(post, request, note);
	for (size_t i = 0; i < group->count; i++) {
		struct delivery *delivery = &call->deliveries[group->first + i];

		if (delivery->verdict == OUTPUT_NEVER)
			continue; /* it was not in the body */
		delivery->verdict = verdict;
		delivery->retry_after_ms = request->retry_after_ms;
		memcpy(delivery->note, note, sizeof(note));
	}
	return verdict;
}

/* --- rounds ------------------------------------------------------------------------------------- */

/* Fills the requests of `count` groups; false (and LATER for all) when out of memory. */
static bool fill_requests(struct http_post *post, struct output_call *call, size_t count)
{
	bool good = buf_ok(&post->bodies);

	for (size_t i = 0; i < count && good; i++) {
		const struct group *group = &post->groups[i];
		struct http_request *request = &post->requests[i];

		request->method = post->service.method;
		request->url = post->service.url;
		request->body = (struct str){ post->bodies.at + group->body_at, group->body_len };
		request->order = call->deliveries[group->first].order;
		request->headers = make_headers(post, call, group, request->body);
		good = request->headers != NULL;
	}
	for (size_t i = 0; i < count && !good; i++)
		for (size_t k = 0; k < post->groups[i].count; k++)
			delivery_settle(&call->deliveries[post->groups[i].first + k], OUTPUT_LATER,
			                "out of memory");
	return good;
}

/* One request an alert, concurrently but for those of one order key. */
static void send_each(struct http_post *post, struct output_call *call, size_t first, size_t count)
{
	size_t groups = 0;

	buf_clear(&post->bodies);
	for (size_t i = 0; i < count; i++) {
		post->groups[groups] = (struct group){ .first = first + i, .count = 1 };
		groups += add_body(post, call, &post->groups[groups]);
	}
	if (!fill_requests(post, call, groups))
		return;
	http_perform(post->http, post->requests, groups, call->concurrency, is_settled, post);
	for (size_t i = 0; i < groups; i++)
		settle_group(post, call, i);
}

/* Groups deliveries from `first` on by number and bytes; returns how many groups. */
static size_t make_groups(struct http_post *post, struct output_call *call, size_t first)
{
	size_t groups = 0;

	buf_clear(&post->bodies);
	while (first < call->count) {
		struct group *group = &post->groups[groups];
		size_t bytes = 0;

		*group = (struct group){ .first = first };
		do
			bytes += call->deliveries[first + group->count++].alert->json.len;
		while (group->count < post->service.batch && first + group->count < call->count &&
		       bytes + call->deliveries[first + group->count].alert->json.len <= BATCH_BYTES);
		first += group->count;
		groups += add_body(post, call, group);
	}
	return groups;
}

/* Takes a refused batch apart, in a batch's form, so that the far side sees what it is used to.
 * Whether all of it is settled. */
static bool send_apart(struct http_post *post, struct output_call *call, struct group group)
{
	if (group.count > 1)
		send_each(post, call, group.first, group.count);
	for (size_t i = 0; i < group.count; i++) {
		enum output_verdict verdict = call->deliveries[group.first + i].verdict;

		if (verdict != OUTPUT_DELIVERED && verdict != OUTPUT_NEVER)
			return false;
	}
	return true;
}

/* Sends batches from `first` on, one after the other, until one is not taken. Returns the delivery to
 * go on with: behind a batch that was refused for good, else the call's count. */
static size_t send_batches(struct http_post *post, struct output_call *call, size_t first)
{
	size_t groups = make_groups(post, call, first), refused = groups;
	struct group group;

	if (!fill_requests(post, call, groups))
		return call->count;
	for (size_t i = 0; i < groups; i++)
		post->requests[i].order = 1;
	http_perform(post->http, post->requests, groups, 1, is_delivered, post);
	for (size_t i = 0; i < groups; i++)
		if (settle_group(post, call, i) == OUTPUT_NEVER)
			refused = i;
	if (refused == groups)
		return call->count;
	group = post->groups[refused];
	return send_apart(post, call, group) ? group.first + group.count : call->count;
}

void http_post_send(struct http_post *post, struct output_call *call)
{
	size_t first = 0;

	if (post->service.form == HTTP_POST_SINGLE) {
		send_each(post, call, 0, call->count);
		return;
	}
	while (first < call->count)
		first = send_batches(post, call, first);
}
