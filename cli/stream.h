/* A hub's live stream, followed over broken connections. */
#ifndef CLI_STREAM_H
#define CLI_STREAM_H

#include "cli/client.h"
#include "cli/sse.h"

/* Follows `path` until the callback of `sse` says stop (0) or the hub refuses. A hub that is away at the
 * first try is CLI_UNREACHABLE; later it is waited for, and the stream goes on behind the last id. */
int stream_follow(const struct client *client, const char *path, struct sse *sse);

/* The same over one connection: when it breaks that is an end. */
int stream_listen(const struct client *client, const char *path, struct sse *sse);

#endif
