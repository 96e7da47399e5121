/* tocsin dead-letters list, tocsin dead-letters replay: what outputs could not take. */
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/table.h"

enum { PAGE = 500, PAGES_MAX = 2000 };

static const char *output_name;

static const struct cli_option options[] = {
	{ "output", 0, "NAME", "all", "of this output only", &output_name, NULL },
	{ 0 },
};

static void add_letter(struct answer *answer, uint32_t node, struct table *table)
{
	uint32_t alert = json_get(&answer->json, node, STR("alert"));

	table_add(table, answer_text(answer, node, "id"));
	table_add(table, answer_text(answer, node, "output"));
	table_add(table, str_cut(answer_text(answer, node, "at"), 19));
	table_add(table, answer_text(answer, node, "attempts"));
	table_add(table, alert == 0 ? STR("") : answer_text(answer, alert, "rule"));
	table_add(table, answer_text(answer, node, "note"));
}

/* One page into `table`, or as lines of JSON into `out`. The next page's `after`, 0: no more. */
static uint64_t take_page(struct answer *answer, struct table *table, struct buf *out)
{
	uint32_t end;

	for (uint32_t i = answer_list(answer, 0, "letters", &end); i != end; i = answer->json.nodes[i].next) {
		if (!cli.json) {
			add_letter(answer, i, table);
			continue;
		}
		json_copy(out, &answer->json, i);
		buf_add_char(out, '\n');
	}
	return answer_u64(answer, 0, "more");
}

static int get_page(struct client *client, uint64_t *after, struct table *table, struct buf *out)
{
	struct buf path = { 0 }, text = { 0 };
	struct answer answer;
	int status;

	buf_addf(&path, "/api/v1/dead-letters?limit=%d&after=%llu", PAGE, (unsigned long long)*after);
	if (output_name != NULL) {
		buf_add(&path, STR("&output="));
		client_add_escaped(&path, str_of(output_name));
	}
	status = buf_text(&path) == NULL ? CLI_NO : client_call(client, "GET", path.at, STR(""), &text);
	if (status == CLI_YES && answer_read(buf_str(&text), &answer) == 0) {
		*after = take_page(&answer, table, out);
		answer_done(&answer);
	} else if (status == CLI_YES) {
		cli_complain("the hub's answer is not JSON");
		status = CLI_NO;
	}
	buf_done(&path);
	buf_done(&text);
	return status;
}

static int list(struct client *client)
{
	struct table table = {
		.columns = 6,
		.heads = { "ID", "OUTPUT", "AT", "ATTEMPTS", "RULE", "WHY" },
		.right = { true, false, false, true, false, false },
	};
	struct buf out = { 0 };
	uint64_t after = 0;
	int status = CLI_YES;

	for (int pages = 0; pages == 0 || (status == CLI_YES && after != 0 && pages < PAGES_MAX); pages++) {
		status = get_page(client, &after, &table, &out);
		if (status == CLI_YES && cli.json)
			status = cli_print(&out);
	}
	if (status == CLI_YES && !cli.json && table.count == 0)
		buf_add(&out, STR("no dead letters\n"));
	else if (status == CLI_YES && !cli.json)
		table_print(&table, &out);
	if (status == CLI_YES)
		status = cli_print(&out);
	buf_done(&table.cells);
	buf_done(&out);
	return status;
}

static int run_list(int argc, char **argv)
{
	struct client client;
	int status;

	if (argc > 0)
		return cli_usage("%s: dead-letters list takes no argument", argv[0]);
	status = client_open(&client);
	if (status != CLI_YES)
		return status;
	status = list(&client);
	client_close(&client);
	return status;
}

static int print_replayed(struct str text)
{
	struct answer answer;
	struct buf out = { 0 };
	uint64_t count;
	int status;

	if (answer_read(text, &answer) < 0) {
		cli_complain("the hub's answer is not JSON");
		return CLI_NO;
	}
	count = answer_u64(&answer, 0, "replayed");
	answer_done(&answer);
	buf_addf(&out, "%llu dead letter%s handed back\n", (unsigned long long)count, count == 1 ? "" : "s");
	status = cli_print(&out);
	buf_done(&out);
	return status != CLI_YES ? status : count > 0 ? CLI_YES : CLI_NO;
}

static int run_replay(int argc, char **argv)
{
	struct buf body = { 0 }, answer = { 0 };
	struct client client;
	uint64_t id = 0;
	int status;

	if (argc > 1 || (argc == 1 && !cli_number("ID", argv[0], INT64_MAX, &id)))
		return argc > 1 ? cli_usage("dead-letters replay takes one ID") : CLI_USAGE;
	status = client_open(&client);
	if (status != CLI_YES)
		return status;
	buf_add_char(&body, '{');
	if (output_name != NULL) {
		buf_add(&body, STR("\"output\":"));
		buf_add_json(&body, str_of(output_name));
	}
	if (id != 0)
		buf_addf(&body, "%s\"id\":%llu", output_name != NULL ? "," : "", (unsigned long long)id);
	buf_add_char(&body, '}');
	status = client_call(&client, "POST", "/api/v1/dead-letters/replay", buf_str(&body), &answer);
	if (status == CLI_YES)
		status = cli.json ? cli_print(&answer) : print_replayed(buf_str(&answer));
	buf_done(&body);
	buf_done(&answer);
	client_close(&client);
	return status;
}

const struct cli_verb verb_letters_list = {
	.name = "dead-letters list",
	.arguments = "",
	.summary = "list alerts that an output could not take, and why",
	.examples = "  tocsin dead-letters list --output slack-soc\n"
	            "  tocsin dead-letters list -o json | jq -r .note | sort | uniq -c",
	.needs = CLI_HUB | CLI_FORMAT | CLI_COLOR,
	.options = options,
	.run = run_list,
};

const struct cli_verb verb_letters_replay = {
	.name = "dead-letters replay",
	.arguments = "[ID]",
	.summary = "hand dead letters back to their outputs, all or some; 1 when there were none",
	.examples = "  tocsin dead-letters replay --output slack-soc\n"
	            "  tocsin dead-letters replay 17",
	.needs = CLI_HUB | CLI_FORMAT,
	.options = options,
	.run = run_replay,
};
