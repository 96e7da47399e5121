/* Attaching to processes that run: whom. */
#ifndef SENSOR_PTRACE_ATTACH_H
#define SENSOR_PTRACE_ATTACH_H

#include "base/buf.h"

enum { ATTACH_PIDS_MAX = 64 };

struct attach_whom {
	uint32_t pids[ATTACH_PIDS_MAX];
	size_t pids_count;
	const char *container; /* the first digits of its id, twelve or more, or its name; NULL: none */
	bool all;	       /* whatever is to be seen, but the sensor and those who started it */
	bool alone;	       /* not their descendants */
};

#endif
