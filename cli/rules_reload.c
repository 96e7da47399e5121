/* tocsin rules reload: a running hub loads its rules again, and what came of it. */
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/client.h"

#include "base/clock.h"

#include <time.h>

enum { WAIT_S = 60, STEP_MS = 50 };

/* The member `rules` of the hub's status once request `number` has been seen to. */
static int wait_for(struct client *client, uint64_t number, struct buf *text)
{
	const struct timespec step = { .tv_nsec = STEP_MS * NS_PER_MS };
	int64_t until = clock_mono() + WAIT_S * NS_PER_S;

	for (;;) {
		struct answer answer;
		uint64_t answered = 0;
		int status;

		buf_done(text);
		status = client_call(client, "GET", "/api/v1/status", STR(""), text);
		if (status != 0)
			return status;
		if (answer_read(buf_str(text), &answer) < 0) {
			cli_complain("the hub's answer is not JSON");
			return CLI_NO;
		}
		answered = answer_u64(&answer, json_get(&answer.json, 0, STR("rules")), "answered");
		answer_done(&answer);
		if (answered >= number)
			return CLI_YES;
		if (clock_mono() > until) {
			cli_complain("no outcome after %d seconds; see tocsin status", WAIT_S);
			return CLI_NO;
		}
		nanosleep(&step, NULL);
	}
}

static int report(struct str text)
{
	struct answer answer;
	struct buf out = { 0 }, errors = { 0 };
	uint32_t rules, end;
	bool current;
	int status;

	if (answer_read(text, &answer) < 0)
		return CLI_NO;
	rules = json_get(&answer.json, 0, STR("rules"));
	current = str_eq(answer_text(&answer, rules, "current"), STR("true"));
	for (uint32_t i = answer_list(&answer, rules, "errors", &end); i != end; i = answer.json.nodes[i].next) {
		buf_add_printable(&errors, answer_value(&answer, i));
		buf_add_char(&errors, '\n');
	}
	if (cli.json)
		buf_addf(&out, "%.*s\n", STR_ARG(json_whole(&answer.json, rules)));
	else if (current)
		buf_addf(&out, "%.*s rules loaded, %.*s enabled, version %.*s\n",
		         STR_ARG(answer_text(&answer, rules, "loaded")), STR_ARG(answer_text(&answer, rules, "enabled")),
		         STR_ARG(answer_text(&answer, rules, "version")));
	if (!current && !cli.json) {
		cli_tell(&errors);
		cli_complain("the rules do not load; the ones before stay in force");
	}
	answer_done(&answer);
	buf_done(&errors);
	status = cli_print(&out);
	buf_done(&out);
	return current ? status : CLI_NO;
}

static int run(int argc, char **argv)
{
	struct client client;
	struct answer answer;
	struct buf text = { 0 };
	uint64_t number = 0;
	int status;

	(void)argv;
	if (argc > 0)
		return cli_usage("rules reload takes no arguments");
	status = client_open(&client);
	if (status != 0)
		return status;
	status = client_call(&client, "POST", "/api/v1/rules/reload", STR(""), &text);
	if (status == 0 && answer_read(buf_str(&text), &answer) == 0) {
		number = answer_u64(&answer, 0, "request");
		answer_done(&answer);
	}
	if (status == 0)
		status = wait_for(&client, number, &text);
	if (status == 0)
		status = report(buf_str(&text));
	buf_done(&text);
	client_close(&client);
	return status;
}

const struct cli_verb verb_rules_reload = {
	.name = "rules reload",
	.arguments = "",
	.summary = "make a running hub load its rules again",
	.examples = "  tocsin rules reload   exit 0: in force; 1: they do not load, and why",
	.needs = CLI_HUB | CLI_FORMAT,
	.run = run,
};
