/* Asking a hub: where it is, which token it wants, and its answers' meaning for the exit status. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "base/arena.h"
#include "base/http.h"

enum { CLIENT_TOKEN_MAX = 4096 };

struct client {
	struct arena arena;
	const char *url;           /* without a slash at the end */
	const char *unix_socket;   /* NULL: none */
	const char *ca_file;       /* NULL: the system's */
	const char *authorization; /* the whole header line, or NULL */
	const char *token_hint;    /* where a token was looked for */
};

/* Finds address and token: options, environment, the hub's configuration, defaults. 0 or an exit status,
 * with the reason printed. */
int client_open(struct client *client);
void client_close(struct client *client);

/* One request to `path` (behind the address). 0 with the answer's body in `answer` (the caller's), or an
 * exit status with the reason printed: also for an HTTP status of 300 and up. */
int client_call(struct client *client, const char *method, const char *path, struct str body,
                struct buf *answer);

/* What an HTTP status means: 0, or an exit status with the reason printed. */
int client_status(const struct client *client, int status, struct str body);

/* Says that nobody answered, and what to do about it; returns the exit status for that. */
int client_unreachable(const struct client *client, const char *error);

/* Percent-encodes all but letters, digits and -._~ (RFC 3986). */
void client_add_escaped(struct buf *out, struct str text);

/* DATA_DIR of the configuration that --config names, or the default; in the client's arena. */
int client_data_dir(struct client *client, const char **ret);

#endif
