/* The attaching probe's rooms, among themselves. One thread traces, as ptrace wants it, and ends when the
 * probe is detached: then the kernel lets all tracees go as they are, in the middle of a call as well,
 * which no request of a tracer that lives on could do. */
#ifndef SENSOR_PTRACE_ATTACH_INNER_H
#define SENSOR_PTRACE_ATTACH_INNER_H

#include "sensor/probe.h"
#include "sensor/proc_read.h"
#include "sensor/ptrace/attach.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ptrace.h>

enum {
	ATTACH_BUCKETS = 1024,
	ATTACH_SCAN_MS = 500,  /* how soon a process that enters a container is found */
	ATTACH_HELD_MS = 50,   /* how long a new thread waits for what its parent has to tell */
	ATTACH_STUCK_MS = 5000, /* longer than that no stop takes */
	ATTACH_WHY = 256,
};

/* One tracee. Their number is bounded by the system's limit on threads. */
struct tracee {
	uint32_t tid, tgid;
	bool known;	  /* it ran before, or its parent's fork was seen; until then it is held */
	bool held;
	bool leave;	  /* is let go at its first stop */
	bool complete;	  /* of a process: there is no thread of it that is not ours */
	bool rewound;	  /* stands before its call again, which has not begun yet */
	bool group_stopped; /* since its last call began: that breaks calls off without us as well */
	uint8_t untraced; /* how it was asked not to trace the child: enum attach_untraced */
	uint8_t stopped;  /* held: in a group stop by this signal; 0: not */
	int64_t since;	  /* held: from when on */
	uint64_t untraced_at; /* ATTACH_UNTRACED_MEMORY: where the flags are */
	struct record *call;  /* being made; NULL: none */
	uint64_t execs;	      /* of a process: programs that it and its forebears have run here */
	struct record last;   /* of a process: its head, for the exit */
	struct tracee *next;
};

enum attach_untraced { ATTACH_TRACED = 0, ATTACH_UNTRACED_REGISTER, ATTACH_UNTRACED_MEMORY };

struct attach {
	struct attach_whom whom;
	pthread_t thread;
	uint32_t tracer; /* the thread's id */

	/* Of the tracing thread alone. */
	struct tracee *buckets[ATTACH_BUCKETS];
	size_t count, held; /* tracees; those of them that are held */
	int64_t next_scan;
	struct proc_facts facts;
	struct record *scratch; /* RECORD_MAX bytes */

	/* The lock: the main thread has it but while it waits in poll, the tracing one while it tells. */
	pthread_mutex_t lock;
	pthread_cond_t told, asked;
	const struct interest *interest;
	struct probe_counts counts;
	probe_take_fn take;
	void *userdata;
	uint64_t records; /* told since the start */
	int started;	  /* 1: not yet; else what attaching came to */
	bool ended;	  /* nobody is left */
	char why[ATTACH_WHY];

	/* Without it. */
	atomic_bool wanted[CALLS_MAX], take_environment, take_standard, ending;
	atomic_uint_fast64_t beat; /* odd: a stop is being looked at */

	/* Of the main thread. */
	uint64_t handed, last_beat;
	int stuck_ms;
	bool stuck, running;
};

/* ---- attach_table.c: the tracees ---- */

struct tracee *attach_find(struct attach *attach, uint32_t tid);
struct tracee *attach_add(struct attach *attach, uint32_t tid);
void attach_remove(struct attach *attach, uint32_t tid);
void attach_clear(struct attach *attach);

/* ---- attach_scan.c: whom, and seizing them ---- */

/* Seizes those that are to be and are not. With `why` it is the first time, and each named process has to be
 * there: 0, or -errno and a text. */
int attach_scan(struct attach *attach, char *why);

/* ---- attach_tell.c: from a stopped thread to records ---- */

void attach_call_begin(struct attach *attach, struct tracee *tracee, const struct __ptrace_syscall_info *info);
void attach_call_end(struct attach *attach, struct tracee *tracee, int64_t result);
void attach_tell_exec(struct attach *attach, struct tracee *tracee);
void attach_tell_fork(struct attach *attach, uint32_t parent, uint32_t child, const struct record *call);
void attach_tell_exit(struct attach *attach, const struct tracee *tracee, int status);

/* What is known of a process that runs already: it may end before it says anything. */
void attach_meet(struct attach *attach, struct tracee *leader);

/* ---- attach_restart.c: that nobody notices ---- */

/* The thread stopped because we, or SIGCONT for us, wanted it to: a call that ended by that alone is made
 * again. */
void attach_restart(struct tracee *tracee);

/* A signal is about to be delivered. One that is ignored would not have ended a call, were it not for the
 * tracing; one that is not must find it ended. */
void attach_before_signal(struct tracee *tracee, int signal);

/* A process may ask for a child that is not traced. It gets one, and does not see that it is. */
void attach_untraced_begin(struct tracee *tracee, const struct __ptrace_syscall_info *info);
void attach_untraced_end(struct tracee *tracee);

#endif
