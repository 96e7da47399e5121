/* A seccomp program, classic BPF over struct seccomp_data, checked and run in user space: what the kernel
 * would say of a call. No allocation and no library calls, so that a program can lie in memory that several
 * processes share, and be run by one that has nothing else. */
#ifndef SENSOR_SECCOMP_PROGRAM_H
#define SENSOR_SECCOMP_PROGRAM_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>

enum { SECCOMP_PROGRAM_MAX = 4096 }; /* instructions, as many as the kernel takes */

struct seccomp_program {
	uint32_t len;
	struct sock_filter at[SECCOMP_PROGRAM_MAX];
};

/* Whether the kernel would take it. 0, or -EINVAL with the instruction that is wrong in ret_at (may be NULL). */
int seccomp_program_check(const struct seccomp_program *program, uint32_t *ret_at);

/* What the kernel would do about a call: SECCOMP_RET_* with its data. Of a program that was not checked, or that
 * is written to meanwhile, the answer may be wrong, but it comes and nothing else is touched; one that runs off
 * its end kills. */
uint32_t seccomp_program_run(const struct seccomp_program *program, const struct seccomp_data *data);

/* Two programs as one: where `first` allows, `then` decides. What `first` says else becomes `notify`, or stays
 * as it is if `keeps` says so (NULL: never). 0; -ENOTSUP: `first` returns what it has computed; -E2BIG. */
int seccomp_program_join(const struct seccomp_program *first, uint32_t notify, _Bool (*keeps)(uint32_t action),
			 const struct sock_filter *then, uint32_t then_len, struct seccomp_program *ret);

#endif
