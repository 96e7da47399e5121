/* What is known of one container beyond its id. A draft is filled by several ways, each adding what
 * those before it left open; sealed it is one block of memory that nobody changes again.
 *
 * Everything in it was chosen by whoever made the container: bounded here, escaped where it is
 * shown. */
#ifndef SENSOR_CONTAINERS_BOX_H
#define SENSOR_CONTAINERS_BOX_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	BOX_TEXT_MAX = 1024,	 /* bytes of a name or an image; longer ones are no names */
	BOX_VALUE_MAX = 512,	 /* bytes of a label's key or value, of a mount's part; cut */
	BOX_LABELS_MAX = 64,	 /* of the container, and as many of the pod */
	BOX_MOUNTS_MAX = 64,
	BOX_NAMES_MAX = 256,	 /* users, and as many groups */
	BOX_ARENA_MAX = 256 << 10, /* bytes of a draft */
};

/* What a way has found out; asking goes on while one of BOX_ALL is missing. */
enum box_part {
	BOX_NAME = 1 << 0,
	BOX_IMAGE = 1 << 1,
	BOX_LABELS = 1 << 2,
	BOX_MOUNTS = 1 << 3,
	BOX_PRIVILEGED = 1 << 4,
	BOX_ALL = (1 << 5) - 1,
	BOX_FOUND = 1 << 5, /* some runtime knows the container */
	BOX_HOST_PID = 1 << 6,
	BOX_HOST_NETWORK = 1 << 7,
	BOX_HOST_IPC = 1 << 8,
	BOX_POD_LABELS = 1 << 9,
	BOX_ROOT = 1 << 11, /* its files were there to be read */
	BOX_CUT = 1 << 10, /* labels or mounts were left out or cut */
};

struct box_label {
	struct str key, value;
};

struct box_labels {
	struct box_label *at;
	size_t count;
	struct str text; /* "key:value, key:value" */
};

/* A user, or a group, which has neither home nor shell. */
struct box_name {
	uint32_t id;
	struct str name, home, shell;
};

struct box_names {
	struct box_name *at;
	size_t count;
};

struct box {
	unsigned has; /* enum box_part */
	struct str name, type;
	struct str image, repository, tag, digest, image_id;
	struct str ip;
	struct str mounts; /* "source:destination:mode:rw:propagation,…" */
	struct str pod_name, pod_namespace, pod_uid, pod_sandbox;
	struct box_labels labels, pod_labels;
	struct box_names users, groups;
	bool privileged, host_pid, host_network, host_ipc;
	uint64_t start_ns; /* of its first process, since boot; 0: not known */
	int64_t start_ts;  /* the same since the epoch, where that is what is known; 0: not known */
	size_t bytes;	   /* of the sealed block */
};

struct box_draft {
	struct box box;
	struct arena arena;
	struct buf mounts;
	unsigned mounts_count;
	struct box_label labels[BOX_LABELS_MAX], pod_labels[BOX_LABELS_MAX];
	struct box_name users[BOX_NAMES_MAX], groups[BOX_NAMES_MAX];
	char rootfs[4096]; /* where the container's files are, on the machine; "": not known */
	uint32_t first_pid; /* its first process; 0: not known */
};

/* Empty; the arena's memory is kept for the next one. */
void box_draft_begin(struct box_draft *draft);
void box_draft_done(struct box_draft *draft);

/* Sets one of the texts of draft->box if it is not set yet; what is longer than BOX_TEXT_MAX or
 * holds a NUL is left out. */
void box_set(struct box_draft *draft, struct str *field, struct str text);

/* The image as the runtime names it ("registry:5000/name:tag@sha256:…"), in its parts. An image
 * that is only a digest or an id has no repository. */
void box_set_image(struct box_draft *draft, struct str image);
void box_set_image_id(struct box_draft *draft, struct str id);

void box_add_label(struct box_draft *draft, struct str key, struct str value);
void box_add_pod_label(struct box_draft *draft, struct str key, struct str value);

void box_add_mount(struct box_draft *draft, struct str source, struct str destination,
		   struct str mode, bool writable, struct str propagation);

/* Nanoseconds since the epoch of an RFC 3339 time in UTC; 0: it is none, or stands for "never". */
int64_t box_time(struct str text);

/* Who has this number; NULL when not known. */
const struct box_name *box_find(const struct box_names *names, uint32_t id);

/* The name of a number; empty when not known. */
struct str box_name_of(const struct box_names *names, uint32_t id);

/* One block that free() gives back; NULL when out of memory. */
struct box *box_seal(const struct box_draft *draft);

#endif
