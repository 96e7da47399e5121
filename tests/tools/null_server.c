/* The baseline of the hub's benchmark: the same HTTP wall, answering 200 to everything at once, with no
 * parsing, no disk and no delivery behind it. Prints its port. */
#include "hub/server.h"

#include <poll.h>
#include <stdio.h>

static void answer(void *userdata, struct server_request *request)
{
	(void)userdata;
	server_answer(request, 200, NULL, (struct str){ 0 }, NULL);
}

int main(void)
{
	const struct server_settings settings = { .listen = "127.0.0.1:0", .body_max = 8 << 20,
		                                  .connections_max = 2048, .handle = answer };
	struct server *server;
	char error[256] = "";

	if (server_new(&settings, &server, error) < 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	printf("%u\n", server_port(server));
	fflush(stdout);
	for (;;) {
		struct pollfd fd = { .fd = server_fd(server), .events = POLLIN };

		poll(&fd, 1, server_timeout_ms(server));
		server_run(server);
	}
}
