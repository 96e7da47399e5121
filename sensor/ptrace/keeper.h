/* The keeper: what stands between a workload and the death of the sensor.
 *
 *   front     the process that was started: the terminal, signals and the exit status; PID 1 in a container
 *    └ keeper   holds a copy of the listener, guards the worker, starts another one when that is dead
 *       └ worker    the sensor proper: receives notifications
 *          └ command    under the filter
 *
 * Each is a child of the one above it, as Yama wants of who looks into whom. Front and keeper are small and have
 * one thread; either can do the keeper's work. A notification that the worker received and did not answer is
 * known to all of them, because the kernel writes it into memory that they share: whoever is left answers it.
 * So the workload's calls fail only when all three are killed at the same moment. */
#ifndef SENSOR_PTRACE_KEEPER_H
#define SENSOR_PTRACE_KEEPER_H

#include "sensor/options.h"
#include "sensor/plan.h"

#include <linux/seccomp.h>
#include <sys/types.h>

enum {
	KEEPER_SLOTS = 256,	/* notifications that are received and not answered, at most */
	KEEPER_STALL_MS = 500,	/* notifications wait, and the worker shows no beat: they are answered for it */
	KEEPER_HANG_MS = 5000,	/* ... and it is killed; at once, if it holds a thread stopped */
};

struct keeper;

/* What went wrong so far and no worker before this one has told. */
struct keeper_failures {
	uint64_t count;		 /* workers that ended before their time or did not answer, keepers that are gone */
	uint64_t missed;	 /* notifications that were answered for a worker: no event was made of them */
	const uint64_t *by_call; /* of those, by row of plan.h (PLAN_LOST_ROWS); valid until the next question */
	char last[160];		 /* how the newest failure came: "the worker (pid 12) was killed by SIGKILL" */
};

/* ---- for main() ---- */

/* Runs options->command under a worker, and keeps watch until all is over. `worker` is called in the worker's
 * process, again in each that takes the place of a dead one; its result is that process's exit status. Returns
 * in the front only: the exit status, if the command's signal did not end the front as well. */
int keeper_run(const struct options *options, int (*worker)(const struct options *options, struct keeper *keeper));

/* One without front and keeper, for tests: the functions below work, and nobody looks after anything. NULL: out
 * of memory. */
struct keeper *keeper_alone(void);
void keeper_free(struct keeper *keeper);

/* ---- for the command's process, between fork and exec ---- */

/* Before the filter is put on: signals become what they were before the sensor changed any, and where a descriptor may
 * not be fetched from another process (pidfd_getfd: containers mostly) somebody is there to hand it over. */
void keeper_prepare(struct keeper *keeper);

/* After the filter is in force: `listener` is the number of its descriptor, or -errno that says why there is
 * none. Waits until the worker has it, and lets go; by shared memory, since calls may be held by now. 0 or
 * -errno: the worker will not come. The descriptor has to be close-on-exec. */
int keeper_offer(struct keeper *keeper, int listener);

/* ---- for the worker ---- */

/* The listener if there is one already: this worker takes the place of a dead one, and the command runs. A new
 * descriptor, the caller's; -ENOENT: the command is to be started. */
int keeper_listener(struct keeper *keeper);

/* The command, 0 before it was started. */
pid_t keeper_command(const struct keeper *keeper);

/* After the fork: waits for the command's keeper_offer(), takes the listener (the caller's) and hands copies to the
 * keepers. 0 or -errno, -ESRCH when the command died first. The command waits for keeper_let_go(). */
int keeper_accept(struct keeper *keeper, pid_t command, int *ret_listener);
void keeper_let_go(struct keeper *keeper);

/* Notifications are answered from now on: keepers only watch. */
void keeper_serving(struct keeper *keeper);

/* A free buffer for SECCOMP_IOCTL_NOTIF_RECV, zeroed, in shared memory; one thread may ask for them. It belongs to
 * the caller until keeper_answered(), which any thread may call, after the answer was sent. NULL: all are in use, and
 * one must be answered first. An answer may fail with ENOENT: a keeper was quicker. */
struct seccomp_notif *keeper_slot(struct keeper *keeper);
void keeper_answered(struct keeper *keeper, struct seccomp_notif *slot);

/* Each time round a loop that answers notifications: it is alive. Cheap. */
void keeper_beat(struct keeper *keeper);

/* How many threads of the workload the worker holds by ptrace, after each change: 1 more or 1 less. While there are
 * any, a worker that stalls is killed sooner: only its end lets them go. */
void keeper_holds(struct keeper *keeper, int change);

/* Each time round the worker's main loop: has the command stopped, gone on, ended? True when it has ended, and is
 * reaped; then `ret_status` is its wait status. To be asked in place of waitpid() for the command. */
bool keeper_watch(struct keeper *keeper, int *ret_status);

/* The same by somebody who has reaped it otherwise, as a tracer does. */
void keeper_ended(struct keeper *keeper, int status);

/* Nobody stands above this worker any more, who could tell it of the command's end. */
bool keeper_is_gone(const struct keeper *keeper);

/* The worker is to come to its end in good order now: nobody will be there to watch. */
bool keeper_is_ending(const struct keeper *keeper);

void keeper_failures(struct keeper *keeper, struct keeper_failures *ret);

/* Nothing has gone wrong so far: every notification came to this worker. Cheap. */
bool keeper_saw_all(const struct keeper *keeper);

/* The sensor's id where no file keeps it: `id` is noted by the first worker, and given to those that follow. */
void keeper_same_id(struct keeper *keeper, char *id, size_t size);

/* Those of the sensor's own processes that stand above the command; 0 where there is none. */
struct keeper_pids {
	pid_t front, keeper, worker;
};
struct keeper_pids keeper_pids(const struct keeper *keeper);

#endif
