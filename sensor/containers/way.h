/* A way to learn about a container: a file that its runtime keeps, or an API that it answers. Ways
 * are asked one after the other, on the containers' own thread, while something is still open. */
#ifndef SENSOR_CONTAINERS_WAY_H
#define SENSOR_CONTAINERS_WAY_H

#include "sensor/container.h"
#include "sensor/containers/box.h"
#include "sensor/containers/doc.h"

struct way_http;
struct way_cri;

struct way_question {
	const struct container_id *id;
	const char *root; /* before every path: "" but when the machine's root is mounted elsewhere */
	struct doc *doc;
	struct box_draft *draft;
	struct way_http *http;
	struct way_cri *cri;
};

struct way {
	const char *name; /* as metrics and --doctor have it */
	unsigned gives;	  /* enum box_part: asked only while one of these is open */

	/* 0: the draft has what this way knows. -ENOENT: it knows no such container, or is not here.
	 * Other -errno: it did not answer, or with nonsense. */
	int (*ask)(struct way_question *question);
};

extern const struct way way_runc, way_bundle, way_storage, way_docker_files, way_cri, way_sockets;

enum { WAYS = 6 };
extern const struct way *const ways[WAYS]; /* in the order in which they are asked */

/* Clients for the sockets; `cancel` as in struct http_settings. */
struct way_http *way_http_new(const char *root, const _Atomic bool *cancel);
void way_http_free(struct way_http *http);

struct way_cri *way_cri_new(const char *root, const _Atomic bool *cancel);
void way_cri_free(struct way_cri *cri);

/* What CRI answers, for tests and fuzzers: a ContainerStatusResponse, and a PodSandboxStatusResponse. -ENOENT:
 * it is of another container. -EBADMSG: it is none. */
int way_read_cri_container(struct box_draft *draft, const struct container_id *id, struct str answer);
int way_read_cri_pod(struct box_draft *draft, struct str answer);

/* What Docker's and Podman's APIs answer for one container; also what Docker keeps on disk. */
int way_read_docker(struct way_question *question);

/* Readers of the text in question->doc->bytes, for tests: runc's state, an OCI bundle's
 * configuration, the list that containers/storage keeps. */
int way_read_state(struct way_question *question);
int way_read_bundle(struct way_question *question);
int way_read_storage(struct way_question *question);

/* Whether the id can stand in a path and a URL; names of LXC and the like are nobody's to ask. */
bool way_can_ask(const struct container_id *id);

/* For --doctor: one line about each runtime that was found below `root`. How many. */
unsigned ways_describe(const char *root, void (*line)(const char *text, void *userdata), void *userdata);

#endif
