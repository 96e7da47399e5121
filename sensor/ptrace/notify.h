/* Inside of the notification probe: what its rooms share. The thread of the receiver alone looks at calls
 * and holds threads; the sensor's own thread reads the queue and tells of ends. */
#ifndef SENSOR_PTRACE_NOTIFY_H
#define SENSOR_PTRACE_NOTIFY_H

#include "sensor/probe.h"
#include "sensor/proc_read.h"
#include "sensor/ptrace/entry.h"
#include "sensor/ptrace/filter.h"
#include "sensor/ptrace/keeper.h"
#include "sensor/ptrace/life.h"
#include "sensor/ptrace/queue.h"
#include "sensor/seccomp/decide.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum {
	HELD_MAX = 256,	    /* threads whose results are waited for at once; others' are not known */
	UNHELD_MAX = 64,    /* threads of others' tracers that are looked at from outside at once */
	QUESTIONS_MAX = 64, /* calls that wait for the judge at once; others are refused, and counted as lost */
};

/* How far a thread has come whose call's result is wanted. */
enum held_step {
	HELD_TO_RETURN,	 /* it stops when it comes back to its program */
	HELD_TO_RESTART, /* the call was broken off by that, and begins again */
	HELD_TO_END,	 /* it runs as long as it likes, and stops at its end */
	HELD_TO_TRAP,	 /* it stops for the SIGSYS that its profile wants */
};

struct held {
	uint32_t tid;
	enum held_step step;
	const struct call *call;
	struct record *record; /* RECORD_MAX bytes */
	struct seccomp_data trapped; /* HELD_TO_TRAP */
	uint32_t trap_data;
};

/* A call that waits for the sensor's own thread to say whether it may be made. */
struct question {
	struct seccomp_notif *asked;
	const struct call *call;
	struct record *record; /* as if it had worked */
	bool look;	       /* rules want its result as well */
};

struct questions {
	struct question at[QUESTIONS_MAX];
	size_t count;
};

/* A call of a thread that cannot be held, see unheld.c. */
struct unheld {
	const struct call *call;
	struct record *record; /* RECORD_MAX bytes */
	int fd;		       /* that it would get */
	int64_t until;	       /* clock_mono() */
};

/* Written by one thread each, read by all. */
struct notify_counters {
	_Atomic uint64_t seen, filtered, emitted, dropped;
};

struct notify {
	struct keeper *keeper;
	int listener, wake; /* wake: there is something for the sensor's thread */
	bool killable;	    /* see filter_is_killable() */
	struct life *life;
	struct queue *queue;
	struct decider *profile; /* NULL: the command has none */
	bool started;		 /* its process is the command by now: what it did to become that is the sensor's */

	pthread_rwlock_t lock; /* of what can be changed while it runs: */
	struct probe_settings settings;
	bool wanted[CALLS_MAX]; /* for rules, now; the filter may tell of more */

	pthread_mutex_t judge_lock; /* of: */
	struct questions asked, allowed; /* for the sensor's thread; back from it */
	_Atomic size_t waiting;		 /* questions that are in either, or being judged */

	/* The receiver's. */
	pthread_t thread;
	bool running;
	atomic_bool over, stop; /* nobody is left under the filter; the receiver is to end */
	int stops;		/* readable when a thread that is held has stopped */
	_Atomic uint32_t receiving; /* odd: it waits for a call, */
	atomic_bool others;	    /* though others wait for it */
	uint32_t receiving_before;  /* the sensor's thread's: as it looked last */
	struct held held[HELD_MAX];
	size_t held_count;
	struct unheld unheld[UNHELD_MAX];
	size_t unheld_count;
	struct entry_view view;
	struct proc_facts facts;
	struct record *image, *spare; /* RECORD_MAX bytes: of an exec; of the next call, or NULL */
	sigset_t while_waiting;

	struct notify_counters of[RECORD_CLASSES];
	struct by_call by_call;
	_Atomic int command_status; /* as wait(2) gives it; -1: it has not ended */
	atomic_bool asleep;	    /* the sensor's thread waits for `wake` */
	pid_t command;
};

/* ---- receiver.c ---- */

/* 0 or -errno. */
int receiver_start(struct notify *notify);

/* The receiver's own: memory of a record, for the next one. */
void notify_put_back(struct notify *notify, struct record *record);

/* A call whose result is wanted; everything is taken over. */
void receiver_look_at(struct notify *notify, const struct question *call);

/* The sensor's thread, before it waits: sees to it that the receiver does not wait for a call for ever while threads
 * that it holds wait for it. How long to wait at most. */
int receiver_watch(struct notify *notify, int wait_ms);

void receiver_stop(struct notify *notify);

/* Lets a call go on; or ends it, before it has begun, with this result. */
void notify_continue(struct notify *notify, struct seccomp_notif *asked);
void notify_answer(struct notify *notify, struct seccomp_notif *asked, int error);

void notify_answer_with(struct notify *notify, struct seccomp_notif *asked, int error, int64_t value);

/* Receiver's news: questions that were answered, threads that have stopped. */
void notify_ring(struct notify *notify);

/* ---- judged.c ---- */

/* The receiver's side. True: it waits for the judge, who has taken all over. */
bool judged_ask(struct notify *notify, const struct question *question);

/* Calls that may be made and whose results are wanted. */
void judged_take(struct notify *notify);

/* The sensor's side: judges those that wait. The number of them. */
int judged_poll(struct notify *notify);
bool judged_waits(struct notify *notify);

/* Whether a rule that responds can match the call; of an open, once more by what it is presumed to open. */
bool judged_wants(const struct interest *judged, const struct entry *entry, struct entry_view *view);
bool judged_still_wants(struct notify *notify, const struct question *question);

/* None can: the call takes the way of all others. */
void judged_not(struct notify *notify, const struct question *question);
void judged_done(struct notify *notify);

/* ---- refused.c: the command's profile ---- */

/* True: the call was refused, and answered. False: it goes on, for rules to look at. */
bool refused_take(struct notify *notify, struct seccomp_notif *asked);

/* ---- told.c: what becomes a record, and the account ---- */

/* A call that nobody wants after all. */
void notify_filter(struct notify *notify, const struct call *call);

/* Something for the sensor's own thread. */
void notify_wake(struct notify *notify);

/* An open that waits as if it had worked: what it would reach. False: that cannot be known, or it will fail. */
bool notify_presume_open(struct record *record, const struct plan *plan);

/* A call that waits, an open after that, is told as if it had worked: who makes it, and what else is known. False: it
 * is gone. */
bool notify_presume(struct notify *notify, struct record *record, const struct plan *plan);

/* A call was refused and told of; or there was nobody to ask. */
void notify_refused(struct notify *notify, const struct record *record);
void notify_lose(struct notify *notify, const struct record *record);

/* Back to what the call's entry says: what was made up is not what will be told. */
void notify_forget_presumed(struct record *record, const struct plan *plan);

/* A call that is told as it was presumed; with RECORD_PRESUMED, unless somebody saw that it came so. */
void notify_presumed(struct notify *notify, struct record *record, const struct plan *plan, bool seen);

/* A call has ended: `ret` is set, or RECORD_NO_RESULT. */
void notify_finish(struct notify *notify, struct record *record, const struct plan *plan);

/* A process runs another program. */
void notify_exec(struct notify *notify, uint32_t tgid, uint16_t nr);

/* A thread that was held has ended. */
void notify_gone(struct notify *notify, uint32_t tid, int status);

/* From life_put() and life_end(). `userdata` is the struct notify. */
void notify_emit(struct record *record, void *userdata);

/* ---- held.c ---- */

/* True: the thread stops when its call has ended, and the record, which is taken over, is told then. False:
 * it cannot be held. */
bool held_begin(struct notify *notify, struct seccomp_notif *asked, const struct call *call,
		struct record *record);

/* Whether it is a call that begins again, of a thread that is held: it goes on. */
bool held_again(const struct notify *notify, uint32_t tid);

/* SIGSYS, with the facts of the call, for when it is answered. Without a tracer's means a plain one. */
void held_trap(struct notify *notify, const struct seccomp_notif *asked, uint32_t data);

/* Threads that have stopped or ended. */
void held_poll(struct notify *notify);

/* All threads are gone: what they did is told without results. */
void held_end(struct notify *notify);
void held_done(struct notify *notify);

/* ---- unheld.c ---- */

/* Lets the call go on, and looks for what it did; everything is taken over. */
void unheld_begin(struct notify *notify, const struct question *question);

/* Every millisecond while there are any. */
void unheld_poll(struct notify *notify);

/* Nobody is left: what still waits is told as presumed. */
void unheld_done(struct notify *notify);

#endif
