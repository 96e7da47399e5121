/* HTTP in: the thin wall around libmicrohttpd, whose header only server.c includes. A server belongs
 * to one thread, which polls server_fd() and calls server_run(); every callback runs inside that.
 *
 * A request is announced to begin() when its headers are there (a chance to refuse before the body),
 * and given to handle() when its body is complete. It must be answered once, then or later: until
 * server_answer() the connection is parked at no cost, and the request stays valid even if the client
 * goes away meanwhile. After the answer closed() is the last that is heard of it. */
#ifndef HUB_SERVER_H
#define HUB_SERVER_H

#include "base/buf.h"

struct server;
struct config_tls;

struct server_request {
	struct str method, path;    /* path without the query, not decoded */
	struct buf body;            /* as sent (not unpacked) */
	size_t body_expected;       /* Content-Length, 0 when chunked */
	char peer[64];              /* address without port; "unix" */
	void *userdata;             /* the room's own; set by begin() or handle() */
	struct server *server;
	void *inner;                /* server.c's */
};

struct server_settings {
	const char *listen;         /* "127.0.0.1:2801", "[::]:2801", ":2801", "unix:/path" */
	size_t body_max;            /* a longer body is answered 413 without reading it */
	size_t bodies_max;          /* all bodies held at one time; beyond it 503. 0: no limit */
	unsigned connections_max;
	unsigned connections_per_ip_max; /* 0: no limit */
	unsigned timeout_s;         /* idle connection; 0: none */
	const struct config_tls *tls; /* with a cert_file: speaks TLS, but not on a unix socket; may be NULL */
	/* False when it has answered already (401, 413, 429). May be NULL. */
	bool (*begin)(void *userdata, struct server_request *request);
	void (*handle)(void *userdata, struct server_request *request);
	/* The client is gone, or the answer is sent: last call for this request. May be NULL. */
	void (*closed)(void *userdata, struct server_request *request);
	void *userdata;
};

/* 0, or -errno with a text for people in `error` (256 bytes). */
int server_new(const struct server_settings *settings, struct server **ret, char *error);
void server_free(struct server *server);

/* To be watched for input. */
int server_fd(const struct server *server);

/* How long to wait at most before the next server_run(); -1: as long as one likes. */
int server_timeout_ms(const struct server *server);

/* Does what is due. */
void server_run(struct server *server);

/* Takes no new connections from now on; those open go on. */
void server_quiesce(struct server *server);

/* A port of 0 was asked for: the one that was given. */
unsigned server_port(const struct server *server);

/* When the certificate that it shows ends to be valid, seconds since 1970; 0: it shows none. From any thread. */
int64_t server_certificate_expires(const struct server *server);

/* NULL without such a header / query argument. Query arguments are percent-decoded; one
 * without a value is the empty text. */
const char *server_header(const struct server_request *request, const char *name);
const char *server_query(const struct server_request *request, const char *name);
const char *server_cookie(const struct server_request *request, const char *name);

/* The credential of the request: of Bearer the token, of Basic the password (into `space`, 512 bytes),
 * else the query argument `token`; NULL: none. */
const char *server_credential(const struct server_request *request, char *space);

/* Whether the request came over TLS to this server itself. */
bool server_is_tls(const struct server_request *request);

/* NULL: the client may come in as far as its certificate goes (tls.h); else why not. */
const char *server_certificate_refusal(const struct server_request *request);

/* Answers. `headers` is a NULL-ended list of "Name: value", may be NULL; `body` is copied. */
void server_answer(struct server_request *request, unsigned status, const char *content_type,
                   struct str body, const char *const *headers);

/* A copy of a text that several answers share. Counted; NULL: out of memory. One thread, the server's. */
struct server_body;
struct server_body *server_body_new(struct str text);
void server_body_unref(struct server_body *body); /* accepts NULL */
void server_answer_shared(struct server_request *request, unsigned status, const char *content_type,
                          struct server_body *body, const char *const *headers);

/* The same with a body that lives as long as the server (embedded files). */
void server_answer_static(struct server_request *request, unsigned status, const char *content_type,
                          struct str body, const char *const *headers);

/* RFC 9457: {"type":"about:blank","title":…,"status":…,"detail":…} as application/problem+json. */
void server_problem(struct server_request *request, unsigned status, const char *detail,
                    const char *const *headers);

/* Begins a stream (server-sent events): status 200 and these headers go out, the connection stays.
 * server_push() adds bytes; false when the client does not read and `limit` bytes wait (then nothing
 * was added: the room should end it with server_finish()). */
void server_stream(struct server_request *request, const char *content_type, size_t limit);
bool server_push(struct server_request *request, struct str bytes);
void server_finish(struct server_request *request);

/* Whether the client of a stream has closed its side: while nothing is pushed, that is not noticed by
 * itself. */
bool server_stream_is_lost(const struct server_request *request);

#endif
