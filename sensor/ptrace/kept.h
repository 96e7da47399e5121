/* What is kept open of the threads that were looked at last: who looks at a thread does so again and again, and what is open
 * need not be found. All of it stands for the thread and not for its number: when that has become somebody else's there
 * is nothing in it any more, and it is opened anew. One thread of the sensor has one of these; zeroed before its first
 * use. */
#ifndef SENSOR_PTRACE_KEPT_H
#define SENSOR_PTRACE_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	KEPT_THREADS = 8,
	KEPT_LINKS = 8, /* of each */
	KEPT_CWD = -1,	/* in the place of a descriptor */
	KEPT_FROM = 4,	/* questions about a thread that go by names in /proc; most programs are not asked about more */
};

struct kept {
	struct kept_thread {
		uint32_t tid; /* 0: none */
		uint32_t asked;
		int task;     /* the folder of all threads of its process; -1: not open */
		struct {
			int number, fd; /* .fd: -1: not open */
		} links[KEPT_LINKS];
	} at[KEPT_THREADS];
};

void kept_done(struct kept *kept);

/* Where a descriptor of the thread, or its working directory, leads now, as readlink(2) gives it; -1: nowhere, or it is
 * gone. */
ssize_t kept_link(struct kept *kept, uint32_t tid, int number, char *to, size_t size);

/* Whether its process has no other thread now. */
bool kept_is_alone(struct kept *kept, uint32_t tid);

#endif
