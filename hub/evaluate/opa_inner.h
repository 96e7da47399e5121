/* What the files of the OPA client share. */
#ifndef HUB_OPA_INNER_H
#define HUB_OPA_INNER_H

#include "base/hash.h"
#include "base/http.h"
#include "base/json.h"
#include "hub/evaluate/opa.h"

#include <pthread.h>

struct opa_server;

/* A question on its way to a server, with all who want to know. */
struct opa_question {
	struct opa_question *next;  /* in the queue, or among the finished */
	struct opa_question *chain; /* others under way, in its bucket */
	struct opa_server *server;
	struct hash128 key;
	int64_t asked_ns, cache_ms;
	struct opa_ask *asks;
	bool is_probe;
	size_t size;                /* of all of it */
	const char *url;            /* in text */
	struct str body;            /* in text */
	/* The answer: */
	bool was_sent;
	enum opa_verdict verdict;
	enum opa_cause cause;
	int status;
	int64_t took_ns;
	struct buf message;
	char text[];
};

/* One of a server's threads: its connections and its memory for answers. */
struct opa_worker {
	struct opa_server *server;
	pthread_t thread;
	struct http *http;
	struct http_request requests[OPA_ROUND];
	struct json_node *nodes;
	char *authorization;        /* "Authorization: Bearer …", NULL: to be read */
	int token_error;            /* as last told */
};

struct opa_server {
	struct opa *opa;
	char *url, *unix_socket, *token;
	int64_t timeout_ms;

	pthread_mutex_t lock;       /* guards the queue and stop */
	pthread_cond_t work;
	struct opa_question *queue, **queue_end;
	size_t queue_bytes;
	_Atomic size_t queued;
	_Atomic bool stop;          /* also ends what is under way */
	_Atomic bool is_open;       /* the circuit: nothing but probes goes out */
	struct opa_worker workers[OPA_THREADS];
	size_t workers_count;

	/* The asker's: */
	unsigned failures;
	int64_t closed_at_ns;       /* when the next probe may go */
	int64_t pause_ns;
	bool probing;
	size_t open;                /* questions that are not back */
	int64_t asked_ns;           /* last */
};

/* opa_server.c. Hands questions back with opa_finish(). NULL: out of memory. */
struct opa_server *opa_server_new(struct opa *opa, const struct rule_opa *rule);
void opa_server_free(struct opa_server *server); /* waits for its threads */
bool opa_server_is(const struct opa_server *server, const struct rule_opa *rule);
static inline const char *opa_server_name(const struct opa_server *server)
{
	return server->unix_socket != NULL ? server->unix_socket : server->url;
}

bool opa_server_queue(struct opa_server *server, struct opa_question *question); /* false: full */

/* opa.c, on any thread. */
void opa_finish(struct opa *opa, struct opa_question *question);
void opa_question_free(struct opa_question *question);

/* opa_answer.c: what an answer's body says; its messages are added to `message`, cut at OPA_MESSAGE_MAX.
 * False: no verdict. Pure. */
enum { OPA_NODES_MAX = 4096 };
bool opa_read_answer(struct str text, struct json_node nodes[OPA_NODES_MAX], struct buf *message,
                     enum opa_verdict *ret);

/* opa_cache.c: verdicts that were given, by question; bounded by count and by the bytes of their
 * messages. One thread. */
struct opa_cache;
struct opa_cache *opa_cache_new(void);
void opa_cache_free(struct opa_cache *cache);
bool opa_cache_get(struct opa_cache *cache, struct hash128 key, int64_t now_ns, enum opa_verdict *ret,
                   struct str *ret_message);
void opa_cache_put(struct opa_cache *cache, struct hash128 key, int64_t now_ns, int64_t until_ns,
                   enum opa_verdict verdict, struct str message);
size_t opa_cache_count(const struct opa_cache *cache); /* entries in use, expired ones included */

#endif
