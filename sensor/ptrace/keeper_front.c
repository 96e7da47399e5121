/* Signals, the terminal and the exit status, as they would be without us. */
#include "sensor/ptrace/keeper_front.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SETTLE_MS = 20 };

void front_begin(struct front *front, struct keeper *keeper)
{
	*front = (struct front){ .keeper = keeper, .is_init = getpid() == 1 };
	sigemptyset(&front->waiting);
	atomic_store(&keeper->shared->front, getpid());
}

/* ---- signals ---- */

static pid_t running(const struct front *front)
{
	const struct keeper_shared *shared = front->keeper->shared;

	return atomic_load(&shared->step) == KEEPER_RUNS && !atomic_load(&shared->ended) ? atomic_load(&shared->command)
											  : 0;
}

/* The kernel's word for it, since what the worker last saw may be old. */
static bool is_stopped(pid_t pid)
{
	char path[32], text[256];
	const char *end;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[len > 0 ? len : 0] = '\0';
	end = strrchr(text, ')');
	return end != NULL && strlen(end) > 2 && end[2] == 'T';
}

/* A shell sends it to the whole group when a job goes on, and then the command has it, or will in a moment. */
static void continue_command(struct front *front, pid_t command)
{
	if (front->resumed && is_stopped(command))
		poll(NULL, 0, SETTLE_MS);
	if (!front->resumed || is_stopped(command))
		kill(command, SIGCONT);
	front->resumed = false;
}

void front_signal(struct front *front, const struct signalfd_siginfo *info)
{
	const struct keeper_shared *shared = front->keeper->shared;
	pid_t command = running(front);
	int number = (int)info->ssi_signo;

	if (atomic_load(&shared->ended)) {
		front->hurries |= number == SIGTERM || number == SIGINT || number == SIGQUIT;
	} else if (command == 0) {
		sigaddset(&front->waiting, number);
	} else if (info->ssi_code > 0) {
		return; /* from the terminal: the command has it as well */
	} else if (number == SIGCONT) {
		if ((pid_t)info->ssi_pid == atomic_load(&shared->keeper))
			front->resumed = false;
		else
			continue_command(front, command);
	} else if (info->ssi_code == SI_QUEUE) {
		sigqueue(command, number, (union sigval){ .sival_ptr = (void *)(uintptr_t)info->ssi_ptr });
	} else {
		kill(command, number);
	}
}

static void send_waiting(struct front *front)
{
	pid_t command = running(front);

	if (command == 0 || sigisemptyset(&front->waiting))
		return;
	for (int i = 1; i < NSIG; i++)
		if (sigismember(&front->waiting, i) == 1)
			kill(command, i);
	sigemptyset(&front->waiting);
}

/* By a signal's own action, whatever it is: to stop, or to end. */
static void raise_plainly(int number)
{
	sigset_t only;

	sigemptyset(&only);
	sigaddset(&only, number);
	signal(number, SIG_DFL);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &only, NULL);
	sigprocmask(SIG_BLOCK, &only, NULL);
}

/* The shell waits for us: it has to see that its job has stopped. */
static void stop_too(struct front *front)
{
	struct keeper_shared *shared = front->keeper->shared;
	int number = atomic_load(&shared->stopped);

	atomic_store(&shared->paused, 1);
	if (atomic_load(&shared->stopped) != 0) {
		front->resumed = true;
		raise_plainly(number);
	}
	atomic_store(&shared->paused, 0);
}

void front_look(struct front *front)
{
	send_waiting(front);
	if (!front->is_init && running(front) != 0 && atomic_load(&front->keeper->shared->stopped) != 0 && !front->resumed)
		stop_too(front);
}

/* ---- the end ---- */

static int until(int64_t ns)
{
	int64_t ms = (ns - clock_mono()) / NS_PER_MS;

	return ms < 0 ? 0 : (int)ms + 1;
}

int front_wait_ms(const struct front *front)
{
	if (front->flush_ns == 0)
		return -1;
	/* The end of the last process under the filter wakes nobody here. */
	return front->left_ns > clock_mono() ? 10 : until(front->flush_ns);
}

static void begin_end(struct front *front)
{
	int64_t now = clock_mono();

	front->left_ns = now + FRONT_LEFT_MS * NS_PER_MS;
	front->flush_ns = now + FRONT_FLUSH_MS * NS_PER_MS;
	if (!front->is_init)
		return;
	keeper_kill_workload(front->keeper); /* as the kernel does when PID 1 ends */
	atomic_store(&front->keeper->shared->ending, 1);
}

bool front_is_done(struct front *front, const struct guard *guard)
{
	if (guard->is_over)
		return true;
	if (!atomic_load(&front->keeper->shared->ended))
		return false;
	if (front->flush_ns == 0)
		begin_end(front);
	if (front->hurries || clock_mono() >= front->flush_ns)
		return true;
	return !front->is_init && clock_mono() >= front->left_ns && !keeper_is_idle(front->keeper);
}

static void die_of(int number)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	raise_plainly(number);
}

int front_end(struct front *front, const struct guard *guard)
{
	struct keeper_shared *shared = front->keeper->shared;
	int status = atomic_load(&shared->status);

	atomic_store(&shared->left, 1);
	keeper_wake(front->keeper);
	if (!atomic_load(&shared->ended))
		return guard->status;
	if (WIFSIGNALED(status) && !front->is_init)
		die_of(WTERMSIG(status));
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
