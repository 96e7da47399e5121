/* tocsin outputs, tocsin kick: where alerts go, and how far they are. */
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/table.h"

static void add_seconds(struct table *table, double seconds)
{
	if (seconds <= 0)
		table_add(table, STR("-"));
	else if (seconds < 120)
		table_addf(table, "%.0fs", seconds);
	else if (seconds < 7200)
		table_addf(table, "%.0fm", seconds / 60);
	else
		table_addf(table, "%.1fh", seconds / 3600);
}

static void add_output(struct answer *answer, uint32_t node, struct table *table)
{
	double next = answer_double(answer, node, "next_try_seconds");

	table_add(table, answer_text(answer, node, "name"));
	table_add(table, answer_text(answer, node, "type"));
	if (next > 0)
		table_addf(table, "%.*s, next try in %.0fs", STR_ARG(answer_text(answer, node, "state")), next);
	else
		table_add(table, answer_text(answer, node, "state"));
	table_add(table, answer_text(answer, node, "lag"));
	add_seconds(table, answer_double(answer, node, "oldest_seconds"));
	table_add(table, answer_text(answer, node, "delivered"));
	table_add(table, answer_text(answer, node, "suppressed"));
	table_add(table, answer_text(answer, node, "dead"));
	table_add(table, answer_text(answer, node, "note"));
}

static int print_outputs(struct str text)
{
	struct table table = {
		.columns = 9,
		.heads = { "NAME", "TYPE", "STATE", "LAG", "OLDEST", "DELIVERED", "SUPPRESSED", "DEAD", "NOTE" },
		.right = { false, false, false, true, true, true, true, true, false },
	};
	struct answer answer;
	struct buf out = { 0 };
	uint32_t end;
	int status;

	if (answer_read(text, &answer) < 0) {
		cli_complain("the hub's answer is not JSON");
		return CLI_NO;
	}
	for (uint32_t i = answer_list(&answer, 0, "outputs", &end); i != end; i = answer.json.nodes[i].next)
		add_output(&answer, i, &table);
	answer_done(&answer);
	if (table.count == 0)
		buf_add(&out, STR("no outputs are configured\n"));
	else
		table_print(&table, &out);
	status = cli_print(&out);
	buf_done(&out);
	return status;
}

static int run(int argc, char **argv)
{
	struct client client;
	struct buf answer = { 0 };
	int status;

	if (argc > 0)
		return cli_usage("%s: outputs takes no argument", argv[0]);
	status = client_open(&client);
	if (status != CLI_YES)
		return status;
	status = client_call(&client, "GET", "/api/v1/outputs", STR(""), &answer);
	if (status == CLI_YES)
		status = cli.json ? cli_print(&answer) : print_outputs(buf_str(&answer));
	buf_done(&answer);
	client_close(&client);
	return status;
}

static int run_kick(int argc, char **argv)
{
	struct client client;
	struct buf answer = { 0 }, path = { 0 };
	int status;

	if (argc != 1)
		return cli_usage("kick wants the name of one output");
	status = client_open(&client);
	if (status != CLI_YES)
		return status;
	buf_add(&path, STR("/api/v1/outputs/"));
	client_add_escaped(&path, str_of(argv[0]));
	buf_add(&path, STR("/kick"));
	status = buf_text(&path) == NULL ? CLI_NO : client_call(&client, "POST", path.at, STR("{}"), &answer);
	buf_done(&path);
	buf_done(&answer);
	client_close(&client);
	return status;
}

const struct cli_verb verb_outputs = {
	.name = "outputs",
	.arguments = "",
	.summary = "show where alerts go: state, lag, what was delivered and what was not",
	.examples = "  tocsin outputs\n"
	            "  tocsin outputs -o json | jq '.outputs[] | select(.state == \"hold\")'",
	.needs = CLI_HUB | CLI_FORMAT | CLI_COLOR,
	.run = run,
};

const struct cli_verb verb_kick = {
	.name = "kick",
	.arguments = "OUTPUT",
	.summary = "let an output that backs off or is on hold try now",
	.examples = "  tocsin kick slack-soc    after its webhook was renewed",
	.needs = CLI_HUB,
	.run = run_kick,
};
