/* That nobody notices: calls that end only because their thread is traced begin again, and children that
 * are not to be traced are. */
#include "sensor/ptrace/attach_inner.h"

#include "base/cleanup.h"
#include "sensor/call_numbers.h"
#include "sensor/ptrace/tracee.h"

#include <errno.h>
#include <sched.h>
#include <sys/uio.h>
#include <sys/user.h>

#if defined(__x86_64__)

static uint64_t bit(int signal)
{
	return 1ULL << (signal - 1);
}

/* Those that do nothing: ignored, or left alone and harmless. */
static uint64_t nothing_done(const struct tracee_signals *signals)
{
	return signals->ignored | ((bit(SIGCHLD) | bit(SIGURG) | bit(SIGWINCH) | bit(SIGCONT)) & ~signals->caught);
}

enum { CALL_BYTES = 2, CS_32BIT = 0x23 }; /* length of the instruction; a code segment */

/* Calls that end with EINTR whoever interrupts them, and have done nothing then: the kernel begins others again
 * by itself. close(2) is none: its descriptor is gone. */
static bool may_be_repeated(const struct user_regs_struct *regs)
{
	static const uint16_t numbers[] = {
		SYS_epoll_wait, SYS_epoll_pwait, 441 /* epoll_pwait2 */, SYS_rt_sigtimedwait, SYS_semop, SYS_semtimedop,
		SYS_io_getevents, 333 /* io_pgetevents */, 426 /* io_uring_enter */, SYS_read, SYS_readv, SYS_write,
		SYS_writev, SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_connect,
		SYS_accept, SYS_accept4,
	};
	static const uint16_t compat[] = { 3, 4, 102, 145, 146, 177, 247, 256, 319, 337, 345, 362, 364, 369,
					   370, 371, 372, 385, 416, 417, 420, 421, 426, 441 };
	bool is_compat = regs->cs == CS_32BIT;
	const uint16_t *list = is_compat ? compat : numbers;
	size_t count = is_compat ? ARRAY_LEN(compat) : ARRAY_LEN(numbers);

	for (size_t i = 0; i < count; i++)
		if (list[i] == regs->orig_rax)
			return true;
	return false;
}

static bool was_broken_off(uint32_t tid, struct user_regs_struct *ret)
{
	return ptrace(PTRACE_GETREGS, tid, 0, ret) == 0 && (int64_t)ret->orig_rax >= 0 &&
	       (int32_t)ret->rax == -EINTR && may_be_repeated(ret);
}

static void rewind_call(struct tracee *tracee, struct user_regs_struct *regs)
{
	regs->rax = regs->orig_rax;
	regs->rip -= CALL_BYTES;
	tracee->rewound = ptrace(PTRACE_SETREGS, tracee->tid, 0, regs) == 0;
}

void attach_restart(struct tracee *tracee)
{
	struct user_regs_struct regs;
	struct tracee_signals signals;

	if (tracee->group_stopped || tracee->rewound || !was_broken_off(tracee->tid, &regs))
		return;
	tracee_signals(tracee->tid, &signals);
	if ((signals.pending & ~signals.blocked & ~nothing_done(&signals)) == 0)
		rewind_call(tracee, &regs);
}

void attach_before_signal(struct tracee *tracee, int signal)
{
	struct user_regs_struct regs;
	struct tracee_signals signals;
	bool nothing;

	if (!tracee->rewound && (tracee->group_stopped || !was_broken_off(tracee->tid, &regs)))
		return;
	tracee_signals(tracee->tid, &signals);
	nothing = (nothing_done(&signals) & bit(signal)) != 0;
	if (!tracee->rewound && nothing) {
		rewind_call(tracee, &regs);
	} else if (tracee->rewound && !nothing && ptrace(PTRACE_GETREGS, tracee->tid, 0, &regs) == 0) {
		regs.rax = (unsigned long long)-EINTR;
		regs.rip += CALL_BYTES;
		tracee->rewound = ptrace(PTRACE_SETREGS, tracee->tid, 0, &regs) != 0;
	}
}

/* The flags of clone(2) as the kernel will take them. */
static bool set_flags(uint32_t tid, uint64_t with, uint64_t without)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs) < 0)
		return false;
	if (regs.cs == CS_32BIT)
		regs.rbx = (regs.rbx | with) & ~without;
	else
		regs.rdi = (regs.rdi | with) & ~without;
	return ptrace(PTRACE_SETREGS, tid, 0, &regs) == 0;
}

enum { CLONE_COMPAT = 120 };

#else

/* Where the first argument was is not to be had here: the call ends with EINTR. */
void attach_restart(struct tracee *tracee)
{
	(void)tracee;
}

void attach_before_signal(struct tracee *tracee, int signal)
{
	(void)tracee;
	(void)signal;
}

static bool set_flags(uint32_t tid, uint64_t with, uint64_t without)
{
	struct iovec all = { 0 };
	uint64_t regs[34];

	all = (struct iovec){ regs, sizeof(regs) };
	if (ptrace(PTRACE_GETREGSET, tid, 1 /* NT_PRSTATUS */, &all) < 0)
		return false;
	regs[0] = (regs[0] | with) & ~without;
	return ptrace(PTRACE_SETREGSET, tid, 1, &all) == 0;
}

enum { CLONE_COMPAT = 120 };

#endif

static bool write_flags(uint32_t tid, uint64_t at, uint64_t flags)
{
	struct iovec local = { &flags, sizeof(flags) }, remote = { (void *)(uintptr_t)at, sizeof(flags) };

	return process_vm_writev((pid_t)tid, &local, 1, &remote, 1, 0) == (ssize_t)sizeof(flags);
}

void attach_untraced_begin(struct tracee *tracee, const struct __ptrace_syscall_info *info)
{
	bool compat = info->arch != CALL_AUDIT_ARCH;
	uint64_t flags;

	if (info->entry.nr == (compat ? CLONE_COMPAT : SYS_clone)) {
		if ((info->entry.args[0] & CLONE_UNTRACED) && set_flags(tracee->tid, 0, CLONE_UNTRACED))
			tracee->untraced = ATTACH_UNTRACED_REGISTER;
	} else if (info->entry.nr == SYS_clone3 && tracee_read(tracee->tid, info->entry.args[0], &flags, sizeof(flags)) &&
		   (flags & CLONE_UNTRACED) &&
		   write_flags(tracee->tid, info->entry.args[0], flags & ~(uint64_t)CLONE_UNTRACED)) {
		tracee->untraced = ATTACH_UNTRACED_MEMORY;
		tracee->untraced_at = info->entry.args[0];
	}
}

void attach_untraced_end(struct tracee *tracee)
{
	uint64_t flags;

	if (tracee->untraced == ATTACH_UNTRACED_REGISTER)
		set_flags(tracee->tid, CLONE_UNTRACED, 0);
	else if (tracee->untraced == ATTACH_UNTRACED_MEMORY &&
		 tracee_read(tracee->tid, tracee->untraced_at, &flags, sizeof(flags)))
		write_flags(tracee->tid, tracee->untraced_at, flags | CLONE_UNTRACED);
	tracee->untraced = ATTACH_TRACED;
}
