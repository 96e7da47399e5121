/* What all outputs over HTTP share: settings, connections, requests, batches, signature, and the
 * reading of answers. A service over it says how an alert looks on its wire and what it answers
 * differently; the rest is here, once. */
#ifndef OUTPUTS_HTTP_POST_H
#define OUTPUTS_HTTP_POST_H

#include "base/http.h"
#include "include/output.h"

/* A driver's conf struct embeds one of these … */
struct http_post_conf {
	int64_t timeout_ms;
	const char *proxy;
	const char *ca_file;
	const char *cert_file;
	const char *key_file;
	bool insecure;
};

/* … and its table of settings has these rows for it: HTTP_POST_FIELDS(struct slack_conf, http). */
#define HTTP_POST_FIELD(owner, base, member) \
	(offsetof(owner, base) + offsetof(struct http_post_conf, member))
#define HTTP_POST_FIELDS(owner, base)                                                               \
	{ .key = "timeout", .type = CONF_DURATION,                                                  \
	  .offset = HTTP_POST_FIELD(owner, base, timeout_ms), .fallback = "10s", .min = 100,        \
	  .max = 300000, .help = "give up on one request after this long" },                        \
	{ .key = "proxy", .type = CONF_SECRET, .offset = HTTP_POST_FIELD(owner, base, proxy),       \
	  .help = "proxy to go through; default: that of the environment" },                        \
	{ .key = "ca_file", .type = CONF_STRING, .offset = HTTP_POST_FIELD(owner, base, ca_file),   \
	  .help = "PEM file of the authorities to trust instead of the system's" },                 \
	{ .key = "cert_file", .type = CONF_STRING,                                                  \
	  .offset = HTTP_POST_FIELD(owner, base, cert_file),                                        \
	  .help = "PEM file of our client certificate; wants key_file" },                           \
	{ .key = "key_file", .type = CONF_STRING, .offset = HTTP_POST_FIELD(owner, base, key_file), \
	  .help = "PEM file of our client certificate's key" },                                     \
	{ .key = "insecure", .type = CONF_BOOL, .offset = HTTP_POST_FIELD(owner, base, insecure),   \
	  .fallback = "false", .help = "do not check the server's certificate" }

/* How alerts of a batch stand in one body. */
enum http_post_form {
	HTTP_POST_SINGLE = 0, /* one alert a request */
	HTTP_POST_ARRAY,      /* a JSON array */
	HTTP_POST_NDJSON,     /* one a line */
};

/* One service. Strings are borrowed for the life of the http_post. */
struct http_post_service {
	const char *method;        /* NULL: POST */
	const char *url;           /* counts as a secret: never in a note */
	const char *content_type;
	struct conf_map headers;   /* more of them; the values count as secrets */
	const char *sign_key;      /* NULL: no X-Tocsin-Signature */
	bool idempotency_key;      /* send Idempotency-Key */
	size_t batch;              /* alerts a request, 0 and 1: one */
	enum http_post_form form;

	/* Adds the body of one alert; the alert is read. False: it cannot be shown (never delivered).
	 * NULL: the alert's own JSON line. */
	bool (*render)(struct buf *out, const struct alert *alert, const void *conf);

	/* What an answer means; NULL: output_verdict_of_http() of its status. */
	enum output_verdict (*verdict)(const struct http_request *answer);

	const void *conf;          /* for render */
};

struct http_post;

/* 0, or -errno with a text in `note` (OUTPUT_NOTE_MAX bytes). */
int http_post_open(const struct http_post_service *service, const struct http_post_conf *conf,
                   struct http_post **ret, char *note);

/* As output_ops.send. */
void http_post_send(struct http_post *post, struct output_call *call);

void http_post_close(struct http_post *post);

/* For output_ops.check: whether `url` is one and the TLS settings fit together. */
bool http_post_check(const char *key, const char *url, const struct http_post_conf *conf, char *note);

/* "t=UNIX,v1=HEX" over "UNIX.BODY" with HMAC-SHA-256; `unix_s` is the time of sending. What the far
 * side compares; false when the library refuses. */
bool http_post_sign(struct buf *out, const char *key, int64_t unix_s, struct str body);

#endif
