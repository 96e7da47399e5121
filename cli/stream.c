/* The live stream over libcurl: base/http.h asks and answers, this one listens. */
#include "cli/stream.h"

#include "cli/cli.h"

#include <curl/curl.h>
#include <unistd.h>

enum {
	QUIET_S = 45,      /* the hub speaks every 15 s at least */
	CONNECT_MS = 5000,
	PROBLEM_MAX = 4096,
	WAIT_MAX_S = 10,
};

struct listening {
	CURL *easy;
	struct sse *sse;
	struct buf problem; /* the body of a refusal */
	bool heard;         /* something came on this connection */
	bool stopped;       /* by the callback */
};

static size_t take_bytes(char *bytes, size_t size, size_t count, void *userdata)
{
	struct listening *listening = userdata;
	struct str text = { bytes, size * count };
	long status = 0;

	curl_easy_getinfo(listening->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) {
		listening->problem.max = PROBLEM_MAX;
		buf_add(&listening->problem, text);
		return text.len;
	}
	listening->heard = true;
	if (sse_feed(listening->sse, text))
		return text.len;
	listening->stopped = true;
	return 0;
}

static struct curl_slist *headers_of(const struct client *client, const struct sse *sse)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream");
	char last_id[SSE_ID_MAX + 32];

	if (headers != NULL && client->authorization != NULL)
		headers = curl_slist_append(headers, client->authorization);
	if (headers != NULL && sse->last_id[0] != '\0') {
		snprintf(last_id, sizeof(last_id), "Last-Event-ID: %s", sse->last_id);
		headers = curl_slist_append(headers, last_id);
	}
	return headers;
}

static void set_options(struct listening *listening, const struct client *client, const char *url,
                        struct curl_slist *headers, char *error)
{
	CURL *easy = listening->easy;

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, listening);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)QUIET_S);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
	if (client->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
	if (client->unix_socket != NULL)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->unix_socket);
}

/* One connection, until it ends. CLI_DONE: it broke; else an exit status. */
static int listen_once(const struct client *client, const char *url, struct sse *sse, bool *ret_heard,
                       char *error)
{
	struct listening listening = { .easy = curl_easy_init(), .sse = sse };
	struct curl_slist *headers = headers_of(client, sse);
	long status = 0;
	int result = CLI_NO;

	*ret_heard = false;
	error[0] = '\0';
	if (listening.easy != NULL && headers != NULL) {
		set_options(&listening, client, url, headers, error);
		sse_restart(sse);
		curl_easy_perform(listening.easy);
		curl_easy_getinfo(listening.easy, CURLINFO_RESPONSE_CODE, &status);
		if (listening.stopped)
			result = CLI_YES;
		else if (status == 0 || status == 200 || status >= 500)
			result = CLI_DONE;
		else
			result = client_status(client, (int)status, buf_str(&listening.problem));
		*ret_heard = listening.heard;
	}
	curl_easy_cleanup(listening.easy);
	curl_slist_free_all(headers);
	buf_done(&listening.problem);
	return result;
}

int stream_listen(const struct client *client, const char *path, struct sse *sse)
{
	char error[CURL_ERROR_SIZE];
	struct buf url = { 0 };
	bool heard;
	int result = CLI_NO;

	buf_add(&url, str_of(client->url));
	buf_add(&url, str_of(path));
	if (buf_text(&url) != NULL)
		result = listen_once(client, url.at, sse, &heard, error);
	buf_done(&url);
	if (result != CLI_DONE)
		return result;
	if (!heard)
		return client_unreachable(client, error);
	cli_complain("%s: the connection is lost", client->url);
	return CLI_NO;
}

int stream_follow(const struct client *client, const char *path, struct sse *sse)
{
	char error[CURL_ERROR_SIZE];
	struct buf url = { 0 };
	bool heard, ever = false, told = false;
	unsigned wait_s = 1;
	int result = CLI_NO;

	buf_add(&url, str_of(client->url));
	buf_add(&url, str_of(path));
	while (buf_text(&url) != NULL) {
		result = listen_once(client, url.at, sse, &heard, error);
		if (result != CLI_DONE)
			break;
		ever = ever || heard;
		if (!ever) {
			result = client_unreachable(client, error);
			break;
		}
		if (heard || !told)
			cli_complain("%s: the connection is lost; trying again", client->url);
		told = true;
		wait_s = heard ? 1 : wait_s * 2 < WAIT_MAX_S ? wait_s * 2 : WAIT_MAX_S;
		sleep(wait_s);
	}
	buf_done(&url);
	return result;
}
