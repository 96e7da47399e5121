/* Begin and end of the gate, and the side of the sensor's own thread. */
#include "sensor/gate/gate.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/thread.h"
#include "sensor/gate/gate_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <unistd.h>

void gate_ring(int eventfd)
{
	eventfd_write(eventfd, 1); /* when it is full it is readable anyway */
}

void gate_reply(struct gate *gate, int fd, bool allow)
{
	const struct fanotify_response response = { .fd = fd, .response = allow ? FAN_ALLOW : FAN_DENY };

	if (write(gate->group, &response, sizeof(response)) < 0 && !allow)
		gate_count(&gate->counters.unknown); /* it was killed meanwhile */
	close(fd);
}

/* ---- the sensor's thread ---- */

static struct question *next_asked(struct gate *gate)
{
	struct question *first = NULL;

	for (size_t i = 0; i < ARRAY_LEN(gate->questions); i++) {
		struct question *question = &gate->questions[i];

		if (question->state == QUESTION_ASKED && (first == NULL || question->number < first->number))
			first = question;
	}
	return first;
}

static struct question *take_asked(struct gate *gate)
{
	struct question *question;

	pthread_mutex_lock(&gate->lock);
	question = next_asked(gate);
	if (question != NULL) {
		question->state = QUESTION_JUDGING;
		question->until = clock_mono() + GATE_STUCK_MS * NS_PER_MS;
	}
	pthread_mutex_unlock(&gate->lock);
	return question;
}

static void put_answer(struct gate *gate, struct question *question, bool allow)
{
	pthread_mutex_lock(&gate->lock);
	if (question->state == QUESTION_JUDGING) {
		gate_reply(gate, question->fd, allow);
		gate_count(&gate->counters.judged);
		if (!allow)
			gate_count(&gate->counters.denied);
	}
	question->state = QUESTION_NONE;
	pthread_mutex_unlock(&gate->lock);
}

void gate_poll(struct gate *gate, gate_judge_fn judge, void *userdata)
{
	struct question *question;
	uint64_t times;

	if (read(gate->wake, &times, sizeof(times)) != sizeof(times))
		return;
	while ((question = take_asked(gate)) != NULL)
		put_answer(gate, question, judge(question->record, question->either, userdata) == 0);
}

void gate_see(struct gate *gate, uint32_t tgid, uint64_t cgroup_id)
{
	bool room;

	pthread_mutex_lock(&gate->lock);
	room = gate->places != NULL && gate->seen_count < SEEN_MAX;
	if (room)
		gate->seen_programs[gate->seen_count++] = (struct seen){ tgid, cgroup_id };
	pthread_mutex_unlock(&gate->lock);
	if (room)
		gate_ring(gate->seen);
}

int gate_fd(const struct gate *gate)
{
	return gate->wake;
}

struct gate_stats gate_stats(const struct gate *gate)
{
	const struct gate_counters *from = &gate->counters;

	return (struct gate_stats){ .asked = from->asked, .judged = from->judged, .denied = from->denied,
				    .late = from->late, .full = from->full, .unknown = from->unknown,
				    .marks = from->marks, .roots = from->roots, .unmarked = from->unmarked };
}

void gate_open_if_stuck(struct gate *gate)
{
	int64_t since = atomic_load(&gate->busy_since);

	if (since == 0 || clock_mono() - since < GATE_STUCK_MS * NS_PER_MS || atomic_load(&gate->open))
		return;
	if (dup3(gate->nothing, gate->group, O_CLOEXEC) >= 0)
		atomic_store(&gate->open, true);
}

bool gate_is_open(const struct gate *gate)
{
	return atomic_load(&gate->open);
}

/* ---- begin and end ---- */

static int start_threads(struct gate *gate)
{
	int r = thread_start(&gate->answerer, gate_answer_thread, gate);

	if (r == 0) {
		r = thread_start(&gate->marker, gate_marks_thread, gate);
		if (r < 0) {
			atomic_store(&gate->stop, true);
			gate_ring(gate->news);
			pthread_join(gate->answerer, NULL);
			atomic_store(&gate->stop, false);
		}
	}
	gate->running = r == 0;
	return r;
}

int gate_set(struct gate *gate, const struct places *places, struct interest *judged)
{
	bool none = places == NULL || places_are_none(places) || judged == NULL;
	struct interest *before;

	pthread_mutex_lock(&gate->lock);
	before = gate->judged;
	gate->judged = judged;
	gate->places = none ? NULL : places;
	gate->version++;
	pthread_mutex_unlock(&gate->lock);
	interest_free(before);
	if (!gate->running)
		return none ? 0 : start_threads(gate);
	gate_ring(gate->seen);
	return 0;
}

/* Whether the kernel was built with permission events, and grants them. */
static int try(int group)
{
	if (fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM, AT_FDCWD, "/") < 0)
		return -errno;
	fanotify_mark(group, FAN_MARK_REMOVE, FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM, AT_FDCWD, "/");
	return 0;
}

static int open_all(struct gate *gate, const char **ret_why)
{
	int r;

	*ret_why = "fanotify is not granted";
	gate->group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_MARKS | FAN_REPORT_TID,
				    O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NONBLOCK);
	if (gate->group < 0)
		return -errno;
	*ret_why = "this kernel has no permission events of fanotify";
	r = try(gate->group);
	if (r < 0)
		return r;
	*ret_why = "out of descriptors";
	gate->news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	gate->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	gate->seen = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	gate->notes = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	gate->nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	return gate->news < 0 || gate->wake < 0 || gate->seen < 0 || gate->notes < 0 || gate->nothing < 0 ? -EMFILE : 0;
}

int gate_new(const struct gate_settings *settings, struct gate **ret, const char **ret_why)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	int r;

	*ret_why = "out of memory";
	if (gate == NULL)
		return -ENOMEM;
	gate->settings = *settings;
	gate->group = gate->news = gate->wake = gate->seen = gate->notes = gate->nothing = -1;
	pthread_mutex_init(&gate->lock, NULL);
	r = open_all(gate, ret_why);
	if (r < 0)
		gate_free(gate);
	else
		*ret = gate;
	return r;
}

static void let_all_go(struct gate *gate)
{
	for (size_t i = 0; i < ARRAY_LEN(gate->questions); i++) {
		if (gate->questions[i].state == QUESTION_ASKED)
			gate_reply(gate, gate->questions[i].fd, true);
		free(gate->questions[i].record);
	}
}

void gate_free(struct gate *gate)
{
	if (gate == NULL)
		return;
	const int fds[] = { gate->news, gate->wake, gate->seen, gate->notes, gate->nothing };

	atomic_store(&gate->stop, true);
	if (gate->running) {
		gate_ring(gate->news);
		gate_ring(gate->seen);
		pthread_join(gate->marker, NULL);
		pthread_join(gate->answerer, NULL);
	}
	let_all_go(gate);
	if (gate->group >= 0)
		close(gate->group); /* with it what the thread has not read yet is let go */
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	interest_free(gate->judged);
	proc_facts_done(&gate->facts);
	pthread_mutex_destroy(&gate->lock);
	free(gate);
}
