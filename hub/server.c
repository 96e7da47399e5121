/* The wall around libmicrohttpd: external epoll, one thread, requests parked by suspending them. */
#include "hub/server.h"

#include "base/cleanup.h"
#include "hub/tls.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
	SERVER_BACKLOG = 1024,
	SERVER_CONNECTION_MEMORY = 8 << 10, /* headers of one request; also libmicrohttpd's read buffer */
	SERVER_POOL = 1024,                  /* request structs kept for reuse */
	SERVER_BODY_KEEP = 16 << 10,         /* a larger body buffer is not kept with its struct */
	SERVER_STREAM_BLOCK = 4096,
};

struct inner {
	struct server_request request;
	struct inner *next, *prev;   /* of the parked list, or next of the pool */
	struct MHD_Connection *connection;
	struct MHD_Response *response;
	unsigned status;
	bool handled, parked;
	unsigned refused;            /* status for a body that could not be taken, 0: none */
	size_t held;                 /* bytes of the body counted in server->held */
	size_t dropped;              /* bytes of the body thrown away after it was refused */
	/* streams */
	bool streaming, waiting, finished;
	struct buf pending;
	size_t pending_sent;         /* of them, gone */
	size_t pending_limit;
};

struct server {
	struct server_settings settings;
	struct MHD_Daemon *daemon;
	struct tls *tls;             /* NULL: speaks none */
	struct MHD_Response *empty;  /* 200 without a body, by far the most frequent answer */
	struct inner *pool;
	unsigned pool_count;
	struct inner *parked;        /* suspended ones, streams that wait included */
	int listen_fd;
	size_t held;                 /* bytes of all bodies */
	bool stopping;
	bool due;                    /* something was resumed: server_run() wants to be called */
	char *unix_path;
};

/* --- listening ---------------------------------------------------------------------------------- */

static int listen_unix(const char *path, char *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path)) {
		snprintf(error, 256, "%s: too long for a unix socket", path);
		return -EINVAL;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, SERVER_BACKLOG) < 0) {
		snprintf(error, 256, "%s: %s", path, strerror(errno));
		return -errno;
	}
	chmod(path, 0660);
	return TAKE_FD(fd);
}

static int listen_tcp(const char *host, const char *port, char *error)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		                  .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	autoclose int fd = -1;
	int r, on = 1;

	r = getaddrinfo(host, port, &hints, &found);
	if (r != 0) {
		snprintf(error, 256, "%s:%s: %s", host == NULL ? "" : host, port, gai_strerror(r));
		return -EINVAL;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		r = -errno;
	} else {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		/* inherited by what accept() gives */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		r = bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, SERVER_BACKLOG) < 0
		            ? -errno : 0;
	}
	freeaddrinfo(found);
	if (r < 0) {
		snprintf(error, 256, "cannot listen on %s:%s: %s", host == NULL ? "" : host, port, strerror(-r));
		return r;
	}
	return TAKE_FD(fd);
}

/* "HOST:PORT", "[V6]:PORT", ":PORT", "unix:PATH". */
static int listen_on(const char *where, char *error)
{
	const char *colon = strrchr(where, ':');
	size_t len;
	autofree char *host = NULL;

	if (strncmp(where, "unix:", 5) == 0)
		return listen_unix(where + 5, error);
	if (colon == NULL) {
		snprintf(error, 256, "\"%s\" is not HOST:PORT", where);
		return -EINVAL;
	}
	len = (size_t)(colon - where);
	if (len >= 2 && where[0] == '[' && colon[-1] == ']') {
		where++;
		len -= 2;
	}
	host = str_dup((struct str){ where, len });
	if (host == NULL)
		return -ENOMEM;
	return listen_tcp(len == 0 ? NULL : host, colon + 1, error);
}

unsigned server_port(const struct server *server)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(server->listen_fd, (struct sockaddr *)&address, &len) < 0)
		return 0;
	if (address.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&address)->sin_port);
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return 0;
}

/* --- requests ----------------------------------------------------------------------------------- */

static struct inner *inner_new(struct server *server)
{
	struct inner *inner = server->pool;

	if (inner == NULL) {
		inner = calloc(1, sizeof(*inner));
		if (inner == NULL)
			return NULL;
	} else {
		struct buf body = inner->request.body;

		server->pool = inner->next;
		server->pool_count--;
		buf_clear(&body);
		*inner = (struct inner){ .request.body = body };
	}
	inner->request.server = server;
	inner->request.inner = inner;
	inner->request.body.max = server->settings.body_max + 1;
	return inner;
}

static void inner_recycle(struct server *server, struct inner *inner)
{
	buf_done(&inner->pending);
	server->held -= inner->held;
	if (inner->response != NULL && inner->response != server->empty)
		MHD_destroy_response(inner->response);
	inner->response = NULL;
	if (inner->request.body.cap > SERVER_BODY_KEEP)
		buf_done(&inner->request.body);
	if (server->pool_count >= SERVER_POOL) {
		buf_done(&inner->request.body);
		free(inner);
		return;
	}
	inner->next = server->pool;
	server->pool = inner;
	server->pool_count++;
}

static void park(struct inner *inner)
{
	struct server *server = inner->request.server;

	inner->parked = true;
	inner->prev = NULL;
	inner->next = server->parked;
	if (server->parked != NULL)
		server->parked->prev = inner;
	server->parked = inner;
	MHD_suspend_connection(inner->connection);
}

static void unpark(struct inner *inner)
{
	struct server *server = inner->request.server;

	if (!inner->parked)
		return;
	inner->parked = false;
	if (inner->prev != NULL)
		inner->prev->next = inner->next;
	else
		server->parked = inner->next;
	if (inner->next != NULL)
		inner->next->prev = inner->prev;
	inner->next = inner->prev = NULL;
	MHD_resume_connection(inner->connection);
	server->due = true;
}

static void fill_peer(struct server_request *request, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info == NULL ? NULL : info->client_addr;

	memcpy(request->peer, "unix", 5);
	if (address == NULL)
		return;
	if (address->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, request->peer,
		          sizeof(request->peer));
	else if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
		          request->peer, sizeof(request->peer));
}

/* The first call of a request: its headers are there. False ends the connection. */
static bool request_begin(struct server *server, struct MHD_Connection *connection, const char *path,
                          const char *method, void **state)
{
	struct inner *inner = inner_new(server);
	const char *length;
	uint64_t expected = 0;

	if (inner == NULL)
		return false;
	*state = inner;
	inner->connection = connection;
	inner->request.method = str_of(method);
	inner->request.path = str_of(path);
	fill_peer(&inner->request, connection);
	length = server_header(&inner->request, "Content-Length");
	if (length != NULL && str_to_u64(str_of(length), &expected))
		inner->request.body_expected = expected;
	if (expected > server->settings.body_max) {
		inner->handled = true;
		server_problem(&inner->request, 413, "the body is larger than the limit", NULL);
	} else if (server->settings.begin != NULL &&
	           !server->settings.begin(server->settings.userdata, &inner->request)) {
		inner->handled = true;
	}
	return true;
}

static enum MHD_Result queue_answer(struct inner *inner)
{
	return MHD_queue_response(inner->connection, inner->status, inner->response);
}

/* Bytes of a body. One that cannot be taken is dropped, and refused when it has ended: libmicrohttpd
 * takes no answer in between. One that goes on for long after that loses its connection. */
static enum MHD_Result take_bytes(struct server *server, struct inner *inner, struct str bytes)
{
	const struct server_settings *settings = &server->settings;

	if (inner->refused == 0 && inner->request.body.len + bytes.len > settings->body_max)
		inner->refused = 413; /* chunked: its length was not known before */
	else if (inner->refused == 0 && settings->bodies_max > 0 &&
	         server->held + bytes.len > settings->bodies_max)
		inner->refused = 503;
	if (inner->refused != 0) {
		server->held -= inner->held;
		inner->held = 0;
		buf_done(&inner->request.body);
		inner->dropped += bytes.len;
		return inner->dropped > settings->body_max ? MHD_NO : MHD_YES;
	}
	inner->held += bytes.len;
	server->held += bytes.len;
	buf_add(&inner->request.body, bytes);
	if (!buf_ok(&inner->request.body))
		inner->refused = 503;
	return MHD_YES;
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data, size_t *len,
                                  void **state)
{
	static const char *const retry[] = { "Retry-After: 1", NULL };
	struct server *server = userdata;
	struct inner *inner = *state;

	(void)version;
	if (inner == NULL) {
		if (!request_begin(server, connection, path, method, state))
			return MHD_NO;
		inner = *state;
		return inner->response != NULL ? queue_answer(inner) : MHD_YES;
	}
	if (*len > 0) {
		size_t taken = *len;

		*len = 0;
		return take_bytes(server, inner, (struct str){ data, taken });
	}
	if (!inner->handled) {
		inner->handled = true;
		if (inner->refused == 413)
			server_problem(&inner->request, 413, "the body is larger than the limit", NULL);
		else if (server->stopping)
			server_problem(&inner->request, 503, "the hub is stopping", retry);
		else if (inner->refused != 0)
			server_problem(&inner->request, 503, "too many bodies at once", retry);
		else
			server->settings.handle(server->settings.userdata, &inner->request);
	}
	if (inner->response != NULL)
		return queue_answer(inner);
	park(inner);
	return MHD_YES;
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
	struct server *server = userdata;
	struct inner *inner = *state;

	(void)connection;
	(void)code;
	if (inner == NULL)
		return;
	*state = NULL;
	if (server->settings.closed != NULL)
		server->settings.closed(server->settings.userdata, &inner->request);
	inner_recycle(server, inner);
}

const char *server_header(const struct server_request *request, const char *name)
{
	const struct inner *inner = request->inner;

	return MHD_lookup_connection_value(inner->connection, MHD_HEADER_KIND, name);
}

const char *server_query(const struct server_request *request, const char *name)
{
	const struct inner *inner = request->inner;
	const char *value = NULL;
	size_t len;

	if (MHD_lookup_connection_value_n(inner->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value,
	                                  &len) != MHD_YES)
		return NULL;
	return value == NULL ? "" : value; /* "?verbose" */
}

const char *server_cookie(const struct server_request *request, const char *name)
{
	const struct inner *inner = request->inner;

	return MHD_lookup_connection_value(inner->connection, MHD_COOKIE_KIND, name);
}

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* The password of "user:password" in base64, or NULL. */
static const char *basic_password(const char *text, char *space)
{
	size_t len = 0;
	uint32_t bits = 0;
	int have = 0;
	char *colon;

	for (; *text != '\0' && *text != '='; text++) {
		int digit = base64_digit(*text);

		if (digit < 0 || len >= 510)
			return NULL;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			space[len++] = (char)(bits >> have);
		}
	}
	space[len] = '\0';
	colon = strchr(space, ':');
	return colon == NULL ? NULL : colon + 1;
}

const char *server_credential(const struct server_request *request, char *space)
{
	const char *value = server_header(request, "Authorization");

	if (value != NULL && strncasecmp(value, "Bearer ", 7) == 0)
		return value + 7;
	if (value != NULL && strncasecmp(value, "Basic ", 6) == 0)
		return basic_password(value + 6, space);
	return server_query(request, "token");
}

/* --- answers ------------------------------------------------------------------------------------ */

static void add_headers(struct MHD_Response *response, const char *const *headers)
{
	for (; headers != NULL && *headers != NULL; headers++) {
		const char *colon = strchr(*headers, ':');
		autofree char *name = colon == NULL ? NULL
		                                    : str_dup((struct str){ *headers, (size_t)(colon - *headers) });

		if (name != NULL)
			MHD_add_response_header(response, name, colon + 1 + strspn(colon + 1, " "));
	}
}

static void answer(struct server_request *request, unsigned status, const char *content_type,
                   struct MHD_Response *response, const char *const *headers)
{
	struct inner *inner = request->inner;

	if (inner->response != NULL) {
		if (response != NULL)
			MHD_destroy_response(response);
		return;
	}
	if (response == NULL) { /* out of memory: the one answer that needs none */
		inner->response = request->server->empty;
		inner->status = 503;
		unpark(inner);
		return;
	}
	if (content_type != NULL)
		MHD_add_response_header(response, "Content-Type", content_type);
	add_headers(response, headers);
	inner->response = response;
	inner->status = status;
	unpark(inner);
}

void server_answer(struct server_request *request, unsigned status, const char *content_type,
                   struct str body, const char *const *headers)
{
	struct inner *inner = request->inner;

	if (body.len == 0 && headers == NULL && inner->response == NULL) {
		inner->response = request->server->empty;
		inner->status = status;
		unpark(inner);
		return;
	}
	answer(request, status, content_type,
	       MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.at, MHD_RESPMEM_MUST_COPY),
	       headers);
}

struct server_body {
	size_t refs, len;
	char text[];
};

struct server_body *server_body_new(struct str text)
{
	struct server_body *body = malloc(sizeof(*body) + text.len);

	if (body == NULL)
		return NULL;
	body->refs = 1;
	body->len = text.len;
	if (text.len > 0)
		memcpy(body->text, text.at, text.len);
	return body;
}

void server_body_unref(struct server_body *body)
{
	if (body != NULL && --body->refs == 0)
		free(body);
}

static void body_sent(void *body)
{
	server_body_unref(body);
}

void server_answer_shared(struct server_request *request, unsigned status, const char *content_type,
                          struct server_body *body, const char *const *headers)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer_with_free_callback_cls(body->len, body->text, body_sent, body);

	if (response != NULL)
		body->refs++;
	answer(request, status, content_type, response, headers);
}

void server_answer_static(struct server_request *request, unsigned status, const char *content_type,
                          struct str body, const char *const *headers)
{
	answer(request, status, content_type,
	       MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.at, MHD_RESPMEM_PERSISTENT),
	       headers);
}

static const char *status_title(unsigned status)
{
	switch (status) {
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 413: return "Content Too Large";
	case 415: return "Unsupported Media Type";
	case 429: return "Too Many Requests";
	case 500: return "Internal Server Error";
	case 503: return "Service Unavailable";
	default: return "Error";
	}
}

void server_problem(struct server_request *request, unsigned status, const char *detail,
                    const char *const *headers)
{
	struct buf body = { 0 };

	buf_addf(&body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":",
	         status_title(status), status);
	buf_add_json(&body, str_of(detail));
	buf_add(&body, STR("}\n"));
	server_answer(request, status, "application/problem+json", buf_str(&body), headers);
	buf_done(&body);
}

/* --- streams ------------------------------------------------------------------------------------ */

/* libmicrohttpd asks for more bytes; without any the connection sleeps until server_push(). */
static ssize_t stream_read(void *userdata, uint64_t position, char *out, size_t max)
{
	struct inner *inner = userdata;
	size_t left = inner->pending.len - inner->pending_sent, len = left < max ? left : max;

	(void)position;
	if (len == 0) {
		if (inner->finished || inner->request.server->stopping)
			return MHD_CONTENT_READER_END_OF_STREAM;
		park(inner);
		return 0;
	}
	memcpy(out, inner->pending.at + inner->pending_sent, len);
	inner->pending_sent += len;
	return (ssize_t)len;
}

/* Takes what is gone out of the buffer once it is half of it: each byte is moved once at most. */
static void drop_sent(struct inner *inner)
{
	struct buf *pending = &inner->pending;
	size_t left = pending->len - inner->pending_sent;

	if (inner->pending_sent < left)
		return;
	if (left > 0)
		memmove(pending->at, pending->at + inner->pending_sent, left);
	pending->len = left;
	inner->pending_sent = 0;
}

void server_stream(struct server_request *request, const char *content_type, size_t limit)
{
	static const char *const headers[] = { "Cache-Control: no-store", "X-Accel-Buffering: no",
		                               "X-Content-Type-Options: nosniff", NULL };
	struct inner *inner = request->inner;

	inner->streaming = true;
	inner->pending_limit = limit;
	answer(request, 200, content_type,
	       MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, SERVER_STREAM_BLOCK, stream_read, inner, NULL),
	       headers);
}

bool server_push(struct server_request *request, struct str bytes)
{
	struct inner *inner = request->inner;

	if (inner->finished ||
	    inner->pending.len - inner->pending_sent + bytes.len > inner->pending_limit)
		return false;
	drop_sent(inner);
	buf_add(&inner->pending, bytes);
	unpark(inner);
	return buf_ok(&inner->pending);
}

void server_finish(struct server_request *request)
{
	struct inner *inner = request->inner;

	inner->finished = true;
	unpark(inner);
}

bool server_stream_is_lost(const struct server_request *request)
{
	const struct inner *inner = request->inner;
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(inner->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	/* Not by reading: the goodbye of TLS, which nobody reads, may stand before the end. */
	struct pollfd state = { .fd = info == NULL ? -1 : info->connect_fd, .events = POLLRDHUP };

	return info == NULL || poll(&state, 1, 0) != 0;
}

/* --- TLS ---------------------------------------------------------------------------------------- */

/* Whose connections libmicrohttpd is at in this thread: it gives GnuTLS's callback nothing of ours. */
static _Thread_local struct server *running;

static int give_pair(gnutls_session_t session, const gnutls_datum_t *authorities, int authorities_count,
                     const gnutls_pk_algorithm_t *algorithms, int algorithms_count, gnutls_pcert_st **ret_chain,
                     unsigned *ret_count, gnutls_privkey_t *ret_key)
{
	(void)session, (void)authorities, (void)authorities_count, (void)algorithms, (void)algorithms_count;
	if (running == NULL)
		return -1;
	tls_pair(running->tls, ret_chain, ret_count, ret_key);
	return 0;
}

static void run_daemon(struct server *server)
{
	running = server;
	MHD_run(server->daemon);
	running = NULL;
}

int64_t server_certificate_expires(const struct server *server)
{
	return server->tls == NULL ? 0 : tls_expires(server->tls);
}

bool server_is_tls(const struct server_request *request)
{
	return request->server->tls != NULL;
}

const char *server_certificate_refusal(const struct server_request *request)
{
	const struct inner *inner = request->inner;
	const struct tls *tls = request->server->tls;
	const union MHD_ConnectionInfo *info;

	if (tls == NULL || tls_client_ca(tls) == NULL)
		return NULL;
	info = MHD_get_connection_info(inner->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	return info == NULL ? "a client certificate is needed" : tls_refusal(info->tls_session);
}

/* --- life --------------------------------------------------------------------------------------- */

static struct MHD_Daemon *start_daemon(struct server *server)
{
	const struct server_settings *settings = &server->settings;
	const struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)give_pair },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
		{ MHD_OPTION_HTTPS_MEM_TRUST, 0, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	unsigned tls_flag = server->tls == NULL ? 0 : MHD_USE_TLS;

	if (server->tls != NULL)
		tls[2].ptr_value = (void *)(uintptr_t)tls_client_ca(server->tls);
	if (tls[2].ptr_value == NULL)
		tls[2].option = MHD_OPTION_END;
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | tls_flag, 0, NULL, NULL, on_request, server,
	                        MHD_OPTION_ARRAY, server->tls == NULL ? none : tls,
	                        MHD_OPTION_LISTEN_SOCKET, server->listen_fd,
	                        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
	                        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_CONNECTION_MEMORY,
	                        MHD_OPTION_CONNECTION_LIMIT, settings->connections_max,
	                        MHD_OPTION_PER_IP_CONNECTION_LIMIT, settings->connections_per_ip_max,
	                        MHD_OPTION_CONNECTION_TIMEOUT, settings->timeout_s,
	                        MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)SERVER_BACKLOG, MHD_OPTION_END);
}

static int open_server(struct server *server, char *error)
{
	const struct server_settings *settings = &server->settings;
	bool is_unix = strncmp(settings->listen, "unix:", 5) == 0;
	int r = 0;

	if (!is_unix && settings->tls != NULL && settings->tls->cert_file != NULL)
		r = tls_new(settings->tls, &server->tls, error);
	if (r < 0)
		return r;
	server->listen_fd = listen_on(settings->listen, error);
	if (server->listen_fd < 0)
		return server->listen_fd;
	server->empty = MHD_create_response_from_buffer(0, (void *)(uintptr_t)"", MHD_RESPMEM_PERSISTENT);
	if (server->empty != NULL)
		server->daemon = start_daemon(server);
	if (server->daemon == NULL) {
		snprintf(error, 256, "%s: libmicrohttpd refused to start", settings->listen);
		close(server->listen_fd);
		return -EINVAL;
	}
	if (is_unix)
		server->unix_path = strdup(settings->listen + 5);
	return 0;
}

int server_new(const struct server_settings *settings, struct server **ret, char *error)
{
	struct server *server = calloc(1, sizeof(*server));
	int r;

	if (server == NULL)
		return -ENOMEM;
	server->settings = *settings;
	r = open_server(server, error);
	if (r < 0) {
		server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

/* libmicrohttpd wants no parked connection when it stops; a run may bring requests that were waiting. */
static void answer_parked(struct server *server)
{
	static const char *const retry[] = { "Retry-After: 1", NULL };

	server->stopping = true;
	do {
		while (server->parked != NULL) {
			struct inner *inner = server->parked;

			if (inner->streaming)
				server_finish(&inner->request);
			else
				server_problem(&inner->request, 503, "the hub is stopping", retry);
		}
		run_daemon(server);
	} while (server->parked != NULL);
}

void server_free(struct server *server)
{
	if (server == NULL)
		return;
	if (server->daemon != NULL) {
		answer_parked(server);
		MHD_stop_daemon(server->daemon); /* closes the listening socket too */
	}
	tls_free(server->tls);
	if (server->empty != NULL)
		MHD_destroy_response(server->empty);
	for (struct inner *inner = server->pool, *next; inner != NULL; inner = next) {
		next = inner->next;
		buf_done(&inner->request.body);
		free(inner);
	}
	if (server->unix_path != NULL)
		unlink(server->unix_path);
	free(server->unix_path);
	free(server);
}

int server_fd(const struct server *server)
{
	return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int server_timeout_ms(const struct server *server)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (server->due)
		return 0;
	if (MHD_get_timeout(server->daemon, &ms) != MHD_YES)
		return -1;
	return ms > 60000 ? 60000 : (int)ms;
}

void server_run(struct server *server)
{
	server->due = false;
	run_daemon(server);
}

void server_quiesce(struct server *server)
{
	int fd = MHD_quiesce_daemon(server->daemon);

	if (fd >= 0)
		close(fd);
}
