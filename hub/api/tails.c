/* Looking on at a node: a stream of the events that its sensor sends, as server-sent events. `event` is
 * one of the sensor's, `end` says how many there were and why no more come. */
#include "hub/api/inner.h"
#include "hub/tails.h"

#include "base/clock.h"
#include "rules/filter.h"

#include <errno.h>

enum { PENDING_MAX = 8 << 20 };

#define QUIET_NS (10 * NS_PER_S)

struct onlooker {
	struct onlooker *next;
	struct server_request *request;
	uint64_t id;
	int64_t spoke_ns;
	bool ended, told; /* told: the sensor has it, and the client knows */
};

/* False: answered. */
static bool read_request(struct api_call *call, struct tail_request *ret)
{
	const char *node = server_query(call->request, "node"), *filter = server_query(call->request, "filter");
	const char *follow = server_query(call->request, "follow");
	struct buf *why = &call->api->out;

	if (node == NULL || node[0] == '\0' || strlen(node) > TAIL_NODE_MAX) {
		api_problem(call, 400, "node= is a node's hostname", NULL);
		return false;
	}
	if (!api_number(call, "ms", TAIL_MS_DEFAULT, &ret->ms) ||
	    !api_number(call, "rate", TAIL_RATE_DEFAULT, &ret->rate))
		return false;
	if (ret->ms == 0 || ret->ms > TAIL_MS_MAX || ret->rate == 0 || ret->rate > TAIL_RATE_MAX) {
		api_problem(call, 400, "ms= is up to 600000, rate= up to 1000 events a second", NULL);
		return false;
	}
	if (follow != NULL && strcmp(follow, "true") != 0 && strcmp(follow, "false") != 0) {
		api_problem(call, 400, "follow= is true or false", NULL);
		return false;
	}
	ret->follow = follow != NULL && strcmp(follow, "true") == 0;
	ret->node = str_of(node);
	ret->filter = str_of(filter == NULL ? "" : filter);
	buf_clear(why);
	if (rules_filter_check(ret->filter, why) == 0)
		return true;
	buf_cut(why, why->len > 0 ? why->len - 1 : 0); /* the last newline */
	api_problem(call, 400, buf_text(why) == NULL || why->len == 0 ? "the filter cannot be read" : why->at, NULL);
	return false;
}

static void add(struct api *api, struct api_call *call, struct onlooker *onlooker, uint64_t id)
{
	*onlooker = (struct onlooker){ .next = api->onlookers, .request = call->request, .id = id,
		                       .spoke_ns = clock_mono() };
	api->onlookers = onlooker;
	call->request->userdata = NULL; /* streams of alerts have theirs there */
	server_stream(call->request, "text/event-stream", PENDING_MAX);
	server_push(call->request, STR(": hello\n\n"));
}

void tails_watch(struct api_call *call)
{
	struct api *api = call->api;
	struct tail_request request;
	struct onlooker *onlooker;
	uint64_t id;
	int r;

	if (api->settings.tails == NULL) {
		api_problem(call, 503, "there are no sensors here", NULL);
		return;
	}
	if (!read_request(call, &request))
		return;
	onlooker = malloc(sizeof(*onlooker));
	r = onlooker == NULL ? -ENOMEM : tails_open(api->settings.tails, &request, &id);
	if (r == 0) {
		add(api, call, onlooker, id);
		return;
	}
	free(onlooker);
	if (r == -EBUSY)
		api_problem(call, 409, "somebody looks on at this node already", NULL);
	else
		api_problem(call, 503, r == -EAGAIN ? "too many nodes are looked on at" : "out of memory", NULL);
}

static void say(struct onlooker *onlooker, struct str bytes, int64_t now)
{
	if (onlooker->ended)
		return;
	onlooker->spoke_ns = now;
	if (!server_push(onlooker->request, bytes)) {
		onlooker->ended = true;
		server_finish(onlooker->request);
	}
}

static void add_events(struct buf *out, struct str lines)
{
	while (lines.len > 0) {
		const char *end = memchr(lines.at, '\n', lines.len);
		size_t len = end == NULL ? lines.len : (size_t)(end - lines.at);

		buf_add(out, STR("event: event\ndata: "));
		buf_add(out, str_cut(lines, len));
		buf_add(out, STR("\n\n"));
		lines = str_from(lines, len + 1);
	}
}

static void add_end(struct buf *out, const struct tail_state *state)
{
	buf_addf(out, "event: end\ndata: {\"events\":%llu,\"withheld\":%llu,\"why\":",
	         (unsigned long long)state->events, (unsigned long long)state->withheld);
	buf_add_json(out, str_of(state->why));
	buf_add(out, STR("}\n\n"));
}

static void serve(struct api *api, struct onlooker *onlooker, int64_t now)
{
	struct buf lines = { 0 };
	struct tail_state state;

	buf_clear(&api->out);
	tails_take(api->settings.tails, onlooker->id, &lines, &state);
	if (state.taken && !onlooker->told)
		buf_add(&api->out, STR("event: begin\ndata: {}\n\n"));
	onlooker->told = state.taken;
	add_events(&api->out, buf_str(&lines));
	if (state.ended)
		add_end(&api->out, &state);
	if (api->out.len == 0 && now - onlooker->spoke_ns >= QUIET_NS)
		buf_add(&api->out, STR(": keep-alive\n\n"));
	if (api->out.len > 0 && buf_ok(&api->out))
		say(onlooker, buf_str(&api->out), now);
	if (!onlooker->ended && (state.ended || server_stream_is_lost(onlooker->request))) {
		onlooker->ended = true;
		server_finish(onlooker->request);
	}
	buf_done(&lines);
}

void tails_tick(struct api *api)
{
	int64_t now = clock_mono();

	for (struct onlooker *at = api->onlookers; at != NULL; at = at->next)
		if (!at->ended)
			serve(api, at, now);
	buf_clear(&api->out);
}

void tails_closed(struct api *api, const struct server_request *request)
{
	for (struct onlooker **at = &api->onlookers; *at != NULL; at = &(*at)->next) {
		struct onlooker *onlooker = *at;

		if (onlooker->request != request)
			continue;
		*at = onlooker->next;
		tails_close(api->settings.tails, onlooker->id);
		free(onlooker);
		return;
	}
}
