/* A runtime's socket, asked over HTTP on the containers' own thread. The client is made at the first question. */
#ifndef SENSOR_CONTAINERS_SOCKET_H
#define SENSOR_CONTAINERS_SOCKET_H

#include "base/http.h"

#include <sys/un.h>

enum {
	SOCKET_ANSWER_MAX = 1 << 20, /* bytes of an answer */
	SOCKET_TIMEOUT_MS = 2000,
};

struct way_socket {
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* "": too long to be a socket's */
	struct http_settings settings;
	struct http *client;
};

/* `path` below `root`; `cancel` as in struct http_settings. The struct must not be moved. */
void way_socket_init(struct way_socket *socket, const char *root, const char *path, bool http2,
		     const _Atomic bool *cancel);
void way_socket_done(struct way_socket *socket);

bool way_socket_is_there(const struct way_socket *socket);

/* 0 when there is an answer, whatever its status; else -errno. The request's `answer` is the caller's. */
int way_socket_ask(struct way_socket *socket, struct http_request *request);

#endif
