/* The smallest HTTP server that a Prometheus is content with. */
#include "sensor/exporter.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { REQUEST_MAX = 4096, TIMEOUT_S = 2, BACKLOG = 8 };

struct exporter {
	int fd;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t lock; /* text */
	struct buf text;
	atomic_bool stopping;
};

static void send_all(int fd, struct str s)
{
	while (s.len > 0) {
		ssize_t n = send(fd, s.at, s.len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		s = str_from(s, (size_t)n);
	}
}

/* Reads up to the empty line; what follows is not looked at. */
static bool request_read(int fd, char *to, size_t max)
{
	size_t len = 0;

	while (len < max - 1) {
		ssize_t n = recv(fd, to + len, max - 1 - len, 0);

		if (n <= 0)
			return false;
		len += (size_t)n;
		to[len] = '\0';
		if (strstr(to, "\r\n\r\n") != NULL)
			return true;
	}
	return false;
}

static void serve(struct exporter *exporter, int fd)
{
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	char request[REQUEST_MAX];
	struct buf answer = { 0 };
	bool found;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (!request_read(fd, request, sizeof(request)))
		return;
	found = strncmp(request, "GET /metrics ", 13) == 0;
	pthread_mutex_lock(&exporter->lock);
	buf_addf(&answer,
		 "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\n"
		 "Content-Length: %zu\r\nConnection: close\r\n\r\n",
		 found ? "200 OK" : "404 Not Found", found ? exporter->text.len : 0);
	if (found)
		buf_add(&answer, buf_str(&exporter->text));
	pthread_mutex_unlock(&exporter->lock);
	if (buf_ok(&answer))
		send_all(fd, buf_str(&answer));
	buf_done(&answer);
}

static void *exporter_run(void *userdata)
{
	struct exporter *exporter = userdata;

	while (!atomic_load(&exporter->stopping)) {
		int fd = accept4(exporter->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0) {
			serve(exporter, fd);
			close(fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			usleep(100000); /* the connection is still there: do not spin on it */
		}
	}
	return NULL;
}

/* "HOST:PORT" into its two parts, brackets of an IPv6 host removed. */
static bool address_split(const char *address, char host[64], const char **ret_port)
{
	const char *colon = strrchr(address, ':');
	struct str name;

	if (colon == NULL)
		return false;
	name = (struct str){ address, (size_t)(colon - address) };
	if (name.len >= 2 && name.at[0] == '[' && name.at[name.len - 1] == ']')
		name = (struct str){ name.at + 1, name.len - 2 };
	if (name.len == 0 || name.len >= 64)
		return false;
	memcpy(host, name.at, name.len);
	host[name.len] = '\0';
	*ret_port = colon + 1;
	return true;
}

static int listen_on(const char *address)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *info = NULL;
	autoclose int fd = -1;
	const char *port;
	char host[64];
	int yes = 1;

	if (!address_split(address, host, &port) || getaddrinfo(host, port, &hints, &info) != 0)
		return -EINVAL;
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (fd < 0 || bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		int r = -errno;

		freeaddrinfo(info);
		return r;
	}
	freeaddrinfo(info);
	return TAKE_FD(fd);
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);

	getsockname(fd, (struct sockaddr *)&address, &len);
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}

int exporter_start(const char *address, struct exporter **ret)
{
	struct exporter *exporter;
	int fd = listen_on(address), r;

	if (fd < 0)
		return fd;
	exporter = calloc(1, sizeof(*exporter));
	if (exporter == NULL) {
		close(fd);
		return -ENOMEM;
	}
	exporter->fd = fd;
	exporter->port = port_of(fd);
	pthread_mutex_init(&exporter->lock, NULL);
	r = thread_start(&exporter->thread, exporter_run, exporter);
	if (r < 0) {
		pthread_mutex_destroy(&exporter->lock);
		close(fd);
		free(exporter);
		return r;
	}
	*ret = exporter;
	return 0;
}

void exporter_stop(struct exporter *exporter)
{
	if (exporter == NULL)
		return;
	atomic_store(&exporter->stopping, true);
	shutdown(exporter->fd, SHUT_RDWR); /* ends accept() */
	pthread_join(exporter->thread, NULL);
	close(exporter->fd);
	pthread_mutex_destroy(&exporter->lock);
	buf_done(&exporter->text);
	free(exporter);
}

unsigned exporter_port(const struct exporter *exporter)
{
	return exporter->port;
}

void exporter_set(struct exporter *exporter, struct str text)
{
	pthread_mutex_lock(&exporter->lock);
	buf_clear(&exporter->text);
	buf_add(&exporter->text, text);
	pthread_mutex_unlock(&exporter->lock);
}
