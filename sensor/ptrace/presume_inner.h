/* What presuming an open and presuming an exec share: where a process's names lead. */
#ifndef SENSOR_PTRACE_PRESUME_INNER_H
#define SENSOR_PTRACE_PRESUME_INNER_H

#include "base/str.h"
#include "sensor/record.h"

enum { PRESUME_PATH_ROOM = 2 * RECORD_STRING_MAX };

struct path {
	char text[PRESUME_PATH_ROOM];
};

/* The process's root, and whether names mean the same in it and here. */
struct root {
	int fd; /* -1: it is gone */
	bool is_ours;
};

struct root presume_root(uint32_t tid);

/* A descriptor that gives no access, or -1 with errno. */
int presume_open_as(const struct root *root, const char *path, int flags);

/* The record's name, from the root. False: it has none, or nobody knows where it starts from. */
bool presume_first_path(const struct record *record, struct path *ret);

/* Where a descriptor of the sensor leads, seen from the process's root; empty: nowhere. */
struct str presume_path_of(int fd, uint32_t tid, struct path *to);

#endif
