/* The live stream: server-sent events to up to API_STREAMS_MAX clients. All streams are served from one
 * reading of the journal: the one that is furthest behind says where to read, and whoever is at the end
 * shares it. What a tick reads is bounded, and so is what waits for a client: one that does not read is
 * ended, and one that is too far behind is told which positions it did not get. */
#include "hub/api/inner.h"
#include "hub/api/render.h"

#include "base/cleanup.h"
#include "base/clock.h"

enum {
	STREAM_PENDING_MAX = 4 << 20,
	STREAM_ENTRY_MAX = 2 << 20,  /* a larger alert is left out, or a client would never get past it */
	STREAM_BEHIND_MAX = 10000,   /* positions; beyond it the stream jumps */
	STREAM_READ_MAX = 256,
	STREAM_ROUNDS = 4,           /* readings in one tick */
};

#define STREAM_QUIET_NS (15 * NS_PER_S)

struct stream {
	struct stream *next;
	struct server_request *request;
	struct filter filter;
	uint64_t cursor;
	int64_t spoke_ns;            /* monotonic */
	bool by_session, ended;
	struct hash128 session;
};

static void stream_end(struct api *api, struct stream *stream)
{
	if (stream->ended)
		return;
	stream->ended = true;
	counter_add(&api->streams_ended, 1);
	server_finish(stream->request);
}

static void stream_say(struct api *api, struct stream *stream, struct str bytes, int64_t now_ns)
{
	if (stream->ended)
		return;
	stream->spoke_ns = now_ns;
	if (!server_push(stream->request, bytes))
		stream_end(api, stream);
}

/* Where a client wants to go on: a browser that comes back says the last id it saw. */
static bool start_of(struct api_call *call, uint64_t *ret)
{
	const char *last_id = server_header(call->request, "Last-Event-ID");
	uint64_t last = journal_last(call->api->settings.journal);

	if ((last_id == NULL || !str_to_u64(str_of(last_id), ret)) &&
	    !api_number(call, "after", last, ret))
		return false;
	if (*ret > last)
		*ret = last;
	return true;
}

void stream_open(struct api_call *call)
{
	struct api *api = call->api;
	autofree struct stream *stream = calloc(1, sizeof(*stream));
	const char *wrong;

	if (api->streams_count >= API_STREAMS_MAX || stream == NULL) {
		api_problem(call, 503, "too many streams are open", "Retry-After: 10");
		return;
	}
	wrong = filter_read(&stream->filter, api_argument, call->request);
	if (wrong != NULL) {
		api_problem(call, 400, wrong, NULL);
		return;
	}
	if (!start_of(call, &stream->cursor))
		return;
	stream->request = call->request;
	stream->by_session = call->by_session;
	stream->session = call->session;
	stream->spoke_ns = clock_mono();
	stream->next = api->streams;
	api->streams = stream;
	api->streams_count++;
	counter_add(&api->streams_open, 1);
	call->request->userdata = stream;
	server_stream(call->request, "text/event-stream", STREAM_PENDING_MAX);
	server_push(call->request, STR("retry: 2000\n: hello\n\n"));
	TAKE(stream);
}

void stream_closed(struct api *api, struct server_request *request)
{
	struct stream *stream = request->userdata;

	if (stream == NULL)
		return;
	for (struct stream **at = &api->streams; *at != NULL; at = &(*at)->next) {
		if (*at != stream)
			continue;
		*at = stream->next;
		api->streams_count--;
		counter_add(&api->streams_open, UINT64_MAX); /* one less */
		break;
	}
	free(stream);
	request->userdata = NULL;
}

void stream_end_session(struct api *api, struct hash128 session)
{
	for (struct stream *stream = api->streams; stream != NULL; stream = stream->next)
		if (stream->by_session && hash128_eq(stream->session, session))
			stream_end(api, stream);
}

/* event: gap — positions from … to were not sent. */
static void stream_jump(struct api *api, struct stream *stream, uint64_t to, int64_t now_ns)
{
	char text[160];
	int len = snprintf(text, sizeof(text), "id: %llu\nevent: gap\ndata: {\"from\":%llu,\"to\":%llu}\n\n",
	                   (unsigned long long)to, (unsigned long long)stream->cursor + 1,
	                   (unsigned long long)to);

	counter_add(&api->gaps, 1);
	stream->cursor = to;
	stream_say(api, stream, (struct str){ text, (size_t)len }, now_ns);
}

/* The position to read from: of the stream furthest behind, or `last` when all have everything. */
static uint64_t furthest_behind(struct api *api, uint64_t last, int64_t now_ns)
{
	uint64_t low = last;

	for (struct stream *stream = api->streams; stream != NULL; stream = stream->next) {
		if (stream->ended)
			continue;
		if (stream->cursor + STREAM_BEHIND_MAX < last)
			stream_jump(api, stream, last - STREAM_READ_MAX, now_ns);
		if (stream->cursor < low)
			low = stream->cursor;
	}
	return low;
}

static void offer(struct api *api, struct alert *alert, int64_t now_ns)
{
	struct buf *out = &api->out;

	buf_clear(out);
	for (struct stream *stream = api->streams; stream != NULL; stream = stream->next) {
		if (stream->ended || stream->cursor >= alert->seq ||
		    !filter_matches(&stream->filter, alert, &api->arena))
			continue;
		if (out->len == 0) {
			buf_addf(out, "id: %llu\nevent: alert\ndata: ", (unsigned long long)alert->seq);
			render_alert_open(out, alert);
			buf_add(out, STR("}\n\n"));
		}
		if (!buf_ok(out) || out->len > STREAM_ENTRY_MAX) {
			stream_jump(api, stream, alert->seq, now_ns);
			continue;
		}
		stream_say(api, stream, buf_str(out), now_ns);
		counter_add(&api->streamed, 1);
	}
}

/* One reading. False when everybody has everything, or the journal cannot be read just now. */
static bool stream_round(struct api *api, int64_t now_ns)
{
	uint64_t last = journal_last(api->settings.journal), low = furthest_behind(api, last, now_ns), to;
	struct alert *alerts;
	int count;

	if (low >= last)
		return false;
	arena_reset(&api->arena);
	alerts = arena_zalloc(&api->arena, STREAM_READ_MAX * sizeof(*alerts));
	if (alerts == NULL)
		return false;
	count = journal_read(api->reader, low, STREAM_READ_MAX, API_READ_BYTES, &api->arena, alerts);
	if (count < 0)
		return false;
	for (int i = 0; i < count; i++)
		offer(api, &alerts[i], now_ns);
	to = count == 0 ? last : alerts[count - 1].seq; /* none: retention took them meanwhile */
	for (struct stream *stream = api->streams; stream != NULL; stream = stream->next)
		if (stream->cursor < to)
			stream->cursor = to;
	return true;
}

static void keep_alive(struct api *api, int64_t now_ns)
{
	for (struct stream *stream = api->streams; stream != NULL; stream = stream->next)
		if (now_ns - stream->spoke_ns >= STREAM_QUIET_NS)
			stream_say(api, stream, STR(": keep-alive\n\n"), now_ns);
}

/* A client that has gone, or whose session is over, makes room for another at once. */
static void end_lost(struct api *api)
{
	int64_t wall_ns = clock_now();

	for (struct stream *stream = api->streams; stream != NULL; stream = stream->next)
		if (server_stream_is_lost(stream->request) ||
		    (stream->by_session && !access_lasts(api->access, stream->session, wall_ns)))
			stream_end(api, stream);
}

void stream_tick(struct api *api)
{
	int64_t now_ns = clock_mono();
	int rounds = 0;

	end_lost(api);
	while (rounds++ < STREAM_ROUNDS && stream_round(api, now_ns))
		;
	keep_alive(api, now_ns);
	arena_reset(&api->arena);
	buf_clear(&api->out);
}
