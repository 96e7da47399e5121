/* What the parts of the keeper share; nobody else includes it. */
#ifndef SENSOR_PTRACE_KEEPER_INNER_H
#define SENSOR_PTRACE_KEEPER_INNER_H

#include "sensor/ptrace/keeper.h"
#include "sensor/seccomp/decide.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

enum keeper_side { KEEPER_FRONT = 0, KEEPER_KEEPER, KEEPER_SIDES };

/* Of one notification, from its reception to its answer. The kernel writes `notif` as part of handing it over, so
 * there is no moment at which a worker's death could lose one. */
struct keeper_slot {
	union {
		struct seccomp_notif notif; /* id 0: not received yet, or answered */
		unsigned char room[120];    /* newer kernels have a longer one */
	};
	_Atomic uint32_t taken;
};

/* How far the start of the command has come; a futex. */
enum keeper_step { KEEPER_NOT_STARTED = 0, KEEPER_OFFERED, KEEPER_RUNS };

/* Made before the first fork; front, keeper, workers and, until its exec, the command have it. All of it is written
 * by processes of this program only. */
struct keeper_shared {
	_Atomic uint32_t step;	    /* enum keeper_step */
	_Atomic int32_t offered;    /* the listener's number in the command, or -errno */
	_Atomic int32_t front, keeper, worker, command; /* pids; 0: none */
	_Atomic uint32_t serving;   /* this worker answers notifications */
	_Atomic uint64_t beat, turns; /* of what answers, and of the main loop */
	_Atomic int32_t holds;	    /* threads that it has stopped */
	_Atomic uint32_t used;	    /* slots from here on were never in use */
	_Atomic uint32_t ended;	    /* the command has, with this wait status: */
	_Atomic int32_t status;
	_Atomic int32_t stopped;    /* by this signal; 0: it runs */
	_Atomic uint32_t paused;    /* the front has stopped itself, as the command had */
	_Atomic uint32_t ending;    /* the worker is to end */
	_Atomic uint32_t left;	    /* the front has ended: what it was started with is nobody's business any more */
	_Atomic uint64_t deaths, stalls, keepers; /* workers that died, that did not answer; fronts and keepers */
	_Atomic uint64_t by_call[PLAN_LOST_ROWS], by_call_told[PLAN_LOST_ROWS];
	_Atomic uint64_t failures_told;
	_Atomic char id[64];
	_Atomic char last[sizeof(((struct keeper_failures *)0)->last)];
	struct keeper_slot slots[KEEPER_SLOTS + KEEPER_SIDES]; /* the last are for who answers in a worker's place */
};

/* Each process has its own. Descriptors are -1 where there is none. */
struct keeper {
	struct keeper_shared *shared;
	int listener;		 /* a front's or keeper's copy */
	int give[KEEPER_SIDES];	 /* the worker's ends, to hand the listener over */
	int take[KEEPER_SIDES];	 /* the other ends */
	int pass[2];		 /* from the command's helper to the worker */
	pid_t helper;		 /* of the command's process, until it runs; 0: none is needed */
	int wake[KEEPER_SIDES];	 /* eventfds: look at the shared memory */
	const struct decider *profile; /* the command's; NULL: it has none */
	bool kills;		 /* --on-failure kill */
	bool prints;		 /* events, to standard output */
	bool is_last, has_let_go; /* of a worker's: nobody stands above it; see keeper_let_go_of_output() */
	bool has_reaped;	 /* the command, or it is not this process's child */
	bool has_parents;	 /* false: keeper_alone() */
	sigset_t mask_before, ignored_before; /* as the sensor was started with */
	bool has_told;		 /* and what other workers had told by then: */
	uint64_t told_before[PLAN_LOST_ROWS], failures_before;
	uint64_t by_call[PLAN_LOST_ROWS]; /* a copy, for keeper_failures() */
};

/* Kills all that came of the command, wherever it is by now. */
void keeper_kill_workload(const struct keeper *keeper);

/* A failure: for the log, and for the worker to report. */
void keeper_note(struct keeper *keeper, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory and descriptors. NULL: there are none left. */
struct keeper *keeper_new(void);

/* Looks at the command, of which the caller may be the parent: has it ended, stopped, gone on? Tells the others. */
void keeper_look(struct keeper *keeper);

/* The descriptor that lies in a socket, or -errno. */
int keeper_receive(int socket);

void keeper_wake(const struct keeper *keeper);

/* The front has ended, and what the command left behind goes on: nobody may have to wait for us to close what we were
 * started with. Standard output stays a worker's that prints events. */
void keeper_let_go_of_output(const struct keeper *keeper);

/* Nobody is under the filter any more, or there is none. */
bool keeper_is_idle(const struct keeper *keeper);

#endif
