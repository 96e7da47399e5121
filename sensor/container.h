/* Which container a process is in, read off its cgroup's path. Pure. */
#ifndef SENSOR_CONTAINER_H
#define SENSOR_CONTAINER_H

#include "base/str.h"

enum {
	CONTAINER_ID_MAX = 64,	  /* bytes of an id or name */
	CONTAINER_SHORT_MAX = 12, /* hexadecimal ids are reported by so many digits */
};

struct container_id {
	char text[CONTAINER_ID_MAX + 1]; /* 64 digits, or a name where the runtime uses names */
	uint8_t len;			 /* 0: not in a container */
	bool is_name;
};

/* The innermost container in a cgroup path such as "/kubepods/burstable/pod…/0123…": forms of
 * Docker, containerd, CRI-O, Podman, nerdctl, Kubernetes, LXC, BPM, Garden and ctr. */
struct container_id container_of_cgroup(struct str path);

/* The id as alerts show it: 12 digits or the name, "host" outside. */
struct str container_short(const struct container_id *id);

#endif
