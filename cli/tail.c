/* tocsin tail: alerts as they come, one line each. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/stream.h"
#include "cli/tail_node.h"
#include "include/priority.h"

#include <stdlib.h>
#include <time.h>

enum {
	LINES_MAX = 10000,
	PAGE_MAX = 500,
	ROUNDS_MAX = 200,   /* a search that finds nothing must end */
	OUTPUT_SHOWN = 2000,
};

static const char *lines_word = "10", *priority, *rule, *host, *text_word, *source;
static bool no_follow, follow;
static struct tail_node node = { .duration = "30s", .rate = "200" };

static const struct cli_option options[] = {
	{ "lines", 'n', "N", "10", "begin with so many older alerts", &lines_word, NULL },
	{ "follow", 'f', NULL, NULL, "go on with what comes, as is done anyway; with --node: show all that whoever matched "
	  "does, and its descendants", NULL, &follow },
	{ "no-follow", 0, NULL, NULL, "end after the older ones", NULL, &no_follow },
	{ "priority", 0, "P", "debug", "this severe or more", &priority, NULL },
	{ "rule", 0, "R", NULL, "of this rule", &rule, NULL },
	{ "host", 0, "H", NULL, "from this host", &host, NULL },
	{ "source", 0, "S", NULL, "of this source", &source, NULL },
	{ "text", 0, "T", NULL, "that hold this text", &text_word, NULL },
	{ "node", 0, "H", NULL, "events of this node in place of alerts, as they happen", &node.node, NULL },
	{ "filter", 0, "CONDITION", NULL, "with --node: those for which this is true, as in a rule", &node.filter, NULL },
	{ "for", 0, "TIME", "30s", "with --node: for so long, at most 10m", &node.duration, NULL },
	{ "rate", 0, "N", "200", "with --node: at most so many a second, the rest is counted", &node.rate, NULL },
	{ 0 },
};

static enum cli_color color_of(struct str word)
{
	enum priority value;

	if (!priority_parse(word, &value))
		return CLI_PLAIN;
	if (value <= PRIORITY_CRITICAL)
		return CLI_MAGENTA;
	if (value <= PRIORITY_ERROR)
		return CLI_RED;
	return value <= PRIORITY_WARNING ? CLI_YELLOW : value <= PRIORITY_NOTICE ? CLI_CYAN : CLI_DIM;
}

/* Local time; as it came when it is not understood. */
static void add_local_time(struct str text, struct buf *out)
{
	char shown[32];
	struct tm parts;
	time_t seconds;
	int64_t ns;

	if (!clock_parse(text, &ns)) {
		buf_add_printable(out, str_cut(text, sizeof(shown)));
		return;
	}
	seconds = (time_t)(ns / NS_PER_S);
	localtime_r(&seconds, &parts);
	if (strftime(shown, sizeof(shown), "%Y-%m-%d %H:%M:%S", &parts) > 0)
		buf_addf(out, "%s.%03d", shown, (int)(ns % NS_PER_S / NS_PER_MS));
}

/* Falco begins an output with its own time and priority, which stand in the line already. */
static struct str without_prefix(struct str output)
{
	ptrdiff_t first = str_find(output, STR(": ")), blank;
	struct str rest;
	enum priority value;

	if (first < 8 || first > 24 || output.at[2] != ':' || output.at[5] != ':')
		return output;
	rest = str_from(output, (size_t)first + 2);
	blank = str_find(rest, STR(" "));
	if (blank < 0 || !priority_parse(str_cut(rest, (size_t)blank), &value))
		return output;
	return str_from(rest, (size_t)blank + 1);
}

static void add_change(struct answer *answer, uint32_t entry, struct buf *out)
{
	struct str change = answer_text(answer, entry, "change");
	uint64_t count = answer_u64(answer, entry, "count");

	if (str_eq(change, STR("ongoing")) || str_eq(change, STR("resolved")))
		buf_addf(out, " [%.*s, %llu so far]", STR_ARG(change), (unsigned long long)count);
	else if (count > 1)
		buf_addf(out, " [%llu]", (unsigned long long)count);
}

/* time priority host rule: output */
static void add_line(struct answer *answer, uint32_t entry, struct buf *out)
{
	uint32_t alert = json_get(&answer->json, entry, STR("alert"));
	struct str word, shown;

	if (alert == 0)
		return;
	word = answer_text(answer, alert, "priority");
	cli_add_color(out, CLI_DIM);
	add_local_time(answer_text(answer, alert, "time"), out);
	cli_add_color(out, CLI_PLAIN);
	buf_add_char(out, ' ');
	cli_add_color(out, color_of(word));
	buf_addf(out, "%-13.*s", STR_ARG(str_cut(word, 13)));
	cli_add_color(out, CLI_PLAIN);
	buf_add_char(out, ' ');
	buf_add_printable(out, str_cut(answer_text(answer, alert, "hostname"), 256));
	buf_add_char(out, ' ');
	cli_add_color(out, CLI_BOLD);
	buf_add_printable(out, str_cut(answer_text(answer, alert, "rule"), 256));
	cli_add_color(out, CLI_PLAIN);
	add_change(answer, entry, out);
	shown = without_prefix(answer_text(answer, alert, "output"));
	buf_add(out, STR(": "));
	buf_add_printable(out, str_cut(shown, OUTPUT_SHOWN));
	buf_add(out, shown.len > OUTPUT_SHOWN ? STR("…\n") : STR("\n"));
}

static void add_entry(struct answer *answer, uint32_t entry, struct buf *out)
{
	if (!cli.json) {
		add_line(answer, entry, out);
		return;
	}
	json_copy(out, &answer->json, entry);
	buf_add_char(out, '\n');
}

static void add_filters(struct buf *path)
{
	const struct {
		const char *name, *value;
	} filters[] = { { "priority", priority }, { "rule", rule }, { "hostname", host }, { "source", source },
		        { "q", text_word } };

	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		if (filters[i].value == NULL)
			continue;
		buf_addf(path, "&%s=", filters[i].name);
		client_add_escaped(path, str_of(filters[i].value));
	}
}

/* The older alerts: pages come newest first, each is put in front of the ones before it. */
struct history {
	struct buf *lines; /* one each, newest first */
	uint64_t want, count, before, last;
};

static int take_page(struct history *history, struct str text)
{
	struct answer answer;
	uint32_t end;

	if (answer_read(text, &answer) < 0) {
		cli_complain("the hub's answer is not JSON");
		return CLI_NO;
	}
	for (uint32_t i = answer_list(&answer, 0, "alerts", &end);
	     i != end && history->count < history->want; i = answer.json.nodes[i].next)
		add_entry(&answer, i, &history->lines[history->count++]);
	if (history->last == 0)
		history->last = answer_u64(&answer, 0, "last");
	history->before = answer_u64(&answer, 0, "more");
	answer_done(&answer);
	return CLI_YES;
}

static int get_page(struct client *client, struct history *history)
{
	uint64_t left = history->want - history->count;
	struct buf path = { 0 }, text = { 0 };
	int status;

	buf_addf(&path, "/api/v1/alerts?limit=%llu&before=%llu",
	         (unsigned long long)(left < 1 ? 1 : left < PAGE_MAX ? left : PAGE_MAX),
	         (unsigned long long)history->before);
	add_filters(&path);
	status = buf_text(&path) == NULL ? CLI_NO : client_call(client, "GET", path.at, STR(""), &text);
	if (status == CLI_YES)
		status = take_page(history, buf_str(&text));
	buf_done(&path);
	buf_done(&text);
	return status;
}

static int print_history(struct client *client, uint64_t want, uint64_t *ret_last)
{
	struct history history = { .want = want };
	int status = CLI_NO;

	history.lines = calloc(want + 1, sizeof(*history.lines));
	for (int round = 0; history.lines != NULL && round < ROUNDS_MAX; round++) {
		status = get_page(client, &history);
		if (status != CLI_YES || history.count >= want || history.before == 0)
			break;
	}
	for (uint64_t i = history.count; i > 0; i--) {
		if (status == CLI_YES)
			status = cli_print(&history.lines[i - 1]);
		buf_done(&history.lines[i - 1]);
	}
	free(history.lines);
	*ret_last = history.last;
	return status;
}

/* One event of the stream. */
static bool take_event(void *userdata, const struct sse_event *event)
{
	struct buf *out = userdata;
	struct answer answer;
	bool good = true;

	if (answer_read(event->data, &answer) < 0)
		return true; /* nothing that this version knows */
	if (str_eq(event->type, STR("alert"))) {
		add_entry(&answer, 0, out);
		good = cli_print(out) == CLI_YES;
	} else if (str_eq(event->type, STR("gap"))) {
		cli_complain("alerts %llu to %llu came too fast and were left out here",
		             (unsigned long long)answer_u64(&answer, 0, "from"),
		             (unsigned long long)answer_u64(&answer, 0, "to"));
	}
	answer_done(&answer);
	return good;
}

static int follow_from(const struct client *client, uint64_t last)
{
	struct buf path = { 0 }, out = { 0 };
	struct sse sse = { .event = take_event, .userdata = &out };
	int status;

	buf_addf(&path, "/api/v1/stream?after=%llu", (unsigned long long)last);
	add_filters(&path);
	status = buf_text(&path) == NULL ? CLI_NO : stream_follow(client, path.at, &sse);
	sse_done(&sse);
	buf_done(&path);
	buf_done(&out);
	return status;
}

static int run(int argc, char **argv)
{
	struct client client;
	uint64_t lines, last = 0;
	enum priority value;
	int status;

	if (argc > 0)
		return cli_usage("%s: tail takes no argument (--text %s?)", argv[0], argv[0]);
	if (priority != NULL && !priority_parse(str_of(priority), &value))
		return cli_usage("--priority: \"%s\" is unknown (emergency, alert, critical, error, warning, "
		                 "notice, informational, debug)", priority);
	if ((node.node == NULL) != (node.filter == NULL))
		return cli_usage("--node and --filter go together: which events, and of which node?");
	if (!cli_number("-n", lines_word, LINES_MAX, &lines))
		return CLI_USAGE;
	status = client_open(&client);
	if (status != CLI_YES)
		return status;
	if (node.node != NULL) {
		node.follow = follow;
		status = tail_node(&client, &node);
		client_close(&client);
		return status;
	}
	status = print_history(&client, lines, &last);
	if (status == CLI_YES && !no_follow)
		status = follow_from(&client, last);
	client_close(&client);
	return status;
}

const struct cli_verb verb_tail = {
	.name = "tail",
	.arguments = "",
	.summary = "show alerts as they come, one line each: time, priority, host, rule, output",
	.examples = "  tocsin tail --priority warning\n"
	            "  tocsin tail --host web-1 --text /etc/shadow\n"
	            "  tocsin tail --node web-1 --filter 'proc.name = bash or fd.name startswith /etc/' --for 2m\n"
	            "  tocsin tail --node web-1 --filter 'proc.name = sshd' --follow\n"
	            "  tocsin tail -n 1000 --no-follow -o json | jq .alert.rule",
	.needs = CLI_HUB | CLI_FORMAT | CLI_COLOR,
	.options = options,
	.run = run,
};
