/* A seccomp program from the table of calls. */
#include "sensor/ptrace/filter.h"

#include "sensor/call_numbers.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void add(struct filter *filter, struct sock_filter instruction)
{
	if (filter->count < FILTER_MAX)
		filter->code[filter->count++] = instruction;
}

void filter_make(const bool wanted[CALLS_MAX], struct filter *ret)
{
	const struct sock_filter trace = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);

	ret->count = 0;
	add(ret, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, arch)));
	add(ret, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_AUDIT_ARCH, 1, 0));
	add(ret, trace);
	add(ret, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr)));
	add(ret, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, PLAN_CALLS, 0, 1));
	add(ret, trace);
	for (size_t i = 0; i < calls_count; i++) {
		if (!wanted[i])
			continue;
		add(ret,
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].nr, 0, 1));
		add(ret, trace);
	}
	add(ret, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

int filter_install(const struct filter *filter)
{
	struct sock_fprog program = { .len = filter->count,
				      .filter = (struct sock_filter *)(uintptr_t)filter->code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
		return 0;
	if (errno != EACCES)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : -errno;
}
