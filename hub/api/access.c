/* Tokens, sessions and the limit on wrong guesses. Every secret is compared by its keyed hash, so the
 * time that a comparison takes says nothing about the secret. */
#include "hub/api/access.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

enum {
	BUCKETS = 256, /* of addresses that were wrong */
	WAYS = 4,
	TOKEN_LEN_MIN = 16,
	TOKEN_LEN_MAX = 512,
};

struct session {
	struct hash128 id;
	int64_t ends_ns; /* 0: free */
};

struct failures {
	uint64_t address;
	int64_t since_ns;
	unsigned logins, bearers;
};

struct access {
	struct hash_key key;
	struct hash128 token;
	int64_t session_ns;
	const char *path;
	struct session sessions[ACCESS_SESSIONS_MAX];
	struct session tokens[ACCESS_LOGIN_TOKENS_MAX];
	struct failures failures[BUCKETS][WAYS];
};

static bool random_hex(char *ret)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[ACCESS_SECRET_LEN / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		ret[2 * i] = digits[bytes[i] >> 4];
		ret[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret[ACCESS_SECRET_LEN] = '\0';
	return true;
}

/* --- the admin token's file --------------------------------------------------------------------- */

static int token_make(const char *path, char *ret)
{
	autoclose int fd = -1;
	char line[ACCESS_SECRET_LEN + 2];

	if (!random_hex(ret))
		return -EIO;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	memcpy(line, ret, ACCESS_SECRET_LEN);
	line[ACCESS_SECRET_LEN] = '\n';
	if (write(fd, line, ACCESS_SECRET_LEN + 1) != ACCESS_SECRET_LEN + 1 || fsync(fd) < 0) {
		int r = -errno;

		unlink(path); /* half a token would be taken for one at the next start */
		return r < 0 ? r : -EIO;
	}
	return 0;
}

static int token_read(const char *path, char *ret)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char line[TOKEN_LEN_MAX + 2];
	struct str token;
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, line, sizeof(line));
	if (len < 0)
		return -errno;
	token = str_trim((struct str){ line, (size_t)len });
	if (token.len < TOKEN_LEN_MIN || token.len > TOKEN_LEN_MAX)
		return -EBADMSG;
	memcpy(ret, token.at, token.len);
	ret[token.len] = '\0';
	return 0;
}

int access_token_load(const char *dir, char *ret, char *error)
{
	autofree char *path = NULL;
	int r;

	if (asprintf(&path, "%s/admin.token", dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = token_read(path, ret);
	if (r == -ENOENT)
		r = token_make(path, ret);
	if (r == -EBADMSG)
		snprintf(error, 256, "%s: holds no token of %d to %d characters (remove it to get a new one)",
		         path, TOKEN_LEN_MIN, TOKEN_LEN_MAX);
	else if (r < 0)
		snprintf(error, 256, "%s: %s", path, strerror(-r));
	return r;
}

/* --- sessions ----------------------------------------------------------------------------------- */

/* `kind` keeps a cookie from being taken as a login token and the other way round. */
static struct hash128 secret_hash(const struct access *access, const char *kind, struct str secret)
{
	struct hash_state state;

	hash_begin(&state, &access->key);
	hash_add(&state, str_of(kind));
	hash_add_u64(&state, access->token.lo);
	hash_add_u64(&state, access->token.hi);
	hash_add(&state, secret);
	return hash_end(&state);
}

static struct session *session_find(struct session *table, size_t count, struct hash128 id,
                                    int64_t now_ns)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].ends_ns > now_ns && hash128_eq(table[i].id, id))
			return &table[i];
	return NULL;
}

static void session_add(struct session *table, size_t count, struct session session)
{
	size_t first = 0;

	for (size_t i = 1; i < count; i++)
		if (table[i].ends_ns < table[first].ends_ns)
			first = i;
	table[first] = session;
}

/* The file is a convenience: a disk that is full costs a login after the next restart, nothing more. */
static void sessions_keep(const struct access *access)
{
	autofree char *beside = NULL;
	autoclose int fd = -1;

	if (access->path == NULL)
		return;
	if (asprintf(&beside, "%s.new", access->path) < 0) {
		beside = NULL;
		return;
	}
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && write(fd, access->sessions, sizeof(access->sessions)) ==
	                       (ssize_t)sizeof(access->sessions))
		(void)!rename(beside, access->path);
}

static void sessions_load(struct access *access, int64_t now_ns)
{
	autoclose int fd = access->path == NULL ? -1 : open(access->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (read(fd, access->sessions, sizeof(access->sessions)) != (ssize_t)sizeof(access->sessions))
		memset(access->sessions, 0, sizeof(access->sessions));
	/* A login never lasts longer than the setting of today. */
	for (size_t i = 0; i < ARRAY_LEN(access->sessions); i++)
		if (access->sessions[i].ends_ns > now_ns + access->session_ns)
			access->sessions[i].ends_ns = 0;
}

int access_new(const struct access_settings *settings, int64_t now_ns, struct access **ret)
{
	struct access *access = calloc(1, sizeof(*access));

	if (access == NULL)
		return -ENOMEM;
	access->key = *settings->key;
	access->token = hash128_of(&access->key, str_of(settings->token));
	access->session_ns = settings->session_ns;
	access->path = settings->path;
	sessions_load(access, now_ns);
	*ret = access;
	return 0;
}

void access_free(struct access *access)
{
	if (access == NULL)
		return;
	explicit_bzero(access, sizeof(*access));
	free(access);
}

bool access_session(const struct access *access, struct str cookie, int64_t now_ns,
                    struct hash128 *ret)
{
	struct hash128 id;

	if (cookie.len != ACCESS_SECRET_LEN)
		return false;
	id = secret_hash(access, "session", cookie);
	if (!access_lasts(access, id, now_ns))
		return false;
	*ret = id;
	return true;
}

bool access_lasts(const struct access *access, struct hash128 session, int64_t now_ns)
{
	return session_find((struct session *)(uintptr_t)access->sessions, ACCESS_SESSIONS_MAX, session,
	                    now_ns) != NULL;
}

void access_logout(struct access *access, struct hash128 id)
{
	struct session *session = session_find(access->sessions, ACCESS_SESSIONS_MAX, id, 0);

	if (session == NULL)
		return;
	*session = (struct session){ 0 };
	sessions_keep(access);
}

size_t access_sessions(const struct access *access, int64_t now_ns)
{
	size_t count = 0;

	for (size_t i = 0; i < ACCESS_SESSIONS_MAX; i++)
		count += access->sessions[i].ends_ns > now_ns;
	return count;
}

/* --- wrong guesses ------------------------------------------------------------------------------ */

/* One IPv6 host has a whole /64 to guess from: that counts as one address. */
static uint64_t address_of(const struct access *access, const char *peer)
{
	struct in6_addr v6;

	if (inet_pton(AF_INET6, peer, &v6) == 1 && !IN6_IS_ADDR_V4MAPPED(&v6))
		return hash64_of(&access->key, (struct str){ (const char *)v6.s6_addr, 8 });
	return hash64_of(&access->key, str_of(peer));
}

/* The entry of an address: its own, else a free one, else the oldest of its bucket. */
static struct failures *failures_of(struct access *access, const char *peer, int64_t now_ns)
{
	uint64_t address = address_of(access, peer);
	struct failures *bucket = access->failures[address % BUCKETS], *best = &bucket[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (bucket[i].address == address) {
			best = &bucket[i];
			break;
		}
		if (bucket[i].since_ns < best->since_ns)
			best = &bucket[i];
	}
	if (best->address != address || now_ns < best->since_ns ||
	    now_ns - best->since_ns > ACCESS_WINDOW_S * NS_PER_S)
		*best = (struct failures){ .address = address, .since_ns = now_ns };
	return best;
}

enum access_verdict access_bearer(struct access *access, const char *peer, struct str token,
                                  int64_t now_ns)
{
	struct failures *failures = failures_of(access, peer, now_ns);

	if (failures->bearers >= ACCESS_BEARER_FAILURES_MAX)
		return ACCESS_LIMITED;
	if (hash128_eq(hash128_of(&access->key, token), access->token))
		return ACCESS_GRANTED;
	failures->bearers++;
	return ACCESS_REFUSED;
}

/* --- logging in --------------------------------------------------------------------------------- */

/* A one-time token is used up by being right. */
static bool login_token_take(struct access *access, struct str token, int64_t now_ns)
{
	struct session *found;

	if (token.len != ACCESS_SECRET_LEN)
		return false;
	found = session_find(access->tokens, ACCESS_LOGIN_TOKENS_MAX, secret_hash(access, "login", token),
	                     now_ns);
	if (found == NULL)
		return false;
	*found = (struct session){ 0 };
	return true;
}

enum access_verdict access_login(struct access *access, const char *peer, struct str token,
                                 int64_t now_ns, char *ret_cookie)
{
	struct failures *failures = failures_of(access, peer, now_ns);
	struct session session = { .ends_ns = now_ns + access->session_ns };

	if (failures->logins >= ACCESS_LOGIN_FAILURES_MAX)
		return ACCESS_LIMITED;
	if ((!hash128_eq(hash128_of(&access->key, token), access->token) &&
	     !login_token_take(access, token, now_ns)) ||
	    !random_hex(ret_cookie)) {
		failures->logins++;
		return ACCESS_REFUSED;
	}
	session.id = secret_hash(access, "session", (struct str){ ret_cookie, ACCESS_SECRET_LEN });
	session_add(access->sessions, ACCESS_SESSIONS_MAX, session);
	sessions_keep(access);
	return ACCESS_GRANTED;
}

bool access_login_token(struct access *access, int64_t now_ns, char *ret, int64_t *ret_expires_ns)
{
	struct session token = { .ends_ns = now_ns + ACCESS_LOGIN_TOKEN_S * NS_PER_S };

	if (!random_hex(ret))
		return false;
	token.id = secret_hash(access, "login", (struct str){ ret, ACCESS_SECRET_LEN });
	session_add(access->tokens, ACCESS_LOGIN_TOKENS_MAX, token);
	*ret_expires_ns = token.ends_ns;
	return true;
}

bool access_same_origin(const char *origin, const char *host)
{
	const char *at = strstr(origin, "://");

	return at != NULL && host != NULL && strcasecmp(at + 3, host) == 0;
}
