/* Redis: a list, a stream, a hash or a channel. A whole call is one script, so that it runs in order,
 * stops at the first refusal, and costs one round trip.
 *
 * RPUSH and XADD are not idempotent, and a lost answer makes the engine send again. The script
 * therefore keeps the ids of the last alerts beside the list or stream, in the sorted set KEY:ids, and
 * leaves out what it has seen. (Stream ids made of journal positions would do for one hub; but they
 * must grow, so a replayed dead letter or a second hub could never be added.) HSET by id needs no
 * guard, and a channel has no memory: PUBLISH may repeat. */
#include "base/cleanup.h"
#include "outputs/verdict.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>

enum {
	SEEN_MAX = 4096,     /* ids kept beside a list or stream; the engine retries at most 1024 */
	SCRIPT_ARGS = 8,     /* EVAL script 2 KEY IDS kind maxlen ttl */
};

enum redis_storage { REDIS_LIST = 0, REDIS_STREAM, REDIS_HASHMAP, REDIS_PUBSUB };

struct redis_conf {
	const char *address;
	const char *username;
	const char *password;
	int64_t database;
	int64_t storagetype;
	const char *key;
	int64_t maxlen;
	int64_t ttl_ms;
	int64_t timeout_ms;
	bool tls;
};

struct redis_state {
	const struct redis_conf *conf;
	redisContext *link; /* NULL: not connected */
	char *ids_key;
	const char **args;  /* SCRIPT_ARGS and 2 an alert */
	size_t *lens;
};

#define FIELD(member) offsetof(struct redis_conf, member)

static const char *const storage_types[] = { "list", "stream", "hashmap", "pubsub", NULL };

static const struct conf_field redis_fields[] = {
	{ .key = "address", .type = CONF_ADDRESS, .offset = FIELD(address), .flags = CONF_REQUIRED,
	  .help = "HOST:PORT or unix:PATH of the server" },
	{ .key = "username", .type = CONF_STRING, .offset = FIELD(username),
	  .help = "user of Redis 6 and above; without one the password is the server's" },
	{ .key = "password", .type = CONF_SECRET, .offset = FIELD(password), .help = "password" },
	{ .key = "database", .type = CONF_INT, .offset = FIELD(database), .fallback = "0", .min = 0,
	  .max = 65535, .help = "number of the database" },
	{ .key = "storagetype", .type = CONF_CHOICE, .offset = FIELD(storagetype), .fallback = "list",
	  .choices = storage_types, .help = "what the alerts are kept in" },
	{ .key = "key", .type = CONF_STRING, .offset = FIELD(key), .fallback = "falco",
	  .help = "its name; ids of recent alerts are kept in KEY:ids" },
	{ .key = "maxlen", .type = CONF_INT, .offset = FIELD(maxlen), .fallback = "0", .min = 0,
	  .max = INT32_MAX, .help = "drop the oldest of a list or stream beyond this many; 0: never" },
	{ .key = "ttl", .type = CONF_DURATION, .offset = FIELD(ttl_ms), .fallback = "0s",
	  .help = "the key expires when nothing was added for this long; 0: never" },
	{ .key = "timeout", .type = CONF_DURATION, .offset = FIELD(timeout_ms), .fallback = "5s",
	  .min = 100, .max = 300000, .help = "for the connection and for an answer" },
	{ .key = "tls", .type = CONF_BOOL, .offset = FIELD(tls), .fallback = "false",
	  .help = "not supported: use a TLS proxy beside the hub" },
	{ 0 },
};

/* Returns how many of the alerts are there now, and why the next one is not. */
static const char script[] =
	"local kind, maxlen, ttl, done = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), 0\n"
	"local function add(id, json)\n"
	" if kind == 'hashmap' then return redis.pcall('HSET', KEYS[1], id, json) end\n"
	" if kind == 'pubsub' then return redis.pcall('PUBLISH', KEYS[1], json) end\n"
	" local seen = redis.pcall('ZSCORE', KEYS[2], id)\n"
	" if seen then return seen end\n"
	" local r\n"
	" if kind == 'list' then r = redis.pcall('RPUSH', KEYS[1], json)\n"
	" elseif maxlen > 0 then\n"
	"  r = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', maxlen, '*', 'id', id, 'alert', json)\n"
	" else r = redis.pcall('XADD', KEYS[1], '*', 'id', id, 'alert', json) end\n"
	" if type(r) == 'table' and r.err then return r end\n"
	" local newest = redis.pcall('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')\n"
	" redis.pcall('ZADD', KEYS[2], (tonumber(newest[2]) or 0) + 1, id)\n"
	" return r\n"
	"end\n"
	"local why = ''\n"
	"for i = 4, #ARGV, 2 do\n"
	" local r = add(ARGV[i], ARGV[i + 1])\n"
	" if type(r) == 'table' and r.err then why = r.err break end\n"
	" done = done + 1\n"
	"end\n"
	"if kind == 'list' and maxlen > 0 then redis.pcall('LTRIM', KEYS[1], -maxlen, -1) end\n"
	"if kind == 'list' or kind == 'stream' then\n"
	" redis.pcall('ZREMRANGEBYRANK', KEYS[2], 0, -4097)\n"
	" if ttl > 0 then redis.pcall('PEXPIRE', KEYS[2], ttl) end\n"
	"end\n"
	"if ttl > 0 and kind ~= 'pubsub' then redis.pcall('PEXPIRE', KEYS[1], ttl) end\n"
	"return {done, why}\n";

_Static_assert(SEEN_MAX == 4096, "the script keeps ranks -4096 to -1");

/* --- life --------------------------------------------------------------------------------------- */

static void redis_close(void *state_)
{
	struct redis_state *state = state_;

	if (state == NULL)
		return;
	if (state->link != NULL)
		redisFree(state->link);
	free(state->ids_key);
	free(state->args);
	free(state->lens);
	free(state);
}
DEFINE_CLEANUP(struct redis_state *, redis_close);

static int redis_open(const void *conf, const char *name, void **ret_state, char *note)
{
	CLEANUP(redis_close_p) struct redis_state *state = calloc(1, sizeof(*state));
	enum { ARGS = SCRIPT_ARGS + 2 * OUTPUT_BATCH_MAX + 1 };

	(void)name;
	(void)note;
	if (state == NULL)
		return -ENOMEM;
	state->conf = conf;
	state->args = calloc(ARGS, sizeof(*state->args));
	state->lens = calloc(ARGS, sizeof(*state->lens));
	if (asprintf(&state->ids_key, "%s:ids", state->conf->key) < 0)
		state->ids_key = NULL;
	if (state->args == NULL || state->lens == NULL || state->ids_key == NULL)
		return -ENOMEM;
	*ret_state = TAKE(state);
	return 0;
}

static void disconnect(struct redis_state *state)
{
	redisFree(state->link);
	state->link = NULL;
}

/* "HOST:PORT" or "[V6]:PORT" taken apart; false when it is neither. */
static bool split_address(const char *address, char *host, size_t host_size, uint64_t *ret_port)
{
	const char *colon = strrchr(address, ':');
	struct str name;

	if (colon == NULL || !str_to_u64(str_of(colon + 1), ret_port) || *ret_port == 0 || *ret_port > 65535)
		return false;
	name = (struct str){ address, (size_t)(colon - address) };
	if (name.len >= 2 && name.at[0] == '[' && name.at[name.len - 1] == ']')
		name = (struct str){ name.at + 1, name.len - 2 };
	if (name.len == 0 || name.len >= host_size)
		return false;
	memcpy(host, name.at, name.len);
	host[name.len] = '\0';
	return true;
}

static bool redis_check(const void *conf_, char *note)
{
	const struct redis_conf *conf = conf_;
	char host[256];
	uint64_t port;

	if (conf->tls)
		snprintf(note, OUTPUT_NOTE_MAX,
		         "tls: this build's Redis library has no TLS; connect through a local TLS proxy");
	else if (conf->username != NULL && conf->password == NULL)
		snprintf(note, OUTPUT_NOTE_MAX, "username: wants a password");
	else if (strncmp(conf->address, "unix:", 5) != 0 &&
	         !split_address(conf->address, host, sizeof(host), &port))
		snprintf(note, OUTPUT_NOTE_MAX, "address: not HOST:PORT or unix:PATH");
	else
		return true;
	return false;
}

/* --- answers ------------------------------------------------------------------------------------ */

/* Redis names its errors by their first word; a script wraps them into more text. */
static enum output_verdict verdict_of(const char *error)
{
	static const char *const broken[] = { "NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE", "invalid password",
		                              "without any password configured", "unknown command",
		                              "DB index is out of range", "MOVED", "CROSSSLOT", "ASK " };

	for (size_t i = 0; i < ARRAY_LEN(broken); i++)
		if (strstr(error, broken[i]) != NULL)
			return OUTPUT_BROKEN;
	return OUTPUT_LATER; /* LOADING BUSY TRYAGAIN OOM READONLY MISCONF CLUSTERDOWN NOREPLICAS … */
}

static void note_error(struct delivery *delivery, const char *error)
{
	struct buf text = { 0 };

	buf_add_printable(&text, str_cut(str_of(error), OUTPUT_NOTE_MAX / 2));
	delivery_settle(delivery, verdict_of(error), "%s", buf_ok(&text) ? buf_text(&text) : "error");
	buf_done(&text);
}

/* --- the connection ----------------------------------------------------------------------------- */

static struct timeval timeout_of(const struct redis_conf *conf)
{
	return (struct timeval){ .tv_sec = conf->timeout_ms / 1000,
		                 .tv_usec = conf->timeout_ms % 1000 * 1000 };
}

/* One command of the greeting; false settles the first delivery. */
static bool greet(struct redis_state *state, struct delivery *delivery, int argc, const char **argv)
{
	redisReply *reply = redisCommandArgv(state->link, argc, argv, NULL);
	bool good = reply != NULL && reply->type != REDIS_REPLY_ERROR;

	if (reply == NULL)
		delivery_settle(delivery, OUTPUT_LATER, "%.100s", state->link->errstr);
	else if (!good)
		note_error(delivery, reply->str);
	freeReplyObject(reply);
	return good;
}

static bool sign_in(struct redis_state *state, struct delivery *delivery)
{
	const struct redis_conf *conf = state->conf;
	const char *with_name[] = { "AUTH", conf->username, conf->password };
	const char *without[] = { "AUTH", conf->password };
	char number[16];
	const char *choose[] = { "SELECT", number };

	if (conf->password != NULL && conf->username != NULL && !greet(state, delivery, 3, with_name))
		return false;
	if (conf->password != NULL && conf->username == NULL && !greet(state, delivery, 2, without))
		return false;
	snprintf(number, sizeof(number), "%lld", (long long)conf->database);
	return conf->database == 0 || greet(state, delivery, 2, choose);
}

static redisContext *dial(const struct redis_conf *conf)
{
	char host[256];
	uint64_t port;

	if (strncmp(conf->address, "unix:", 5) == 0)
		return redisConnectUnixWithTimeout(conf->address + 5, timeout_of(conf));
	if (!split_address(conf->address, host, sizeof(host), &port))
		return NULL;
	return redisConnectWithTimeout(host, (int)port, timeout_of(conf));
}

/* A server that restarted has closed our connection; finding that out costs no alert. */
static bool is_stale(const redisContext *link)
{
	char byte;
	ssize_t n = recv(link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

/* False: the first delivery says why not. */
static bool connect_link(struct redis_state *state, struct delivery *delivery)
{
	if (state->link != NULL && is_stale(state->link))
		disconnect(state);
	if (state->link != NULL)
		return true;
	state->link = dial(state->conf);
	if (state->link == NULL) {
		delivery_settle(delivery, OUTPUT_LATER, "out of memory");
		return false;
	}
	if (state->link->err == 0 && redisSetTimeout(state->link, timeout_of(state->conf)) == REDIS_OK &&
	    sign_in(state, delivery))
		return true;
	if (delivery->verdict == OUTPUT_UNTRIED)
		delivery_settle(delivery, OUTPUT_LATER, "%.100s", state->link->errstr);
	disconnect(state);
	return false;
}

/* --- sending ------------------------------------------------------------------------------------ */

static size_t add_arg(struct redis_state *state, size_t at, struct str arg)
{
	state->args[at] = arg.at;
	state->lens[at] = arg.len;
	return at + 1;
}

static redisReply *run_script(struct redis_state *state, const struct output_call *call)
{
	const struct redis_conf *conf = state->conf;
	char maxlen[24], ttl[24];
	size_t n = 0;

	snprintf(maxlen, sizeof(maxlen), "%lld", (long long)conf->maxlen);
	snprintf(ttl, sizeof(ttl), "%lld", (long long)conf->ttl_ms);
	n = add_arg(state, n, STR("EVAL"));
	n = add_arg(state, n, STR(script));
	n = add_arg(state, n, STR("2"));
	n = add_arg(state, n, str_of(conf->key));
	n = add_arg(state, n, str_of(state->ids_key));
	n = add_arg(state, n, str_of(storage_types[conf->storagetype]));
	n = add_arg(state, n, str_of(maxlen));
	n = add_arg(state, n, str_of(ttl));
	for (size_t i = 0; i < call->count; i++) {
		n = add_arg(state, n, str_of(call->deliveries[i].alert->id));
		n = add_arg(state, n, call->deliveries[i].alert->json);
	}
	return redisCommandArgv(state->link, (int)n, state->args, state->lens);
}

static void read_reply(const redisReply *reply, struct output_call *call)
{
	size_t done;

	if (reply->type == REDIS_REPLY_ERROR) {
		note_error(&call->deliveries[0], reply->str);
		return;
	}
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_INTEGER || reply->element[1]->type != REDIS_REPLY_STRING) {
		delivery_settle(&call->deliveries[0], OUTPUT_BROKEN, "not an answer of Redis");
		return;
	}
	done = (size_t)reply->element[0]->integer;
	for (size_t i = 0; i < done && i < call->count; i++)
		call->deliveries[i].verdict = OUTPUT_DELIVERED;
	if (done < call->count)
		note_error(&call->deliveries[done], reply->element[1]->str);
}

/* The first that is refused stops the call; those behind it stay untried. */
static void redis_send(void *state_, struct output_call *call)
{
	struct redis_state *state = state_;
	redisReply *reply;

	if (call->count == 0 || !connect_link(state, &call->deliveries[0]))
		return;
	reply = run_script(state, call);
	if (reply == NULL) {
		call_settle(call, 0, OUTPUT_LATER, "%.100s", state->link->errstr);
		disconnect(state);
		return;
	}
	read_reply(reply, call);
	freeReplyObject(reply);
}

const struct output_ops output_redis = {
	.type = "redis",
	.summary = "Redis list, stream, hash or channel",
	.fields = redis_fields,
	.conf_size = sizeof(struct redis_conf),
	.batch_max = OUTPUT_BATCH_MAX,
	.open = redis_open,
	.send = redis_send,
	.close = redis_close,
	.check = redis_check,
};
