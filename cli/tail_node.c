/* The hub's stream of a sensor's events, a line each. */
#include "cli/tail_node.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/conf.h"
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/stream.h"
#include "rules/line.h"

enum { RATE_MAX = 1000, MS_MAX = 10 * 60 * 1000, FIELDS_SHOWN_MAX = 4096 };

struct watching {
	const struct tail_node *settings;
	struct fields *fields;
	struct buf out;
	int status;
	bool over;
};

static struct value value_of(struct answer *answer, uint32_t node)
{
	const struct json_node *value = &answer->json.nodes[node];
	int64_t number;

	if (value->kind == JSON_TRUE || value->kind == JSON_FALSE)
		return value_bool(value->kind == JSON_TRUE);
	if (value->kind == JSON_NUMBER && str_to_i64(json_raw(&answer->json, node), &number))
		return value_i64(number);
	return value->kind == JSON_STRING ? value_str(answer_value(answer, node))
	                                  : (struct value){ .kind = VALUE_ABSENT };
}

static void fill(struct answer *answer, struct fields *fields, struct event *event)
{
	uint32_t object = json_get(&answer->json, 0, STR("fields"));

	if (object == 0 || answer->json.nodes[object].kind != JSON_OBJECT)
		return;
	for (uint32_t i = json_first(&answer->json, object); i != json_end(&answer->json, object);
	     i = answer->json.nodes[i + 1].next) {
		struct value value = value_of(answer, i + 1);

		if (value.kind != VALUE_ABSENT)
			event_set(event, fields_find(fields, json_raw(&answer->json, i)), value);
	}
}

/* Names of fields are the catalogue's and the arguments of calls; what a sensor makes up is bounded. */
static void know_names(struct answer *answer, struct fields *fields)
{
	uint32_t object = json_get(&answer->json, 0, STR("fields"));

	if (object == 0 || answer->json.nodes[object].kind != JSON_OBJECT)
		return;
	for (uint32_t i = json_first(&answer->json, object); i != json_end(&answer->json, object);
	     i = answer->json.nodes[i + 1].next)
		if (fields_count(fields) < FIELDS_SHOWN_MAX)
			fields_intern(fields, json_raw(&answer->json, i));
}

static void show(struct watching *watching, struct answer *answer)
{
	struct event event;

	if (cli.json) {
		json_copy(&watching->out, &answer->json, 0);
		buf_add_char(&watching->out, '\n');
		return;
	}
	know_names(answer, watching->fields);
	if (event_init(&event, fields_count(watching->fields)) < 0)
		return;
	clock_parse(answer_text(answer, 0, "time"), &event.time_ns);
	fill(answer, watching->fields, &event);
	event_line_add(&watching->out, &event, watching->fields, cli.color);
	event_done(&event);
}

static void tell_end(struct watching *watching, struct answer *answer)
{
	struct str why = answer_text(answer, 0, "why");
	uint64_t events = answer_u64(answer, 0, "events");

	watching->over = true;
	cli_complain("%.*s: %llu events, %llu more were left out", STR_ARG(why), (unsigned long long)events,
	             (unsigned long long)answer_u64(answer, 0, "withheld"));
	if (!str_starts(why, STR("the time")))
		watching->status = CLI_NO;
}

/* False: it is over, or nobody reads what is printed. */
static bool take_event(void *userdata, const struct sse_event *event)
{
	struct watching *watching = userdata;
	struct answer answer;

	if (answer_read(event->data, &answer) < 0)
		return true; /* a sensor's bytes */
	if (str_eq(event->type, STR("begin")) && cli.color)
		cli_complain("looking on at %s", watching->settings->node);
	else if (str_eq(event->type, STR("event")))
		show(watching, &answer);
	else if (str_eq(event->type, STR("end")))
		tell_end(watching, &answer);
	answer_done(&answer);
	if (watching->out.len > 0 && cli_print(&watching->out) != CLI_YES)
		watching->over = true;
	return !watching->over;
}

static bool add_path(const struct tail_node *settings, struct buf *path)
{
	uint64_t rate;
	int64_t ms;

	if (!conf_parse_duration(str_of(settings->duration), &ms) || ms <= 0 || ms > MS_MAX) {
		cli_complain("--for: \"%s\" is no duration up to 10m, such as 30s", settings->duration);
		return false;
	}
	if (!cli_number("--rate", settings->rate, RATE_MAX, &rate))
		return false;
	buf_addf(path, "/api/v1/tail?ms=%lld&rate=%llu&node=", (long long)ms, (unsigned long long)rate);
	client_add_escaped(path, str_of(settings->node));
	buf_add(path, settings->follow ? STR("&follow=true&filter=") : STR("&filter="));
	client_add_escaped(path, str_of(settings->filter));
	return buf_text(path) != NULL;
}

int tail_node(const struct client *client, const struct tail_node *settings)
{
	struct watching watching = { .settings = settings, .fields = fields_new(), .status = CLI_YES };
	struct sse sse = { .event = take_event, .userdata = &watching };
	struct buf path = { 0 };
	int status = CLI_USAGE;

	if (watching.fields == NULL)
		return CLI_NO;
	if (add_path(settings, &path))
		status = stream_listen(client, path.at, &sse);
	if (status == CLI_YES)
		status = watching.status;
	sse_done(&sse);
	buf_done(&path);
	buf_done(&watching.out);
	fields_free(watching.fields);
	return status;
}
