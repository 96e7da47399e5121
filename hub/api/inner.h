/* What the API's own files share. Everything here runs on the API's thread. */
#ifndef HUB_API_INNER_H
#define HUB_API_INNER_H

#include "hub/api/access.h"
#include "hub/api/api.h"
#include "hub/api/filter.h"
#include "hub/api/routes.h"
#include "hub/server.h"

#include <pthread.h>

enum {
	API_BODY_MAX = 64 << 10,
	API_CONNECTIONS_MAX = 512,
	API_IDLE_S = 60,
	API_STREAMS_MAX = 64,
	API_LIST_MAX = 500,        /* entries in one answer */
	API_LIST_DEFAULT = 100,
	API_OUTPUTS_MAX = 1024,    /* deliveries of one alert that are shown */
	API_READ_BYTES = 4 << 20,
	API_HEADERS_MAX = 16,
};

#define API_ARENA_MAX ((size_t)96 << 20)

/* Members of every list of headers. The page writes text nodes only; should it ever try to make markup
 * from a string, browsers that know trusted types refuse. */
#define API_SECURITY_HEADERS                                                                        \
	"Content-Security-Policy: default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "    \
	"form-action 'none'; object-src 'none'; require-trusted-types-for 'script'",                \
	"X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer", "X-Frame-Options: DENY"

struct stream;
struct onlooker;

struct api {
	struct api_settings settings;
	struct server *server;
	struct journal_reader *reader;
	struct access *access;
	char *sessions_path;
	struct arena arena;       /* of one call */
	struct buf out;           /* the answer being made */
	struct stream *streams;
	unsigned streams_count;
	struct onlooker *onlookers;
	int64_t started_ns;       /* wall clock */
	int64_t started_mono_ns;
	int wake_fd;
	pthread_t thread;
	_Atomic bool stopping;

	counter requests, refused, limited, logins, streamed, gaps, streams_ended, streams_open;
};

/* One request on its way through the API. */
struct api_call {
	struct api *api;
	struct server_request *request;
	struct str argument;      /* what stands for {name} in the route */
	bool by_session;
	struct hash128 session;
};

/* Answers with what is in api->out (JSON). */
void api_answer(struct api_call *call);

/* Answers with the API's headers and one more (may be NULL). */
void api_answer_as(struct api_call *call, unsigned status, const char *content_type, struct str body,
                   const char *header);
void api_problem(struct api_call *call, unsigned status, const char *detail, const char *header);

/* The usual answer to -errno of the journal. */
void api_failed(struct api_call *call, int error);

/* A whole number among the query arguments, `fallback` without it; false when it is none (answered). */
bool api_number(struct api_call *call, const char *name, uint64_t fallback, uint64_t *ret);

/* Strings of a request's JSON object, into the arena; `at` is NULL for one that is not there or no
 * string. False: answered with 400. An empty body is an empty object. */
struct api_member {
	const char *name;
	struct str value;   /* of a string */
	uint64_t number;    /* of a number; 0 without one */
};
bool api_body(struct api_call *call, struct api_member *members, size_t count);

/* Query arguments of a request, for filter_read(). */
const char *api_argument(const void *request, const char *name);

/* The calls, by file. */
void alerts_list(struct api_call *call);
void alerts_one(struct api_call *call);
void stream_open(struct api_call *call);
void tails_watch(struct api_call *call);
void outputs_list(struct api_call *call);
void outputs_kick(struct api_call *call);
void letters_list(struct api_call *call);
void letters_replay(struct api_call *call);
void status_show(struct api_call *call);
void status_sensors(struct api_call *call);
void status_rules(struct api_call *call);
void status_rules_reload(struct api_call *call);
void status_config(struct api_call *call);
void session_show(struct api_call *call);
void session_login(struct api_call *call);
void session_logout(struct api_call *call);
void session_login_token(struct api_call *call);

/* An embedded file, or the UI's page for one of its views; false: no such path. */
bool assets_answer(struct api_call *call);
void assets_openapi(struct api_call *call);

/* Lets streams have what is new; keeps idle ones alive. Every API_TICK_MS while there are any. */
enum { API_TICK_MS = 100 };
void stream_tick(struct api *api);

/* The same for those who look on at nodes. */
void tails_tick(struct api *api);

/* The request of a stream is over; of another request these do nothing. */
void stream_closed(struct api *api, struct server_request *request);
void tails_closed(struct api *api, const struct server_request *request);

/* Ends the streams of a session that was logged out. */
void stream_end_session(struct api *api, struct hash128 session);

#endif
