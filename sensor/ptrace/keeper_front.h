/* The process that was started: to whoever did it looks like the command itself. */
#ifndef SENSOR_PTRACE_KEEPER_FRONT_H
#define SENSOR_PTRACE_KEEPER_FRONT_H

#include "sensor/ptrace/keeper_guard.h"

#include <sys/signalfd.h>

enum {
	FRONT_FLUSH_MS = 10000, /* for the worker's last words, once the command has ended */
	FRONT_LEFT_MS = 200,	/* for what the command left behind to end as well */
};

struct front {
	struct keeper *keeper;
	bool is_init; /* PID 1 */
	bool resumed; /* we were stopped, as the command was; its SIGCONT is still to come */
	bool hurries; /* asked to end after the command had */
	sigset_t waiting; /* signals that came before the command ran */
	int64_t left_ns, flush_ns; /* when waiting is over; 0: the command has not ended */
};

void front_begin(struct front *front, struct keeper *keeper);

/* Passes it on to the command, if that does not have it already. */
void front_signal(struct front *front, const struct signalfd_siginfo *info);

/* Something has changed in shared memory. */
void front_look(struct front *front);

int front_wait_ms(const struct front *front);

/* The command has ended, and what is to happen after that has happened. */
bool front_is_done(struct front *front, const struct guard *guard);

/* The exit status; or the end by the command's signal. */
int front_end(struct front *front, const struct guard *guard);

#endif
