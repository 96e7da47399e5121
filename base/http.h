/* HTTP out, over libcurl: the only file that includes its header is http.c. A client keeps its
 * connections between calls. One thread at a time per client. Redirects are not followed, only http
 * and https are spoken, credentials never appear in an error text. */
#ifndef BASE_HTTP_H
#define BASE_HTTP_H

#include "base/buf.h"

struct http;

struct http_settings {
	int64_t timeout_ms;         /* a whole request; 0: 10 s */
	int64_t connect_timeout_ms; /* 0: 5 s */
	const char *ca_file;        /* PEM; NULL: the system's */
	const char *cert_file;      /* client certificate and key, PEM; both or neither */
	const char *key_file;
	bool insecure;              /* do not check the server's certificate */
	const char *proxy;          /* NULL: the environment's */
	const char *unix_socket;    /* connect there instead of to the URL's host; NULL: no */
	bool http2;                 /* speak HTTP/2 at once, as gRPC wants; else HTTP/1.1 */
	size_t answer_max;          /* bytes of an answer that are kept; 0: 4 KiB */
	const _Atomic bool *cancel; /* when it turns true, requests under way end within a second; NULL: never */
};

enum http_failure {
	HTTP_OK = 0,       /* an answer came, whatever its status */
	HTTP_UNREACHABLE,  /* no connection, reset, DNS */
	HTTP_TIMEOUT,
	HTTP_CERTIFICATE,  /* TLS: the peer's certificate or our own is refused */
	HTTP_REFUSED,      /* the request itself cannot be made: bad URL */
};

struct http_request {
	const char *method;          /* "POST" */
	const char *url;
	const char *const *headers;  /* "Name: value", ends with NULL; may be NULL */
	struct str body;
	uint64_t order;              /* requests of one key are sent one after the other; 0: any */
	/* The answer: */
	enum http_failure failure;
	int status;                  /* 0 when there was no answer */
	unsigned retry_after_ms;     /* Retry-After as seconds or as a date; 0: none */
	struct buf answer;           /* first answer_max bytes; the caller frees or reuses it */
	char error[160];             /* why there was no answer; no URL, no credentials */
	bool sent;                   /* false: left out because an earlier one of its key failed */
};

/* Once per process, before the first thread. 0 or -errno. */
int http_global_init(void);

/* 0, or -errno (-ENOENT, -EACCES: a file of the settings cannot be read). The settings' strings must
 * outlive the client. */
int http_new(const struct http_settings *settings, struct http **ret);
void http_free(struct http *http);

/* Performs all requests, at most `concurrency` (1 or more) at once over kept-alive connections, and
 * returns when each has an answer or a failure. `settled` (may be NULL) says whether an answer lets the
 * next request of its order key go; without it a 2xx does. */
void http_perform(struct http *http, struct http_request *requests, size_t count,
                  unsigned concurrency,
                  bool (*settled)(const struct http_request *request, void *userdata), void *userdata);

/* "https://host:port", for logs: no path, query or credentials. */
void http_origin(const char *url, struct buf *out);

#endif
