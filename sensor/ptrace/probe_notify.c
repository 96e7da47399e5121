/* The probe of `tocsin-sensor run`: a command under a seccomp filter that tells of the calls which rules can
 * want (user notification). Nobody traces the command; a thread of it is held for the moment of a call whose
 * result is wanted, and everything else runs untouched. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sensor/ptrace/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POLL_RECORDS = 4096 };

/* Told by the command's process before it is the command. */
struct installed {
	int listener; /* the number of the descriptor in that process, or -errno */
	bool killable;
};

struct probe {
	struct notify notify;
	struct filter_cover cover;
	struct filter filter;
	int status; /* of the command, for the sensor's own exit */
	bool ended;
	probe_take_fn take;
	void *userdata;
};

/* ---- the command ---- */

static void run_command(const struct probe *probe, int said, int go)
{
	struct installed installed = { .listener = -EIO };
	char byte;

	installed.listener = filter_install(&probe->filter, &installed.killable);
	/* From here on only calls that the filter never tells of, till somebody listens. */
	if (write(said, &installed, sizeof(installed)) != sizeof(installed) || read(go, &byte, 1) != 1)
		_exit(126);
	close(installed.listener);
	signal(SIGPIPE, SIG_DFL);
	execvp(probe->notify.settings.command[0], probe->notify.settings.command);
	fprintf(stderr, "tocsin-sensor: %s: %s\n", probe->notify.settings.command[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* The listener out of the process that has put the filter on. */
static int take_listener(pid_t from, const struct installed *installed)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, from, 0);
	int fd = installed->listener < 0 ? installed->listener
		 : pidfd < 0		 ? -1
					 : (int)syscall(SYS_pidfd_getfd, pidfd, installed->listener, 0);

	return fd < 0 && installed->listener >= 0 ? -errno : fd;
}

static int meet_command(struct probe *probe, int said, const char **ret_why)
{
	struct installed installed;

	*ret_why = "the filter could not be put on";
	if (read(said, &installed, sizeof(installed)) != sizeof(installed))
		return -EIO;
	probe->notify.listener = take_listener(probe->notify.command, &installed);
	if (probe->notify.listener < 0)
		return probe->notify.listener;
	probe->notify.killable = installed.killable;
	life_begin(probe->notify.life, (uint32_t)probe->notify.command);
	*ret_why = "nobody can listen to the filter";
	return receiver_start(&probe->notify);
}

static int start_command(struct probe *probe, const char **ret_why)
{
	int said[2], go[2], r;

	*ret_why = "the command could not be started";
	if (pipe2(said, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
		return -errno;
	probe->notify.command = fork();
	if (probe->notify.command == 0) {
		close(go[1]);
		run_command(probe, said[1], go[0]);
	}
	r = probe->notify.command < 0 ? -errno : 0;
	close(go[0]);
	close(said[1]);
	if (r == 0)
		r = meet_command(probe, said[0], ret_why);
	close(said[0]);
	if (r == 0 && write(go[1], "", 1) != 1)
		r = -EIO;
	close(go[1]);
	if (r < 0 && probe->notify.command > 0)
		waitpid(probe->notify.command, NULL, 0);
	return r;
}

static void set_status(struct probe *probe, int status)
{
	probe->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	probe->ended = true;
}

/* Only looking, for its stops while it is held are the receiver's, whoever waits for it. */
static bool has_ended(pid_t command)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)command, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == command &&
	       (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED);
}

/* Whoever of the two threads hears of it first. */
static void look_after_command(struct probe *probe)
{
	int status = atomic_load(&probe->notify.command_status);

	if (probe->ended)
		return;
	if (status >= 0 || (has_ended(probe->notify.command) &&
			    waitpid(probe->notify.command, &status, WNOHANG) == probe->notify.command))
		set_status(probe, status);
}

/* ---- the probe ---- */

static void notify_close(void *state)
{
	struct probe *probe = state;

	if (probe == NULL)
		return;
	receiver_stop(&probe->notify);
	if (probe->notify.listener >= 0)
		close(probe->notify.listener);
	if (probe->notify.wake >= 0)
		close(probe->notify.wake);
	life_free(probe->notify.life);
	queue_free(probe->notify.queue);
	pthread_rwlock_destroy(&probe->notify.lock);
	free(probe);
}

static void set_wanted(struct notify *notify, const struct probe_settings *settings)
{
	char *const *command = notify->settings.command;

	notify->settings = *settings;
	notify->settings.command = command;
	for (size_t i = 0; i < calls_count; i++) {
		bool for_state = call_is_traced(&calls[i]) ||
				 (calls[i].watch == CALL_STATE && !(calls[i].plan.flags & PLAN_FAILED_ONLY));

		notify->wanted[i] = for_state ? settings->reported[i] : settings->wanted[i];
	}
}

/* The filter is the command's own and cannot be widened: what it does not tell of stays unseen. */
static size_t notify_rearm(void *state, const struct probe_settings *settings)
{
	struct probe *probe = state;
	struct filter_cover cover;

	filter_cover_of(settings, &cover);
	pthread_rwlock_wrlock(&probe->notify.lock);
	set_wanted(&probe->notify, settings);
	pthread_rwlock_unlock(&probe->notify.lock);
	return filter_missing(&probe->cover, &cover);
}

static int prepare(struct probe *probe, const struct probe_settings *settings, const char **ret_why)
{
	struct notify *notify = &probe->notify;

	pthread_rwlock_init(&notify->lock, NULL);
	notify->listener = notify->stops = -1;
	atomic_init(&notify->command_status, -1);
	notify->settings.command = settings->command;
	set_wanted(notify, settings);
	filter_cover_of(settings, &probe->cover);
	*ret_why = "the filter would be longer than the kernel takes";
	if (!filter_make(&probe->cover, &probe->filter))
		return -E2BIG;
	*ret_why = "out of memory";
	notify->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	notify->life = life_new((uint32_t)getpid());
	notify->queue = queue_new();
	if (notify->wake < 0 || notify->life == NULL || notify->queue == NULL)
		return -ENOMEM;
	return 0;
}

static int notify_open(const struct probe_settings *settings, void **ret, const char **ret_why)
{
	struct probe *probe;
	int r;

	*ret_why = "it needs a command to run";
	if (settings->command == NULL)
		return -EINVAL;
	probe = calloc(1, sizeof(*probe));
	*ret_why = "out of memory";
	if (probe == NULL)
		return -ENOMEM;
	r = prepare(probe, settings, ret_why);
	if (r == 0)
		r = start_command(probe, ret_why);
	if (r < 0) {
		notify_close(probe);
		return r;
	}
	*ret = probe;
	return 0;
}

static int drain(struct probe *probe)
{
	const struct record *record;
	int n = 0;

	while (n < POLL_RECORDS && (record = queue_first(probe->notify.queue)) != NULL) {
		probe->take(record, probe->userdata);
		queue_next(probe->notify.queue);
		n++;
	}
	return n;
}

/* An end: straight to who takes records. */
static void take_end(struct record *record, void *userdata)
{
	struct probe *probe = userdata;
	struct notify_counters *of = &probe->notify.of[record->class];

	atomic_fetch_add(&of->seen, 1);
	atomic_fetch_add(&of->emitted, 1);
	probe->take(record, probe->userdata);
}

/* What a process did is in the queue before it can end. */
static int take_all(struct probe *probe, bool ends)
{
	int n = drain(probe);

	if (ends && n < POLL_RECORDS) {
		n += drain(probe);
		life_end(probe->notify.life, take_end, probe);
	}
	return n;
}

static void wait_for_news(struct probe *probe, int wait_ms, bool *ret_ends)
{
	struct pollfd fds[] = { { probe->notify.wake, POLLIN, 0 }, { life_fd(probe->notify.life), POLLIN, 0 } };
	uint64_t times;

	atomic_store(&probe->notify.asleep, true);
	if (queue_first(probe->notify.queue) != NULL || atomic_load(&probe->notify.over))
		wait_ms = 0;
	*ret_ends = poll(fds, ARRAY_LEN(fds), wait_ms) > 0 && fds[1].revents != 0;
	atomic_store(&probe->notify.asleep, false);
	while (fds[0].revents != 0 && read(probe->notify.wake, &times, sizeof(times)) > 0)
		;
}

static int notify_poll(void *state, int wait_ms, probe_take_fn take, void *userdata)
{
	struct probe *probe = state;
	bool ends, over;
	int n;

	probe->take = take;
	probe->userdata = userdata;
	n = drain(probe);
	if (n == POLL_RECORDS)
		return n;
	over = atomic_load(&probe->notify.over);
	wait_for_news(probe, n > 0 || over ? 0 : wait_ms, &ends);
	n += take_all(probe, ends || over);
	look_after_command(probe);
	return n == 0 && over && probe->ended ? -ESRCH : n;
}

static void notify_counts(void *state, struct probe_counts *ret)
{
	const struct notify *notify = &((struct probe *)state)->notify;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < RECORD_CLASSES; i++)
		ret->of[i] = (struct plan_counters){ .seen = notify->of[i].seen,
						     .filtered = notify->of[i].filtered,
						     .emitted = notify->of[i].emitted,
						     .dropped = notify->of[i].dropped };
	ret->by_call = notify->by_call;
}

static void notify_detach(void *state, probe_take_fn take, void *userdata)
{
	struct probe *probe = state;

	receiver_stop(&probe->notify);
	probe->take = take;
	probe->userdata = userdata;
	while (take_all(probe, true) > 0)
		;
}

static bool notify_forward(void *state, int signal)
{
	const struct probe *probe = state;

	if (probe->ended)
		return false; /* only what it left behind is there yet */
	kill(probe->notify.command, signal);
	return true;
}

static int notify_exit_status(const void *state)
{
	return ((const struct probe *)state)->status;
}

const struct probe_ops probe_notify = {
	.name = "seccomp",
	.open = notify_open,
	.rearm = notify_rearm,
	.poll = notify_poll,
	.counts = notify_counts,
	.detach = notify_detach,
	.forward = notify_forward,
	.exit_status = notify_exit_status,
	.close = notify_close,
};
