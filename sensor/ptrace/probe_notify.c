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

enum { POLL_RECORDS = 4096, NAP_MS = 5 };

struct probe {
	struct notify notify;
	struct filter_cover cover;
	struct filter filter;
	int command; /* pidfd; -1: its end is seen a moment later */
	int status; /* of the command, for the sensor's own exit */
	bool ended, alone; /* without those who keep watch */
	bool busy;	   /* there were records a moment ago, and there will be */
	probe_take_fn take;
	void *userdata;
};

/* ---- the command ---- */

static void run_command(const struct probe *probe)
{
	struct keeper *keeper = probe->notify.keeper;
	char *const *command = probe->notify.settings.command;
	int listener;

	keeper_prepare(keeper);
	listener = filter_install(&probe->filter);
	/* From here on only calls that the filter never tells of, till somebody listens. */
	if (keeper_offer(keeper, listener) < 0)
		_exit(126);
	close(listener);
	execvp(command[0], command);
	fprintf(stderr, "tocsin-sensor: %s: %s\n", command[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int listen_to(struct probe *probe, const char **ret_why)
{
	int r;

	*ret_why = "nobody can listen to the filter";
	life_begin(probe->notify.life, (uint32_t)probe->notify.command);
	probe->command = (int)syscall(SYS_pidfd_open, probe->notify.command, 0);
	r = receiver_start(&probe->notify);
	if (r == 0)
		keeper_serving(probe->notify.keeper);
	return r;
}

static int start_command(struct probe *probe, const char **ret_why)
{
	struct notify *notify = &probe->notify;
	int r;

	*ret_why = "the command could not be started";
	notify->command = fork();
	if (notify->command == 0)
		run_command(probe);
	if (notify->command < 0)
		return -errno;
	*ret_why = "the filter could not be put on";
	r = keeper_accept(notify->keeper, notify->command, &notify->listener);
	if (r == -EBUSY)
		*ret_why = "a filter that has a listener is in force here already, and there can be one only";
	if (r == 0)
		r = listen_to(probe, ret_why);
	if (r == 0)
		keeper_let_go(notify->keeper);
	else
		kill(notify->command, SIGKILL);
	return r;
}

/* In the place of a dead worker: the command runs already. */
static int go_on(struct probe *probe, int listener, const char **ret_why)
{
	probe->notify.listener = listener;
	probe->notify.started = true;
	probe->notify.command = keeper_command(probe->notify.keeper);
	return listen_to(probe, ret_why);
}

static void look_after_command(struct probe *probe)
{
	int status = atomic_load(&probe->notify.command_status);

	if (status >= 0)
		keeper_ended(probe->notify.keeper, status);
	if (!keeper_watch(probe->notify.keeper, &status) || probe->ended)
		return;
	probe->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	probe->ended = true;
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
	if (probe->command >= 0)
		close(probe->command);
	life_free(probe->notify.life);
	if (probe->alone)
		keeper_free(probe->notify.keeper);
	queue_free(probe->notify.queue);
	judged_done(&probe->notify);
	pthread_mutex_destroy(&probe->notify.judge_lock);
	pthread_rwlock_destroy(&probe->notify.lock);
	free(probe);
}

static void set_wanted(struct notify *notify, const struct probe_settings *settings)
{
	notify->settings = *settings;
	for (size_t i = 0; i < calls_count; i++) {
		bool is_exec = (calls[i].plan.flags & PLAN_FAILED_ONLY) != 0; /* all that succeed are told */
		bool for_state = call_is_traced(&calls[i]) || calls[i].watch == CALL_STATE;

		notify->wanted[i] = is_exec || (for_state ? settings->reported[i] : settings->wanted[i]);
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
	int r;

	pthread_rwlock_init(&notify->lock, NULL);
	pthread_mutex_init(&notify->judge_lock, NULL);
	notify->listener = notify->stops = notify->view.root = notify->view.proc = probe->command = -1;
	atomic_init(&notify->command_status, -1);
	set_wanted(notify, settings);
	filter_cover_of(settings, &probe->cover);
	notify->profile = settings->profile;
	*ret_why = "the filter would be longer than the kernel takes";
	if (!filter_make(&probe->cover, &probe->filter))
		return -E2BIG;
	r = notify->profile == NULL ? 0 : filter_join(&probe->filter, notify->profile);
	if (r < 0)
		return r;
	*ret_why = "out of memory";
	notify->killable = filter_is_killable();
	probe->alone = settings->keeper == NULL;
	notify->keeper = probe->alone ? keeper_alone() : settings->keeper;
	if (notify->keeper == NULL)
		return -ENOMEM;
	notify->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	notify->life = life_new(notify->keeper);
	notify->queue = queue_new();
	if (notify->wake < 0 || notify->life == NULL || notify->queue == NULL)
		return -ENOMEM;
	return 0;
}

/* What it will cost, and who wants it so. */
static void tell_profile(const struct probe *probe)
{
	const struct rule *rule = NULL;

	if (!filter_is_full(&probe->cover))
		log_info("filter: light: files that are opened for reading are not looked at, for no rule asks for them");
	else if (interest_reads(probe->notify.settings.interest, &rule) && rule != NULL)
		log_info("filter: full: files that are opened for reading are looked at, as \"%.*s\" asks",
			 STR_ARG(rule_name(rule)));
	else
		log_info("filter: full: files that are opened for reading are looked at");
	if (!probe->notify.killable)
		log_warning("filter: results of calls stay unknown: that needs Linux 5.19");
}

static int notify_open(const struct probe_settings *settings, void **ret, const char **ret_why)
{
	struct probe *probe;
	int r, listener;

	*ret_why = "it needs a command to run";
	if (settings->command == NULL)
		return -EINVAL;
	*ret_why = "the kernel has no seccomp user notification that lets calls go on (Linux 5.6)";
	if (!filter_works())
		return -ENOSYS;
	probe = calloc(1, sizeof(*probe));
	*ret_why = "out of memory";
	if (probe == NULL)
		return -ENOMEM;
	r = prepare(probe, settings, ret_why);
	listener = r < 0 ? r : keeper_listener(probe->notify.keeper);
	if (r == 0)
		r = listener < 0 ? start_command(probe, ret_why) : go_on(probe, listener, ret_why);
	if (r < 0) {
		notify_close(probe);
		return r;
	}
	tell_profile(probe);
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

	life_look(probe->notify.life, probe->notify.settings.take_environment, take_end, probe);
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
	if (queue_first(probe->notify.queue) != NULL || judged_waits(&probe->notify) ||
	    (atomic_load(&probe->notify.over) && probe->ended))
		wait_ms = 0;
	*ret_ends = poll(fds, ARRAY_LEN(fds), wait_ms) > 0 && fds[1].revents != 0;
	atomic_store(&probe->notify.asleep, false);
	if (fds[0].revents != 0 && read(probe->notify.wake, &times, sizeof(times)) < 0)
		fds[0].revents = 0; /* it was emptied meanwhile */
}

/* While a program is busy, what it does is taken in heaps: a wake-up for each record would cost more than the
 * record. Only questions and the command's end end a nap. */
static void nap(struct probe *probe)
{
	struct pollfd fds[] = { { probe->notify.wake, POLLIN, 0 }, { probe->command, POLLIN, 0 } };

	if (probe->busy)
		poll(fds, probe->ended ? 1 : 2, NAP_MS);
}

static int notify_poll(void *state, int wait_ms, probe_take_fn take, void *userdata)
{
	struct probe *probe = state;
	bool ends, over;
	int n;

	probe->take = take;
	probe->userdata = userdata;
	look_after_command(probe);
	nap(probe);
	n = drain(probe);
	if (n == POLL_RECORDS)
		return n;
	over = atomic_load(&probe->notify.over);
	wait_ms = receiver_watch(&probe->notify, wait_ms);
	wait_for_news(probe, n > 0 || (over && probe->ended) ? 0 : wait_ms, &ends);
	n += judged_poll(&probe->notify);
	n += take_all(probe, ends || over);
	probe->busy = n > 0;
	if (n == 0 && keeper_is_ending(probe->notify.keeper))
		return -ESRCH;
	return n == 0 && over && (probe->ended || keeper_is_gone(probe->notify.keeper)) ? -ESRCH : n;
}

/* What went on unseen while this sensor was not there, or did not answer. */
static void add_kept(struct keeper *keeper, struct probe_counts *ret)
{
	struct keeper_failures failures;

	keeper_failures(keeper, &failures);
	for (size_t nr = 0; nr < PLAN_LOST_ROWS; nr++) {
		const struct call *call = nr < PLAN_CALLS ? call_find((uint16_t)nr) : NULL;
		struct plan_counters *of = &ret->of[call == NULL ? RECORD_CLASS_OTHER : call->plan.class];

		of->seen += failures.by_call[nr];
		of->dropped += failures.by_call[nr];
		ret->by_call.at[nr][PROBE_KEEPER] = failures.by_call[nr];
		ret->kept += failures.by_call[nr];
	}
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
	add_kept(notify->keeper, ret);
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
	.judges = true,
	.open = notify_open,
	.rearm = notify_rearm,
	.poll = notify_poll,
	.counts = notify_counts,
	.detach = notify_detach,
	.forward = notify_forward,
	.exit_status = notify_exit_status,
	.close = notify_close,
};
