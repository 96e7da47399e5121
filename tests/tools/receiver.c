/* A receiver of webhooks for benchmarks: answers every POST with 200 as fast as it can and counts; each
 * GET /count answers {"requests":n,"distinct":n}, by the number in "evt.num". Linux, loopback only. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { SPACE = 1 << 20, NUMBERS = 1 << 27 };

struct connection {
	int fd;
	char *in;
	size_t len;
};

static uint64_t requests, distinct, alerts;
static unsigned char *seen; /* a bit a number */

static void note(const char *body, const char *end)
{
	static const char key[] = "\"evt.num\":";

	for (;;) {
		const char *at = memmem(body, (size_t)(end - body), key, sizeof(key) - 1);
		uint64_t number;

		if (at == NULL)
			return;
		alerts++;
		body = at + sizeof(key) - 1;
		number = strtoull(body, NULL, 10);
		if (number < NUMBERS && !(seen[number / 8] & 1 << number % 8)) {
			seen[number / 8] |= (unsigned char)(1 << number % 8);
			distinct++;
		}
	}
}

static void answer(int fd, const char *body)
{
	char out[256];
	int len = snprintf(out, sizeof(out), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
	                   body);
	ssize_t sent = send(fd, out, (size_t)len, MSG_NOSIGNAL);

	(void)sent;
}

/* One whole request at the front of the buffer; false when it is not whole yet. */
static bool take(struct connection *c)
{
	char *end, *length, text[128];
	size_t head, body = 0;

	c->in[c->len] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	if (end == NULL)
		return false;
	head = (size_t)(end + 4 - c->in);
	length = strcasestr(c->in, "content-length:");
	if (length != NULL && length < end)
		body = (size_t)strtoul(length + 15, NULL, 10);
	if (c->len < head + body)
		return false;
	if (strncmp(c->in, "GET ", 4) == 0) {
		snprintf(text, sizeof(text), "{\"requests\":%" PRIu64 ",\"alerts\":%" PRIu64 ",\"distinct\":%" PRIu64
		         "}", requests, alerts, distinct);
		answer(c->fd, text);
	} else {
		requests++;
		note(c->in + head, c->in + head + body);
		answer(c->fd, "");
	}
	memmove(c->in, c->in + head + body, c->len - head - body);
	c->len -= head + body;
	return true;
}

static void serve(struct connection *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, c->in + c->len, SPACE - 1 - c->len, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			break;
		c->len += (size_t)n;
		while (take(c))
			;
	}
	close(c->fd);
	free(c->in);
	free(c);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event events[256], event = { .events = EPOLLIN };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);
	socklen_t len = sizeof(address);

	address.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, len) < 0 || listen(listener, 512) < 0) {
		perror("receiver");
		return 1;
	}
	getsockname(listener, (struct sockaddr *)&address, &len);
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	seen = calloc(NUMBERS / 8, 1);
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		int count = epoll_wait(epoll, events, 256, -1);

		for (int i = 0; i < count; i++) {
			struct connection *c = events[i].data.ptr;

			if (c != NULL) {
				serve(c);
				continue;
			}
			c = calloc(1, sizeof(*c));
			c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
			if (c->fd < 0) {
				free(c);
				continue;
			}
			c->in = malloc(SPACE);
			event.data.ptr = c;
			epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
			event.data.ptr = NULL;
		}
	}
}
