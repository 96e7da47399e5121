/* The ptrace probe: runs a command and observes it and all that comes of it. Wanted calls stop once
 * at their entry, where arguments are read, and once at their end, where the result and the
 * descriptor are; everything else runs untouched. Signals, job control and the exit status pass
 * through.
 *
 * The thread that opens the probe must also poll it: ptrace knows threads, not processes. */
#include "sensor/probe.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "sensor/call_numbers.h"
#include "sensor/ptrace/filter.h"
#include "sensor/ptrace/tracee.h"
#include "sensor/record_text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

enum { THREAD_BUCKETS = 1024, POLL_STOPS = 4096 };

#define OPTIONS                                                                                    \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | \
	 PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)

/* One tracee. Its number is bounded by the system's limit on threads. */
struct thread {
	uint32_t tid, tgid;
	bool known; /* its parent's fork was seen; until then it is held */
	bool held;
	struct record *call; /* being made; NULL: none. RECORD_MAX bytes */
	uint64_t execs;	     /* of a process: programs that it and its forebears have run here */
	struct record last;  /* of a process: its head, for the exit */
	struct thread *next;
};

struct ptrace {
	struct probe_settings settings;
	bool filtered[CALLS_MAX]; /* calls that the filter stops at */
	struct filter filter;
	struct thread *buckets[THREAD_BUCKETS];
	size_t count;
	struct proc_facts facts;
	struct probe_counts counts;
	struct record *scratch; /* RECORD_MAX bytes */
	pid_t command;
	int status;
	bool ended;
	sigset_t mask_before;
	probe_take_fn take;
	void *userdata;
};

/* ---- threads ---- */

static struct thread *thread_find(struct ptrace *probe, uint32_t tid)
{
	struct thread *thread = probe->buckets[tid % THREAD_BUCKETS];

	while (thread != NULL && thread->tid != tid)
		thread = thread->next;
	return thread;
}

static struct thread *thread_add(struct ptrace *probe, uint32_t tid)
{
	struct thread *thread = calloc(1, sizeof(*thread));

	if (thread == NULL)
		return NULL;
	thread->tid = thread->tgid = tid;
	thread->next = probe->buckets[tid % THREAD_BUCKETS];
	probe->buckets[tid % THREAD_BUCKETS] = thread;
	probe->count++;
	return thread;
}

static void thread_remove(struct ptrace *probe, uint32_t tid)
{
	struct thread **at = &probe->buckets[tid % THREAD_BUCKETS], *thread;

	while (*at != NULL && (*at)->tid != tid)
		at = &(*at)->next;
	thread = *at;
	if (thread == NULL)
		return;
	*at = thread->next;
	free(thread->call);
	free(thread);
	probe->count--;
}

/* The process a thread belongs to. */
static uint32_t tgid_of(uint32_t tid)
{
	char path[48], text[1024];
	autoclose int fd = -1;
	const char *at;
	unsigned tgid = tid;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%u/status", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[len > 0 ? len : 0] = '\0';
	at = strstr(text, "\nTgid:");
	if (at != NULL)
		sscanf(at, " Tgid: %u", &tgid);
	return tgid;
}

/* ---- records ---- */

/* The parent may be outside of what is traced; then nothing is known of it. */
static void fill_identity(struct ptrace *probe, struct record *record, const struct thread *leader)
{
	const struct thread *parent = thread_find(probe, record->ppid);

	record->exec_id = leader == NULL ? 0 : leader->execs;
	if (parent == NULL || parent->last.start_ns == 0)
		return;
	record->parent_start_ns = parent->last.start_ns;
	record->parent_exec_id = parent->execs;
}

static void emit(struct ptrace *probe, struct record *record)
{
	struct thread *leader = thread_find(probe, record->tgid);

	fill_identity(probe, record, leader);
	if (leader != NULL && record->type != RECORD_EXIT)
		leader->last = *record;
	probe->counts.of[record->class].emitted++;
	probe->take(record, probe->userdata);
}

static void begin(struct ptrace *probe, struct record *record, enum record_type type, uint8_t class)
{
	memset(record, 0, sizeof(*record));
	record->len = sizeof(*record);
	record->type = (__u8)type;
	record->class = class;
	probe->counts.of[class].seen++;
}

/* A process about which /proc no longer says anything: seen, and lost. */
static void drop(struct ptrace *probe, uint8_t class)
{
	probe->counts.of[class].dropped++;
}

/* An exec returns 0, and that is also the descriptor of interest. */
static const struct plan standard_input = { .flags = PLAN_RETURNS_FD };

static void take_exec(struct ptrace *probe, struct thread *thread)
{
	unsigned what = PROC_READ_IMAGE | (probe->settings.take_environment ? PROC_READ_ENV : 0);
	struct record *record = probe->scratch;
	uint16_t nr = thread->call != NULL ? thread->call->nr : SYS_execve;

	begin(probe, record, RECORD_EXEC, RECORD_CLASS_PROCESS);
	record->nr = nr;
	if (tracee_fill_head(record, thread->tid, thread->tgid, what, &probe->facts) < 0) {
		drop(probe, RECORD_CLASS_PROCESS);
		return;
	}
	tracee_add_image(record, &probe->facts);
	tracee_add_object(record, thread->tid, &standard_input);
	emit(probe, record);
}

static void take_fork(struct ptrace *probe, uint32_t parent, uint32_t child, uint16_t nr)
{
	struct record *record = probe->scratch;

	begin(probe, record, RECORD_FORK, RECORD_CLASS_PROCESS);
	record->nr = nr;
	record->ret = child;
	record->args[0] = parent;
	if (tracee_fill_head(record, child, child, PROC_READ_IMAGE, &probe->facts) < 0) {
		drop(probe, RECORD_CLASS_PROCESS);
		return;
	}
	record_add(record, RECORD_STRING_CGROUP, buf_str(&probe->facts.cgroup));
	emit(probe, record);
}

static void take_exit(struct ptrace *probe, const struct thread *thread, int status)
{
	struct record *record = probe->scratch;
	struct timespec now;

	if (thread->last.tgid == 0)
		return; /* never said anything */
	begin(probe, record, RECORD_EXIT, RECORD_CLASS_PROCESS);
	*record = thread->last;
	record->len = sizeof(*record);
	record->type = RECORD_EXIT;
	record->class = RECORD_CLASS_PROCESS;
	record->flags = 0;
	record->ret = status;
	clock_gettime(CLOCK_BOOTTIME, &now);
	record->time_ns = (uint64_t)(now.tv_sec * NS_PER_S + now.tv_nsec);
	emit(probe, record);
}

/* ---- calls ---- */

static const struct call *call_of_stop(const struct __ptrace_syscall_info *info)
{
	if (info->arch == CALL_AUDIT_ARCH)
		return call_find((uint16_t)info->seccomp.nr);
	for (size_t i = 0; i < calls_count; i++)
		if (calls[i].compat == info->seccomp.nr)
			return &calls[i];
	return NULL;
}

/* True: the end of this call is wanted too. */
static bool call_begin(struct ptrace *probe, struct thread *thread)
{
	struct __ptrace_syscall_info info;
	const struct call *call;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread->tid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_SECCOMP || info.seccomp.nr >= PLAN_CALLS)
		return false;
	call = call_of_stop(&info);
	if (call == NULL || !probe->settings.wanted[call - calls])
		return false;
	if (thread->call == NULL)
		thread->call = calloc(1, RECORD_MAX);
	if (thread->call == NULL)
		return false;
	memset(thread->call, 0, sizeof(*thread->call));
	thread->call->len = sizeof(*thread->call);
	thread->call->type = RECORD_CALL;
	thread->call->class = call->plan.class;
	thread->call->nr = call->nr;
	thread->call->flags = info.arch == CALL_AUDIT_ARCH ? 0 : RECORD_COMPAT;
	for (size_t i = 0; i < 6; i++)
		thread->call->args[i] = info.seccomp.args[i];
	tracee_add_arguments(thread->call, thread->tid, &call->plan);
	return true;
}

/* The same question as in the eBPF program. */
static bool open_is_wanted(const struct ptrace *probe, const struct record *record, const struct plan *plan)
{
	uint64_t flags = record->args[4];
	struct str path = record_text(record, RECORD_STRING_PATH), given = record_text(record, RECORD_STRING_NAME);
	uint16_t kind = plan_open_kind(plan->open_arg == 0, flags, record->args[5], record->ret < 0);

	if ((flags & O_ACCMODE) == O_RDONLY && (flags & O_PATH))
		return false;
	return interest_wants_open(probe->settings.interest, record->nr, kind,
				   path.at != NULL ? path : given, given,
				   (struct str){ record->comm, strnlen(record->comm, RECORD_COMM) });
}

static bool call_is_wanted(const struct ptrace *probe, const struct record *record,
			   const struct plan *plan)
{
	if ((plan->flags & PLAN_STANDARD_FD) && (uint64_t)record->ret > 2)
		return false;
	if ((plan->flags & PLAN_SUCCESS_ONLY) && record->ret < 0)
		return false;
	if ((plan->flags & PLAN_NEEDS_ADDRESS) &&
	    record_text(record, RECORD_STRING_ADDRESS).at == NULL)
		return false;
	return !(plan->flags & PLAN_OPEN) || open_is_wanted(probe, record, plan);
}

/* Rules may want an open for who makes it: by the name that the process had when it was last heard of. */
static void set_comm(struct ptrace *probe, const struct thread *thread, struct record *record)
{
	const struct thread *leader = thread_find(probe, thread->tgid);

	if (leader != NULL)
		memcpy(record->comm, leader->last.comm, sizeof(record->comm));
}

static void call_end(struct ptrace *probe, struct thread *thread)
{
	struct record *record = thread->call;
	const struct plan *plan = &call_find(record->nr)->plan;
	struct __ptrace_syscall_info info;

	thread->call = NULL;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread->tid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_EXIT ||
	    ((plan->flags & PLAN_FAILED_ONLY) && info.exit.rval >= 0)) {
		free(record);
		return;
	}
	record->ret = info.exit.rval;
	record->tgid = thread->tgid;
	set_comm(probe, thread, record);
	probe->counts.of[record->class].seen++;
	tracee_add_answer(record, thread->tid, plan);
	tracee_add_object(record, thread->tid, plan);
	if (plan->flags & PLAN_CWD)
		tracee_add_link(record, thread->tid, "cwd", RECORD_STRING_CWD);
	if (!call_is_wanted(probe, record, plan))
		probe->counts.of[record->class].filtered++;
	else if (tracee_fill_head(record, thread->tid, thread->tgid, 0, &probe->facts) < 0)
		drop(probe, record->class);
	else
		emit(probe, record);
	free(record);
}

/* ---- stops ---- */

static void resume(const struct thread *thread, int signal)
{
	ptrace(thread->call != NULL ? PTRACE_SYSCALL : PTRACE_CONT, thread->tid, 0, signal);
}

static void on_fork(struct ptrace *probe, struct thread *parent, int event)
{
	unsigned long message = 0;
	uint32_t tid;
	struct thread *child, *leader;
	bool was_held;

	ptrace(PTRACE_GETEVENTMSG, parent->tid, 0, &message);
	tid = (uint32_t)message;
	child = thread_find(probe, tid);
	was_held = child != NULL && child->held;
	if (child == NULL)
		child = thread_add(probe, tid);
	if (child == NULL)
		return;
	child->known = true;
	child->held = false;
	child->tgid = tgid_of(tid);
	leader = thread_find(probe, parent->tgid);
	child->execs = leader == NULL ? 0 : leader->execs;
	if (child->tgid == tid)
		take_fork(probe, parent->tgid, tid,
			  event == PTRACE_EVENT_FORK	? SYS_fork
			  : event == PTRACE_EVENT_VFORK ? SYS_vfork
							: SYS_clone);
	if (was_held)
		resume(child, 0);
}

/* An exec by a thread other than the first: that one is gone, and its name has passed over. */
static void on_exec(struct ptrace *probe, struct thread *thread)
{
	unsigned long before = thread->tid;

	ptrace(PTRACE_GETEVENTMSG, thread->tid, 0, &before);
	if ((uint32_t)before != thread->tid) {
		struct thread *old = thread_find(probe, (uint32_t)before);

		if (old != NULL) {
			free(thread->call);
			thread->call = old->call;
			old->call = NULL;
		}
		thread_remove(probe, (uint32_t)before);
	}
	thread->execs++;
	take_exec(probe, thread);
}

static void on_event(struct ptrace *probe, struct thread *thread, int event, int signal)
{
	switch (event) {
	case PTRACE_EVENT_SECCOMP:
		if (!call_begin(probe, thread)) {
			free(thread->call);
			thread->call = NULL;
		}
		break;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE: on_fork(probe, thread, event); break;
	case PTRACE_EVENT_EXEC: on_exec(probe, thread); break;
	case PTRACE_EVENT_STOP:
		if (!thread->known) {
			thread->held = true; /* until its parent tells of it */
			return;
		}
		if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN ||
		    signal == SIGTTOU) {
			ptrace(PTRACE_LISTEN, thread->tid, 0, 0);
			return;
		}
		break;
	default: break;
	}
	resume(thread, 0);
}

static void on_gone(struct ptrace *probe, uint32_t tid, int status)
{
	struct thread *thread = thread_find(probe, tid);

	if (thread != NULL && thread->tgid == tid)
		take_exit(probe, thread, status);
	thread_remove(probe, tid);
	if ((pid_t)tid == probe->command) {
		probe->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		probe->ended = true;
	}
}

static void on_stop(struct ptrace *probe, uint32_t tid, int status)
{
	struct thread *thread = thread_find(probe, tid);
	int signal = WSTOPSIG(status), event = status >> 16;

	if (thread == NULL)
		thread = thread_add(probe, tid);
	if (thread == NULL) {
		ptrace(PTRACE_CONT, tid, 0, 0);
		return;
	}
	if (event != 0) {
		on_event(probe, thread, event, signal);
	} else if (signal == (SIGTRAP | 0x80)) {
		if (thread->call != NULL)
			call_end(probe, thread);
		resume(thread, 0);
	} else {
		resume(thread, signal);
	}
}

/* ---- the probe ---- */

static void run_command(const struct ptrace *probe, int go)
{
	char byte;

	/* Not before the tracer is there: without one, traced calls fail. */
	if (read(go, &byte, 1) != 1)
		_exit(126);
	close(go);
	sigprocmask(SIG_SETMASK, &probe->mask_before, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (filter_install(&probe->filter) < 0)
		_exit(126);
	execvp(probe->settings.command[0], probe->settings.command);
	fprintf(stderr, "tocsin-sensor: %s: %s\n", probe->settings.command[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int start_command(struct ptrace *probe, const char **ret_why)
{
	struct thread *thread;
	int pipe_fds[2];

	*ret_why = "the command could not be started";
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	probe->command = fork();
	if (probe->command < 0)
		return -errno;
	if (probe->command == 0) {
		close(pipe_fds[1]);
		run_command(probe, pipe_fds[0]);
	}
	close(pipe_fds[0]);
	*ret_why = "the command could not be traced";
	thread = thread_add(probe, (uint32_t)probe->command);
	if (thread == NULL || ptrace(PTRACE_SEIZE, probe->command, 0, OPTIONS) < 0) {
		int r = -errno;

		close(pipe_fds[1]);
		waitpid(probe->command, NULL, 0);
		return r;
	}
	thread->known = true;
	if (write(pipe_fds[1], "", 1) != 1) {
		close(pipe_fds[1]);
		return -EIO;
	}
	close(pipe_fds[1]);
	return 0;
}

static void ptrace_close(void *state)
{
	struct ptrace *probe = state;

	if (probe == NULL)
		return;
	for (size_t i = 0; i < THREAD_BUCKETS; i++)
		while (probe->buckets[i] != NULL)
			thread_remove(probe, probe->buckets[i]->tid);
	proc_facts_done(&probe->facts);
	free(probe->scratch);
	free(probe);
}

/* The filter is the command's own and cannot be widened: what it does not stop at stays unseen. */
static size_t ptrace_rearm(void *state, const struct probe_settings *settings)
{
	struct ptrace *probe = state;
	size_t missing = 0;

	for (size_t i = 0; i < calls_count; i++) {
		missing += settings->wanted[i] && !probe->filtered[i];
		probe->settings.wanted[i] = settings->wanted[i] && probe->filtered[i];
	}
	probe->settings.take_environment = settings->take_environment;
	return missing;
}

static int ptrace_open(const struct probe_settings *settings, void **ret, const char **ret_why)
{
	struct ptrace *probe;
	sigset_t child;
	int r;

	*ret_why = "it needs a command to run";
	if (settings->command == NULL)
		return -EINVAL;
	probe = calloc(1, sizeof(*probe));
	*ret_why = "out of memory";
	if (probe == NULL)
		return -ENOMEM;
	probe->settings = *settings;
	memcpy(probe->filtered, settings->wanted, sizeof(probe->filtered));
	probe->scratch = calloc(1, RECORD_MAX);
	filter_make(settings->wanted, &probe->filter);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &probe->mask_before);
	r = probe->scratch == NULL ? -ENOMEM : start_command(probe, ret_why);
	if (r < 0) {
		ptrace_close(probe);
		return r;
	}
	*ret = probe;
	return 0;
}

/* 1: a stop was taken care of. 0: none. -ESRCH: nobody is left. */
static int take_one(struct ptrace *probe)
{
	int status;
	pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);

	if (tid == 0)
		return 0;
	if (tid < 0)
		return errno == ECHILD ? -ESRCH : -errno;
	if (WIFSTOPPED(status))
		on_stop(probe, (uint32_t)tid, status);
	else
		on_gone(probe, (uint32_t)tid, status);
	return 1;
}

static int ptrace_poll(void *state, int wait_ms, probe_take_fn take, void *userdata)
{
	struct ptrace *probe = state;
	struct timespec wait = { 0, wait_ms * NS_PER_MS };
	sigset_t child;
	int n = 0, r = 0;

	probe->take = take;
	probe->userdata = userdata;
	while (n < POLL_STOPS && (r = take_one(probe)) > 0)
		n++;
	if (r < 0)
		return r;
	if (n > 0)
		return n;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigtimedwait(&child, NULL, &wait);
	return 0;
}

static void ptrace_counts(void *state, struct probe_counts *ret)
{
	*ret = ((struct ptrace *)state)->counts;
}

static void ptrace_detach(void *state, probe_take_fn take, void *userdata)
{
	(void)state; /* those who still run end with the tracer: their filter cannot be taken off */
	(void)take;
	(void)userdata;
}

static bool ptrace_forward(void *state, int signal)
{
	const struct ptrace *probe = state;

	if (probe->ended)
		return false; /* only what it left behind is there yet */
	kill(probe->command, signal);
	return true;
}

static int ptrace_exit_status(const void *state)
{
	return ((const struct ptrace *)state)->status;
}

const struct probe_ops probe_ptrace = {
	.name = "ptrace",
	.open = ptrace_open,
	.rearm = ptrace_rearm,
	.poll = ptrace_poll,
	.counts = ptrace_counts,
	.detach = ptrace_detach,
	.forward = ptrace_forward,
	.exit_status = ptrace_exit_status,
	.close = ptrace_close,
};
