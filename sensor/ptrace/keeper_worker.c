/* The keeper as the worker and the command see it: shared memory, and how the listener gets from the one to the
 * other. */
#include "sensor/ptrace/keeper_inner.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_S = 10, LOOK_MS = 50 };

/* ---- memory and descriptors ---- */

static bool open_descriptors(struct keeper *keeper)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, keeper->pass) < 0)
		return false;
	for (int i = 0; i < KEEPER_SIDES; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
			return false;
		keeper->give[i] = pair[0];
		keeper->take[i] = pair[1];
		keeper->wake[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (keeper->wake[i] < 0)
			return false;
	}
	return true;
}

static void note_signals(struct keeper *keeper)
{
	sigprocmask(SIG_BLOCK, NULL, &keeper->mask_before);
	sigemptyset(&keeper->ignored_before);
	for (int i = 1; i < NSIG; i++) {
		struct sigaction action;

		if (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			sigaddset(&keeper->ignored_before, i);
	}
}

struct keeper *keeper_new(void)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	void *shared = mmap(NULL, sizeof(*keeper->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (keeper == NULL || shared == MAP_FAILED) {
		free(keeper);
		return NULL;
	}
	keeper->shared = shared;
	keeper->listener = keeper->pass[0] = keeper->pass[1] = -1;
	for (int i = 0; i < KEEPER_SIDES; i++)
		keeper->give[i] = keeper->take[i] = keeper->wake[i] = -1;
	note_signals(keeper);
	if (!open_descriptors(keeper)) {
		keeper_free(keeper);
		return NULL;
	}
	return keeper;
}

struct keeper *keeper_alone(void)
{
	struct keeper *keeper = keeper_new();

	if (keeper != NULL)
		atomic_store(&keeper->shared->worker, getpid());
	return keeper;
}

static void close_it(int fd)
{
	if (fd >= 0)
		close(fd);
}

void keeper_free(struct keeper *keeper)
{
	if (keeper == NULL)
		return;
	for (int i = 0; i < KEEPER_SIDES; i++) {
		close_it(keeper->give[i]);
		close_it(keeper->take[i]);
		close_it(keeper->wake[i]);
	}
	close_it(keeper->pass[0]);
	close_it(keeper->pass[1]);
	close_it(keeper->listener);
	munmap(keeper->shared, sizeof(*keeper->shared));
	free(keeper);
}

void keeper_wake(const struct keeper *keeper)
{
	const uint64_t one = 1;

	for (int i = 0; i < KEEPER_SIDES; i++)
		if (write(keeper->wake[i], &one, sizeof(one)) < 0)
			continue; /* it is awake */
}

/* ---- the start of the command ---- */

/* Until the step is another, for at most so long. Where a filter refuses the call, it is asked again and again. */
static void wait_step(struct keeper_shared *shared, uint32_t step, int64_t ms)
{
	const struct timespec wait = { ms / 1000, ms % 1000 * NS_PER_MS };

	if (atomic_load(&shared->step) == step)
		syscall(SYS_futex, &shared->step, FUTEX_WAIT, step, &wait, NULL, 0);
}

static void take_step(struct keeper_shared *shared, uint32_t step)
{
	atomic_store(&shared->step, step);
	syscall(SYS_futex, &shared->step, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static int hand_over(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Calls are not filtered for a process that was there before the filter; and it has the command's descriptors. */
static void help(struct keeper *keeper)
{
	struct keeper_shared *shared = keeper->shared;
	int64_t until = clock_mono() + START_S * NS_PER_S;

	while (atomic_load(&shared->step) == KEEPER_NOT_STARTED && clock_mono() < until)
		wait_step(shared, KEEPER_NOT_STARTED, START_S * 1000);
	if (atomic_load(&shared->offered) >= 0)
		hand_over(keeper->pass[1], atomic_load(&shared->offered));
	_exit(0);
}

/* Docker's and containerd's profiles allow it only together with CAP_SYS_PTRACE. */
static bool may_fetch(void)
{
	autoclose int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	autoclose int copy = self < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, self, self, 0);

	return copy >= 0;
}

void keeper_prepare(struct keeper *keeper)
{
	if (!may_fetch()) {
		/* No signal at its end: the command must not hear of a child that it did not make. */
		keeper->helper = (pid_t)syscall(SYS_clone, CLONE_FILES, NULL, NULL, NULL, NULL);
		if (keeper->helper == 0)
			help(keeper);
	}
	if (keeper->kills)
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* even if everybody is killed at once */
	for (int i = 1; i < NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP)
			signal(i, sigismember(&keeper->ignored_before, i) == 1 ? SIG_IGN : SIG_DFL);
	sigprocmask(SIG_SETMASK, &keeper->mask_before, NULL);
}

int keeper_offer(struct keeper *keeper, int listener)
{
	struct keeper_shared *shared = keeper->shared;
	int64_t until = clock_mono() + START_S * NS_PER_S;

	atomic_store(&shared->offered, listener);
	take_step(shared, KEEPER_OFFERED);
	while (atomic_load(&shared->step) == KEEPER_OFFERED)
		if (listener < 0 || clock_mono() > until)
			return -ETIMEDOUT;
		else
			wait_step(shared, KEEPER_OFFERED, START_S * 1000);
	if (keeper->helper > 0)
		waitpid(keeper->helper, NULL, __WALL);
	return 0;
}

static bool is_dead(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/* What lies in a socket's queue arrives, whatever becomes of the worker meanwhile. */
static int hand_to_keepers(const struct keeper *keeper, int listener)
{
	int r = 0;

	for (int i = 0; i < KEEPER_SIDES && keeper->has_parents && r == 0; i++)
		r = hand_over(keeper->give[i], listener);
	return r;
}

int keeper_receive(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *head;
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0)
		return -errno;
	head = CMSG_FIRSTHDR(&message);
	if (head == NULL || head->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* Out of the command, or from its helper. */
static int fetch(const struct keeper *keeper, int pidfd, int number)
{
	struct pollfd fd = { .fd = keeper->pass[0], .events = POLLIN };
	int listener = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, number, 0), r = -errno;

	if (listener >= 0)
		return listener;
	if (poll(&fd, 1, r == -EPERM || r == -ENOSYS ? START_S * 1000 : 0) <= 0)
		return r;
	return keeper_receive(keeper->pass[0]);
}

int keeper_accept(struct keeper *keeper, pid_t command, int *ret_listener)
{
	struct keeper_shared *shared = keeper->shared;
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, command, 0), listener = -1;
	int offered, r;

	atomic_store(&shared->command, command);
	while (atomic_load(&shared->step) == KEEPER_NOT_STARTED) {
		if (is_dead(command))
			return -ESRCH;
		wait_step(shared, KEEPER_NOT_STARTED, LOOK_MS);
	}
	offered = atomic_load(&shared->offered);
	if (offered < 0)
		return offered;
	listener = fetch(keeper, pidfd, offered);
	if (listener < 0)
		return listener;
	r = hand_to_keepers(keeper, listener);
	if (r == 0)
		*ret_listener = TAKE_FD(listener);
	return r;
}

void keeper_let_go(struct keeper *keeper)
{
	take_step(keeper->shared, KEEPER_RUNS);
	keeper_wake(keeper);
}

/* ---- while it runs ---- */

int keeper_listener(struct keeper *keeper)
{
	int fd = keeper->listener < 0 ? -1 : fcntl(keeper->listener, F_DUPFD_CLOEXEC, 3);

	return keeper->listener < 0 ? -ENOENT : fd < 0 ? -errno : fd;
}

pid_t keeper_command(const struct keeper *keeper)
{
	return atomic_load(&keeper->shared->command);
}

void keeper_serving(struct keeper *keeper)
{
	atomic_store(&keeper->shared->serving, 1);
	keeper_wake(keeper);
}

struct seccomp_notif *keeper_slot(struct keeper *keeper)
{
	struct keeper_slot *slots = keeper->shared->slots;

	for (size_t i = 0; i < KEEPER_SLOTS; i++)
		if (atomic_load_explicit(&slots[i].taken, memory_order_acquire) == 0) {
			atomic_store_explicit(&slots[i].taken, 1, memory_order_relaxed);
			if (i >= atomic_load_explicit(&keeper->shared->used, memory_order_relaxed))
				atomic_store_explicit(&keeper->shared->used, (uint32_t)i + 1, memory_order_relaxed);
			return &slots[i].notif;
		}
	return NULL;
}

void keeper_answered(struct keeper *keeper, struct seccomp_notif *notif)
{
	struct keeper_slot *slot = (struct keeper_slot *)(void *)notif;

	(void)keeper;
	memset(slot->room, 0, sizeof(slot->room));
	atomic_store_explicit(&slot->taken, 0, memory_order_release);
}

void keeper_beat(struct keeper *keeper)
{
	atomic_fetch_add_explicit(&keeper->shared->beat, 1, memory_order_relaxed);
}

void keeper_holds(struct keeper *keeper, int change)
{
	atomic_fetch_add(&keeper->shared->holds, change);
}

void keeper_ended(struct keeper *keeper, int status)
{
	struct keeper_shared *shared = keeper->shared;

	if (atomic_load(&shared->ended))
		return;
	atomic_store(&shared->status, status);
	atomic_store(&shared->ended, 1);
	keeper_wake(keeper);
}

/* Not out of the hands of the tracer, which waits for its end. */
static void reap_command(struct keeper *keeper, pid_t command)
{
	if (!keeper->has_reaped && atomic_load(&keeper->shared->holds) == 0)
		keeper->has_reaped = waitpid(command, NULL, WNOHANG) != 0;
}

/* WNOWAIT: what a tracer waits for is not taken from it, and "stopped" is a state, not news. */
void keeper_look(struct keeper *keeper)
{
	struct keeper_shared *shared = keeper->shared;
	pid_t command = atomic_load(&shared->command);
	siginfo_t info = { 0 };
	int status, stopped;

	if (command != 0 && atomic_load(&shared->ended))
		reap_command(keeper, command);
	if (command == 0 || atomic_load(&shared->ended) ||
	    waitid(P_PID, (id_t)command, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) < 0)
		return;
	if (info.si_pid == command && info.si_code != CLD_STOPPED && info.si_code != CLD_TRAPPED) {
		status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8
						    : info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
		keeper_ended(keeper, status); /* before its number can be another one's */
		reap_command(keeper, command);
		return;
	}
	if (info.si_pid == command && info.si_code == CLD_TRAPPED)
		return;
	stopped = info.si_pid == command ? info.si_status : 0;
	if (atomic_exchange(&shared->stopped, stopped) != stopped)
		keeper_wake(keeper);
}

void keeper_let_go_of_output(const struct keeper *keeper)
{
	autoclose int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool prints = keeper->prints && getpid() == atomic_load(&keeper->shared->worker);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && nothing >= 0; fd++)
		if (fd != STDOUT_FILENO || !prints)
			dup2(nothing, fd);
}

/* All that stands above this worker is gone: nobody else will do it. */
static void be_last(struct keeper *keeper)
{
	struct keeper_shared *shared = keeper->shared;
	pid_t parent = getppid();

	if (keeper->is_last || !keeper->has_parents || parent == atomic_load(&shared->keeper) ||
	    parent == atomic_load(&shared->front) || atomic_load(&shared->left))
		return;
	keeper->is_last = true;
	atomic_store(&shared->front, 0);
	atomic_store(&shared->keeper, 0);
	atomic_fetch_add(&shared->keepers, 1);
	keeper_note(keeper, "front and keeper are gone: nobody is left to take over");
	if (keeper->kills)
		keeper_kill_workload(keeper);
}

bool keeper_watch(struct keeper *keeper, int *ret_status)
{
	keeper_look(keeper);
	atomic_fetch_add_explicit(&keeper->shared->turns, 1, memory_order_relaxed);
	be_last(keeper);
	if (!keeper->has_let_go && atomic_load(&keeper->shared->left)) {
		keeper->has_let_go = true;
		keeper_let_go_of_output(keeper);
	}
	if (!atomic_load(&keeper->shared->ended))
		return false;
	*ret_status = atomic_load(&keeper->shared->status);
	return true;
}

bool keeper_is_gone(const struct keeper *keeper)
{
	return keeper->is_last;
}

bool keeper_is_ending(const struct keeper *keeper)
{
	return atomic_load(&keeper->shared->ending) != 0;
}

/* What a worker before has said is not said again. */
static void note_told(struct keeper *keeper)
{
	struct keeper_shared *shared = keeper->shared;

	keeper->has_told = true;
	keeper->failures_before = atomic_load(&shared->failures_told);
	for (size_t i = 0; i < PLAN_LOST_ROWS; i++)
		keeper->told_before[i] = atomic_load_explicit(&shared->by_call_told[i], memory_order_relaxed);
}

static uint64_t failures_of(const struct keeper_shared *shared)
{
	return atomic_load(&shared->deaths) + atomic_load(&shared->stalls) + atomic_load(&shared->keepers);
}

bool keeper_saw_all(const struct keeper *keeper)
{
	return failures_of(keeper->shared) == 0;
}

void keeper_failures(struct keeper *keeper, struct keeper_failures *ret)
{
	struct keeper_shared *shared = keeper->shared;
	uint64_t failures = failures_of(shared);

	if (!keeper->has_told)
		note_told(keeper);
	*ret = (struct keeper_failures){ .count = failures - keeper->failures_before, .by_call = keeper->by_call };
	atomic_store(&shared->failures_told, failures);
	for (size_t i = 0; i < PLAN_LOST_ROWS; i++) {
		uint64_t all = atomic_load_explicit(&shared->by_call[i], memory_order_relaxed);

		keeper->by_call[i] = all - keeper->told_before[i];
		atomic_store_explicit(&shared->by_call_told[i], all, memory_order_relaxed);
		ret->missed += keeper->by_call[i];
	}
	for (size_t i = 0; i + 1 < sizeof(ret->last); i++)
		ret->last[i] = atomic_load_explicit(&shared->last[i], memory_order_relaxed);
}

void keeper_same_id(struct keeper *keeper, char *id, size_t size)
{
	_Atomic char *kept = keeper->shared->id;
	bool is_first = atomic_load(&kept[0]) == '\0';

	for (size_t i = 0; i < size && i < sizeof(keeper->shared->id); i++)
		if (is_first)
			atomic_store(&kept[i], id[i]);
		else
			id[i] = atomic_load(&kept[i]);
}

struct keeper_pids keeper_pids(const struct keeper *keeper)
{
	const struct keeper_shared *shared = keeper->shared;

	return (struct keeper_pids){ .front = atomic_load(&shared->front),
				     .keeper = atomic_load(&shared->keeper),
				     .worker = atomic_load(&shared->worker) };
}
