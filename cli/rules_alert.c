/* An alert as Falco prints it: its members, and those of output_fields, sorted by key. */
#include "cli/rules_alert.h"

#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

enum { FIELDS_SHOWN = 1024, CLOCK_LEN = sizeof("HH:MM:SS.nnnnnnnnn") - 1 };

struct member {
	struct str key; /* as it stands in the JSON, without quotes */
	uint32_t value;
};

static int compare(const void *a, const void *b)
{
	return str_cmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

struct str alert_message(struct str output)
{
	ptrdiff_t blank = str_find(str_from(output, CLOCK_LEN + 2), STR(" "));

	return str_from(output, CLOCK_LEN + 2 + (size_t)(blank + 1));
}

/* Whether the rule itself prints this field. */
static bool prints(const struct rule *rule, struct str token)
{
	struct str output = rule_output(rule);
	ptrdiff_t at;

	while ((at = str_find(output, token)) >= 0) {
		output = str_from(output, (size_t)at + token.len);
		if (output.len == 0 || output.at[0] != '.')
			return true;
	}
	return false;
}

/* With ISO times the time that is always there goes by the other name, unless it is there already. */
static void rename_time(const struct rule *rule, struct member *members, size_t *count)
{
	for (size_t i = 0; i < *count; i++) {
		if (!str_eq(members[i].key, STR("evt.time")) || prints(rule, STR("%evt.time")))
			continue;
		if (prints(rule, STR("%evt.time.iso8601")))
			members[i] = members[--*count];
		else
			members[i].key = STR("evt.time.iso8601");
		return;
	}
}

static bool add_fields(const struct rules_set *set, const struct rule *rule, bool iso, struct str fields,
                       struct buf *out)
{
	struct json json = { .text = fields, .nodes = set->normalise.nodes, .cap = set->normalise.nodes_max,
		             .depth_max = set->normalise.depth_max };
	struct member members[FIELDS_SHOWN];
	size_t count = 0, end;

	if (json_read(&json, 0, &end) < 0)
		return false;
	for (uint32_t i = json_first(&json, 0); i != json_end(&json, 0); i = json.nodes[i + 1].next)
		if (count < FIELDS_SHOWN)
			members[count++] = (struct member){ json_raw(&json, i), i + 1 };
	if (iso)
		rename_time(rule, members, &count);
	qsort(members, count, sizeof(*members), compare);
	buf_add_char(out, '{');
	for (size_t i = 0; i < count; i++) {
		buf_addf(out, "%s\"%.*s\":", i == 0 ? "" : ",", STR_ARG(members[i].key));
		buf_add(out, json_whole(&json, members[i].value));
	}
	buf_add_char(out, '}');
	return true;
}

static void add_tags(const struct rule *rule, struct buf *out)
{
	size_t count;
	const struct str *tags = rule_tags(rule, &count);

	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_json(out, tags[i]);
	}
}

static void add_output(struct str text, int64_t time_ns, bool iso, struct buf *out)
{
	struct buf changed = { 0 };
	time_t seconds = (time_t)(time_ns / NS_PER_S);
	struct tm parts;
	char when[32];

	if (!iso || gmtime_r(&seconds, &parts) == NULL ||
	    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
		buf_add_json(out, text);
		return;
	}
	buf_addf(&changed, "%s.%09lld+0000", when, (long long)(time_ns % NS_PER_S));
	buf_add(&changed, str_from(text, CLOCK_LEN));
	buf_add_json(out, buf_str(&changed));
	buf_done(&changed);
}

/* Falco's word for the host goes by its environment. */
static struct str host_name(const struct event *event)
{
	static char name[256];
	const char *given = getenv("FALCO_HOSTNAME");

	if (event->hostname.len > 0)
		return event->hostname;
	if (given != NULL)
		return str_of(given);
	if (name[0] == '\0' && gethostname(name, sizeof(name) - 1) < 0)
		name[0] = '\0';
	return str_of(name);
}

/* A byte that is not part of UTF-8 stands in our JSON as U+EFHH; Falco writes U+FFFD, as long. */
static void replace_raw_bytes(struct buf *out, size_t from)
{
	for (size_t i = from; i + 2 < out->len; i++)
		if ((unsigned char)out->at[i] == 0xee && ((unsigned char)out->at[i + 1] & 0xfe) == 0xbe)
			memcpy(out->at + i, "\xef\xbf\xbd", 3);
}

bool alert_add(struct rules_set *set, const struct rule *rule, bool iso, struct buf *out)
{
	struct buf text = { 0 }, fields = { 0 };
	size_t from = out->len;
	bool good;

	rules_format(set->rules, set->scratch, rule, &set->event, &text, &fields);
	buf_add(out, STR("{\"hostname\":"));
	buf_add_json(out, host_name(&set->event));
	buf_add(out, STR(",\"output\":"));
	add_output(buf_str(&text), set->event.time_ns, iso, out);
	buf_add(out, STR(",\"output_fields\":"));
	good = buf_ok(&text) && buf_ok(&fields) && add_fields(set, rule, iso, buf_str(&fields), out);
	buf_addf(out, ",\"priority\":\"%s\",\"rule\":", priority_name(rule_priority(rule)));
	buf_add_json(out, rule_name(rule));
	buf_add(out, STR(",\"source\":"));
	buf_add_json(out, rule_source(rule));
	buf_add(out, STR(",\"tags\":["));
	add_tags(rule, out);
	buf_add(out, STR("],\"time\":\""));
	buf_add_time(out, set->event.time_ns);
	buf_add(out, STR("\"}\n"));
	replace_raw_bytes(out, from);
	buf_done(&text);
	buf_done(&fields);
	return good && buf_ok(out);
}
