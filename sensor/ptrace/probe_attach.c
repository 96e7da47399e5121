/* The attaching probe: observes processes that run already, and all that comes of them. The kernel stops each of
 * their calls twice for that, wanted or not: a filter, which would let the others run, cannot be given to a
 * process from outside, nor taken off one. */
#include "sensor/ptrace/attach_inner.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "sensor/call_numbers.h"
#include "sensor/ptrace/tracee.h"

#include <elf.h>
#include <errno.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

enum { LOOK_STOPS = 256 }; /* so often, while there is always another stop */

/* ---- stops ---- */

static void resume(struct tracee *tracee, int signal)
{
	ptrace(PTRACE_SYSCALL, tracee->tid, 0, signal);
}

static void let_go(struct attach *attach, struct tracee *tracee, int signal)
{
	ptrace(PTRACE_DETACH, tracee->tid, 0, signal);
	attach_remove(attach, tracee->tid);
}

static bool is_stop_signal(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

/* A group stop stays one: nobody but SIGCONT ends it. */
static void go_on(struct tracee *tracee, int signal)
{
	if (is_stop_signal(signal)) {
		tracee->group_stopped = true;
		ptrace(PTRACE_LISTEN, tracee->tid, 0, 0);
		return;
	}
	attach_restart(tracee);
	resume(tracee, 0);
}

static void release(struct attach *attach, struct tracee *tracee)
{
	tracee->held = false;
	attach->held--;
	attach_untraced_end(tracee);
	if (tracee->leave)
		let_go(attach, tracee, 0);
	else
		go_on(tracee, tracee->stopped);
}

/* Who was told of a child, or waited in vain: it becomes one of ours. */
static void welcome(struct attach *attach, struct tracee *child, uint32_t parent_tgid, const struct record *call)
{
	const struct tracee *leader = attach_find(attach, parent_tgid);

	child->known = true;
	child->tgid = tracee_tgid(child->tid);
	child->execs = leader == NULL ? 0 : leader->execs;
	child->leave = attach->whom.alone && child->tgid != parent_tgid;
	if (child->tgid == child->tid && !child->leave)
		attach_tell_fork(attach, parent_tgid, child->tid, call);
	if (child->held)
		release(attach, child);
}

/* What the parent, which is stopped within it, has called. */
static struct record call_of(const struct tracee *parent, int event)
{
	struct record call = { .tid = parent->tid, .nr = event == PTRACE_EVENT_FORK    ? SYS_fork
							 : event == PTRACE_EVENT_VFORK ? SYS_vfork
										       : SYS_clone };
	struct user_regs_struct regs;
	struct iovec io = { &regs, sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, parent->tid, NT_PRSTATUS, &io) < 0 || io.iov_len != sizeof(regs))
		return call;
#if defined(__x86_64__)
	call.args[0] = regs.rdi;
	if (regs.orig_rax == SYS_clone3 || regs.orig_rax == SYS_clone)
		call.nr = (uint16_t)regs.orig_rax;
#else
	call.args[0] = regs.regs[0];
	if (regs.regs[8] == SYS_clone3)
		call.nr = SYS_clone3;
#endif
	return call;
}

static void on_fork(struct attach *attach, struct tracee *parent, int event)
{
	unsigned long message = 0;
	struct tracee *child;
	struct record call;

	if (ptrace(PTRACE_GETEVENTMSG, parent->tid, 0, &message) < 0 || message == 0)
		return;
	child = attach_find(attach, (uint32_t)message);
	if (child == NULL)
		child = attach_add(attach, (uint32_t)message);
	if (child == NULL || child->known)
		return;
	child->untraced = parent->untraced;
	child->untraced_at = parent->untraced_at;
	call = call_of(parent, event);
	welcome(attach, child, parent->tgid, &call);
}

/* An exec by a thread other than the first: that one is gone, and its name has passed over. */
static void on_exec(struct attach *attach, struct tracee *tracee)
{
	unsigned long before = tracee->tid;

	ptrace(PTRACE_GETEVENTMSG, tracee->tid, 0, &before);
	if ((uint32_t)before != tracee->tid) {
		struct tracee *old = attach_find(attach, (uint32_t)before);

		free(tracee->call);
		tracee->call = old == NULL ? NULL : TAKE(old->call);
		attach_remove(attach, (uint32_t)before);
	}
	tracee->execs++;
	attach_tell_exec(attach, tracee);
}

static void on_new(struct attach *attach, struct tracee *tracee, int signal)
{
	tracee->held = true;
	tracee->since = clock_mono();
	tracee->stopped = is_stop_signal(signal) ? (uint8_t)signal : 0;
	attach->held++;
}

static void on_event(struct attach *attach, struct tracee *tracee, int event, int signal)
{
	switch (event) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE: on_fork(attach, tracee, event); break;
	case PTRACE_EVENT_EXEC: on_exec(attach, tracee); break;
	case PTRACE_EVENT_STOP:
		if (!tracee->known) {
			on_new(attach, tracee, signal);
			return;
		}
		attach_untraced_end(tracee);
		go_on(tracee, signal);
		return;
	default: break;
	}
	resume(tracee, 0);
}

static void on_call(struct attach *attach, struct tracee *tracee)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tracee->tid, sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		tracee->rewound = tracee->group_stopped = false;
		free(TAKE(tracee->call));
		attach_call_begin(attach, tracee, &info);
		attach_untraced_begin(tracee, &info);
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		if (tracee->untraced != ATTACH_TRACED)
			attach_untraced_end(tracee);
		if (tracee->call != NULL)
			attach_call_end(attach, tracee, info.exit.rval);
	}
}

static void on_stop(struct attach *attach, uint32_t tid, int status)
{
	struct tracee *tracee = attach_find(attach, tid);
	int signal = WSTOPSIG(status), event = status >> 16;
	bool is_call = signal == (SIGTRAP | 0x80);

	if (tracee == NULL)
		tracee = attach_add(attach, tid);
	if (tracee == NULL) {
		ptrace(PTRACE_DETACH, tid, 0, event == 0 && !is_call ? signal : 0);
		return;
	}
	if (tracee->known && tracee->leave) {
		let_go(attach, tracee, event == 0 && !is_call ? signal : 0);
	} else if (event != 0) {
		on_event(attach, tracee, event, signal);
	} else if (is_call) {
		on_call(attach, tracee);
		resume(tracee, 0);
	} else {
		attach_before_signal(tracee, signal);
		resume(tracee, signal);
	}
}

static void on_gone(struct attach *attach, uint32_t tid, int status)
{
	struct tracee *tracee = attach_find(attach, tid);

	if (tracee != NULL && tracee->tgid == tid)
		attach_tell_exit(attach, tracee, status);
	attach_remove(attach, tid);
}

/* ---- the tracing thread ---- */

/* 1: a stop was taken care of. 0: none. -ESRCH: nobody is left. */
static int take_one(struct attach *attach)
{
	int status;
	pid_t tid = waitpid(-1, &status, __WALL | __WNOTHREAD | WNOHANG);

	if (tid == 0)
		return 0;
	if (tid < 0)
		return errno == ECHILD ? -ESRCH : 0;
	atomic_fetch_add(&attach->beat, 1);
	if (WIFSTOPPED(status))
		on_stop(attach, (uint32_t)tid, status);
	else
		on_gone(attach, (uint32_t)tid, status);
	atomic_fetch_add(&attach->beat, 1);
	return 1;
}

static uint32_t parent_of(struct attach *attach, uint32_t tid)
{
	uint32_t tgid = tracee_tgid(tid);

	if (tgid != tid)
		return tgid;
	return proc_read("/proc", tid, 0, &attach->facts) < 0 ? 0 : attach->facts.ppid;
}

/* Children whose parents ended before they could tell of them: whose they are is in /proc. */
static void release_held(struct attach *attach, int64_t now)
{
	const struct record unknown = { .nr = SYS_clone };

	for (size_t i = 0; attach->held > 0 && i < ATTACH_BUCKETS; i++) {
		struct tracee *tracee = attach->buckets[i], *next;

		for (; tracee != NULL; tracee = next) {
			next = tracee->next;
			if (!tracee->held || now - tracee->since < ATTACH_HELD_MS * NS_PER_MS)
				continue;
			welcome(attach, tracee, parent_of(attach, tracee->tid), &unknown);
		}
	}
}

static bool looks_again(const struct attach *attach)
{
	return attach->whom.container != NULL || attach->whom.all;
}

static void look_after(struct attach *attach)
{
	int64_t now = clock_mono();

	if (attach->held > 0)
		release_held(attach, now);
	if (!looks_again(attach) || now < attach->next_scan)
		return;
	attach_scan(attach, NULL);
	attach->next_scan = now + ATTACH_SCAN_MS * NS_PER_MS;
}

/* ... and until the first one asks, there is nobody to tell. */
static void say_started(struct attach *attach, int r)
{
	pthread_mutex_lock(&attach->lock);
	attach->started = r;
	pthread_cond_signal(&attach->told);
	while (r == 0 && attach->take == NULL && !atomic_load(&attach->ending))
		pthread_cond_wait(&attach->asked, &attach->lock);
	pthread_mutex_unlock(&attach->lock);
}

static void say_ended(struct attach *attach)
{
	pthread_mutex_lock(&attach->lock);
	attach->ended = true;
	pthread_cond_signal(&attach->told);
	pthread_mutex_unlock(&attach->lock);
}

static void *trace(void *userdata)
{
	struct attach *attach = userdata;
	int r;

	attach->tracer = (uint32_t)gettid();
	pthread_setname_np(pthread_self(), "tocsin-attach");
	r = attach_scan(attach, attach->why);
	say_started(attach, r);
	while (r == 0 && !atomic_load(&attach->ending)) {
		struct timespec wait = { 0, ATTACH_HELD_MS * NS_PER_MS };
		sigset_t child;
		int n;

		for (unsigned i = 0; (n = take_one(attach)) > 0 && !atomic_load(&attach->ending); i++)
			if (i % LOOK_STOPS == 0)
				look_after(attach);
		look_after(attach);
		if (n == -ESRCH && !looks_again(attach))
			break;
		sigemptyset(&child);
		sigaddset(&child, SIGCHLD);
		sigtimedwait(&child, NULL, &wait);
	}
	if (r == 0)
		say_ended(attach);
	return NULL;
}

/* ---- the probe ---- */

static const char *start(struct attach *attach)
{
	int r = thread_start(&attach->thread, trace, attach);

	if (r < 0) {
		attach->started = r;
		return "no thread can be started";
	}
	while (attach->started > 0)
		pthread_cond_wait(&attach->told, &attach->lock);
	if (attach->started < 0)
		pthread_join(attach->thread, NULL);
	attach->running = attach->started == 0;
	return attach->why;
}

static void set_wanted(struct attach *attach, const struct probe_settings *settings)
{
	for (size_t i = 0; i < calls_count; i++)
		atomic_store_explicit(&attach->wanted[i], settings->wanted[i], memory_order_relaxed);
	atomic_store(&attach->take_environment, settings->take_environment);
	atomic_store(&attach->take_standard, settings->take_standard);
	attach->interest = settings->interest;
}

static size_t attach_rearm(void *state, const struct probe_settings *settings)
{
	set_wanted(state, settings);
	return 0;
}

static void attach_detach(void *state, probe_take_fn take, void *userdata)
{
	struct attach *attach = state;

	(void)take;
	(void)userdata;
	if (!attach->running)
		return;
	attach->running = false;
	atomic_store(&attach->ending, true);
	pthread_cond_signal(&attach->asked);
	pthread_mutex_unlock(&attach->lock);
	if (attach->stuck)
		return; /* it goes with the process */
	pthread_kill(attach->thread, SIGCHLD);
	pthread_join(attach->thread, NULL);
}

static void attach_close(void *state)
{
	struct attach *attach = state;

	attach_detach(attach, NULL, NULL);
	if (attach->stuck)
		return;
	attach_clear(attach);
	proc_facts_done(&attach->facts);
	pthread_cond_destroy(&attach->told);
	pthread_cond_destroy(&attach->asked);
	pthread_mutex_destroy(&attach->lock);
	free(attach->scratch);
	free(attach);
}

static struct attach *attach_new(const struct probe_settings *settings)
{
	struct attach *attach = calloc(1, sizeof(*attach));
	pthread_condattr_t clock;

	if (attach == NULL)
		return NULL;
	attach->scratch = calloc(1, RECORD_MAX);
	if (attach->scratch == NULL) {
		free(attach);
		return NULL;
	}
	attach->whom = *settings->attach;
	attach->started = 1;
	set_wanted(attach, settings);
	pthread_mutex_init(&attach->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&attach->told, &clock);
	pthread_cond_init(&attach->asked, &clock);
	pthread_condattr_destroy(&clock);
	return attach;
}

static int attach_open(const struct probe_settings *settings, void **ret, const char **ret_why)
{
	static char why[ATTACH_WHY]; /* outlives what could not be opened */
	struct attach *attach;
	int r;

	*ret_why = "it needs processes to attach to";
	if (settings->attach == NULL)
		return -EINVAL;
	attach = attach_new(settings);
	*ret_why = "out of memory";
	if (attach == NULL)
		return -ENOMEM;
	pthread_mutex_lock(&attach->lock);
	snprintf(why, sizeof(why), "%s", start(attach));
	r = attach->started;
	if (r < 0) {
		*ret_why = why;
		pthread_mutex_unlock(&attach->lock);
		attach_close(attach);
		return r;
	}
	log_notice("attach: until the sensor ends, each system call of these processes is stopped twice: programs "
		   "that make many run 4 to 10 times slower");
	*ret = attach;
	return 0;
}

/* A tracee can make the reading of its memory take for ever. Whatever it gains by that, the others are not to
 * wait with it: when the sensor ends, all go on. */
static int watch(struct attach *attach, int waited_ms)
{
	uint64_t beat = atomic_load(&attach->beat);

	if (beat != attach->last_beat || beat % 2 == 0)
		attach->stuck_ms = 0;
	else
		attach->stuck_ms += waited_ms;
	attach->last_beat = beat;
	if (attach->stuck_ms < ATTACH_STUCK_MS)
		return 0;
	attach->stuck = true;
	log_err("attach: a process keeps the sensor from reading its memory, and all others stopped: they are let go");
	return -ETIMEDOUT;
}

static int attach_poll(void *state, int wait_ms, probe_take_fn take, void *userdata)
{
	struct attach *attach = state;
	int64_t until = clock_mono() + wait_ms * NS_PER_MS;
	struct timespec at = { until / NS_PER_S, until % NS_PER_S };
	int n;

	attach->take = take;
	attach->userdata = userdata;
	pthread_cond_signal(&attach->asked);
	if (attach->records == attach->handed && !attach->ended)
		pthread_cond_timedwait(&attach->told, &attach->lock, &at);
	n = (int)(attach->records - attach->handed);
	attach->handed = attach->records;
	if (n == 0 && attach->ended)
		return -ESRCH;
	return n > 0 ? n : watch(attach, wait_ms);
}

static void attach_counts(void *state, struct probe_counts *ret)
{
	*ret = ((struct attach *)state)->counts;
}

static bool attach_forward(void *state, int signal)
{
	(void)state;
	(void)signal;
	return false;
}

static int attach_exit_status(const void *state)
{
	return ((const struct attach *)state)->stuck ? 1 : 0;
}

const struct probe_ops probe_attach = {
	.name = "ptrace",
	.open = attach_open,
	.rearm = attach_rearm,
	.poll = attach_poll,
	.counts = attach_counts,
	.detach = attach_detach,
	.forward = attach_forward,
	.exit_status = attach_exit_status,
	.close = attach_close,
};
