/* Where the hub is and what it answers. */
#include "cli/client.h"

#include "base/cleanup.h"
#include "base/conf.h"
#include "cli/answer.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>

enum { ANSWER_MAX = 64 << 20 };

static const char default_dir[] = "/var/lib/tocsin";

/* The settings of the hub's file that matter here. The others are not looked at, so that a secret
 * that only the hub may read does not stand in the way. */
struct known {
	const char *data_dir, *listen, *token, *cert_file;
};

static const struct conf_field top_fields[] = {
	{ "data_dir", CONF_STRING, offsetof(struct known, data_dir), .fallback = default_dir,
	  .help = "where the hub keeps its token" },
	{ 0 },
};

static const struct conf_field admin_fields[] = {
	{ "listen", CONF_ADDRESS, offsetof(struct known, listen), CONF_OR_OFF, .help = "the admin listener" },
	{ "token", CONF_SECRET, offsetof(struct known, token), .help = "the admin token" },
	{ "cert_file", CONF_STRING, offsetof(struct known, cert_file), .help = "with it the listener speaks https" },
	{ 0 },
};

static int read_known(struct client *client, struct known *ret)
{
	struct conf_errors errors = { .arena = &client->arena };
	struct conf_reader reader = { .arena = &client->arena, .errors = &errors, .prefix = "TOCSIN" };
	struct buf text = { 0 };
	int r = cli.config == NULL ? 0 : conf_read_file(&reader, cli.config);

	if (r == 0) {
		conf_fill(&reader, reader.tree.root, "", top_fields, ret);
		conf_fill(&reader, conf_get(reader.tree.root, STR("admin")), "admin", admin_fields, ret);
	}
	if (conf_errors_failed(&errors) == 0)
		return CLI_YES;
	conf_add_sources(&reader);
	conf_errors_print(&errors, &text);
	cli_tell(&text);
	return CLI_NO;
}

static const char *join(struct client *client, const char *a, const char *b)
{
	struct buf text = { 0 };
	const char *ret;

	buf_add(&text, str_of(a));
	buf_add(&text, str_of(b));
	ret = buf_ok(&text) ? arena_str(&client->arena, buf_str(&text)).at : NULL;
	buf_done(&text);
	return ret;
}

/* The address that a listener of this name can be reached at from here. */
static const char *url_of_listener(struct client *client, const char *listen, bool is_tls)
{
	const char *scheme = is_tls ? "https://" : "http://";

	if (strncmp(listen, "unix:", 5) == 0) {
		client->unix_socket = listen + 5;
		return "http://localhost";
	}
	if (strncmp(listen, "0.0.0.0:", 8) == 0)
		return join(client, join(client, scheme, "127.0.0.1:"), listen + 8);
	if (strncmp(listen, "[::]:", 5) == 0)
		return join(client, join(client, scheme, "[::1]:"), listen + 5);
	return join(client, scheme, listen);
}

static int find_url(struct client *client, const struct known *known)
{
	const char *url = cli.url == NULL ? getenv("TOCSIN_URL") : cli.url;

	if (url == NULL && known->listen != NULL && *known->listen != '\0' && strcmp(known->listen, "off") != 0)
		url = url_of_listener(client, known->listen, known->cert_file != NULL);
	if (url == NULL)
		url = "http://127.0.0.1:2802";
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return cli_usage("--url: \"%s\" does not begin with http:// or https://", url);
	url = arena_str(&client->arena, str_of(url)).at;
	if (url == NULL)
		return CLI_NO;
	client->url = str_ends(str_of(url), STR("/"))
	                      ? arena_str(&client->arena, str_cut(str_of(url), strlen(url) - 1)).at : url;
	return client->url == NULL ? CLI_NO : CLI_YES;
}

/* The first line of a token file. False leaves errno. */
static bool read_token(const char *path, char *ret, size_t size)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t len = fd < 0 ? -1 : read(fd, ret, size - 1);
	struct str token;

	if (len < 0)
		return false;
	token = str_trim((struct str){ ret, (size_t)len });
	memmove(ret, token.at, token.len);
	ret[token.len] = '\0';
	errno = EINVAL;
	return token.len > 0 && strpbrk(ret, "\r\n") == NULL;
}

static int find_token(struct client *client, const struct known *known)
{
	const char *token = getenv("TOCSIN_TOKEN");
	const char *path = cli.token_file;
	char text[CLIENT_TOKEN_MAX];

	client->token_hint = "$TOCSIN_TOKEN";
	if (token == NULL || path != NULL)
		token = path == NULL ? known->token : NULL;
	if (token == NULL) {
		path = path != NULL ? path : join(client, known->data_dir, "/admin.token");
		client->token_hint = path;
		if (path != NULL && read_token(path, text, sizeof(text))) {
			token = text;
		} else if (cli.token_file != NULL || errno == EACCES) {
			cli_complain("%s: %s (the admin token; --token-file or $TOCSIN_TOKEN gives it otherwise)",
			             path == NULL ? "token" : path, strerror(errno));
			return CLI_FORBIDDEN;
		}
	}
	/* Without any the hub may still be up, and says itself what it wants. */
	if (token != NULL)
		client->authorization = join(client, "Authorization: Bearer ", token);
	explicit_bzero(text, sizeof(text));
	return CLI_YES;
}

int client_open(struct client *client)
{
	struct known known = { .data_dir = default_dir };
	int status;

	*client = (struct client){ 0 };
	arena_init(&client->arena, ANSWER_MAX);
	status = read_known(client, &known);
	client->ca_file = cli.ca_file != NULL ? cli.ca_file : getenv("TOCSIN_CA_FILE");
	if (status == CLI_YES)
		status = find_url(client, &known);
	if (status == CLI_YES)
		status = find_token(client, &known);
	if (status != CLI_YES)
		client_close(client);
	return status;
}

void client_close(struct client *client)
{
	arena_done(&client->arena);
}

int client_data_dir(struct client *client, const char **ret)
{
	struct known known = { .data_dir = default_dir };
	int status = read_known(client, &known);

	*ret = known.data_dir;
	return status;
}

void client_add_escaped(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
		    (c != 0 && strchr("-._~", c) != NULL))
			buf_add_char(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

int client_status(const struct client *client, int status, struct str body)
{
	struct answer problem;
	struct str detail = { 0 };

	if (status >= 200 && status < 300)
		return CLI_YES;
	if (status == 401 || status == 403) {
		cli_complain("%s: not allowed (token from %s; --token-file names another)", client->url,
		             client->token_hint);
		return CLI_FORBIDDEN;
	}
	if (answer_read(body, &problem) == 0) {
		detail = answer_text(&problem, 0, "detail");
		if (detail.len == 0)
			detail = answer_text(&problem, 0, "title");
		cli_complain("%s: HTTP %d: %.*s", client->url, status, (int)(detail.len < 300 ? detail.len : 300),
		             detail.at);
		answer_done(&problem);
	} else {
		cli_complain("%s: HTTP %d; is this a hub's admin listener?", client->url, status);
	}
	return CLI_NO;
}

int client_unreachable(const struct client *client, const char *error)
{
	cli_complain("%s: no hub answers: %s (does it run? --url or --config says where)", client->url, error);
	return CLI_UNREACHABLE;
}

int client_call(struct client *client, const char *method, const char *path, struct str body,
                struct buf *answer)
{
	const struct http_settings settings = {
		.timeout_ms = 30000, .answer_max = ANSWER_MAX, .unix_socket = client->unix_socket,
		.ca_file = client->ca_file,
	};
	const char *headers[] = { "Content-Type: application/json", client->authorization, NULL };
	struct http_request request = { .method = method, .headers = headers, .body = body };
	struct http *http;
	int status, r;

	request.url = join(client, client->url, path);
	r = request.url == NULL ? -ENOMEM : http_new(&settings, &http);
	if (r < 0) {
		cli_complain("%s: %s", r == -ENOMEM ? "request" : client->ca_file, strerror(-r));
		return CLI_NO;
	}
	http_perform(http, &request, 1, 1, NULL, NULL);
	http_free(http);
	if (request.failure != HTTP_OK) {
		status = client_unreachable(client, request.error);
	} else {
		status = client_status(client, request.status, buf_str(&request.answer));
	}
	if (status == CLI_YES)
		*answer = request.answer;
	else
		buf_done(&request.answer);
	return status;
}
