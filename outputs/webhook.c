/* Any receiver of JSON over HTTP: the alert's own line as the body, with an idempotency key and, when a
 * secret is set, a signature that the receiver can check. */
#include "outputs/http_post.h"

#include <stdio.h>

struct webhook_conf {
	const char *url;
	const char *method;
	struct conf_map headers;
	const char *secret;
	int64_t batch;
	int64_t batch_format;
	struct http_post_conf http;
};

#define FIELD(member) offsetof(struct webhook_conf, member)

static const char *const batch_formats[] = { "array", "ndjson", NULL };

static const struct conf_field webhook_fields[] = {
	{ .key = "url", .type = CONF_SECRET, .offset = FIELD(url), .flags = CONF_REQUIRED,
	  .help = "address to send to; a secret, because many carry a token" },
	{ .key = "method", .type = CONF_STRING, .offset = FIELD(method), .fallback = "POST",
	  .help = "HTTP method" },
	{ .key = "headers", .type = CONF_SECRET_MAP, .offset = FIELD(headers),
	  .help = "more request headers, at most 50" },
	{ .key = "secret", .type = CONF_SECRET, .offset = FIELD(secret),
	  .help = "sign requests: X-Tocsin-Signature: t=UNIX,v1=HMAC-SHA256 of \"UNIX.BODY\" in hex" },
	{ .key = "batch", .type = CONF_INT, .offset = FIELD(batch), .fallback = "1", .min = 1,
	  .max = OUTPUT_BATCH_MAX, .help = "alerts in one request; 1 sends the plain alert object" },
	{ .key = "batch_format", .type = CONF_CHOICE, .offset = FIELD(batch_format),
	  .fallback = "array", .choices = batch_formats,
	  .help = "batches as a JSON array or as one alert a line" },
	HTTP_POST_FIELDS(struct webhook_conf, http),
	{ 0 },
};

static bool is_ndjson(const struct webhook_conf *conf)
{
	return conf->batch > 1 && strcmp(batch_formats[conf->batch_format], "ndjson") == 0;
}

static int webhook_open(const void *conf_, const char *name, void **ret_state, char *note)
{
	const struct webhook_conf *conf = conf_;
	const struct http_post_service service = {
		.method = conf->method,
		.url = conf->url,
		.content_type = is_ndjson(conf) ? "application/x-ndjson" : "application/json",
		.headers = conf->headers,
		.sign_key = conf->secret,
		.idempotency_key = true,
		.batch = conf->batch > 1 ? (size_t)conf->batch : 1,
		.form = is_ndjson(conf) ? HTTP_POST_NDJSON : HTTP_POST_ARRAY,
	};
	struct http_post *post;
	int r = http_post_open(&service, &conf->http, &post, note);

	(void)name;
	if (r == 0)
		*ret_state = post;
	return r;
}

static void webhook_send(void *state, struct output_call *call)
{
	http_post_send(state, call);
}

static void webhook_close(void *state)
{
	http_post_close(state);
}

static bool webhook_check(const void *conf_, char *note)
{
	const struct webhook_conf *conf = conf_;

	for (size_t i = 0; i < conf->headers.count; i++) {
		const struct conf_pair *header = &conf->headers.at[i];

		if (header->key[0] != '\0' && strpbrk(header->key, " \t\r\n:") == NULL &&
		    strpbrk(header->value, "\r\n") == NULL)
			continue;
		snprintf(note, OUTPUT_NOTE_MAX, "headers: \"%.60s\" is not a header", header->key);
		return false;
	}
	return http_post_check("url", conf->url, &conf->http, note);
}

const struct output_ops output_webhook = {
	.type = "webhook",
	.summary = "any receiver of JSON over HTTP",
	.fields = webhook_fields,
	.conf_size = sizeof(struct webhook_conf),
	.batch_max = OUTPUT_BATCH_MAX,
	.open = webhook_open,
	.send = webhook_send,
	.close = webhook_close,
	.check = webhook_check,
};
