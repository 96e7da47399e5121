/* What the rooms of the gate share. */
#ifndef SENSOR_GATE_GATE_INNER_H
#define SENSOR_GATE_GATE_INNER_H

#include "sensor/gate/gate.h"
#include "sensor/proc_read.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

enum { SEEN_MAX = 256, LOADERS = 64 };

enum question_state {
	QUESTION_NONE = 0,
	QUESTION_ASKED,	  /* waits for the sensor's thread */
	QUESTION_JUDGING, /* that is at it */
	QUESTION_LATE,	  /* ... and nobody waits any more */
};

/* A file that waits to be opened. */
struct question {
	enum question_state state;
	int fd; /* the kernel's, by which it is answered */
	bool either;
	uint64_t number; /* in the order in which they came */
	int64_t until;	 /* clock_mono() */
	struct record *record; /* RECORD_MAX bytes; the question's own for good */
};

/* The program that loads another one, which the kernel asks about next. */
struct loader {
	uint32_t tid;
	dev_t dev;
	ino_t ino;
};

/* A program that began in a container. */
struct seen {
	uint32_t tgid;
	uint64_t cgroup_id;
};

struct gate_counters {
	_Atomic uint64_t asked, judged, denied, late, full, unknown, marks, roots, unmarked;
};

struct gate {
	struct gate_settings settings;
	int group;	   /* of fanotify */
	int news, wake;	   /* eventfds: for the thread that answers; for the sensor's */
	int notes, seen;   /* of the thread that marks: inotify; an eventfd */
	int nothing;	   /* takes the group's place when the gate is opened */
	pthread_t answerer, marker;
	bool running;
	atomic_bool stop, open; /* open: it asks no more */
	_Atomic int64_t busy_since; /* clock_mono(): of the answer that is being looked for; 0: of none */
	struct gate_counters counters;

	pthread_mutex_t lock; /* of: */
	struct question questions[GATE_WAITING_MAX];
	uint64_t numbers;
	struct interest *judged; /* NULL: nothing is asked about */
	const struct places *places;
	uint64_t version; /* of the places */
	struct seen seen_programs[SEEN_MAX];
	size_t seen_count;

	/* The answering thread's: */
	struct proc_facts facts;
	struct loader loaders[LOADERS]; /* a ring */
	size_t loaders_count;
};

static inline void gate_count(_Atomic uint64_t *at)
{
	atomic_fetch_add_explicit(at, 1, memory_order_relaxed);
}

/* What is to be marked: text of fanotify_mark() for a descriptor. */
enum { FD_PATH = 32 };

static inline const char *fd_path(int fd, char to[FD_PATH])
{
	snprintf(to, FD_PATH, "/proc/self/fd/%d", fd);
	return to;
}

/* gate_answer.c, gate_marks.c: the threads. */
void *gate_answer_thread(void *gate);
void *gate_marks_thread(void *gate);

/* Lets it be opened, or not; closes it. */
void gate_reply(struct gate *gate, int fd, bool allow);

void gate_ring(int eventfd);

/* A process can have memory that takes long to read: of a file system that does not answer. Then all is let go. By the
 * thread that marks, which waits for no file. */
void gate_open_if_stuck(struct gate *gate);

#endif
