/* Whoever is dead cannot be asked: everything here is read from what the worker left in shared memory, and from the
 * kernel. */
#include "sensor/ptrace/keeper_guard.h"

#include "base/clock.h"
#include "base/log.h"
#include "sensor/call_numbers.h"
#include "sensor/seccomp/listener.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BURST = 256, RECEIVE_MS = 20 };

void keeper_note(struct keeper *keeper, const char *format, ...)
{
	char text[sizeof(keeper->shared->last)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (size_t i = 0; i < sizeof(text); i++)
		atomic_store_explicit(&keeper->shared->last[i], text[i], memory_order_relaxed);
	log_warning("keeper: %s", text);
}

/* ---- answers ---- */

static short listener_says(const struct keeper *keeper)
{
	struct pollfd fd = { .fd = keeper->listener, .events = POLLIN };

	return keeper->listener < 0 || poll(&fd, 1, 0) < 0 ? 0 : fd.revents;
}

bool keeper_is_idle(const struct keeper *keeper)
{
	return keeper->listener < 0 || (listener_says(keeper) & POLLHUP);
}

/* It goes on, unless the command's profile refuses it: that holds without a worker as well. */
static bool settle(const struct keeper *keeper, const struct seccomp_notif *notif)
{
	struct seccomp_notif_resp go_on = { .id = notif->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	if (keeper->profile != NULL && atomic_load(&keeper->shared->step) == KEEPER_RUNS)
		return decider_settle(keeper->profile, keeper->listener, notif);
	return listener_answer(keeper->listener, &go_on);
}

/* False: the worker was quicker, or the process is gone. */
static bool answer(struct keeper *keeper, const struct seccomp_notif *notif)
{
	bool native = notif->data.arch == CALL_AUDIT_ARCH;
	size_t nr = (size_t)notif->data.nr;

	if (!settle(keeper, notif))
		return false;
	atomic_fetch_add(&keeper->shared->by_call[native && nr < PLAN_CALLS ? nr : PLAN_LOST_OTHER], 1);
	return true;
}

static void clear(struct keeper_slot *slot)
{
	memset(slot->room, 0, sizeof(slot->room));
	atomic_store(&slot->taken, 0);
}

/* What a dead process had received. */
static void answer_slots(struct guard *guard)
{
	struct keeper_shared *shared = guard->keeper->shared;

	for (size_t i = 0; i < KEEPER_SLOTS + KEEPER_SIDES; i++) {
		if (shared->slots[i].notif.id != 0)
			answer(guard->keeper, &shared->slots[i].notif);
		if (i < KEEPER_SLOTS)
			clear(&shared->slots[i]);
	}
}

static void on_alarm(int number)
{
	(void)number;
}

/* A worker that comes back to life may take what poll() promised, or its thread may be killed; then the wait would be for
 * the next call. The alarm ends that. */
static void set_alarm(bool on)
{
	const struct itimerval every = { .it_interval.tv_usec = on ? RECEIVE_MS * 1000 : 0,
					 .it_value.tv_usec = on ? RECEIVE_MS * 1000 : 0 };
	struct sigaction action = { .sa_handler = on ? on_alarm : SIG_DFL };
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGALRM);
	if (on)
		sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	sigprocmask(on ? SIG_UNBLOCK : SIG_BLOCK, &mask, NULL);
	if (!on)
		sigaction(SIGALRM, &action, NULL);
}

void guard_answer(struct guard *guard)
{
	struct keeper *keeper = guard->keeper;
	struct keeper_slot *slot = &keeper->shared->slots[KEEPER_SLOTS + guard->side];

	set_alarm(true);
	for (int i = 0; i < BURST && (listener_says(keeper) & POLLIN); i++) {
		clear(slot);
		if (ioctl(keeper->listener, SECCOMP_IOCTL_NOTIF_RECV, &slot->notif) == 0)
			answer(keeper, &slot->notif);
		else if (errno != ENOENT)
			break;
	}
	clear(slot);
	set_alarm(false);
}

/* ---- workers ---- */

static void be_worker(struct guard *guard)
{
	static const int not_ignored[] = { SIGKILL, SIGSTOP, SIGCHLD, SIGCONT, SIGSEGV, SIGBUS, SIGFPE,
					   SIGILL,  SIGABRT, SIGTRAP, SIGSYS,  SIGXCPU };
	struct keeper *keeper = guard->keeper;
	int32_t nobody = 0;
	bool ignored;

	/* By it or by its parent, whoever comes first; and never two. */
	if (!atomic_compare_exchange_strong(&keeper->shared->worker, &nobody, getpid()) && nobody != getpid())
		_exit(0);
	prctl(PR_SET_NAME, "tocsin-sensor");
	/* What the terminal, or who stops a whole group, sends is for the command. */
	for (int i = 1; i < NSIG; i++) {
		ignored = true;
		for (size_t j = 0; j < sizeof(not_ignored) / sizeof(not_ignored[0]); j++)
			ignored &= not_ignored[j] != i;
		if (ignored)
			signal(i, SIG_IGN);
	}
	sigprocmask(SIG_SETMASK, &keeper->mask_before, NULL);
	exit(guard->run_worker(guard->options, keeper));
}

static void plan_next(struct guard *guard)
{
	int64_t now = clock_mono(), wait = 0;

	if (now - guard->started_ns > GUARD_SOUND_MS * NS_PER_MS)
		guard->retries = 0;
	else
		wait = (int64_t)GUARD_RETRY_MS << (guard->retries < 10 ? guard->retries++ : 10);
	if (wait > GUARD_RETRY_MAX_MS)
		wait = GUARD_RETRY_MAX_MS;
	guard->next_start_ns = now + wait * NS_PER_MS;
}

static void start_worker(struct guard *guard)
{
	pid_t pid;

	guard->started_ns = clock_mono();
	guard->still = guard->stuck = guard->stopped = 0;
	guard->serves = false;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_worker(guard);
	if (pid < 0) {
		log_err("keeper: no worker: %s", strerror(errno));
		plan_next(guard);
		return;
	}
	int32_t nobody = 0;

	atomic_compare_exchange_strong(&guard->keeper->shared->worker, &nobody, pid);
}

static const char *name_end(const siginfo_t *info, char *text, size_t size)
{
	if (info->si_code == CLD_EXITED)
		snprintf(text, size, "ended with status %d", info->si_status);
	else
		snprintf(text, size, "was killed by SIG%s", sigabbrev_np(info->si_status));
	return text;
}

/* Before the command runs, the worker's end is everybody's. */
static void end_before_start(struct guard *guard, const siginfo_t *info)
{
	pid_t command = atomic_load(&guard->keeper->shared->command);
	char how[64];

	if (command != 0)
		kill(command, SIGKILL);
	guard->is_over = true;
	guard->status = GUARD_FAILED;
	if (info->si_code != CLD_EXITED)
		log_err("keeper: the sensor %s before the command was started", name_end(info, how, sizeof(how)));
}

void guard_failed(struct guard *guard)
{
	if (!guard->keeper->kills || guard->has_killed)
		return;
	guard->has_killed = true;
	log_err("keeper: the workload is killed: --on-failure kill");
	keeper_kill_workload(guard->keeper);
}

/* The worker's end is in order, or all that it could be followed by is one that tells of its end, and that was it. */
static bool ends_all(struct guard *guard, const siginfo_t *info)
{
	struct keeper_shared *shared = guard->keeper->shared;
	bool had_last = guard->has_last;

	if (guard->has_killed || atomic_load(&shared->ending))
		return true;
	if (!atomic_load(&shared->ended) || !keeper_is_idle(guard->keeper))
		return false;
	guard->has_last = true;
	return info->si_code == CLD_EXITED || had_last;
}

static void worker_ended(struct guard *guard, pid_t pid, const siginfo_t *info)
{
	struct keeper *keeper = guard->keeper;
	struct keeper_shared *shared = keeper->shared;
	char how[64];

	atomic_store(&shared->serving, 0);
	atomic_store(&shared->holds, 0);
	atomic_store(&shared->worker, 0);
	keeper_look(keeper);
	if (atomic_load(&shared->step) != KEEPER_RUNS) {
		end_before_start(guard, info);
		return;
	}
	if (ends_all(guard, info)) {
		guard->is_over = true;
		return;
	}
	guard->answers = true;
	atomic_fetch_add(&shared->deaths, 1);
	keeper_note(keeper, "the worker (pid %d) %s", (int)pid, name_end(info, how, sizeof(how)));
	guard_failed(guard);
	answer_slots(guard);
	plan_next(guard);
}

void guard_child(struct guard *guard, const siginfo_t *info)
{
	pid_t worker = atomic_load(&guard->keeper->shared->worker);

	if (worker == 0 || info->si_pid != worker)
		return;
	if (info->si_code == CLD_STOPPED) {
		guard->stopped = 1;
		guard->next_check_ns = 0;
	} else if (info->si_code == CLD_CONTINUED) {
		guard->stopped = guard->still = guard->stuck = 0;
	} else {
		worker_ended(guard, worker, info);
	}
}

void guard_begin(struct guard *guard)
{
	struct keeper_shared *shared = guard->keeper->shared;
	pid_t worker = atomic_load(&shared->worker);

	/* Its parent died before it could say so. */
	if (worker != 0 && kill(worker, 0) < 0 && errno == ESRCH) {
		atomic_store(&shared->worker, 0);
		atomic_store(&shared->serving, 0);
		worker = 0;
	}
	guard->serves = worker != 0 && atomic_load(&shared->serving);
	guard->answers = !guard->serves && atomic_load(&shared->step) == KEEPER_RUNS;
	if (guard->answers && worker == 0)
		answer_slots(guard);
	guard->beat = atomic_load(&shared->beat);
	guard->turns = atomic_load(&shared->turns);
	guard->started_ns = clock_mono();
}

/* ---- checks ---- */

/* Notifications that a worker received and does not answer: by its main loop, as a rule. */
static bool check_slots(struct guard *guard)
{
	struct keeper_shared *shared = guard->keeper->shared;
	uint32_t used = atomic_load(&shared->used);
	bool late = false;

	for (uint32_t i = 0; i < KEEPER_SLOTS + KEEPER_SIDES; i = i + 1 == used ? KEEPER_SLOTS : i + 1) {
		struct guard_held *held = &guard->held[i];
		uint64_t id = shared->slots[i].notif.id;

		held->checks = id != 0 && held->id == id ? held->checks + 1 : 0;
		held->id = id;
		if (held->checks < GUARD_STALL)
			continue;
		late = true;
		if (!guard->keeper->kills)
			answer(guard->keeper, &shared->slots[i].notif);
	}
	return late;
}

static void kill_worker(struct guard *guard, const char *why)
{
	pid_t worker = atomic_load(&guard->keeper->shared->worker);

	keeper_note(guard->keeper, "the worker (pid %d) %s, and is killed", (int)worker, why);
	kill(worker, SIGKILL);
	guard->still = guard->stuck = guard->stopped = 0;
}

static void stalled(struct guard *guard, const char *why)
{
	struct keeper *keeper = guard->keeper;

	if (guard->answers || keeper->kills)
		return;
	guard->answers = true;
	atomic_fetch_add(&keeper->shared->stalls, 1);
	keeper_note(keeper, "the worker (pid %d) %s: calls go on without it",
		    (int)atomic_load(&keeper->shared->worker), why);
}

static void look_at_worker(struct guard *guard)
{
	struct keeper *keeper = guard->keeper;
	struct keeper_shared *shared = keeper->shared;
	uint64_t beat = atomic_load(&shared->beat), turns = atomic_load(&shared->turns);
	bool late = check_slots(guard), holds = atomic_load(&shared->holds) > 0;
	bool due = guard->answers || (listener_says(keeper) & POLLIN);

	guard->still = due && beat == guard->beat ? guard->still + 1 : 0;
	guard->stuck = turns == guard->turns ? guard->stuck + 1 : 0;
	guard->stopped += guard->stopped > 0;
	guard->beat = beat;
	guard->turns = turns;
	if (guard->stopped > 1)
		stalled(guard, "was stopped by a signal");
	else if (guard->still >= GUARD_STALL)
		stalled(guard, "does not answer");
	else if (guard->still == 0)
		guard->answers = false;
	if (guard->stopped >= GUARD_HANG || (guard->stopped > GUARD_HOLDS && holds))
		kill_worker(guard, "stayed stopped");
	else if (guard->still >= (holds ? GUARD_HOLDS : GUARD_HANG))
		kill_worker(guard, "does not answer any more");
	else if (guard->stuck >= (late ? GUARD_HANG : GUARD_BLIND))
		kill_worker(guard, "hangs");
}

void guard_step(struct guard *guard)
{
	struct keeper_shared *shared = guard->keeper->shared;
	int64_t now = clock_mono();

	if (guard->is_over)
		return;
	if (atomic_load(&shared->worker) == 0) {
		if (atomic_load(&shared->ended) && keeper_is_idle(guard->keeper) &&
		    !guard->has_killed && atomic_load(&shared->deaths) == 0)
			guard->is_over = true;
		else if (now >= guard->next_start_ns)
			start_worker(guard);
		return;
	}
	if (atomic_load(&shared->serving) && !guard->serves) {
		guard->serves = true;
		guard->answers = false;
	}
	if (guard->keeper->listener < 0 || now < guard->next_check_ns)
		return;
	guard->next_check_ns = now + GUARD_CHECK_MS * NS_PER_MS;
	if (guard->serves)
		look_at_worker(guard);
	else if (atomic_load(&shared->step) == KEEPER_RUNS && ++guard->still > GUARD_BLIND)
		kill_worker(guard, "did not begin");
}

int guard_wait_ms(const struct guard *guard)
{
	int64_t wait;

	if (guard->is_over)
		return 0;
	if (atomic_load(&guard->keeper->shared->worker) != 0)
		return guard->keeper->listener < 0 || keeper_is_idle(guard->keeper) ? -1 : GUARD_CHECK_MS;
	wait = (guard->next_start_ns - clock_mono()) / NS_PER_MS;
	return wait < 0 ? 0 : (int)wait + 1;
}
