/* Looks after the worker, in a keeper, or in a front whose keeper is gone: answers in its place, starts the next. */
#ifndef SENSOR_PTRACE_KEEPER_GUARD_H
#define SENSOR_PTRACE_KEEPER_GUARD_H

#include "sensor/ptrace/keeper_inner.h"

enum {
	GUARD_CHECK_MS = 200, /* how often a worker is looked at */
	GUARD_STALL = KEEPER_STALL_MS / GUARD_CHECK_MS + 1, /* checks, not time: all may have been paused */
	GUARD_HANG = KEEPER_HANG_MS / GUARD_CHECK_MS,
	GUARD_HOLDS = 5,      /* while it has threads stopped, which only its end lets go */
	GUARD_BLIND = 300,    /* for its main loop, which nobody waits for */
	GUARD_SOUND_MS = 10000, /* a worker that ran for so long has not failed to start */
	GUARD_RETRY_MS = 100, /* until one that did is followed by the next; then twice as long, up to: */
	GUARD_RETRY_MAX_MS = 30000,
	GUARD_FAILED = 125,   /* exit status: the sensor itself could not begin */
};

struct guard {
	struct keeper *keeper;
	enum keeper_side side;
	const struct options *options;
	int (*run_worker)(const struct options *options, struct keeper *keeper);
	bool answers;	 /* in the worker's place */
	bool serves;	 /* the worker has begun to answer */
	bool is_over;	 /* nothing is left to guard */
	bool has_killed; /* the workload; one more worker may tell of it */
	bool has_last;	 /* a worker died when the workload was over: there is one more to tell of it */
	int status;	 /* once over: what a worker said that never got to start the command */
	unsigned still, stuck;	/* checks without a beat while one was due; without a turn of the main loop */
	unsigned stopped;	/* checks, while the worker is stopped by a signal; 0: it is not */
	uint64_t beat, turns;	/* as they were at the last check */
	struct guard_held {
		uint64_t id;
		unsigned checks;
	} held[KEEPER_SLOTS + KEEPER_SIDES]; /* notifications that were there at the last check, and since when */
	int64_t next_check_ns, started_ns, next_start_ns;
	unsigned retries;
};

/* From now on. There may be a worker already, alive or dead. */
void guard_begin(struct guard *guard);

/* Each time round the loop. In a new worker's process it does not return. */
void guard_step(struct guard *guard);

/* How long the loop may wait for descriptors; -1: for ever. */
int guard_wait_ms(const struct guard *guard);

/* A child has ended, was stopped or goes on, as waitid() says: if it is the worker, that is taken care of. */
void guard_child(struct guard *guard, const siginfo_t *info);

/* Answers what waits; when the listener can be read, and only if `answers`. */
void guard_answer(struct guard *guard);

/* The workload is killed because the sensor failed, if that is what was asked for. */
void guard_failed(struct guard *guard);

#endif
