/* Who may use the API: the admin token, one-time login tokens, browser sessions, and how often an
 * address may be wrong. No HTTP in here; time is passed in (wall clock, ns). One thread.
 *
 * Sessions are kept in a file as keyed hashes of their cookies, so they survive a restart of the hub
 * and a reader of the file cannot use them. Another admin token ends them all. */
#ifndef HUB_API_ACCESS_H
#define HUB_API_ACCESS_H

#include "base/hash.h"

struct access;

enum {
	ACCESS_SECRET_LEN = 64,          /* hex digits of a cookie or an admin token: 256 bits */
	ACCESS_SESSIONS_MAX = 256,       /* the one that ends first makes room */
	ACCESS_LOGIN_TOKENS_MAX = 32,    /* likewise */
	ACCESS_LOGIN_TOKEN_S = 15 * 60,
	ACCESS_WINDOW_S = 60,
	ACCESS_LOGIN_FAILURES_MAX = 10,  /* in one window, from one address (IPv6: one /64) */
	ACCESS_BEARER_FAILURES_MAX = 100,/* tools retry by themselves; more leeway */
};

enum access_verdict { ACCESS_GRANTED = 0, ACCESS_REFUSED, ACCESS_LIMITED };

struct access_settings {
	const char *token;               /* the admin token */
	const struct hash_key *key;      /* the server's secret; copied */
	const char *path;                /* of the sessions' file; NULL: not kept. Must outlive it */
	int64_t session_ns;
};

/* The admin token kept in dir/admin.token, made there when there is none (mode 0600). `ret` takes 513
 * bytes. 0, or -errno with a text in `error` (256 bytes). */
int access_token_load(const char *dir, char *ret, char *error);

/* 0, -ENOMEM, or -errno when the kernel has no random bytes. */
int access_new(const struct access_settings *settings, int64_t now_ns, struct access **ret);
void access_free(struct access *access);

/* Checks a tool's token. */
enum access_verdict access_bearer(struct access *access, const char *peer, struct str token,
                                  int64_t now_ns);

/* Checks the admin token or a one-time token and opens a session; `ret_cookie` takes
 * ACCESS_SECRET_LEN + 1 bytes. */
enum access_verdict access_login(struct access *access, const char *peer, struct str token,
                                 int64_t now_ns, char *ret_cookie);

/* The session of a cookie, while it lasts. */
bool access_session(const struct access *access, struct str cookie, int64_t now_ns,
                    struct hash128 *ret);

/* Whether a session, once found, is still there. */
bool access_lasts(const struct access *access, struct hash128 session, int64_t now_ns);

void access_logout(struct access *access, struct hash128 session);

/* A token that opens one session within ACCESS_LOGIN_TOKEN_S; `ret` takes ACCESS_SECRET_LEN + 1 bytes.
 * False when the kernel has no random bytes. */
bool access_login_token(struct access *access, int64_t now_ns, char *ret, int64_t *ret_expires_ns);

size_t access_sessions(const struct access *access, int64_t now_ns);

/* Whether an Origin header names the host that the request was sent to. */
bool access_same_origin(const char *origin, const char *host);

#endif
