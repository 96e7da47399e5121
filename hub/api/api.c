/* The API's thread: takes requests, asks who it is, and hands them to the call that the route names. */
#include "hub/api/inner.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

enum { BODY_NODES = 32, BODY_DEPTH = 4 };

static void (*const calls[API_CALLS])(struct api_call *call) = {
	[API_ALERTS] = alerts_list,
	[API_ALERT] = alerts_one,
	[API_STREAM] = stream_open,
	[API_TAIL] = tails_watch,
	[API_OUTPUTS] = outputs_list,
	[API_OUTPUT_KICK] = outputs_kick,
	[API_LETTERS] = letters_list,
	[API_LETTERS_REPLAY] = letters_replay,
	[API_STATUS] = status_show,
	[API_SENSORS] = status_sensors,
	[API_RULES] = status_rules,
	[API_RULES_RELOAD] = status_rules_reload,
	[API_CONFIG] = status_config,
	[API_OPENAPI] = assets_openapi,
	[API_SESSION] = session_show,
	[API_LOGIN] = session_login,
	[API_LOGOUT] = session_logout,
	[API_LOGIN_TOKEN] = session_login_token,
};

/* --- answers ------------------------------------------------------------------------------------ */

void api_answer_as(struct api_call *call, unsigned status, const char *content_type, struct str body,
                   const char *header)
{
	const char *headers[] = { API_SECURITY_HEADERS, "Cache-Control: no-store", header, NULL };

	server_answer(call->request, status, content_type, body, headers);
}

void api_answer(struct api_call *call)
{
	if (!buf_ok(&call->api->out))
		api_problem(call, 500, "the answer does not fit into memory; ask for less", NULL);
	else
		api_answer_as(call, 200, "application/json", buf_str(&call->api->out), NULL);
}

void api_problem(struct api_call *call, unsigned status, const char *detail, const char *header)
{
	const char *headers[] = { API_SECURITY_HEADERS, "Cache-Control: no-store", header, NULL };

	server_problem(call->request, status, detail, headers);
}

void api_failed(struct api_call *call, int error)
{
	switch (error) {
	case -ENOENT:
		api_problem(call, 404, "there is no such alert", NULL);
		return;
	case -ENOMEM:
		api_problem(call, 503, "out of memory; ask for less", "Retry-After: 5");
		return;
	default:
		api_problem(call, 503, "the journal cannot be used just now", "Retry-After: 5");
	}
}

/* --- what a request says ------------------------------------------------------------------------ */

bool api_number(struct api_call *call, const char *name, uint64_t fallback, uint64_t *ret)
{
	const char *text = server_query(call->request, name);
	char detail[80];

	*ret = fallback;
	if (text == NULL || *text == '\0' || str_to_u64(str_of(text), ret))
		return true;
	snprintf(detail, sizeof(detail), "%s: not a whole number", name);
	api_problem(call, 400, detail, NULL);
	return false;
}

static void member_read(struct api_member *member, const struct json *json, struct arena *arena)
{
	uint32_t node = json_get(json, 0, str_of(member->name));

	if (node == 0)
		return;
	if (json->nodes[node].kind == JSON_STRING)
		member->value = json_string(json, node, arena);
	else if (json->nodes[node].kind == JSON_NUMBER)
		str_to_u64(json_raw(json, node), &member->number);
}

bool api_body(struct api_call *call, struct api_member *members, size_t count)
{
	struct str body = str_trim(buf_str(&call->request->body));
	struct json_node nodes[BODY_NODES];
	struct json json = { .text = body, .nodes = nodes, .cap = BODY_NODES, .depth_max = BODY_DEPTH };
	size_t end = 0;

	if (body.len == 0)
		return true;
	if (json_read(&json, 0, &end) < 0 || end != body.len || nodes[0].kind != JSON_OBJECT) {
		api_problem(call, 400, "the body is not one JSON object", NULL);
		return false;
	}
	for (size_t i = 0; i < count; i++)
		member_read(&members[i], &json, &call->api->arena);
	return true;
}

/* --- who asks ----------------------------------------------------------------------------------- */

static bool changes_state(const struct server_request *request)
{
	return !str_eq(request->method, STR("GET")) && !str_eq(request->method, STR("HEAD"));
}

/* What the browser itself says counts most: it holds behind a proxy that changes Host, too. */
static bool is_foreign(const struct server_request *request)
{
	const char *site = server_header(request, "Sec-Fetch-Site");
	const char *origin = server_header(request, "Origin");

	if (site != NULL)
		return strcmp(site, "same-origin") != 0;
	return origin != NULL && !access_same_origin(origin, server_header(request, "Host")) &&
	       !access_same_origin(origin, server_header(request, "X-Forwarded-Host"));
}

/* A page of another site can make a browser send its cookie along, but not this header, and not
 * another Origin than its own. */
static bool is_forged(const struct server_request *request, bool by_cookie)
{
	return changes_state(request) &&
	       (is_foreign(request) || (by_cookie && server_header(request, "X-Tocsin") == NULL));
}

static void refuse(struct api_call *call, enum access_verdict verdict)
{
	if (verdict == ACCESS_LIMITED) {
		counter_add(&call->api->limited, 1);
		api_problem(call, 429, "too many wrong tokens from this address; wait a minute",
		            "Retry-After: 60");
		return;
	}
	counter_add(&call->api->refused, 1);
	api_problem(call, 401, "log in, or send Authorization: Bearer with the admin token",
	            "WWW-Authenticate: Bearer realm=\"tocsin\"");
}

/* False: answered. */
static bool is_allowed(struct api_call *call, enum api_right right)
{
	const char *authorization = server_header(call->request, "Authorization");
	const char *cookie = server_cookie(call->request, "tocsin_session");
	struct api *api = call->api;
	enum access_verdict verdict = ACCESS_REFUSED;
	int64_t now_ns = clock_now();

	if (right != API_OPEN) {
		if (authorization != NULL && strncasecmp(authorization, "Bearer ", 7) == 0)
			verdict = access_bearer(api->access, call->request->peer,
			                        str_trim(str_of(authorization + 7)), now_ns);
		else if (right == API_ANY && cookie != NULL)
			call->by_session = access_session(api->access, str_of(cookie), now_ns, &call->session);
		if (verdict != ACCESS_GRANTED && !call->by_session) {
			refuse(call, verdict);
			return false;
		}
	}
	if (is_forged(call->request, call->by_session)) {
		api_problem(call, 403, "a request that changes something needs the header X-Tocsin: 1 "
		                       "and comes from this page only", NULL);
		return false;
	}
	return true;
}

/* --- dispatch ----------------------------------------------------------------------------------- */

static void not_found(struct api_call *call, bool known)
{
	if (known)
		api_problem(call, 405, "the path exists, but not with this method", NULL);
	else
		api_problem(call, 404, "there is nothing at this path", NULL);
}

static void on_request(void *userdata, struct server_request *request)
{
	struct api *api = userdata;
	struct api_call call = { .api = api, .request = request };
	const struct api_route *route;
	bool known;

	counter_add(&api->requests, 1);
	arena_reset(&api->arena);
	buf_clear(&api->out);
	route = api_route_find(request->method, request->path, &call.argument, &known);
	if (route != NULL) {
		if (is_allowed(&call, route->right))
			calls[route->call](&call);
	} else if (known || changes_state(request) || !assets_answer(&call)) {
		not_found(&call, known);
	}
	buf_clear(&api->out);
}

static void on_closed(void *userdata, struct server_request *request)
{
	stream_closed(userdata, request);
	tails_closed(userdata, request);
}

/* --- life --------------------------------------------------------------------------------------- */

static bool is_watched(const struct api *api)
{
	return api->streams_count > 0 || api->onlookers != NULL;
}

static int wait_ms(const struct api *api)
{
	int ms = server_timeout_ms(api->server);

	if (is_watched(api) && (ms < 0 || ms > API_TICK_MS))
		ms = API_TICK_MS;
	return ms;
}

static void *run(void *userdata)
{
	struct api *api = userdata;
	struct pollfd fds[] = { { .fd = server_fd(api->server), .events = POLLIN },
		                { .fd = api->wake_fd, .events = POLLIN } };
	int64_t ticked_ns = 0;

	while (!api->stopping) {
		poll(fds, ARRAY_LEN(fds), wait_ms(api));
		server_run(api->server);
		if (is_watched(api) && clock_mono() - ticked_ns >= API_TICK_MS * NS_PER_MS) {
			stream_tick(api);
			tails_tick(api);
			ticked_ns = clock_mono();
		}
	}
	return NULL;
}

static void api_free(struct api *api)
{
	if (api == NULL)
		return;
	server_free(api->server);
	if (api->reader != NULL)
		journal_reader_close(api->reader);
	access_free(api->access);
	free(api->sessions_path);
	arena_done(&api->arena);
	buf_done(&api->out);
	if (api->wake_fd >= 0)
		close(api->wake_fd);
	free(api);
}

DEFINE_CLEANUP(struct api *, api_free);

static int access_setup(struct api *api, char *error)
{
	const struct config *config = api->settings.config;
	char token[513];
	struct access_settings access = { .token = config->admin.token,
		                          .key = journal_key(api->settings.journal),
		                          .session_ns = config->admin.session_ms * NS_PER_MS };
	int r;

	if (access.token == NULL || access.token[0] == '\0') {
		r = access_token_load(config->data_dir, token, error);
		if (r < 0)
			return r;
		access.token = token;
	}
	if (asprintf(&api->sessions_path, "%s/admin.sessions", config->data_dir) < 0) {
		api->sessions_path = NULL;
		return -ENOMEM;
	}
	access.path = api->sessions_path;
	r = access_new(&access, clock_now(), &api->access);
	explicit_bzero(token, sizeof(token));
	return r;
}

static int server_setup(struct api *api, char *error)
{
	struct server_settings server = {
		.listen = api->settings.config->admin.listen,
		.body_max = API_BODY_MAX,
		.connections_max = API_CONNECTIONS_MAX,
		.timeout_s = API_IDLE_S,
		.tls = &api->settings.config->admin.tls,
		.handle = on_request,
		.closed = on_closed,
		.userdata = api,
	};

	return server_new(&server, &api->server, error);
}

int api_new(const struct api_settings *settings, struct api **ret, char *error)
{
	const char *listen = settings->config->admin.listen;
	CLEANUP(api_free_p) struct api *api = NULL;
	int r;

	*ret = NULL;
	if (listen == NULL || *listen == '\0' || strcmp(listen, "off") == 0)
		return 0;
	snprintf(error, 256, "%s", "admin: cannot start");
	api = calloc(1, sizeof(*api));
	if (api == NULL)
		return -ENOMEM;
	api->settings = *settings;
	api->started_ns = clock_now();
	api->started_mono_ns = clock_mono();
	arena_init(&api->arena, API_ARENA_MAX);
	api->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (api->wake_fd < 0)
		return -errno;
	r = access_setup(api, error);
	if (r < 0)
		return r;
	r = journal_reader_open(settings->journal, &api->reader);
	if (r < 0)
		return r;
	r = server_setup(api, error);
	if (r < 0)
		return r;
	r = pthread_create(&api->thread, NULL, run, api);
	if (r != 0)
		return -r;
	pthread_setname_np(api->thread, "api");
	*ret = TAKE(api);
	return 0;
}

void api_stop(struct api *api)
{
	if (api == NULL)
		return;
	api->stopping = true;
	eventfd_write(api->wake_fd, 1);
	pthread_join(api->thread, NULL);
	api_free(api);
}

unsigned api_port(const struct api *api)
{
	return server_port(api->server);
}

int64_t api_certificate_expires(const struct api *api)
{
	return api == NULL ? 0 : server_certificate_expires(api->server);
}

static void metric(struct metrics *metrics, enum metric_type type, const char *name, const char *help,
                   uint64_t value)
{
	metrics_family(metrics, type, name, NULL, help);
	metrics_u64(metrics, NULL, value);
}

void api_metrics(const struct api *api, struct metrics *metrics)
{
	if (api == NULL)
		return;
	metric(metrics, METRIC_COUNTER, "tocsin_api_requests", "Requests to the admin API and the UI.",
	       counter_get(&api->requests));
	metric(metrics, METRIC_COUNTER, "tocsin_api_refused", "Requests and logins without a right token.",
	       counter_get(&api->refused));
	metric(metrics, METRIC_COUNTER, "tocsin_api_limited",
	       "Requests and logins refused for too many wrong tokens.", counter_get(&api->limited));
	metric(metrics, METRIC_COUNTER, "tocsin_api_logins", "Browser sessions opened.",
	       counter_get(&api->logins));
	metric(metrics, METRIC_GAUGE, "tocsin_api_streams", "Live streams that are open.",
	       counter_get(&api->streams_open));
	metric(metrics, METRIC_COUNTER, "tocsin_api_stream_alerts", "Alerts sent on live streams.",
	       counter_get(&api->streamed));
	metric(metrics, METRIC_COUNTER, "tocsin_api_stream_gaps",
	       "Times a live stream left out positions because it was too far behind.",
	       counter_get(&api->gaps));
	metric(metrics, METRIC_COUNTER, "tocsin_api_streams_cut",
	       "Live streams ended because the client did not read or its session was over.",
	       counter_get(&api->streams_ended));
}
