/* A call at its entry: which row of calls[] it is, by whatever way it came in, and whether a rule can
 * want it, before anybody knows how it ends. */
#ifndef SENSOR_PTRACE_ENTRY_H
#define SENSOR_PTRACE_ENTRY_H

#include "sensor/calls.h"
#include "sensor/interest.h"
#include "sensor/ptrace/kept.h"
#include "sensor/record.h"

#include <linux/seccomp.h>

struct entry {
	const struct call *call;
	uint32_t tid;
	bool compat; /* by the 32-bit entry */
	bool at_its_end; /* it can be looked at again then: names that may not be what they were pass */
	uint64_t args[6];
};

/* What entry_wants() looks with, of one thread of the sensor: scratch for the name as given and the path that it stands
 * for, and what is kept open from one call to the next. */
struct entry_view {
	char given[RECORD_STRING_MAX], path[2 * RECORD_STRING_MAX + 2];
	struct kept kept;
	int root; /* of the sensor and of all whose calls come; -1: each may have its own */
	int proc; /* /proc in that; -1: that is not known */
};
/* Names mean the same to the processes as to the sensor, until one of them changes its root, its mounts or its namespace:
 * that must be told before it is done. */
void entry_roots_are_ours(struct entry_view *view);
void entry_roots_differ(struct entry_view *view);

/* Closes what is kept: it would be in the way of who unmounts something. Roots differ from then on. */
void entry_view_done(struct entry_view *view);

/* False: no call that the sensor knows. Reads the process's memory where arguments stand in an array. */
bool entry_read(const struct seccomp_data *data, uint32_t tid, struct entry *ret);

/* Yes too often, never no too often: where a link is on the way, or the kernel does not remember the path, the call's end
 * tells; so it does where other threads can write over a name. What somebody else writes over it, who shares the memory, is
 * not seen. `comm`, which opens are asked about, is of the process. */
bool entry_wants(const struct entry *entry, const struct interest *interest, struct str comm,
		 struct entry_view *view);

#endif
