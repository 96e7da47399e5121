/* Front and keeper: one loop for both, since the one does the other's work when that is gone. */
#include "sensor/ptrace/keeper.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sensor/ptrace/keeper_front.h"
#include "sensor/ptrace/keeper_guard.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIGNALS, WAKE, TAKE, PARENT, LISTENER, WATCHED };

struct watch {
	struct keeper *keeper;
	enum keeper_side side;
	bool guards;
	struct guard guard;
	struct front front;
	int signals; /* signalfd */
	int parent;  /* pidfd of the front, in the keeper; -1: gone */
};

static void take_listener(struct keeper *keeper, enum keeper_side side)
{
	int fd = keeper->listener < 0 ? keeper_receive(keeper->take[side]) : -1;

	if (fd >= 0)
		keeper->listener = fd;
}

/* ---- children ---- */

static void begin_guarding(struct watch *watch)
{
	take_listener(watch->keeper, watch->side); /* it may lie there yet */
	watch->guards = true;
	guard_begin(&watch->guard);
}

/* The keeper ends by itself only when all is over. */
static void guard_ended(struct watch *watch, const siginfo_t *info)
{
	struct keeper_shared *shared = watch->keeper->shared;

	atomic_store(&shared->keeper, 0);
	if (info->si_code == CLD_EXITED) {
		watch->guard.is_over = true;
		watch->guard.status = info->si_status;
		return;
	}
	atomic_fetch_add(&shared->keepers, 1);
	keeper_note(watch->keeper, "the keeper (pid %d) was killed by SIG%s", (int)info->si_pid,
		    sigabbrev_np(info->si_status));
	begin_guarding(watch);
	guard_failed(&watch->guard);
}

static void child_ended(struct watch *watch, const siginfo_t *info)
{
	struct keeper_shared *shared = watch->keeper->shared;

	if (info->si_pid == atomic_load(&shared->command))
		keeper_look(watch->keeper);
	else if (watch->side == KEEPER_FRONT && info->si_pid == atomic_load(&shared->keeper))
		guard_ended(watch, info);
	else if (watch->guards)
		guard_child(&watch->guard, info);
	waitpid(info->si_pid, NULL, WNOHANG);
}

/* A child by its pid: has it stopped, or does it go on? */
static bool has_news(pid_t pid, siginfo_t *ret)
{
	*ret = (siginfo_t){ 0 };
	return pid != 0 && waitid(P_PID, (id_t)pid, ret, WSTOPPED | WCONTINUED | WNOHANG) == 0 && ret->si_pid == pid;
}

static void reap(struct watch *watch)
{
	struct keeper_shared *shared = watch->keeper->shared;
	siginfo_t info = { 0 };

	keeper_look(watch->keeper);
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
		child_ended(watch, &info);
		info = (siginfo_t){ 0 };
	}
	if (watch->guards && has_news(atomic_load(&shared->worker), &info))
		guard_child(&watch->guard, &info);
	if (watch->side == KEEPER_FRONT && has_news(atomic_load(&shared->keeper), &info) && info.si_code == CLD_STOPPED)
		kill(info.si_pid, SIGCONT); /* nobody has to stop that one */
}

/* ---- the loop ---- */

static void on_signals(struct watch *watch)
{
	struct signalfd_siginfo info;

	while (read(watch->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo == SIGCHLD)
			reap(watch);
		else if (watch->side == KEEPER_FRONT)
			front_signal(&watch->front, &info);
}

static void front_is_gone(struct watch *watch)
{
	struct keeper_shared *shared = watch->keeper->shared;
	pid_t front = atomic_exchange(&shared->front, 0);

	close(watch->parent);
	watch->parent = -1;
	if (atomic_load(&shared->left))
		return;
	atomic_fetch_add(&shared->keepers, 1);
	keeper_note(watch->keeper, "the process that started the command (pid %d) is gone", (int)front);
	guard_failed(&watch->guard);
}

static void on_wake(struct watch *watch)
{
	struct keeper_shared *shared = watch->keeper->shared;
	uint64_t count;

	if (read(watch->keeper->wake[watch->side], &count, sizeof(count)) < 0)
		return;
	if (watch->side == KEEPER_FRONT)
		front_look(&watch->front);
	else if (atomic_load(&shared->left))
		keeper_let_go_of_output(watch->keeper);
}

/* The front has stopped, as the command had, and that goes on without it: told to, or killed. Again and again, for
 * a stop that comes later undoes it. */
static bool is_front_behind(const struct watch *watch)
{
	const struct keeper_shared *shared = watch->keeper->shared;

	return watch->parent >= 0 && atomic_load(&shared->paused) &&
	       (atomic_load(&shared->stopped) == 0 || atomic_load(&shared->ended));
}

static int wait_ms(const struct watch *watch)
{
	int guard = watch->guards ? guard_wait_ms(&watch->guard) : -1;
	int front = watch->side == KEEPER_FRONT ? front_wait_ms(&watch->front) : -1;

	if (is_front_behind(watch))
		return GUARD_CHECK_MS / 10;
	return guard < 0 || (front >= 0 && front < guard) ? front : guard;
}

static void turn(struct watch *watch)
{
	struct keeper *keeper = watch->keeper;
	bool listens = watch->guards && watch->guard.answers && !keeper_is_idle(keeper);
	struct pollfd fds[WATCHED] = {
		[SIGNALS] = { .fd = watch->signals, .events = POLLIN },
		[WAKE] = { .fd = keeper->wake[watch->side], .events = POLLIN },
		[TAKE] = { .fd = keeper->listener < 0 ? keeper->take[watch->side] : -1, .events = POLLIN },
		[PARENT] = { .fd = watch->parent, .events = POLLIN },
		[LISTENER] = { .fd = listens ? keeper->listener : -1, .events = POLLIN },
	};

	if (poll(fds, WATCHED, wait_ms(watch)) < 0)
		return;
	if (fds[TAKE].revents)
		take_listener(keeper, watch->side);
	if (fds[WAKE].revents)
		on_wake(watch);
	if (fds[SIGNALS].revents)
		on_signals(watch);
	if (fds[PARENT].revents)
		front_is_gone(watch);
	if (watch->guards && watch->guard.answers && (fds[LISTENER].revents & POLLIN))
		guard_answer(&watch->guard);
	if (watch->guards)
		guard_step(&watch->guard);
	if (is_front_behind(watch))
		kill(atomic_load(&keeper->shared->front), SIGCONT);
}

static int open_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	return signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- processes ---- */

static void be_keeper(struct watch *watch)
{
	struct keeper_shared *shared = watch->keeper->shared;

	atomic_store(&shared->keeper, getpid());
	prctl(PR_SET_NAME, "tocsin-keeper");
	/* What outlives its parents comes here, so that it can be found again; in a container it goes to PID 1, where
	 * programs expect it. */
	if (atomic_load(&shared->front) != 1)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	close(watch->signals);
	watch->signals = open_signals();
	watch->parent = (int)syscall(SYS_pidfd_open, atomic_load(&shared->front), 0);
	watch->side = watch->guard.side = KEEPER_KEEPER;
	begin_guarding(watch);
	do
		turn(watch);
	while (!watch->guard.is_over || is_front_behind(watch));
	exit(watch->guard.status);
}

static int be_front(struct watch *watch)
{
	do
		turn(watch);
	while (!front_is_done(&watch->front, &watch->guard));
	return front_end(&watch->front, &watch->guard);
}

int keeper_run(const struct options *options, int (*worker)(const struct options *options, struct keeper *keeper))
{
	struct watch watch = { .keeper = keeper_new(), .side = KEEPER_FRONT, .parent = -1 };
	int status = GUARD_FAILED;
	pid_t pid;

	if (watch.keeper == NULL) {
		log_err("keeper: %s", strerror(errno));
		return status;
	}
	watch.keeper->kills = options->on_failure_kill;
	watch.keeper->profile = options->decider;
	watch.keeper->prints = options->print;
	watch.keeper->has_parents = true;
	watch.guard = (struct guard){ .keeper = watch.keeper, .side = KEEPER_FRONT, .options = options,
				      .run_worker = worker };
	front_begin(&watch.front, watch.keeper);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	watch.signals = open_signals();
	fflush(NULL);
	pid = watch.signals < 0 ? -1 : fork();
	if (pid == 0)
		be_keeper(&watch);
	if (pid < 0) {
		log_err("keeper: it cannot begin: %s", strerror(errno));
	} else {
		atomic_store(&watch.keeper->shared->keeper, pid);
		status = be_front(&watch);
	}
	close(watch.signals);
	keeper_free(watch.keeper);
	return status;
}
