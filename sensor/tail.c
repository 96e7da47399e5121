/* The thread that sends, and the two buffers that it and the sensor's own thread hand over to each other. */
#include "sensor/tail.h"

#include "base/clock.h"
#include "base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { SEND_MAX_MS = 2000 }; /* a sensor that stops waits for no longer */

struct tail {
	struct tail_order order;
	struct http_settings http_settings;
	struct http *http;
	struct buf url, authorization;
	int64_t until;
	_Atomic bool stopping, closed, over;
	bool has_thread;
	pthread_t thread;

	pthread_mutex_t lock; /* of the rest */
	struct buf lines;
	uint64_t withheld;
	int64_t second; /* in which `events` were taken */
	uint64_t events;
};

/* False: nobody looks on any more, or the hub cannot be reached. */
static bool post(struct tail *tail, struct str lines, uint64_t withheld, const char *end)
{
	const char *headers[3] = { "Content-Type: application/x-ndjson" };
	struct http_request request = { .method = "POST", .headers = headers, .body = lines };
	struct buf url = { 0 };

	buf_addf(&url, "%s&withheld=%llu%s", tail->url.at, (unsigned long long)withheld, end);
	request.url = buf_text(&url);
	if (tail->authorization.len > 0)
		headers[1] = tail->authorization.at;
	if (request.url != NULL)
		http_perform(tail->http, &request, 1, 1, NULL, NULL);
	buf_done(&request.answer);
	buf_done(&url);
	return request.failure == HTTP_OK && request.status == 200;
}

/* What there is, if it is worth a request by now. */
static bool send_some(struct tail *tail, int64_t *said, const char *end)
{
	int64_t now = clock_mono();
	struct buf lines;
	uint64_t withheld;
	bool good = true;

	pthread_mutex_lock(&tail->lock);
	lines = tail->lines;
	withheld = tail->withheld;
	tail->lines = (struct buf){ .max = TAIL_BYTES };
	tail->withheld = 0;
	pthread_mutex_unlock(&tail->lock);
	if (lines.len > 0 || end[0] != '\0' || now - *said >= TAIL_SAY_MS * NS_PER_MS) {
		good = post(tail, buf_str(&lines), withheld, end);
		*said = now;
		withheld = 0;
	}
	pthread_mutex_lock(&tail->lock);
	tail->withheld += withheld;
	pthread_mutex_unlock(&tail->lock);
	buf_done(&lines);
	return good;
}

static void *run(void *userdata)
{
	const struct timespec pause = { .tv_nsec = TAIL_SEND_MS * NS_PER_MS };
	struct tail *tail = userdata;
	int64_t said = 0;
	bool good = true;

	while (good && !atomic_load(&tail->stopping) && clock_mono() < tail->until) {
		good = send_some(tail, &said, "");
		nanosleep(&pause, NULL);
	}
	atomic_store(&tail->closed, true); /* nothing is put any more */
	if (good)
		send_some(tail, &said, atomic_load(&tail->stopping) ? "&end=stop" : "&end=time");
	atomic_store(&tail->over, true);
	return NULL;
}

static int setup(struct tail *tail, const struct tail_settings *settings)
{
	pthread_mutex_init(&tail->lock, NULL);
	buf_addf(&tail->url, "%s/api/v1/sensors/tail?id=%s", settings->hub, tail->order.id);
	if (settings->token != NULL)
		buf_addf(&tail->authorization, "Authorization: Bearer %s", settings->token);
	buf_text(&tail->url);
	buf_text(&tail->authorization);
	if (!buf_ok(&tail->url) || !buf_ok(&tail->authorization))
		return -ENOMEM;
	tail->lines.max = TAIL_BYTES;
	tail->http_settings = *settings->http;
	tail->http_settings.timeout_ms = SEND_MAX_MS;
	return http_new(&tail->http_settings, &tail->http);
}

static int start(struct tail *tail)
{
	int r = thread_start(&tail->thread, run, tail);

	tail->has_thread = r == 0;
	return r;
}

int tail_start(const struct tail_settings *settings, const struct tail_order *order, struct tail **ret)
{
	struct tail *tail = calloc(1, sizeof(*tail));
	int r;

	if (tail == NULL)
		return -ENOMEM;
	tail->order = *order;
	tail->until = clock_mono() + (int64_t)order->ms * NS_PER_MS;
	r = setup(tail, settings);
	if (r == 0)
		r = start(tail);
	if (r < 0)
		tail_stop(tail);
	else
		*ret = tail;
	return r;
}

void tail_stop(struct tail *tail)
{
	if (tail == NULL)
		return;
	atomic_store(&tail->stopping, true);
	if (tail->has_thread)
		pthread_join(tail->thread, NULL);
	http_free(tail->http);
	buf_done(&tail->url);
	if (tail->authorization.len > 0)
		explicit_bzero(tail->authorization.at, tail->authorization.len);
	buf_done(&tail->authorization);
	buf_done(&tail->lines);
	pthread_mutex_destroy(&tail->lock);
	free(tail);
}

static bool may_put(struct tail *tail)
{
	int64_t second = clock_mono() / NS_PER_S;

	if (second != tail->second) {
		tail->second = second;
		tail->events = 0;
	}
	return tail->events < tail->order.rate;
}

void tail_put(struct tail *tail, const struct event *event, const struct fields *fields,
	      const struct wire_sensor *sensor)
{
	size_t before;

	if (atomic_load(&tail->closed))
		return;
	pthread_mutex_lock(&tail->lock);
	before = tail->lines.len;
	if (may_put(tail)) {
		wire_add_event(&tail->lines, event, fields, sensor, 0);
		tail->events++;
	} else {
		tail->withheld++;
	}
	if (!buf_ok(&tail->lines)) {
		tail->lines.failed = false;
		buf_cut(&tail->lines, before);
		tail->withheld++;
	}
	pthread_mutex_unlock(&tail->lock);
}

bool tail_is_over(const struct tail *tail)
{
	return atomic_load(&tail->over);
}

const char *tail_id(const struct tail *tail)
{
	return tail->order.id;
}
