/* Results: a thread whose call is of interest is traced from before the call goes on till it comes back, a
 * few microseconds mostly. Interrupted before it has begun, it stops at the end of the call with the result
 * in its register; a call that would have waited is broken off by that, and begins again, traced to its
 * end. Whatever else happens to the thread meanwhile (a signal, a stop by job control, an end), it is let go
 * at once. */
#include "sensor/ptrace/notify.h"

#include "sensor/call_numbers.h"
#include "sensor/ptrace/tracee.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC)

/* Results that programs never see: the kernel makes the call again, or EINTR. */
enum { RESTART_FIRST = 512, RESTART_LAST = 516, RESTART_ALWAYS = 513 };

/* ---- registers ---- */

#if defined(__x86_64__)
static bool result_read(uint32_t tid, int64_t *ret)
{
	struct user_regs_struct regs;
	struct iovec io = { &regs, sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &io) < 0)
		return false;
	if (io.iov_len == sizeof(regs))
		*ret = (int64_t)regs.rax;
	else /* a 32-bit program's: ebx ecx edx esi edi ebp eax */
		*ret = ((const int32_t *)(const void *)&regs)[6];
	return true;
}

/* The call again, as the kernel would make it. */
static bool begin_again(uint32_t tid)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs) < 0 || (int64_t)regs.orig_rax < 0)
		return false;
	regs.rax = regs.orig_rax;
	regs.rip -= 2;
	return ptrace(PTRACE_SETREGS, tid, 0, &regs) == 0;
}
#else
static bool result_read(uint32_t tid, int64_t *ret)
{
	struct user_regs_struct regs;
	struct iovec io = { &regs, sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &io) < 0)
		return false;
	*ret = (int64_t)regs.regs[0];
	return true;
}

static bool begin_again(uint32_t tid)
{
	(void)tid; /* the first argument is overwritten by then */
	return false;
}
#endif

/* ---- the table ---- */

static struct held *find(const struct notify *notify, uint32_t tid)
{
	for (size_t i = 0; i < notify->held_count; i++)
		if (notify->held[i].tid == tid)
			return (struct held *)(uintptr_t)&notify->held[i];
	return NULL;
}

static void drop(struct notify *notify, struct held *held)
{
	keeper_holds(notify->keeper, -1);
	notify_put_back(notify, held->record);
	*held = notify->held[--notify->held_count];
}

bool held_again(const struct notify *notify, uint32_t tid)
{
	return find(notify, tid) != NULL;
}

/* Between its begin and its end an exec has the process to itself: who wants to trace another thread of it
 * waits for the exec, and that may wait for a thread that is traced. */
static bool is_in_exec(const struct notify *notify, uint32_t tgid)
{
	for (size_t i = 0; i < notify->held_count; i++)
		if (notify->held[i].record->tgid == tgid && notify->held[i].step != HELD_TO_TRAP &&
		    (notify->held[i].call->plan.flags & PLAN_FAILED_ONLY))
			return true;
	return false;
}

/* ---- begin ---- */

/* Calls of which a part is done, or that fail, when they are interrupted: they are broken off before they
 * begin. */
static bool must_not_be_interrupted(const struct call *call)
{
	return call->nr == SYS_bpf || call_is_traced(call) ||
	       (call->plan.flags & (PLAN_NEEDS_ADDRESS | PLAN_DATA_BUFFER | PLAN_DATA_VECTOR)) != 0;
}

/* Who asks to be traced by its parent must not be traced already. */
static bool must_not_be_traced(const struct record *record)
{
	return record->nr == SYS_ptrace && record->args[0] == PTRACE_TRACEME;
}

bool held_begin(struct notify *notify, struct seccomp_notif *asked, const struct call *call,
		struct record *record)
{
	uint32_t tid = record->tid;

	if (!notify->killable || notify->held_count == HELD_MAX || must_not_be_traced(record) ||
	    is_in_exec(notify, record->tgid) || ptrace(PTRACE_SEIZE, tid, 0, OPTIONS) < 0)
		return false;
	keeper_holds(notify->keeper, 1);
	ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	notify->held[notify->held_count++] =
		(struct held){ .tid = tid, .step = HELD_TO_RETURN, .call = call, .record = record };
	if (must_not_be_interrupted(call))
		notify_answer(notify, asked, -RESTART_ALWAYS);
	else
		notify_continue(notify, asked);
	return true;
}

/* ---- end ---- */

static void end_call(struct notify *notify, const struct held *held, int64_t result, bool known)
{
	struct record *record = held->record;
	const struct plan *plan = &held->call->plan;

	if (known && (plan->flags & PLAN_FAILED_ONLY) && result >= 0)
		return;
	record->ret = result;
	if (!known)
		record->flags |= RECORD_NO_RESULT;
	notify_finish(notify, record, plan);
}

static void let_go(struct notify *notify, struct held *held, int signal)
{
	ptrace(PTRACE_DETACH, held->tid, 0, signal);
	drop(notify, held);
}

static void give_up(struct notify *notify, struct held *held, int signal)
{
	end_call(notify, held, 0, false);
	let_go(notify, held, signal);
}

static bool will_restart(int64_t result)
{
	return result <= -RESTART_FIRST && result >= -RESTART_LAST;
}

/* A signal of somebody else waits for the thread: then it was not the sensor that broke the call off. */
static bool has_signal(uint32_t tid)
{
	struct tracee_signals signals;

	tracee_signals(tid, &signals);
	return (signals.pending & ~(signals.blocked | signals.ignored)) != 0;
}

/* What the interruption has done to a call that its program must not see. */
static bool was_broken_off(const struct held *held, int64_t result)
{
	bool is_ours = result == -EINTR || (result == -EAGAIN && held->call->nr == SYS_bpf);

	return is_ours && !has_signal(held->tid) && begin_again(held->tid);
}

static void on_return(struct notify *notify, struct held *held)
{
	int64_t result;

	if (!result_read(held->tid, &result)) {
		give_up(notify, held, 0);
		return;
	}
	if (will_restart(result) || was_broken_off(held, result)) {
		held->step = HELD_TO_RESTART;
		ptrace(PTRACE_SYSCALL, held->tid, 0, 0);
		return;
	}
	end_call(notify, held, result, true);
	let_go(notify, held, 0);
}

static void on_call_stop(struct notify *notify, struct held *held)
{
	int64_t result;

	if (held->step == HELD_TO_RESTART) {
		held->step = HELD_TO_END;
		ptrace(PTRACE_SYSCALL, held->tid, 0, 0);
		return;
	}
	if (result_read(held->tid, &result))
		end_call(notify, held, will_restart(result) ? -EINTR : result, true);
	let_go(notify, held, 0);
}

/* The thread that made the call may have been another one than the first, whose number it has now. */
static void on_exec(struct notify *notify, uint32_t tid)
{
	unsigned long before = tid;
	struct held *held;

	ptrace(PTRACE_GETEVENTMSG, tid, 0, &before);
	held = find(notify, (uint32_t)before);
	notify_exec(notify, tid, held == NULL ? SYS_execve : held->call->nr);
	ptrace(PTRACE_DETACH, tid, 0, 0);
	if (held != NULL)
		drop(notify, held);
	held = find(notify, tid);
	if (held != NULL)
		drop(notify, held);
}

/* ---- the profile's SIGSYS ---- */

void held_trap(struct notify *notify, const struct seccomp_notif *asked, uint32_t data)
{
	struct record *record = notify->held_count == HELD_MAX ? NULL : calloc(1, RECORD_MAX);

	if (record != NULL && ptrace(PTRACE_SEIZE, asked->pid, 0, 0) == 0) {
		keeper_holds(notify->keeper, 1);
		record->tid = asked->pid;
		record->tgid = tracee_tgid(asked->pid);
		notify->held[notify->held_count++] = (struct held){ .tid = asked->pid, .step = HELD_TO_TRAP, .record = record,
								     .trapped = asked->data, .trap_data = data };
	} else {
		free(record);
	}
	syscall(SYS_tgkill, tracee_tgid(asked->pid), asked->pid, SIGSYS);
}

/* As the kernel fills it for SECCOMP_RET_TRAP. */
static void on_trap(struct notify *notify, struct held *held, int signal)
{
	siginfo_t info = { .si_signo = SIGSYS, .si_code = 1 /* SYS_SECCOMP */, .si_errno = (int)held->trap_data };

	info.si_call_addr = (void *)(uintptr_t)held->trapped.instruction_pointer;
	info.si_syscall = held->trapped.nr;
	info.si_arch = held->trapped.arch;
	if (signal == SIGSYS)
		ptrace(PTRACE_SETSIGINFO, held->tid, 0, &info);
	ptrace(PTRACE_DETACH, held->tid, 0, signal);
	drop(notify, held);
}

static void on_stop(struct notify *notify, uint32_t tid, int status)
{
	struct held *held = find(notify, tid);
	int signal = WSTOPSIG(status), event = status >> 16;

	if (event == PTRACE_EVENT_EXEC)
		on_exec(notify, tid);
	else if (held != NULL && held->step == HELD_TO_TRAP)
		on_trap(notify, held, event == 0 ? signal : 0);
	else if (held == NULL)
		ptrace(PTRACE_DETACH, tid, 0, event == 0 && signal != (SIGTRAP | 0x80) ? signal : 0);
	else if (event == PTRACE_EVENT_STOP && held->step == HELD_TO_RETURN)
		on_return(notify, held);
	else if (event == 0 && signal == (SIGTRAP | 0x80) && held->step != HELD_TO_RETURN)
		on_call_stop(notify, held);
	else
		give_up(notify, held, event == 0 ? signal & ~0x80 : 0);
}

static void on_gone(struct notify *notify, uint32_t tid, int status)
{
	struct held *held = find(notify, tid);

	if (held != NULL) {
		if (held->step != HELD_TO_TRAP)
			end_call(notify, held, 0, false);
		drop(notify, held);
	}
	notify_gone(notify, tid, status);
}

void held_poll(struct notify *notify)
{
	int status;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL | WNOHANG | __WNOTHREAD)) > 0)
		if (WIFSTOPPED(status))
			on_stop(notify, (uint32_t)tid, status);
		else
			on_gone(notify, (uint32_t)tid, status);
}

void held_end(struct notify *notify)
{
	while (notify->held_count > 0) {
		end_call(notify, &notify->held[0], 0, false);
		drop(notify, &notify->held[0]);
	}
}

void held_done(struct notify *notify)
{
	while (notify->held_count > 0)
		drop(notify, &notify->held[0]);
}
