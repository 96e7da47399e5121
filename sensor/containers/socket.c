/* One client a socket. */
#include "sensor/containers/socket.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

void way_socket_init(struct way_socket *socket, const char *root, const char *path, bool http2,
		     const _Atomic bool *cancel)
{
	int len = snprintf(socket->path, sizeof(socket->path), "%s%s", root, path);

	if (len < 0 || (size_t)len >= sizeof(socket->path))
		socket->path[0] = '\0';
	socket->settings = (struct http_settings){ .timeout_ms = SOCKET_TIMEOUT_MS,
						   .connect_timeout_ms = SOCKET_TIMEOUT_MS,
						   .unix_socket = socket->path,
						   .http2 = http2,
						   .answer_max = SOCKET_ANSWER_MAX,
						   .cancel = cancel };
	socket->client = NULL;
}

void way_socket_done(struct way_socket *socket)
{
	http_free(socket->client);
}

bool way_socket_is_there(const struct way_socket *socket)
{
	struct stat st;

	return socket->path[0] != '\0' && stat(socket->path, &st) == 0 && S_ISSOCK(st.st_mode);
}

int way_socket_ask(struct way_socket *socket, struct http_request *request)
{
	int r = socket->client == NULL ? http_new(&socket->settings, &socket->client) : 0;

	if (r < 0)
		return r;
	buf_clear(&request->answer);
	http_perform(socket->client, request, 1, 1, NULL, NULL);
	if (request->failure == HTTP_OK)
		return 0;
	return request->failure == HTTP_TIMEOUT ? -ETIMEDOUT : -ECONNREFUSED;
}
