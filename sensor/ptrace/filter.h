/* The seccomp filter of the ptrace probe: wanted calls stop for the tracer, all others run at full
 * speed. */
#ifndef SENSOR_PTRACE_FILTER_H
#define SENSOR_PTRACE_FILTER_H

#include "sensor/probe.h"

#include <linux/filter.h>

enum { FILTER_MAX = 2 * CALLS_MAX + 16 };

struct filter {
	struct sock_filter code[FILTER_MAX];
	unsigned short count;
};

/* The 64-bit calls in `wanted` are traced, and every call that comes in by another way (32 bit,
 * x32): their numbers mean other calls, and refusing them would break programs. */
void filter_make(const bool wanted[CALLS_MAX], struct filter *ret);

/* Puts it on the calling thread for good. Without CAP_SYS_ADMIN this needs no_new_privs, which is
 * set then: set-user-ID programs no longer gain anything. 0 or -errno. */
int filter_install(const struct filter *filter);

#endif
