/* A call at its entry: which row of calls[] it is, by whatever way it came in, and whether a rule can
 * want it, before anybody knows how it ends. */
#ifndef SENSOR_PTRACE_ENTRY_H
#define SENSOR_PTRACE_ENTRY_H

#include "sensor/calls.h"
#include "sensor/interest.h"
#include "sensor/record.h"

#include <linux/seccomp.h>

struct entry {
	const struct call *call;
	uint32_t tid;
	bool compat; /* by the 32-bit entry */
	uint64_t args[6];
};

/* Scratch of entry_wants(): the name as given, and the path that it stands for. */
struct entry_names {
	char given[RECORD_STRING_MAX], path[2 * RECORD_STRING_MAX + 2];
};

/* False: no call that the sensor knows. Reads the process's memory where arguments stand in an array. */
bool entry_read(const struct seccomp_data *data, uint32_t tid, struct entry *ret);

/* Yes too often, never no too often: links are followed only where it is cheap to see that there is one,
 * and what the process writes over its arguments afterwards is not seen here. `comm` is of the process. */
bool entry_wants(const struct entry *entry, const struct interest *interest, struct str comm,
		 struct entry_names *names);

#endif
