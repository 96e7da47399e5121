/* Slack incoming webhooks; Mattermost and Rocket.Chat take the same object. The message is the one that
 * Falcosidekick sends, with all fields that have a value. What stands in it was chosen by an attacker:
 * it can neither mention people, nor make a link, nor grow beyond what Slack takes. */
#include "outputs/slack.h"

#include "base/cleanup.h"

enum {
	TEXT_MAX = 3000,       /* characters; Slack advises less than 4000 in an attachment */
	VALUE_MAX = 1000,      /* of one field */
	TITLE_MAX = 200,
	FIELDS_MAX = 100,      /* of one message */
	FIELDS_TOTAL = 30000,  /* characters; Slack cuts a message at 40,000 */
	SHORT_MAX = 36,        /* such a value shares its row with another */
	BATCH_MAX = 16,        /* Slack takes about one message a second per webhook */
};

#define FIELD(member) offsetof(struct slack_conf, member)

static const char *const slack_formats[] = { "all", "text", "fields", NULL };

static const struct conf_field slack_conf_fields[] = {
	{ .key = "webhook_url", .type = CONF_SECRET, .offset = FIELD(webhook_url),
	  .flags = CONF_REQUIRED, .help = "address of the incoming webhook" },
	{ .key = "channel", .type = CONF_STRING, .offset = FIELD(channel),
	  .help = "channel instead of the webhook's own, where the service allows it" },
	{ .key = "username", .type = CONF_STRING, .offset = FIELD(username), .fallback = "Tocsin",
	  .help = "name to post as" },
	{ .key = "icon", .type = CONF_STRING, .offset = FIELD(icon),
	  .help = "picture to post with: a URL, or an emoji as :bell:" },
	{ .key = "footer", .type = CONF_STRING, .offset = FIELD(footer), .fallback = "Tocsin",
	  .help = "small text under the message; empty: none" },
	{ .key = "output_format", .type = CONF_CHOICE, .offset = FIELD(output_format),
	  .fallback = "all", .choices = slack_formats,
	  .help = "show the alert's text, its fields, or both" },
	HTTP_POST_FIELDS(struct slack_conf, http),
	{ 0 },
};

/* Falcosidekick's colours. */
static const char *const colours[PRIORITY_COUNT] = {
	"#e20b0b", "#ff5400", "#ff5400", "#e20b0b", "#ffc700", "#5bffb5", "#68c2ff", "#ccfff2",
};

/* --- text --------------------------------------------------------------------------------------- */

/* Words that ping many people where a bare "@word" is enough (Mattermost, Rocket.Chat). */
static bool is_mention(struct str behind_at)
{
	static const struct str words[] = { { "channel", 7 }, { "here", 4 }, { "everyone", 8 },
		                            { "all", 3 }, { "group", 5 } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq_nocase(str_cut(behind_at, words[i].len), words[i]))
			return true;
	return false;
}

/* One character of Slack's markup; `rest` begins with it. U+2060 (word joiner) breaks mentions, and
 * Markdown's "](", which makes a link that lies about where it goes. */
static struct str escape_of(struct str rest)
{
	switch (rest.at[0]) {
	case '&': return STR("&amp;");
	case '<': return STR("&lt;");
	case '>': return STR("&gt;");
	case '@': return is_mention(str_from(rest, 1)) ? STR("@\u2060") : STR("@");
	case ']': return str_starts(rest, STR("](")) ? STR("]\u2060") : STR("]");
	default: return str_cut(rest, utf8_len(rest));
	}
}

static size_t characters(struct str s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += ((unsigned char)s.at[i] & 0xc0) != 0x80;
	return count;
}

/* Adds the bytes as a JSON string in Slack's markup, at most `max` characters after escaping, an
 * ellipsis for the rest. Returns the characters. */
static size_t add_markup(struct buf *out, struct str bytes, size_t max)
{
	struct buf plain = { 0 }, marked = { 0 };
	size_t count = 0;

	buf_add_printable(&plain, str_cut(bytes, max * 4));
	for (struct str rest = buf_str(&plain); rest.len > 0;) {
		size_t step = utf8_len(rest);
		struct str piece = escape_of(rest);

		if (step == 0)
			break; /* cut within a character just above */
		if (count + characters(piece) + (step < rest.len || bytes.len > max * 4) > max) {
			buf_add(&marked, STR("…"));
			count++;
			break;
		}
		buf_add(&marked, piece);
		count += characters(piece);
		rest = str_from(rest, step);
	}
	out->failed |= !buf_ok(&plain) || !buf_ok(&marked);
	buf_add_json(out, buf_str(&marked));
	buf_done(&plain);
	buf_done(&marked);
	return count;
}

/* Adds ,"key":"text" unless the text is empty. The text is the operator's: no markup is broken. */
static void add_setting(struct buf *out, const char *key, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	buf_addf(out, ",\"%s\":", key);
	buf_add_json(out, str_of(text));
}

/* --- fields ------------------------------------------------------------------------------------- */

/* The message's fields so far. */
struct fields {
	struct buf *out;
	size_t count;
	size_t characters;
};

static void add_field(struct fields *fields, struct str title, struct str value, bool may_be_short)
{
	size_t length;

	buf_add(fields->out, fields->count++ == 0 ? STR("{\"title\":") : STR(",{\"title\":"));
	fields->characters += add_markup(fields->out, title, TITLE_MAX);
	buf_add(fields->out, STR(",\"value\":"));
	length = add_markup(fields->out, value, VALUE_MAX);
	fields->characters += length;
	buf_addf(fields->out, ",\"short\":%s}", may_be_short && length < SHORT_MAX ? "true" : "false");
}

static void add_tags(struct fields *fields, const struct alert *alert)
{
	struct buf tags = { 0 };

	for (size_t i = 0; i < alert->tags_count; i++) {
		buf_add(&tags, i == 0 ? STR("") : STR(", "));
		buf_add(&tags, alert->tags[i]);
	}
	if (alert->tags_count > 0)
		add_field(fields, STR("tags"), buf_str(&tags), true);
	fields->out->failed |= !buf_ok(&tags);
	buf_done(&tags);
}

static int by_key(const void *a, const void *b)
{
	const struct alert_field *const *left = a, *const *right = b;

	return str_cmp((*left)->key, (*right)->key);
}

/* Sorted by name, so that the eye finds a field at the same place in every message. */
static void add_output_fields(struct fields *fields, const struct alert *alert)
{
	autofree const struct alert_field **sorted = malloc((alert->fields_count + 1) * sizeof(*sorted));
	size_t count = 0, left_out = 0;

	if (sorted == NULL) {
		fields->out->failed = true;
		return;
	}
	for (size_t i = 0; i < alert->fields_count; i++)
		if (alert->fields[i].kind != JSON_NULL)
			sorted[count++] = &alert->fields[i];
	qsort(sorted, count, sizeof(*sorted), by_key);
	for (size_t i = 0; i < count; i++) {
		if (fields->count >= FIELDS_MAX - 2 || fields->characters > FIELDS_TOTAL - VALUE_MAX)
			left_out++;
		else
			add_field(fields, sorted[i]->key, sorted[i]->text, true);
	}
	if (left_out > 0) {
		char text[48];

		snprintf(text, sizeof(text), "%zu more fields", left_out);
		add_field(fields, STR("…"), str_of(text), true);
	}
}

static void add_fields(struct buf *out, const struct alert *alert)
{
	struct fields fields = { .out = out };
	struct buf time = { 0 };

	buf_add(out, STR(",\"fields\":["));
	add_field(&fields, STR("rule"), alert->rule, true);
	add_field(&fields, STR("priority"), str_of(priority_name(alert->priority)), true);
	if (alert->source.len > 0)
		add_field(&fields, STR("source"), alert->source, true);
	if (alert->hostname.len > 0)
		add_field(&fields, STR("hostname"), alert->hostname, true);
	add_tags(&fields, alert);
	add_output_fields(&fields, alert);
	buf_add_alert_time(&time, alert);
	add_field(&fields, STR("time"), buf_str(&time), false);
	out->failed |= !buf_ok(&time);
	buf_done(&time);
	buf_add_char(out, ']');
}

/* --- the message -------------------------------------------------------------------------------- */

/* What happened to the incident; nothing for one more alert of it. */
static void add_title(struct buf *out, const struct alert *alert)
{
	unsigned long long count = alert->count;

	switch (alert->change) {
	case ALERT_OPENED: buf_add(out, STR(",\"title\":\"opened\"")); break;
	case ALERT_ONGOING: buf_addf(out, ",\"title\":\"still going: %llu so far\"", count); break;
	case ALERT_RESOLVED: buf_addf(out, ",\"title\":\"resolved after %llu alerts\"", count); break;
	case ALERT_REPEAT: break;
	}
}

bool slack_render(struct buf *out, const struct alert *alert, const void *conf_)
{
	const struct slack_conf *conf = conf_;
	bool is_emoji = conf->icon != NULL && conf->icon[0] == ':';

	buf_add(out, STR("{\"attachments\":[{\"fallback\":"));
	add_markup(out, alert->output, TEXT_MAX);
	buf_addf(out, ",\"color\":\"%s\",\"mrkdwn_in\":[]", colours[alert->priority]);
	add_title(out, alert);
	if (conf->output_format != SLACK_FIELDS) {
		buf_add(out, STR(",\"text\":"));
		add_markup(out, alert->output, TEXT_MAX);
	}
	if (conf->output_format != SLACK_TEXT) {
		add_setting(out, "footer", conf->footer);
		add_fields(out, alert);
	}
	buf_add(out, STR("}]"));
	add_setting(out, "username", conf->username);
	add_setting(out, is_emoji ? "icon_emoji" : "icon_url", conf->icon);
	add_setting(out, "channel", conf->channel);
	buf_add_char(out, '}');
	return true;
}

static bool answers(struct str answer, const char *text)
{
	return str_find(answer, str_of(text)) >= 0;
}

/* A 200 without "ok" may be a login page of some proxy: nothing was shown to anybody. */
static enum output_verdict verdict_of_200(struct str answer)
{
	if (str_eq(answer, STR("ok")))
		return OUTPUT_DELIVERED;
	if (!str_starts(answer, STR("{")))
		return OUTPUT_BROKEN;
	if (answers(answer, "\"ok\":true") || answers(answer, "\"ok\": true") ||
	    answers(answer, "\"success\":true") || answers(answer, "\"success\": true"))
		return OUTPUT_DELIVERED;
	return answers(answer, "ratelimited") || answers(answer, "rate_limited") ? OUTPUT_LATER
	                                                                        : OUTPUT_BROKEN;
}

enum output_verdict slack_verdict(const struct http_request *request)
{
	struct str answer = str_trim(buf_str(&request->answer));

	if (request->status == 200)
		return verdict_of_200(answer);
	if (request->status > 200 && request->status < 300)
		return OUTPUT_BROKEN;
	/* Slack says 400 for some settings, too */
	if (request->status == 400 && (answers(answer, "invalid_token") || answers(answer, "no_team") ||
	                               answers(answer, "channel_not_found") ||
	                               answers(answer, "channel_is_archived")))
		return OUTPUT_BROKEN;
	return output_verdict_of_http(request->status);
}

static int slack_open(const void *conf_, const char *name, void **ret_state, char *note)
{
	const struct slack_conf *conf = conf_;
	const struct http_post_service service = {
		.url = conf->webhook_url,
		.content_type = "application/json; charset=utf-8",
		.render = slack_render,
		.verdict = slack_verdict,
		.conf = conf,
	};
	struct http_post *post;
	int r = http_post_open(&service, &conf->http, &post, note);

	(void)name;
	if (r == 0)
		*ret_state = post;
	return r;
}

static void slack_send(void *state, struct output_call *call)
{
	http_post_send(state, call);
}

static void slack_close(void *state)
{
	http_post_close(state);
}

static bool slack_check(const void *conf_, char *note)
{
	const struct slack_conf *conf = conf_;

	return http_post_check("webhook_url", conf->webhook_url, &conf->http, note);
}

const struct output_ops output_slack = {
	.type = "slack",
	.summary = "Slack, Mattermost or Rocket.Chat incoming webhook",
	.fields = slack_conf_fields,
	.conf_size = sizeof(struct slack_conf),
	.batch_max = BATCH_MAX,
	.changes = true,
	.open = slack_open,
	.send = slack_send,
	.close = slack_close,
	.check = slack_check,
};
