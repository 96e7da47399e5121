/* tocsin status, tocsin login, tocsin version: the hub as a whole. */
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/client.h"

enum { NAME_WIDTH = 28 };

static bool quiet;

static const struct cli_option status_options[] = {
	{ "quiet", 'q', NULL, NULL, "print nothing: the exit status tells", NULL, &quiet },
	{ 0 },
};

/* Members of objects as "name.member  value" lines; lists by their length. */
static void add_members(struct answer *answer, uint32_t object, struct buf *name, struct buf *out)
{
	const struct json *json = &answer->json;
	uint32_t end = json_end(json, object);

	for (uint32_t key = json_first(json, object); key != end; key = json->nodes[key + 1].next) {
		uint32_t value = key + 1;
		size_t len = name->len, start;

		if (name->len > 0)
			buf_add_char(name, '.');
		buf_add(name, answer_value(answer, key));
		if (json->nodes[value].kind == JSON_OBJECT) {
			add_members(answer, value, name, out);
			buf_cut(name, len);
			continue;
		}
		start = out->len;
		buf_add_printable(out, buf_str(name));
		buf_addf(out, "%*s  ", out->len - start < NAME_WIDTH ? (int)(NAME_WIDTH - (out->len - start)) : 0, "");
		if (json->nodes[value].kind == JSON_ARRAY)
			buf_add(out, json_first(json, value) != json_end(json, value) ? STR("(list)") : STR("none"));
		else
			buf_add_printable(out, answer_value(answer, value));
		buf_add_char(out, '\n');
		buf_cut(name, len);
	}
}

static int print_status(struct str text)
{
	struct buf name = { 0 }, out = { 0 };
	struct answer answer;
	int status;

	if (answer_read(text, &answer) < 0 || answer.json.nodes[0].kind != JSON_OBJECT) {
		cli_complain("the hub's answer is not a JSON object");
		return CLI_NO;
	}
	add_members(&answer, 0, &name, &out);
	answer_done(&answer);
	status = cli_print(&out);
	buf_done(&name);
	buf_done(&out);
	return status;
}

static int run_status(int argc, char **argv)
{
	struct client client;
	struct buf answer = { 0 };
	int status;

	if (argc > 0)
		return cli_usage("%s: status takes no argument", argv[0]);
	status = client_open(&client);
	if (status != CLI_YES)
		return status;
	status = client_call(&client, "GET", "/api/v1/status", STR(""), &answer);
	if (status == CLI_YES && !quiet)
		status = cli.json ? cli_print(&answer) : print_status(buf_str(&answer));
	buf_done(&answer);
	client_close(&client);
	return status;
}

static int print_link(const struct client *client, struct str text)
{
	struct answer answer;
	struct buf out = { 0 };
	struct str token;
	int status = CLI_NO;

	if (answer_read(text, &answer) < 0) {
		cli_complain("the hub's answer is not JSON");
		return CLI_NO;
	}
	token = answer_text(&answer, 0, "token");
	buf_addf(&out, "%s/#token=", client->url);
	client_add_escaped(&out, token);
	buf_add_char(&out, '\n');
	if (token.len > 0)
		status = cli_print(&out);
	else
		cli_complain("the hub's answer holds no token");
	answer_done(&answer);
	buf_done(&out);
	return status;
}

static int run_login(int argc, char **argv)
{
	struct client client;
	struct buf answer = { 0 };
	int status;

	if (argc > 0)
		return cli_usage("%s: login takes no argument", argv[0]);
	status = client_open(&client);
	if (status != CLI_YES)
		return status;
	status = client_call(&client, "POST", "/api/v1/login-token", STR("{}"), &answer);
	if (status == CLI_YES)
		status = cli.json ? cli_print(&answer) : print_link(&client, buf_str(&answer));
	buf_done(&answer);
	client_close(&client);
	return status;
}

static int run_version(int argc, char **argv)
{
	struct buf out = { 0 };
	int status;

	if (argc > 0)
		return cli_usage("%s: version takes no argument", argv[0]);
	buf_add(&out, STR("tocsin " TOCSIN_VERSION "\n"));
	status = cli_print(&out);
	buf_done(&out);
	return status;
}

const struct cli_verb verb_status = {
	.name = "status",
	.arguments = "",
	.summary = "show the hub, its journal and its rooms",
	.examples = "  tocsin status\n"
	            "  tocsin status --quiet && echo up",
	.needs = CLI_HUB | CLI_FORMAT,
	.options = status_options,
	.run = run_status,
};

const struct cli_verb verb_login = {
	.name = "login",
	.arguments = "",
	.summary = "print a link into the web UI that works once, for 15 minutes",
	.examples = "  xdg-open \"$(tocsin login)\"",
	.needs = CLI_HUB | CLI_FORMAT,
	.run = run_login,
};

const struct cli_verb verb_version = {
	.name = "version",
	.arguments = "",
	.summary = "print the version",
	.examples = "  tocsin version",
	.run = run_version,
};
