/* Which container a process is in, read off its cgroup's path. Pure. */
#ifndef SENSOR_CONTAINER_H
#define SENSOR_CONTAINER_H

#include "base/str.h"

enum {
	CONTAINER_ID_MAX = 64,	  /* bytes of an id or name */
	CONTAINER_SHORT_MAX = 12, /* hexadecimal ids are reported by so many digits */
};

/* Who runs the container, as far as the path tells. */
enum container_kind {
	CONTAINER_KIND_UNKNOWN = 0,
	CONTAINER_KIND_DOCKER,
	CONTAINER_KIND_CONTAINERD,
	CONTAINER_KIND_CRIO,
	CONTAINER_KIND_PODMAN,
	CONTAINER_KIND_LXC,
	CONTAINER_KIND_BPM,
	CONTAINER_KIND_GARDEN,
	CONTAINER_KIND_ECS,
	CONTAINER_KINDS,
};

struct container_id {
	char text[CONTAINER_ID_MAX + 1]; /* 64 digits, or a name where the runtime uses names */
	uint8_t len;			 /* 0: not in a container */
	bool is_name;
	uint8_t kind; /* enum container_kind */
	uint8_t pod_digits; /* how the pod's uid is written: 0 none, 32 plain, 36 with dashes */
	uint8_t pod[16];    /* the uid, a byte each two digits */
};

/* The innermost container in a cgroup path such as "/kubepods/burstable/pod…/0123…": forms of
 * Docker, containerd, CRI-O, Podman, nerdctl, Kubernetes, ECS, LXC, BPM, Garden and ctr. One path
 * of any hierarchy will do: runtimes name the directory alike in all of them. */
struct container_id container_of_cgroup(struct str path);

/* The id as alerts show it: 12 digits or the name, "host" outside. */
struct str container_short(const struct container_id *id);

/* "docker", "containerd", "cri-o", "podman", "lxc", …; empty when the path does not tell. */
struct str container_kind_name(enum container_kind kind);

enum { CONTAINER_POD_TEXT = 37 };

/* The pod's uid as Kubernetes writes it, or the empty text. NUL-terminated. */
void container_pod_uid(const struct container_id *id, char ret[CONTAINER_POD_TEXT]);

#endif
