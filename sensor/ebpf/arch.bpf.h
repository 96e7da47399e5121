/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* What differs by processor: where a call's number and arguments are when it ends, and whether it came by the
 * 32-bit entry. */
#ifndef SENSOR_EBPF_ARCH_BPF_H
#define SENSOR_EBPF_ARCH_BPF_H

#include "maps.bpf.h"

#if defined(__TARGET_ARCH_x86)

#define NR_EXECVE   59
#define NR_EXECVEAT 322
#define NR_CLONE    56
#define NR_CLONE3   435
#define NR_SENDMMSG 307
#define NR_RECVMMSG 299

#define TS_COMPAT	  0x0002

/* -1: no call, or one that a tracer cancelled. */
static __always_inline __u64 call_number(const struct pt_regs *regs)
{
	return regs->orig_ax;
}

static __always_inline bool call_is_compat(const struct task_struct *task)
{
	return (task->thread_info.status & TS_COMPAT) != 0;
}

static __always_inline void call_arguments(__u64 *args, const struct pt_regs *regs, bool compat)
{
	args[0] = compat ? (__u32)regs->bx : regs->di;
	args[1] = compat ? (__u32)regs->cx : regs->si;
	args[2] = compat ? (__u32)regs->dx : regs->dx;
	args[3] = compat ? (__u32)regs->si : regs->r10;
	args[4] = compat ? (__u32)regs->di : regs->r8;
	args[5] = compat ? (__u32)regs->bp : regs->r9;
}

/* socketcall(2), the 32-bit entry's older way to the network: which call it is, ... */
static __always_inline __u64 socketcall_number(__u32 which)
{
	switch (which) {
	case 1: return 41;   /* socket */
	case 2: return 49;   /* bind */
	case 3: return 42;   /* connect */
	case 4: return 50;   /* listen */
	case 5: return 43;   /* accept */
	case 8: return 53;   /* socketpair */
	case 11: return 44;  /* sendto */
	case 12: return 45;  /* recvfrom */
	case 13: return 48;  /* shutdown */
	case 15: return 55;  /* getsockopt */
	case 16: return 46;  /* sendmsg */
	case 17: return 47;  /* recvmsg */
	case 18: return 288; /* accept4 */
	case 19: return 299; /* recvmmsg */
	case 20: return 307; /* sendmmsg */
	default: return PLAN_CALLS;
	}
}

/* ... and its arguments, which stand in an array. */
static __always_inline void unfold_socketcall(__u64 *args)
{
	void *array = (void *)args[1];
	__u32 words[6] = { 0 };

	/* Short calls may stand at the end of a page. */
	if (bpf_probe_read_user(words, sizeof(words), array) != 0)
		bpf_probe_read_user(words, 12, array);
	for (int i = 0; i < 6; i++)
		args[i] = words[i];
}

/* Our number for the 32-bit entry's. */
static __always_inline __u64 compat_number(const struct pt_regs *regs, __u64 nr)
{
	return nr == COMPAT_SOCKETCALL ? socketcall_number((__u32)regs->bx) : compat_calls[nr & (PLAN_COMPAT - 1)];
}

static __always_inline void compat_arguments(__u64 *args, const struct pt_regs *regs)
{
	call_arguments(args, regs, true);
	if (regs->orig_ax == COMPAT_SOCKETCALL)
		unfold_socketcall(args);
}

#elif defined(__TARGET_ARCH_arm64)

#define NR_EXECVE   221
#define NR_EXECVEAT 281
#define NR_CLONE    220
#define NR_CLONE3   435
#define NR_SENDMMSG 269
#define NR_RECVMMSG 243

#define TIF_32BIT (1UL << 22)

static __always_inline __u64 call_number(const struct pt_regs *regs)
{
	return (__u64)(__s64)regs->syscallno;
}

static __always_inline bool call_is_compat(const struct task_struct *task)
{
	return (task->thread_info.flags & TIF_32BIT) != 0;
}

/* The first register has the result by now. */
static __always_inline void call_arguments(__u64 *args, const struct pt_regs *regs, bool compat)
{
	const __u64 mask = compat ? 0xffffffff : ~0ULL;

	args[0] = regs->orig_x0 & mask;
	args[1] = regs->regs[1] & mask;
	args[2] = regs->regs[2] & mask;
	args[3] = regs->regs[3] & mask;
	args[4] = regs->regs[4] & mask;
	args[5] = regs->regs[5] & mask;
}

static __always_inline __u64 compat_number(const struct pt_regs *regs, __u64 nr)
{
	return compat_calls[nr & (PLAN_COMPAT - 1)];
}

static __always_inline void compat_arguments(__u64 *args, const struct pt_regs *regs)
{
	call_arguments(args, regs, true);
}

#else
#error "no probe for this processor"
#endif

#endif
