/* Batches and heartbeats over HTTP. */
#include "sensor/push.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "sensor/gzip.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

struct push {
	struct push_settings settings;
	struct http *http;
	struct buf events_url, heartbeat_url, authorization;
	struct gzip *gzip;
	struct buf packed, beat, answer;
	pthread_t thread;
	pthread_mutex_t lock; /* report */
	struct buf report, members, warning;
	uint64_t last_seq;
	atomic_bool beat_now;
	atomic_bool stopping;
	struct push_stats stats;
	unsigned failed_in_a_row, refused_in_a_row;
	int64_t failing_since, next_beat;
};

struct sent {
	bool delivered, refused;
	unsigned retry_after_ms;
	char why[200];
};

static void send_body(struct push *push, const char *url, const char *type, struct str body,
		      struct sent *ret)
{
	const char *headers[4] = { type };
	struct http_request request = { .method = "POST", .url = url, .body = body };
	size_t count = 1;

	*ret = (struct sent){ 0 };
	if (push->authorization.len > 0)
		headers[count++] = push->authorization.at;
	if (body.len > PUSH_GZIP_BYTES && gzip_pack(push->gzip, body, &push->packed)) {
		request.body = buf_str(&push->packed);
		headers[count++] = "Content-Encoding: gzip";
	}
	request.headers = headers;
	request.answer = push->answer;
	buf_clear(&request.answer);
	http_perform(push->http, &request, 1, 1, NULL, NULL);
	push->answer = request.answer;
	counter_add(&push->stats.requests, 1);
	counter_add(&push->stats.bytes, request.body.len);
	ret->delivered =
		request.failure == HTTP_OK && request.status >= 200 && request.status < 300;
	ret->refused = request.status == 400 || request.status == 413 || request.status == 422;
	ret->retry_after_ms = request.retry_after_ms;
	if (request.failure != HTTP_OK)
		snprintf(ret->why, sizeof(ret->why), "%s", request.error);
	else
		snprintf(ret->why, sizeof(ret->why), "HTTP %d", request.status);
	if (!ret->delivered)
		counter_add(&push->stats.failures, 1);
}

static uint32_t random_below(uint32_t bound)
{
	uint32_t value = 0;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
		value = (uint32_t)clock_mono();
	return bound == 0 ? 0 : value % bound;
}

/* Anything from nothing to the doubling bound: many sensors must not come back at the same moment.
 */
static unsigned backoff_ms(const struct push *push, unsigned retry_after_ms)
{
	unsigned doublings = push->failed_in_a_row < 7 ? push->failed_in_a_row : 7;
	unsigned bound = (unsigned)PUSH_BACKOFF_MIN_MS << doublings, wait;

	if (bound > PUSH_BACKOFF_MAX_MS)
		bound = PUSH_BACKOFF_MAX_MS;
	wait = PUSH_BACKOFF_MIN_MS + random_below(bound - (unsigned)PUSH_BACKOFF_MIN_MS + 1);
	if (retry_after_ms > PUSH_RETRY_AFTER_MAX_MS)
		retry_after_ms = PUSH_RETRY_AFTER_MAX_MS;
	return wait > retry_after_ms ? wait : retry_after_ms;
}

/* "stats":{…}: what the sensor reported, the spool, the requests. */
static void add_stats(struct push *push, struct buf *out)
{
	struct outbox_stats stats = outbox_stats(push->settings.outbox);

	pthread_mutex_lock(&push->lock);
	buf_add(out, buf_str(&push->report));
	pthread_mutex_unlock(&push->lock);
	buf_addf(out, "%s\"spool_bytes\":%llu,\"spool_events\":%llu,\"spool_lost_events\":%llu,",
		 out->at[out->len - 1] == '{' ? "" : ",", (unsigned long long)stats.spool.bytes,
		 (unsigned long long)stats.spool.events,
		 (unsigned long long)stats.spool.lost_events);
	buf_addf(out, "\"spool_corrupt_bytes\":%llu,\"queue_lost_events\":%llu,",
		 (unsigned long long)stats.spool.corrupt_bytes,
		 (unsigned long long)stats.lost_events);
	buf_addf(out,
		 "\"http\":{\"requests\":%llu,\"failures\":%llu,\"events\":%llu,\"bytes\":%llu,"
		 "\"refused_events\":%llu}",
		 (unsigned long long)counter_get(&push->stats.requests),
		 (unsigned long long)counter_get(&push->stats.failures),
		 (unsigned long long)counter_get(&push->stats.events),
		 (unsigned long long)counter_get(&push->stats.bytes),
		 (unsigned long long)counter_get(&push->stats.refused_events));
}

static void beat(struct push *push)
{
	const struct wire_sensor *sensor = &push->settings.sensor;
	struct buf *out = &push->beat;
	struct sent sent;

	buf_clear(out);
	buf_add(out, STR("{\"sensor\":{\"id\":"));
	buf_add_json(out, sensor->id);
	buf_add(out, STR(",\"boot\":"));
	buf_add_json(out, sensor->boot);
	pthread_mutex_lock(&push->lock);
	buf_addf(out, ",\"last_seq\":%llu}", (unsigned long long)push->last_seq);
	pthread_mutex_unlock(&push->lock);
	buf_add(out, STR(",\"hostname\":"));
	buf_add_json(out, push->settings.hostname);
	buf_add(out, STR(",\"version\":\"" TOCSIN_VERSION "\",\"probe\":"));
	buf_add_json(out, sensor->probe);
	buf_add(out, STR(",\"time\":\""));
	buf_add_time(out, clock_now());
	buf_add(out, STR("\",\"stats\":{"));
	add_stats(push, out);
	buf_add_char(out, '}');
	pthread_mutex_lock(&push->lock);
	if (push->members.len > 0)
		buf_addf(out, ",%.*s", STR_ARG(buf_str(&push->members)));
	if (push->warning.len > 0)
		buf_addf(out, ",%.*s", STR_ARG(buf_str(&push->warning)));
	pthread_mutex_unlock(&push->lock);
	buf_add_char(out, '}');
	if (!buf_ok(out))
		return;
	send_body(push, buf_text(&push->heartbeat_url), "Content-Type: application/json",
		  buf_str(out), &sent);
	if (sent.delivered)
		counter_add(&push->stats.heartbeats, 1);
}

static void beat_if_due(struct push *push)
{
	int64_t now = clock_mono();

	if (now < push->next_beat && !atomic_exchange(&push->beat_now, false))
		return;
	push->next_beat = now + PUSH_HEARTBEAT_MS * NS_PER_MS;
	beat(push);
}

static void note_success(struct push *push)
{
	if (push->failed_in_a_row > 0)
		log_notice("hub: takes events again after %lld s and %u failed requests",
			   (long long)((clock_mono() - push->failing_since) / NS_PER_S),
			   push->failed_in_a_row);
	push->failed_in_a_row = 0;
	push->refused_in_a_row = 0;
}

/* Once when it begins; each further failure is only counted. */
static void note_failure(struct push *push, const struct sent *sent)
{
	if (push->failed_in_a_row == 0) {
		push->failing_since = clock_mono();
		log_warning("hub: %s; events go to the spool until it answers", sent->why);
	}
	push->failed_in_a_row++;
	push->refused_in_a_row = sent->refused ? push->refused_in_a_row + 1 : 0;
}

/* A batch that the hub will never take must not block those behind it. */
static bool set_aside(struct push *push, uint32_t events)
{
	if (push->refused_in_a_row < PUSH_REFUSED_MAX)
		return false;
	log_err("hub: refuses a batch of %u events as malformed; it is given up", events);
	counter_add(&push->stats.refused_events, events);
	push->refused_in_a_row = 0;
	return true;
}

/* One batch. False: none there, or the hub does not take it. */
static bool push_one(struct push *push, int wait_ms, unsigned *ret_pause_ms)
{
	struct outbox *outbox = push->settings.outbox;
	struct str batch;
	struct sent sent;
	uint32_t events;

	*ret_pause_ms = 0;
	if (!outbox_take(outbox, wait_ms, &batch, &events))
		return false;
	send_body(push, buf_text(&push->events_url), "Content-Type: application/x-ndjson", batch,
		  &sent);
	if (sent.delivered) {
		outbox_done(outbox, true);
		counter_add(&push->stats.events, events);
		note_success(push);
		return true;
	}
	note_failure(push, &sent);
	if (set_aside(push, events)) {
		outbox_done(outbox, true);
		return true;
	}
	outbox_done(outbox, false);
	*ret_pause_ms = backoff_ms(push, sent.retry_after_ms);
	return false;
}

/* Sleeps, but not through a heartbeat: a hub that takes no events may still want to know we live.
 */
static void pause_for(struct push *push, unsigned ms)
{
	int64_t until = clock_mono() + ms * NS_PER_MS;

	while (!atomic_load(&push->stopping)) {
		int64_t now = clock_mono(),
			next = until < push->next_beat ? until : push->next_beat;

		if (now >= until)
			return;
		outbox_wait(push->settings.outbox, (int)((next - now) / NS_PER_MS) + 1);
		outbox_sync(push->settings.outbox);
		if (!atomic_load(&push->stopping))
			beat_if_due(push);
	}
}

static void *push_run(void *userdata)
{
	struct push *push = userdata;
	unsigned pause_ms;
	int64_t end;

	while (!atomic_load(&push->stopping)) {
		beat_if_due(push);
		push_one(push, 500, &pause_ms);
		if (pause_ms > 0)
			pause_for(push, pause_ms);
	}
	end = clock_mono() + PUSH_STOP_MS * NS_PER_MS;
	if (push->failed_in_a_row == 0) {
		while (clock_mono() < end && push_one(push, 0, &pause_ms))
			;
		if (push->failed_in_a_row == 0)
			beat(push);
	}
	return NULL;
}

static void push_free(struct push *push)
{
	if (push == NULL)
		return;
	http_free(push->http);
	gzip_free(push->gzip);
	buf_done(&push->events_url);
	buf_done(&push->heartbeat_url);
	buf_done(&push->authorization);
	buf_done(&push->packed);
	buf_done(&push->beat);
	buf_done(&push->answer);
	buf_done(&push->report);
	buf_done(&push->members);
	buf_done(&push->warning);
	pthread_mutex_destroy(&push->lock);
	free(push);
}
DEFINE_CLEANUP(struct push *, push_free);

static void prepare(struct push *push)
{
	struct str hub = str_of(push->settings.hub);

	while (str_ends(hub, STR("/")))
		hub.len--;
	buf_add(&push->events_url, hub);
	buf_add(&push->events_url, STR("/api/v1/events"));
	buf_add(&push->heartbeat_url, hub);
	buf_add(&push->heartbeat_url, STR("/api/v1/sensors/heartbeat"));
	if (push->settings.token != NULL)
		buf_addf(&push->authorization, "Authorization: Bearer %s", push->settings.token);
	/* Terminated here, once: the thread only reads them. */
	buf_text(&push->events_url);
	buf_text(&push->heartbeat_url);
	buf_text(&push->authorization);
}

int push_start(const struct push_settings *settings, struct push **ret)
{
	CLEANUP(push_free_p) struct push *push = calloc(1, sizeof(*push));
	int r;

	if (push == NULL)
		return -ENOMEM;
	push->settings = *settings;
	pthread_mutex_init(&push->lock, NULL);
	prepare(push);
	push->gzip = gzip_new();
	if (push->gzip == NULL || !buf_ok(&push->events_url) || !buf_ok(&push->heartbeat_url) ||
	    !buf_ok(&push->authorization))
		return -ENOMEM;
	r = http_new(settings->http, &push->http);
	if (r < 0)
		return r;
	r = thread_start(&push->thread, push_run, push);
	if (r < 0)
		return r;
	*ret = TAKE(push);
	return 0;
}

void push_stop(struct push *push)
{
	if (push == NULL)
		return;
	atomic_store(&push->stopping, true);
	outbox_wake(push->settings.outbox);
	pthread_join(push->thread, NULL);
	push_free(push);
}

/* Under a lock; a heartbeat follows a change at once. */
static void tell(struct push *push, struct buf *to, struct str members)
{
	pthread_mutex_lock(&push->lock);
	if (!str_eq(buf_str(to), members)) {
		buf_clear(to);
		buf_add(to, members);
		atomic_store(&push->beat_now, true);
	}
	pthread_mutex_unlock(&push->lock);
}

void push_tell(struct push *push, struct str members)
{
	tell(push, &push->members, members);
}

void push_warn(struct push *push, struct str members)
{
	tell(push, &push->warning, members);
}

void push_report(struct push *push, struct str stats_members, uint64_t last_seq)
{
	pthread_mutex_lock(&push->lock);
	buf_clear(&push->report);
	buf_add(&push->report, stats_members);
	push->last_seq = last_seq;
	pthread_mutex_unlock(&push->lock);
}

const struct push_stats *push_stats(const struct push *push)
{
	return &push->stats;
}
