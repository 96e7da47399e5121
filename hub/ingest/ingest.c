/* Routes and answers of the ingest listener. */
#include "hub/ingest/ingest.h"

#include "base/clock.h"
#include "hub/ingest/policy.h"
#include "hub/ingest/senders.h"
#include "hub/ingest/unpack.h"
#include "hub/server.h"
#include "hub/tails.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	LATE_MAX_MS = 1000,  /* the longest that an answer is held back before it is a refusal */
	LATE_STEP_MS = 5,
	CODES = 11,
};

/* A request that waits for room or for its sender's bucket. */
struct late {
	struct late *next;
	struct server_request *request;
	int64_t deadline_ns;
};

struct ingest {
	struct ingest_settings settings;
	struct server *server;
	struct senders *senders;      /* NULL: no limit */
	struct policy *policy;
	struct late *late, *late_last;
	struct buf unpacked, answer;
	counter codes[CODES];
	counter late_total;
};

static const unsigned code_list[CODES] = { 200, 400, 401, 403, 404, 405, 410, 413, 415, 429, 503 };

static void count_code(struct ingest *ingest, unsigned status)
{
	for (int i = 0; i < CODES; i++)
		if (code_list[i] == status)
			counter_add(&ingest->codes[i], 1);
}

static void problem(struct ingest *ingest, struct server_request *request, unsigned status,
                    const char *detail, const char *const *headers)
{
	count_code(ingest, status);
	server_problem(request, status, detail, headers);
}

static void busy(struct ingest *ingest, struct server_request *request, unsigned status,
                 const char *detail, int64_t wait_ms)
{
	char retry[48];
	const char *const headers[] = { retry, NULL };

	snprintf(retry, sizeof(retry), "Retry-After: %lld", (long long)(wait_ms + 999) / 1000);
	problem(ingest, request, status, detail, headers);
}

static void answer(struct ingest *ingest, struct server_request *request, unsigned status,
                   const char *content_type, struct str body)
{
	count_code(ingest, status);
	server_answer(request, status, content_type, body, NULL);
}

/* --- events ------------------------------------------------------------------------------------- */

static void add_verdicts(struct buf *out, const struct batch *batch)
{
	static const char *const names[] = { "\"accepted\"", "\"unmatched\"", "\"duplicate\"",
		                             "\"rejected\"" };

	buf_add(out, STR(",\"verdicts\":["));
	for (size_t i = 0; i < batch->items; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add(out, str_of(names[batch->verdicts[i]]));
	}
	buf_add(out, STR("],\"errors\":["));
	for (size_t i = 0; i < batch->errors_count; i++) {
		const struct item_error *error = &batch->errors[i];

		buf_addf(out, "%s{\"index\":%u,\"offset\":%zu,\"reason\":", i > 0 ? "," : "", error->index,
		         error->offset);
		buf_add_json(out, str_of(error->reason));
		buf_add_char(out, '}');
	}
	buf_add(out, STR("]}\n"));
}

/* Falco's own way wants an empty 200; everybody else is told what became of each item. */
static void answer_batch(struct ingest *ingest, struct server_request *request,
                         const struct batch *batch)
{
	bool refused = batch->items > 0 && batch->counts[ITEM_REJECTED] == batch->items;
	unsigned status = refused ? 400 : 200;
	struct buf *out = &ingest->answer;

	if (batch->counts[ITEM_REJECTED] == 0 && request->path.len <= 5) { /* "/" and "/test" */
		answer(ingest, request, 200, NULL, (struct str){ 0 });
		return;
	}
	buf_clear(out);
	buf_addf(out, "{\"accepted\":%zu,\"unmatched\":%zu,\"duplicates\":%zu,\"rejected\":%zu",
	         batch->counts[ITEM_ACCEPTED], batch->counts[ITEM_UNMATCHED],
	         batch->counts[ITEM_DUPLICATE], batch->counts[ITEM_REJECTED]);
	if (refused) { /* the members of a problem (RFC 9457), so that one reader serves all errors */
		buf_add(out, STR(",\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":"));
		buf_add_json(out, str_of(batch->errors[0].reason));
	}
	add_verdicts(out, batch);
	answer(ingest, request, status, refused ? "application/problem+json" : "application/json",
	       buf_str(out));
}

/* What its items led to, questions to OPA above all, is more than a request may hold: it would not be less the
 * next time. */
static bool refuse_large(struct ingest *ingest, struct server_request *request, const struct batch *batch)
{
	if (batch->arena.was_full)
		problem(ingest, request, 413, "what this leads to is more than one request may hold: send fewer items",
		        NULL);
	return batch->arena.was_full;
}

/* The batch is on disk, or could not be put there. */
static void batch_done(struct batch *batch, int result)
{
	struct server_request *request = batch->userdata;
	struct ingest *ingest = request->userdata;

	if (result < 0 && refuse_large(ingest, request, batch))
		; /* that is the answer */
	else if (result == -ENOSPC)
		busy(ingest, request, 503, "the journal is full: nothing of this was taken", 5000);
	else if (result == -EAGAIN)
		busy(ingest, request, 503, "not on disk yet: send it again", 1000);
	else if (result < 0)
		busy(ingest, request, 503, "the journal cannot be written: nothing of this was taken", 5000);
	else
		answer_batch(ingest, request, batch);
	batch_free(batch);
}

static void take_body(struct ingest *ingest, struct server_request *request, struct str body)
{
	struct batch *batch = batch_new(ingest->settings.pipeline);
	size_t items;

	if (batch == NULL) {
		busy(ingest, request, 503, "out of memory", 1000);
		return;
	}
	batch->done = batch_done;
	batch->userdata = request;
	batch->sender = str_of(request->peer);
	if (pipeline_take(ingest->settings.pipeline, batch, body) < 0) {
		if (!refuse_large(ingest, request, batch))
			busy(ingest, request, 503, "out of memory", 1000);
		batch_abandon(batch);
		return;
	}
	items = batch->items;
	if (ingest->senders != NULL)
		senders_charge(ingest->senders, request->peer, items, clock_mono());
	if (batch->counts[ITEM_REJECTED] == items) { /* nothing to wait for */
		batch->done(batch, 0);
		return;
	}
	pipeline_submit(ingest->settings.pipeline, batch);
}

static void take_events(struct ingest *ingest, struct server_request *request)
{
	const struct config *config = ingest->settings.config;
	struct str body = buf_str(&request->body);
	int r = unpack_body(body, server_header(request, "Content-Encoding"),
	                    (size_t)config->ingest.max_body_unpacked, &ingest->unpacked);

	if (r == -ENOTSUP)
		problem(ingest, request, 415, "Content-Encoding is none of gzip, zstd, identity", NULL);
	else if (r == -EFBIG)
		problem(ingest, request, 413, "the unpacked body is larger than max_body_unpacked", NULL);
	else if (r == -EBADMSG)
		problem(ingest, request, 400, "the body is not what Content-Encoding says", NULL);
	else if (r < 0)
		busy(ingest, request, 503, "out of memory", 1000);
	else
		take_body(ingest, request, r == 1 ? body : buf_str(&ingest->unpacked));
	if (ingest->unpacked.cap > 1 << 20)
		buf_done(&ingest->unpacked);
}

/* Whether there is room for a request now; else how long it should wait. */
static bool may_take(struct ingest *ingest, const struct server_request *request, int64_t *wait_ms)
{
	*wait_ms = LATE_STEP_MS;
	if (pipeline_waiting(ingest->settings.pipeline) > (uint64_t)ingest->settings.config->ingest.max_pending)
		return false;
	return ingest->senders == NULL ||
	       senders_may(ingest->senders, request->peer, clock_mono(), wait_ms);
}

static void hold_back(struct ingest *ingest, struct server_request *request)
{
	struct late *late = calloc(1, sizeof(*late));

	if (late == NULL) {
		busy(ingest, request, 503, "out of memory", 1000);
		return;
	}
	counter_add(&ingest->late_total, 1);
	late->request = request;
	late->deadline_ns = clock_mono() + LATE_MAX_MS * NS_PER_MS;
	if (ingest->late_last != NULL)
		ingest->late_last->next = late;
	else
		ingest->late = late;
	ingest->late_last = late;
}

static void events(struct ingest *ingest, struct server_request *request)
{
	int64_t wait_ms;

	if (may_take(ingest, request, &wait_ms))
		take_events(ingest, request);
	else
		hold_back(ingest, request);
}

/* Looks once at each request that is held back. */
static void run_late(struct ingest *ingest)
{
	struct late *late = ingest->late;
	int64_t now = clock_mono(), wait_ms;

	ingest->late = ingest->late_last = NULL;
	while (late != NULL) {
		struct late *next = late->next;
		struct server_request *request = late->request;

		late->next = NULL;
		if (may_take(ingest, request, &wait_ms)) {
			take_events(ingest, request);
		} else if (now < late->deadline_ns) {
			if (ingest->late_last != NULL)
				ingest->late_last->next = late;
			else
				ingest->late = late;
			ingest->late_last = late;
			late = next;
			continue;
		} else if (pipeline_waiting(ingest->settings.pipeline) >
		           (uint64_t)ingest->settings.config->ingest.max_pending) {
			busy(ingest, request, 503, "too much waits for the disk", 1000);
		} else {
			busy(ingest, request, 429, "this sender is above rate_per_sender", wait_ms);
		}
		free(late);
		late = next;
	}
}

static void test_event(struct ingest *ingest, struct server_request *request)
{
	char host[128] = "tocsin";
	struct buf body = { 0 };

	gethostname(host, sizeof(host) - 1);
	buf_add(&body, STR("{\"output\":\"This is a test from tocsin\",\"priority\":\"Debug\","
	                   "\"rule\":\"Test rule\",\"source\":\"internal\",\"hostname\":"));
	buf_add_json(&body, str_of(host));
	buf_add(&body, STR(",\"tags\":[\"example\",\"test\"],\"output_fields\":{\"proc.name\":\"tocsin\","
	                   "\"user.name\":\"tocsin\"},\"time\":\""));
	buf_add_time(&body, clock_now());
	buf_add(&body, STR("\"}"));
	take_body(ingest, request, buf_str(&body));
	buf_done(&body);
}

/* The text under a key, empty without one or when it is something else. */
static struct str text_of(const struct json *json, uint32_t object, struct str key, struct arena *arena)
{
	uint32_t node = json_get(json, object, key);

	return node == 0 || json->nodes[node].kind != JSON_STRING ? (struct str){ 0 }
	                                                          : json_string(json, node, arena);
}

static void heartbeat(struct ingest *ingest, struct server_request *request)
{
	struct json_node nodes[512];
	struct str body = buf_str(&request->body);
	int unpacked = unpack_body(body, server_header(request, "Content-Encoding"), SENSOR_STATUS_MAX,
	                           &ingest->unpacked);
	struct json json = { .text = unpacked == 0 ? buf_str(&ingest->unpacked) : body, .nodes = nodes,
		             .cap = ARRAY_LEN(nodes), .depth_max = 8 };
	struct arena arena;
	struct sensor *sensor = NULL;
	struct str boot;
	uint32_t who;
	size_t end;

	arena_init(&arena, 1 << 20);
	if (unpacked >= 0 && json.text.len <= SENSOR_STATUS_MAX && json_read(&json, 0, &end) == 0 &&
	    json_blanks(json.text, end) == json.text.len) {
		who = json_get(&json, 0, STR("sensor"));
		boot = who == 0 ? (struct str){ 0 } : text_of(&json, who, STR("boot"), &arena);
		if (boot.len > 0) /* without one the sensor's numbers would begin afresh */
			sensor = sensors_see(ingest->settings.sensors,
			                     text_of(&json, who, STR("id"), &arena), boot,
			                     text_of(&json, 0, STR("hostname"), &arena), clock_now());
	}
	arena_done(&arena);
	if (sensor == NULL) {
		problem(ingest, request, 400, "a heartbeat is an object with sensor.id and sensor.boot", NULL);
		return;
	}
	buf_clear(&ingest->answer);
	json_copy(&ingest->answer, &json, 0);
	sensor_heartbeat(ingest->settings.sensors, sensor, buf_str(&ingest->answer));
	answer(ingest, request, 200, "application/json", STR("{}\n"));
}

/* --- rules for sensors -------------------------------------------------------------------------- */

static void sensor_rules(struct ingest *ingest, struct server_request *request)
{
	policy_ask(ingest->policy, request);
}

void ingest_tails_asked(struct ingest *ingest)
{
	tails_hear(ingest->settings.tails);
	policy_orders(ingest->policy);
}

/* What a sensor sends to who looks on. 410: nobody does any more. */
static void sensor_tail(struct ingest *ingest, struct server_request *request)
{
	const char *id = server_query(request, "id"), *withheld = server_query(request, "withheld");
	uint64_t number = 0, count = 0;

	if (id == NULL || !str_to_u64(str_of(id), &number) ||
	    (withheld != NULL && !str_to_u64(str_of(withheld), &count))) {
		problem(ingest, request, 400, "id= is as the order has it, withheld= a number", NULL);
		return;
	}
	if (tails_put(ingest->settings.tails, number, buf_str(&request->body), count,
	              server_query(request, "end")))
		answer(ingest, request, 200, "application/json", STR("{}\n"));
	else
		problem(ingest, request, 410, "nobody looks on any more", NULL);
}

void ingest_rules_changed(struct ingest *ingest)
{
	policy_changed(ingest->policy);
}

/* --- health and figures ------------------------------------------------------------------------- */

static void ping(struct ingest *ingest, struct server_request *request)
{
	answer(ingest, request, 200, "text/plain; charset=utf-8", STR("pong\n"));
}

static void healthz(struct ingest *ingest, struct server_request *request)
{
	answer(ingest, request, 200, "application/json", STR("{\"status\": \"ok\"}\n"));
}

static void readyz(struct ingest *ingest, struct server_request *request)
{
	int health = journal_health(ingest->settings.journal);
	bool room = pipeline_waiting(ingest->settings.pipeline) <=
	            (uint64_t)ingest->settings.config->ingest.max_pending;
	bool ready = health == 0 && room;
	struct buf *out = &ingest->answer;

	buf_clear(out);
	if (server_query(request, "verbose") != NULL) {
		buf_addf(out, "[+]configuration ok\n[%c]journal %s\n[%c]queue %s\n", health == 0 ? '+' : '-',
		         health == 0 ? "ok" : strerror(-health), room ? '+' : '-',
		         room ? "ok" : "full: too much waits for the disk");
		/* Older rules are better than none: worth a word, not worth taking the hub out of service. */
		if (ingest->settings.rules_are_current(ingest->settings.userdata))
			buf_add(out, STR("[+]rules ok\n"));
		else
			buf_add(out, STR("[!]rules: the files do not load, the ones before are in force\n"));
	}
	buf_addf(out, "%s\n", ready ? "ready" : "not ready");
	answer(ingest, request, ready ? 200 : 503, "text/plain; charset=utf-8", buf_str(out));
}

static void own_metrics(struct ingest *ingest, struct metrics *metrics)
{
	char code[8];
	const struct metric_label labels[] = { { "code", { code, 3 } }, { 0 } };

	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_ingest_requests", NULL,
	               "Answers of the ingest listener by status.");
	for (int i = 0; i < CODES; i++) {
		snprintf(code, sizeof(code), "%u", code_list[i]);
		metrics_u64(metrics, labels, counter_get(&ingest->codes[i]));
	}
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_ingest_late", NULL,
	               "Requests held back for lack of room or above their sender's rate.");
	metrics_u64(metrics, NULL, counter_get(&ingest->late_total));
}

static void metrics_page(struct ingest *ingest, struct server_request *request)
{
	const char *accept = server_header(request, "Accept");
	struct buf out = { 0 };
	struct metrics metrics = {
		.out = &out,
		.openmetrics = accept != NULL && strstr(accept, "application/openmetrics-text") != NULL,
	};

	own_metrics(ingest, &metrics);
	policy_metrics(ingest->policy, &metrics);
	pipeline_metrics(ingest->settings.pipeline, &metrics);
	ingest->settings.metrics(ingest->settings.userdata, &metrics);
	metrics_end(&metrics);
	answer(ingest, request, 200,
	       metrics.openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
	                           : "text/plain; version=0.0.4; charset=utf-8", buf_str(&out));
	buf_done(&out);
}

/* --- routes ------------------------------------------------------------------------------------- */

static const struct route {
	struct str path;
	const char *method;
	bool is_open; /* needs no credential */
	void (*handle)(struct ingest *ingest, struct server_request *request);
} routes[] = {
	{ { "/", 1 },                          "POST", false, events },
	{ { "/api/v1/events", 14 },            "POST", false, events },
	{ { "/api/v1/sensors/heartbeat", 25 }, "POST", false, heartbeat },
	{ { "/api/v1/sensors/rules", 21 },     "GET",  false, sensor_rules },
	{ { "/api/v1/sensors/tail", 20 },      "POST", false, sensor_tail },
	{ { "/test", 5 },                      "POST", false, test_event },
	{ { "/metrics", 8 },                   "GET",  true,  metrics_page },
	{ { "/ping", 5 },                      NULL,   true,  ping },
	{ { "/healthz", 8 },                   NULL,   true,  healthz },
	{ { "/readyz", 7 },                    NULL,   true,  readyz },
};

static const struct route *route_of(const struct server_request *request)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (str_eq(routes[i].path, request->path))
			return &routes[i];
	return NULL;
}

/* Equal in a time that does not tell where they differ. */
static bool same_secret(const char *a, const char *b)
{
	size_t len = strlen(a);
	unsigned char differ = (unsigned char)(len != strlen(b));

	for (size_t i = 0; i < len; i++)
		differ |= (unsigned char)(a[i] ^ b[differ ? 0 : i]);
	return differ == 0;
}

static bool is_allowed(struct ingest *ingest, const struct server_request *request)
{
	const char *token = ingest->settings.config->ingest.token, *given;
	char space[512];

	if (token == NULL)
		return true;
	given = server_credential(request, space);
	return given != NULL && same_secret(token, given);
}

static bool on_begin(void *userdata, struct server_request *request)
{
	static const char *const challenge[] = { "WWW-Authenticate: Bearer realm=\"tocsin\"", NULL };
	struct ingest *ingest = userdata;
	const struct route *route = route_of(request);
	const char *refusal;

	request->userdata = ingest;
	if (route == NULL) {
		problem(ingest, request, 404, "no such path", NULL);
		return false;
	}
	if (route->method != NULL && !str_eq(request->method, str_of(route->method))) {
		const char *const allow[] = { route->method[0] == 'P' ? "Allow: POST" : "Allow: GET", NULL };

		problem(ingest, request, 405, "another method is needed here", allow);
		return false;
	}
	refusal = route->is_open ? NULL : server_certificate_refusal(request);
	if (refusal != NULL) {
		problem(ingest, request, 403, refusal, NULL);
		return false;
	}
	if (!route->is_open && !is_allowed(ingest, request)) {
		problem(ingest, request, 401, "a token is needed: Bearer, Basic (as password) or ?token=",
		        challenge);
		return false;
	}
	return true;
}

static void on_handle(void *userdata, struct server_request *request)
{
	route_of(request)->handle(userdata, request);
}

/* --- life --------------------------------------------------------------------------------------- */

int ingest_new(const struct ingest_settings *settings, struct ingest **ret, char *error)
{
	const struct config *config = settings->config;
	struct ingest *ingest = calloc(1, sizeof(*ingest));
	const struct policy_settings policy = { .rules = settings->policy, .userdata = settings->userdata,
	                                        .tails = settings->tails };
	const struct server_settings server = {
		.listen = config->listen,
		.body_max = (size_t)config->ingest.max_body,
		.bodies_max = (size_t)config->ingest.max_pending,
		.connections_max = (unsigned)config->ingest.max_connections,
		.connections_per_ip_max = (unsigned)config->ingest.max_connections_per_ip,
		.timeout_s = (unsigned)(config->ingest.timeout_ms / 1000),
		.tls = &config->ingest.tls,
		.begin = on_begin, .handle = on_handle, .userdata = ingest,
	};
	int r;

	if (ingest == NULL)
		return -ENOMEM;
	ingest->settings = *settings;
	ingest->policy = policy_new(&policy);
	if (ingest->policy == NULL) {
		ingest_free(ingest);
		return -ENOMEM;
	}
	ingest->unpacked.max = (size_t)config->ingest.max_body_unpacked + 2;
	if (config->ingest.rate_per_sender > 0) {
		ingest->senders = senders_new(config->ingest.rate_per_sender, config->ingest.burst_per_sender);
		if (ingest->senders == NULL) {
			ingest_free(ingest);
			return -ENOMEM;
		}
	}
	r = server_new(&server, &ingest->server, error);
	if (r < 0) {
		ingest_free(ingest);
		return r;
	}
	*ret = ingest;
	return 0;
}

void ingest_free(struct ingest *ingest)
{
	if (ingest == NULL)
		return;
	server_free(ingest->server);
	for (struct late *late = ingest->late, *next; late != NULL; late = next) {
		next = late->next;
		free(late);
	}
	senders_free(ingest->senders);
	policy_free(ingest->policy);
	buf_done(&ingest->unpacked);
	buf_done(&ingest->answer);
	free(ingest);
}

int64_t ingest_certificate_expires(const struct ingest *ingest)
{
	return server_certificate_expires(ingest->server);
}

int ingest_fd(const struct ingest *ingest)
{
	return server_fd(ingest->server);
}

int ingest_timeout_ms(const struct ingest *ingest)
{
	int ms = server_timeout_ms(ingest->server);

	if (ingest->late != NULL && (ms < 0 || ms > LATE_STEP_MS))
		return LATE_STEP_MS;
	return ms;
}

void ingest_run(struct ingest *ingest)
{
	server_run(ingest->server);
	policy_tick(ingest->policy);
	if (ingest->late != NULL) {
		run_late(ingest);
		server_run(ingest->server);
	}
}

void ingest_quiesce(struct ingest *ingest)
{
	policy_quiesce(ingest->policy);
	server_quiesce(ingest->server);
}

unsigned ingest_port(const struct ingest *ingest)
{
	return server_port(ingest->server);
}
