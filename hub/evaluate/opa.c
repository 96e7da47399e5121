/* The asker's side: what is known already, what is under way, whom to ask and whom to leave alone. */
#include "hub/evaluate/opa_inner.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BUCKETS = 1024 };

#define PAUSE_MIN_NS NS_PER_S
#define PAUSE_MAX_NS (30 * NS_PER_S)

struct opa {
	int notify_fd;
	struct hash_key key;
	struct opa_server *servers[OPA_SERVERS_MAX];
	size_t servers_count;
	struct opa_question *underway[BUCKETS];
	struct opa_cache *cache;

	pthread_mutex_t lock; /* guards the finished */
	struct opa_question *finished, **finished_end;

	counter questions, sent, cached, joined, causes[OPA_CAUSES], fired;
	struct histogram time;
};

static const struct cause_row {
	const char *label, *text;
} cause_rows[OPA_CAUSES] = {
	[OPA_TIMEOUT] = { "timeout", "OPA did not answer in time" },
	[OPA_UNREACHABLE] = { "unreachable", "OPA could not be reached" },
	[OPA_STATUS] = { "status", "OPA answered with an error" },
	[OPA_ANSWER] = { "answer", "OPA's answer was no verdict" },
	[OPA_FULL] = { "full", "too many questions to OPA" },
	[OPA_CIRCUIT] = { "circuit", "OPA has failed and is left alone for now" },
	[OPA_TOKEN] = { "token", "the token for OPA cannot be read" },
};

const char *opa_cause_text(enum opa_cause cause)
{
	return cause_rows[cause].text;
}

/* --- life --------------------------------------------------------------------------------------- */

int opa_new(int notify_fd, struct opa **ret)
{
	struct opa *opa = calloc(1, sizeof(*opa));

	if (opa == NULL)
		return -ENOMEM;
	opa->notify_fd = notify_fd;
	opa->finished_end = &opa->finished;
	opa->cache = opa_cache_new();
	if (opa->cache == NULL || hash_key_random(&opa->key) < 0) {
		opa_cache_free(opa->cache);
		free(opa);
		return -ENOMEM;
	}
	pthread_mutex_init(&opa->lock, NULL);
	*ret = opa;
	return 0;
}

void opa_question_free(struct opa_question *question)
{
	buf_done(&question->message);
	free(question);
}

void opa_free(struct opa *opa)
{
	if (opa == NULL)
		return;
	for (size_t i = 0; i < opa->servers_count; i++)
		opa_server_free(opa->servers[i]);
	for (struct opa_question *next; opa->finished != NULL; opa->finished = next) {
		next = opa->finished->next;
		opa_question_free(opa->finished);
	}
	pthread_mutex_destroy(&opa->lock);
	opa_cache_free(opa->cache);
	free(opa);
}

void opa_finish(struct opa *opa, struct opa_question *question)
{
	bool first;

	question->next = NULL;
	pthread_mutex_lock(&opa->lock);
	first = opa->finished == NULL;
	*opa->finished_end = question;
	opa->finished_end = &question->next;
	pthread_mutex_unlock(&opa->lock);
	if (first)
		eventfd_write(opa->notify_fd, 1); /* when it is full it is readable anyway */
}

/* --- asking ------------------------------------------------------------------------------------- */

/* Where another server may stand: rules that were loaded again may name others than they did. The one that
 * was not asked for longest gives way; none does while a question to it is open. NULL: no room. */
static struct opa_server **room_for_server(struct opa *opa)
{
	struct opa_server **idle = NULL;

	if (opa->servers_count < OPA_SERVERS_MAX)
		return &opa->servers[opa->servers_count];
	for (size_t i = 0; i < opa->servers_count; i++)
		if (opa->servers[i]->open == 0 && (idle == NULL || opa->servers[i]->asked_ns < (*idle)->asked_ns))
			idle = &opa->servers[i];
	return idle;
}

/* NULL: too many, or out of memory. */
static struct opa_server *server_for(struct opa *opa, const struct rule_opa *rule)
{
	struct opa_server *server, **room;

	for (size_t i = 0; i < opa->servers_count; i++)
		if (opa_server_is(opa->servers[i], rule))
			return opa->servers[i];
	room = room_for_server(opa);
	server = room == NULL ? NULL : opa_server_new(opa, rule);
	if (server == NULL)
		return NULL;
	if (room == &opa->servers[opa->servers_count])
		opa->servers_count++;
	else
		opa_server_free(*room);
	*room = server;
	return server;
}

static struct hash128 key_of(const struct opa *opa, const struct rule_opa *rule, struct str input)
{
	struct hash_state state;

	hash_begin(&state, &opa->key);
	hash_add(&state, str_of(rule->url));
	hash_add(&state, str_of(rule->unix_socket == NULL ? "" : rule->unix_socket));
	hash_add(&state, str_of(rule->path));
	hash_add(&state, input);
	return hash_end(&state);
}

static struct opa_question *find_underway(struct opa *opa, struct hash128 key)
{
	struct opa_question *question = opa->underway[key.lo % BUCKETS];

	while (question != NULL && !hash128_eq(question->key, key))
		question = question->chain;
	return question;
}

static void write_question(struct buf *out, const struct rule_opa *rule, struct str input, int64_t time_ns)
{
	buf_addf(out, "%s/v1/data/%s", rule->url, rule->path);
	buf_add_char(out, '\0');
	buf_add(out, STR("{\"input\":{\"time\":\""));
	buf_add_time(out, time_ns);
	buf_add(out, STR("\","));
	buf_add(out, input);
	buf_add(out, STR("}}"));
}

static struct opa_question *question_new(const struct rule_opa *rule, struct str input, int64_t time_ns)
{
	struct opa_question *question = NULL;
	struct buf text = { 0 };

	write_question(&text, rule, input, time_ns);
	if (buf_ok(&text))
		question = malloc(sizeof(*question) + text.len);
	if (question != NULL) {
		*question = (struct opa_question){ .size = sizeof(*question) + text.len,
			                           .cache_ms = rule->cache_ms };
		memcpy(question->text, text.at, text.len);
		question->url = question->text;
		question->body = str_from((struct str){ question->text, text.len },
		                          strlen(question->text) + 1);
	}
	buf_done(&text);
	return question;
}

/* A server that is left alone gets a probe when its pause is over. */
static bool may_ask(struct opa_server *server, int64_t now_ns, bool *ret_probe)
{
	*ret_probe = false;
	if (!server->is_open)
		return true;
	if (server->probing || now_ns < server->closed_at_ns)
		return false;
	*ret_probe = server->probing = true;
	return true;
}

static bool unanswered(struct opa *opa, struct opa_ask *ask, enum opa_cause cause)
{
	counter_add(&opa->causes[cause], 1);
	ask->verdict = OPA_UNANSWERED;
	ask->cause = cause;
	return true;
}

static bool answered_before(struct opa *opa, struct hash128 key, struct opa_ask *ask)
{
	struct str message;

	if (!opa_cache_get(opa->cache, key, clock_mono(), &ask->verdict, &message))
		return false;
	ask->message = arena_str(ask->arena, message);
	counter_add(&opa->cached, 1);
	counter_add(&opa->fired, ask->verdict == OPA_YES);
	return true;
}

bool opa_ask(struct opa *opa, const struct rule_opa *rule, struct str input, int64_t time_ns,
             struct opa_ask *ask)
{
	struct hash128 key = key_of(opa, rule, input);
	struct opa_question *question = find_underway(opa, key);
	struct opa_server *server;
	bool probe;

	counter_add(&opa->questions, 1);
	ask->message = (struct str){ 0 };
	if (question != NULL) {
		counter_add(&opa->joined, 1);
		ask->next = question->asks;
		question->asks = ask;
		return false;
	}
	if (rule->cache_ms > 0 && answered_before(opa, key, ask))
		return true;
	server = server_for(opa, rule);
	if (server == NULL)
		return unanswered(opa, ask, OPA_FULL);
	if (!may_ask(server, clock_mono(), &probe))
		return unanswered(opa, ask, OPA_CIRCUIT);
	question = question_new(rule, input, time_ns);
	if (question == NULL) {
		server->probing = server->probing && !probe;
		return unanswered(opa, ask, OPA_FULL);
	}
	question->key = key;
	question->server = server;
	question->asked_ns = clock_mono();
	question->is_probe = probe;
	if (!opa_server_queue(server, question)) {
		opa_question_free(question);
		server->probing = server->probing && !probe;
		return unanswered(opa, ask, OPA_FULL);
	}
	server->open++;
	server->asked_ns = clock_mono();
	/* The thread does not look at what follows, and nobody else takes it before opa_collect(). */
	ask->next = NULL;
	question->asks = ask;
	question->chain = opa->underway[key.lo % BUCKETS];
	opa->underway[key.lo % BUCKETS] = question;
	return false;
}

/* --- answers ------------------------------------------------------------------------------------ */

static void leave_alone(struct opa_server *server)
{
	if (!server->is_open)
		log_warning("OPA %s: %u questions in a row went unanswered: it is asked again now and then",
		            opa_server_name(server), server->failures);
	server->pause_ns = !server->is_open ? PAUSE_MIN_NS
	                   : server->pause_ns * 2 < PAUSE_MAX_NS ? server->pause_ns * 2 : PAUSE_MAX_NS;
	server->closed_at_ns = clock_mono() + server->pause_ns;
	server->is_open = true;
}

/* What an answer says about its server. One that is no verdict is an answer all the same. */
static void judge_server(struct opa_server *server, const struct opa_question *question)
{
	bool failed = question->verdict == OPA_UNANSWERED &&
	              (question->cause == OPA_TIMEOUT || question->cause == OPA_UNREACHABLE ||
	               (question->cause == OPA_STATUS && question->status >= 500));

	if (question->is_probe)
		server->probing = false;
	if (!question->was_sent)
		return;
	if (failed) {
		server->failures++;
		if (question->is_probe || (!server->is_open && server->failures >= OPA_FAILURES_MAX))
			leave_alone(server);
		return;
	}
	if (server->is_open)
		log_notice("OPA %s answers again", opa_server_name(server));
	server->failures = 0;
	server->is_open = false;
}

static void take_out(struct opa *opa, const struct opa_question *question)
{
	struct opa_question **at = &opa->underway[question->key.lo % BUCKETS];

	while (*at != NULL && *at != question)
		at = &(*at)->chain;
	if (*at != NULL)
		*at = question->chain;
}

static void tell(struct opa *opa, const struct opa_question *question, struct opa_ask *ask)
{
	if (question->verdict == OPA_UNANSWERED) {
		unanswered(opa, ask, question->cause);
	} else {
		ask->verdict = question->verdict;
		ask->message = arena_str(ask->arena, buf_str(&question->message));
		counter_add(&opa->fired, ask->verdict == OPA_YES);
	}
	ask->done(ask);
}

static void finish(struct opa *opa, struct opa_question *question)
{
	int64_t now = clock_mono();

	take_out(opa, question);
	question->server->open--;
	judge_server(question->server, question);
	if (question->was_sent) {
		counter_add(&opa->sent, 1);
		histogram_add(&opa->time, question->took_ns);
	}
	if (question->verdict != OPA_UNANSWERED && question->cache_ms > 0)
		opa_cache_put(opa->cache, question->key, now, now + question->cache_ms * NS_PER_MS,
		              question->verdict, buf_str(&question->message));
	for (struct opa_ask *ask = question->asks, *next; ask != NULL; ask = next) {
		next = ask->next;
		tell(opa, question, ask);
	}
	opa_question_free(question);
}

bool opa_collect(struct opa *opa)
{
	struct opa_question *question;
	bool any;

	pthread_mutex_lock(&opa->lock);
	question = opa->finished;
	opa->finished = NULL;
	opa->finished_end = &opa->finished;
	pthread_mutex_unlock(&opa->lock);
	any = question != NULL;
	for (struct opa_question *next; question != NULL; question = next) {
		next = question->next;
		finish(opa, question);
	}
	return any;
}

/* --- figures ------------------------------------------------------------------------------------ */

/* Servers that differ in their token alone are one series: the token is nobody's business. */
static bool have_one_series(const struct opa_server *a, const struct opa_server *b)
{
	return a->timeout_ms == b->timeout_ms && strcmp(opa_server_name(a), opa_server_name(b)) == 0;
}

static bool stands_before(const struct opa *opa, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (have_one_series(opa->servers[i], opa->servers[at]))
			return true;
	return false;
}

static uint64_t sum(const struct opa *opa, size_t from, uint64_t (*value)(const struct opa_server *server))
{
	uint64_t all = 0;

	for (size_t i = from; i < opa->servers_count; i++)
		if (have_one_series(opa->servers[from], opa->servers[i]))
			all += value(opa->servers[i]);
	return all;
}

static void server_metrics(const struct opa *opa, struct metrics *metrics, const char *name,
                           const char *help, uint64_t (*value)(const struct opa_server *server))
{
	metrics_family(metrics, METRIC_GAUGE, name, NULL, help);
	for (size_t i = 0; i < opa->servers_count; i++) {
		const struct opa_server *server = opa->servers[i];
		char timeout[24];
		struct metric_label labels[] = { { "url", str_of(opa_server_name(server)) },
			                         { "timeout_ms", { 0 } }, { 0 } };

		if (stands_before(opa, i))
			continue;
		snprintf(timeout, sizeof(timeout), "%lld", (long long)server->timeout_ms);
		labels[1].value = str_of(timeout);
		metrics_u64(metrics, labels, sum(opa, i, value));
	}
}

static uint64_t queued(const struct opa_server *server)
{
	return server->queued;
}

static uint64_t is_open(const struct opa_server *server)
{
	return server->is_open;
}

void opa_metrics(const struct opa *opa, struct metrics *metrics)
{
	const struct {
		const char *name, *help;
		uint64_t value;
	} rows[] = {
		{ "tocsin_opa_questions", "Verdicts that rules asked for.", counter_get(&opa->questions) },
		{ "tocsin_opa_queries", "Questions sent to OPA servers.", counter_get(&opa->sent) },
		{ "tocsin_opa_cached", "Questions answered from what was kept.", counter_get(&opa->cached) },
		{ "tocsin_opa_joined", "Questions that were under way already.", counter_get(&opa->joined) },
		{ "tocsin_opa_fired", "Verdicts that fired their rule.", counter_get(&opa->fired) },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		metrics_family(metrics, METRIC_COUNTER, rows[i].name, NULL, rows[i].help);
		metrics_u64(metrics, NULL, rows[i].value);
	}
	metrics_family(metrics, METRIC_COUNTER, "tocsin_opa_unanswered", NULL,
	               "Questions without a verdict: the rule's on_error decided.");
	for (size_t i = 0; i < OPA_CAUSES; i++) {
		const struct metric_label labels[] = { { "cause", str_of(cause_rows[i].label) }, { 0 } };

		metrics_u64(metrics, labels, counter_get(&opa->causes[i]));
	}
	metrics_family(metrics, METRIC_GAUGE, "tocsin_opa_cache_entries", NULL, "Verdicts that are kept.");
	metrics_u64(metrics, NULL, opa_cache_count(opa->cache));
	server_metrics(opa, metrics, "tocsin_opa_queued", "Questions that wait to be sent.", queued);
	server_metrics(opa, metrics, "tocsin_opa_circuit_open",
	               "Whether the server has failed and is left alone; counted for each of its tokens.", is_open);
	metrics_family(metrics, METRIC_HISTOGRAM, "tocsin_opa_query_seconds", "seconds",
	               "Time of a query that was sent.");
	metrics_histogram(metrics, NULL, &opa->time);
}
