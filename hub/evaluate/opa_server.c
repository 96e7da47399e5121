/* A server's threads: each takes some questions from the queue, asks them all at once and hands them
 * back. */
#include "hub/evaluate/opa_inner.h"

#include "base/clock.h"
#include "base/conf_secret.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

/* --- one question ------------------------------------------------------------------------------- */

static void unanswered(struct opa_question *question, enum opa_cause cause)
{
	question->verdict = OPA_UNANSWERED;
	question->cause = cause;
}

static void read_request(struct opa_worker *worker, const struct http_request *request,
                         struct opa_question *question)
{
	question->was_sent = true;
	question->status = request->status;
	if (request->failure == HTTP_TIMEOUT)
		unanswered(question, OPA_TIMEOUT);
	else if (request->failure != HTTP_OK)
		unanswered(question, OPA_UNREACHABLE);
	else if (request->status != 200)
		unanswered(question, OPA_STATUS);
	else if (!buf_ok(&request->answer) || !opa_read_answer(buf_str(&request->answer), worker->nodes,
	                                                       &question->message, &question->verdict))
		unanswered(question, OPA_ANSWER);
}

/* --- the token ---------------------------------------------------------------------------------- */

static void forget_token(struct opa_worker *worker)
{
	if (worker->authorization != NULL)
		explicit_bzero(worker->authorization, strlen(worker->authorization));
	free(worker->authorization);
	worker->authorization = NULL;
}

/* Read when it is first needed, and again once the server has refused it: tokens are renewed. */
static bool have_token(struct opa_worker *worker)
{
	const char *reference = worker->server->token;
	struct conf_secret secret;
	struct arena arena;
	int r;

	if (reference == NULL || worker->authorization != NULL)
		return true;
	arena_init(&arena, 2 * CONF_SECRET_MAX);
	r = conf_secret_read(str_of(reference), &arena, &secret);
	if (r < 0 && worker->token_error == 0)
		log_err("OPA %s: its token: %s", opa_server_name(worker->server), secret.note);
	worker->token_error = r;
	if (r == 0 && asprintf(&worker->authorization, "Authorization: Bearer %s", secret.value) < 0)
		worker->authorization = NULL;
	arena_done(&arena);
	return worker->authorization != NULL;
}

/* --- a round ------------------------------------------------------------------------------------ */

/* Asks `count` questions, all at once. */
static void ask(struct opa_worker *worker, struct opa_question **questions, size_t count)
{
	bool authorised = have_token(worker), refused = false;
	const char *headers[] = { "Content-Type: application/json", worker->authorization, NULL };
	int64_t began;

	for (size_t i = 0; i < count; i++) {
		struct http_request *request = &worker->requests[i];
		struct buf answer = request->answer;

		buf_clear(&answer);
		*request = (struct http_request){ .method = "POST", .url = questions[i]->url,
			                          .headers = headers, .body = questions[i]->body,
			                          .answer = answer };
	}
	began = clock_mono();
	if (authorised && count > 0)
		http_perform(worker->http, worker->requests, count, OPA_ROUND, NULL, NULL);
	for (size_t i = 0; i < count; i++) {
		questions[i]->took_ns = clock_mono() - began;
		if (authorised)
			read_request(worker, &worker->requests[i], questions[i]);
		else
			unanswered(questions[i], OPA_TOKEN);
		refused |= questions[i]->status == 401 || questions[i]->status == 403;
		opa_finish(worker->server->opa, questions[i]);
	}
	if (refused)
		forget_token(worker);
}

/* Those that nobody will wait for any longer, and those that came before the circuit opened, are handed
 * back as they are. Returns how many are left. */
static size_t sort_out(struct opa_server *server, struct opa_question **questions, size_t count)
{
	int64_t oldest = clock_mono() - server->timeout_ms * NS_PER_MS;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct opa_question *question = questions[i];
		bool late = question->asked_ns < oldest;

		if (!late && (question->is_probe || !server->is_open)) {
			questions[kept++] = question;
			continue;
		}
		unanswered(question, late ? OPA_TIMEOUT : OPA_CIRCUIT);
		opa_finish(server->opa, question);
	}
	return kept;
}

/* Waits for questions; 0 when the server is to end. */
static size_t take(struct opa_server *server, struct opa_question **questions)
{
	size_t count = 0;

	pthread_mutex_lock(&server->lock);
	while (server->queue == NULL && !server->stop)
		pthread_cond_wait(&server->work, &server->lock);
	while (!server->stop && server->queue != NULL && count < OPA_ROUND) {
		struct opa_question *question = server->queue;

		server->queue = question->next;
		server->queue_bytes -= question->size;
		server->queued--;
		questions[count++] = question;
	}
	if (server->queue == NULL)
		server->queue_end = &server->queue;
	pthread_mutex_unlock(&server->lock);
	return count;
}

static void *worker_main(void *argument)
{
	struct opa_worker *worker = argument;
	struct opa_question *questions[OPA_ROUND];
	size_t count;

	while ((count = take(worker->server, questions)) > 0)
		ask(worker, questions, sort_out(worker->server, questions, count));
	return NULL;
}

bool opa_server_queue(struct opa_server *server, struct opa_question *question)
{
	bool fits;

	pthread_mutex_lock(&server->lock);
	fits = server->queued < OPA_QUEUE_MAX && server->queue_bytes + question->size <= OPA_QUEUE_BYTES;
	if (fits) {
		question->next = NULL;
		*server->queue_end = question;
		server->queue_end = &question->next;
		server->queue_bytes += question->size;
		server->queued++;
		pthread_cond_signal(&server->work);
	}
	pthread_mutex_unlock(&server->lock);
	return fits;
}

/* --- life --------------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool opa_server_is(const struct opa_server *server, const struct rule_opa *rule)
{
	return server->timeout_ms == rule->timeout_ms && same(server->url, rule->url) &&
	       same(server->unix_socket, rule->unix_socket) && same(server->token, rule->token);
}

static bool start(struct opa_server *server)
{
	const struct http_settings settings = {
		.timeout_ms = server->timeout_ms, .connect_timeout_ms = server->timeout_ms,
		.unix_socket = server->unix_socket, .answer_max = OPA_ANSWER_MAX,
		.cancel = &server->stop,
	};

	for (size_t i = 0; i < OPA_THREADS; i++) {
		struct opa_worker *worker = &server->workers[i];

		worker->server = server;
		worker->nodes = calloc(OPA_NODES_MAX, sizeof(*worker->nodes));
		if (worker->nodes == NULL || http_new(&settings, &worker->http) < 0)
			return false;
		if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
			return false;
		server->workers_count++;
	}
	return true;
}

static char *copy(const char *text)
{
	return text == NULL ? NULL : strdup(text);
}

struct opa_server *opa_server_new(struct opa *opa, const struct rule_opa *rule)
{
	struct opa_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	server->opa = opa;
	server->timeout_ms = rule->timeout_ms;
	server->queue_end = &server->queue;
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->work, NULL);
	server->url = copy(rule->url);
	server->unix_socket = copy(rule->unix_socket);
	server->token = copy(rule->token);
	if (!same(server->url, rule->url) || !opa_server_is(server, rule) || !start(server)) {
		opa_server_free(server);
		return NULL;
	}
	return server;
}

void opa_server_free(struct opa_server *server)
{
	if (server == NULL)
		return;
	pthread_mutex_lock(&server->lock);
	server->stop = true;
	pthread_cond_broadcast(&server->work);
	pthread_mutex_unlock(&server->lock);
	for (size_t i = 0; i < server->workers_count; i++)
		pthread_join(server->workers[i].thread, NULL);
	for (struct opa_question *next; server->queue != NULL; server->queue = next) {
		next = server->queue->next;
		opa_question_free(server->queue);
	}
	for (size_t i = 0; i < OPA_THREADS; i++) {
		struct opa_worker *worker = &server->workers[i];

		for (size_t j = 0; j < OPA_ROUND; j++)
			buf_done(&worker->requests[j].answer);
		http_free(worker->http);
		forget_token(worker);
		free(worker->nodes);
	}
	pthread_cond_destroy(&server->work);
	pthread_mutex_destroy(&server->lock);
	free(server->url);
	free(server->unix_socket);
	free(server->token);
	free(server);
}
