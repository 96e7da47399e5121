/* A small table under one lock: tails are few. */
#include "hub/tails.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

struct tail {
	uint64_t id; /* 0: the place is free */
	struct buf node, filter, pending;
	uint64_t ms, rate;
	bool follow;
	int64_t asked_ns, heard_ns;
	struct tail_state state;
};

struct tails {
	pthread_mutex_t lock;
	int fd;
	struct tail at[TAILS_MAX];
};

struct tails *tails_new(void)
{
	struct tails *tails = calloc(1, sizeof(*tails));

	if (tails == NULL)
		return NULL;
	pthread_mutex_init(&tails->lock, NULL);
	tails->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (tails->fd >= 0)
		return tails;
	tails_free(tails);
	return NULL;
}

static void tail_done(struct tail *tail)
{
	buf_done(&tail->node);
	buf_done(&tail->filter);
	buf_done(&tail->pending);
	*tail = (struct tail){ 0 };
}

void tails_free(struct tails *tails)
{
	if (tails == NULL)
		return;
	for (size_t i = 0; i < TAILS_MAX; i++)
		tail_done(&tails->at[i]);
	if (tails->fd >= 0)
		close(tails->fd);
	pthread_mutex_destroy(&tails->lock);
	free(tails);
}

static struct tail *find(struct tails *tails, uint64_t id)
{
	for (size_t i = 0; id != 0 && i < TAILS_MAX; i++)
		if (tails->at[i].id == id)
			return &tails->at[i];
	return NULL;
}

/* ---- who looks on ---- */

static int place_for(struct tails *tails, struct str node, struct tail **ret)
{
	*ret = NULL;
	for (size_t i = 0; i < TAILS_MAX; i++) {
		struct tail *tail = &tails->at[i];

		if (tail->id == 0)
			*ret = tail;
		else if (str_eq(buf_str(&tail->node), node))
			return -EBUSY;
	}
	return *ret == NULL ? -EAGAIN : 0;
}

static int fill(struct tail *tail, const struct tail_request *request, uint64_t *ret_id)
{
	uint64_t id;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	tail->pending.max = TAIL_PENDING_MAX;
	buf_add(&tail->node, request->node);
	buf_add(&tail->filter, request->filter);
	if (!buf_ok(&tail->node) || !buf_ok(&tail->filter)) {
		tail_done(tail);
		return -ENOMEM;
	}
	tail->ms = request->ms;
	tail->rate = request->rate;
	tail->follow = request->follow;
	tail->asked_ns = clock_mono();
	tail->id = *ret_id = id | 1;
	return 0;
}

int tails_open(struct tails *tails, const struct tail_request *request, uint64_t *ret_id)
{
	struct tail *tail;
	int r;

	pthread_mutex_lock(&tails->lock);
	r = place_for(tails, request->node, &tail);
	if (r == 0)
		r = fill(tail, request, ret_id);
	pthread_mutex_unlock(&tails->lock);
	if (r == 0)
		eventfd_write(tails->fd, 1); /* when it is full it is readable anyway */
	return r;
}

static void end(struct tail *tail, const char *why)
{
	tail->state.ended = true;
	tail->state.why = why;
}

static void look_at_time(struct tail *tail)
{
	int64_t now = clock_mono();

	if (tail->state.ended)
		return;
	if (!tail->state.taken && now - tail->asked_ns > TAIL_TAKE_MS * NS_PER_MS)
		end(tail, "no sensor of that node asks this hub for its rules");
	else if (tail->state.taken && now - tail->heard_ns > TAIL_QUIET_MS * NS_PER_MS)
		end(tail, "the sensor is not heard of any more");
}

void tails_take(struct tails *tails, uint64_t id, struct buf *out, struct tail_state *ret)
{
	struct tail *tail;

	*ret = (struct tail_state){ .ended = true, .why = "it is over" };
	pthread_mutex_lock(&tails->lock);
	tail = find(tails, id);
	if (tail != NULL) {
		look_at_time(tail);
		buf_add(out, buf_str(&tail->pending));
		buf_clear(&tail->pending);
		*ret = tail->state;
	}
	pthread_mutex_unlock(&tails->lock);
}

void tails_close(struct tails *tails, uint64_t id)
{
	struct tail *tail;

	pthread_mutex_lock(&tails->lock);
	tail = find(tails, id);
	if (tail != NULL)
		tail_done(tail);
	pthread_mutex_unlock(&tails->lock);
}

/* ---- the sensor's side ---- */

int tails_fd(const struct tails *tails)
{
	return tails->fd;
}

void tails_hear(struct tails *tails)
{
	uint64_t count;

	while (read(tails->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

bool tails_order(struct tails *tails, struct str node, struct buf *out)
{
	bool found = false;

	pthread_mutex_lock(&tails->lock);
	for (size_t i = 0; i < TAILS_MAX && !found; i++) {
		struct tail *tail = &tails->at[i];

		found = tail->id != 0 && !tail->state.taken && !tail->state.ended &&
			str_eq(buf_str(&tail->node), node);
		if (!found)
			continue;
		buf_addf(out, "{\"tail\":{\"id\":\"%llu\",\"ms\":%llu,\"rate\":%llu,\"follow\":%s,\"filter\":",
			 (unsigned long long)tail->id, (unsigned long long)tail->ms,
			 (unsigned long long)tail->rate, tail->follow ? "true" : "false");
		buf_add_json(out, buf_str(&tail->filter));
		buf_add(out, STR("}}\n"));
		tail->state.taken = buf_ok(out);
		tail->heard_ns = clock_mono();
	}
	pthread_mutex_unlock(&tails->lock);
	return found && buf_ok(out);
}

/* A line that is too much, or would not stay one line on its way, is left out. */
static void put_line(struct tail *tail, struct str line)
{
	if (line.len == 0)
		return;
	if (memchr(line.at, '\r', line.len) != NULL || tail->pending.len + line.len + 1 > TAIL_PENDING_MAX) {
		tail->state.withheld++;
		return;
	}
	buf_add(&tail->pending, line);
	buf_add_char(&tail->pending, '\n');
	tail->state.events++;
}

bool tails_put(struct tails *tails, uint64_t id, struct str lines, uint64_t withheld, const char *end_word)
{
	struct tail *tail;
	bool goes_on;

	pthread_mutex_lock(&tails->lock);
	tail = find(tails, id);
	goes_on = tail != NULL && tail->state.taken && !tail->state.ended;
	while (goes_on && lines.len > 0) {
		const char *end_at = memchr(lines.at, '\n', lines.len);
		size_t len = end_at == NULL ? lines.len : (size_t)(end_at - lines.at);

		put_line(tail, str_cut(lines, len));
		lines = str_from(lines, len + 1);
	}
	if (goes_on) {
		tail->heard_ns = clock_mono();
		tail->state.withheld += withheld;
		if (end_word != NULL)
			end(tail, strcmp(end_word, "stop") == 0 ? "the sensor has stopped" : "the time is over");
	}
	pthread_mutex_unlock(&tails->lock);
	return goes_on;
}
