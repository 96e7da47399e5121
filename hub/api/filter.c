/* Query arguments to a filter, and the filter on one alert. */
#include "hub/api/filter.h"

#include "base/buf.h"

/* Clients write a byte that is not UTF-8 as they got it in an alert, as U+EFHH; here it becomes the byte
 * again. `out` takes value.len bytes. */
static size_t to_bytes(char *out, struct str value)
{
	size_t len = 0;

	while (value.len > 0) {
		size_t plain = value.at[0] == '\\' ? 1 : strcspn(value.at, "\\");

		if (value.at[0] == '\\') /* no escape here, but a backslash */
			out[len++] = '\\';
		else
			len += json_unescape(str_cut(value, plain), out + len);
		value = str_from(value, plain);
	}
	return len;
}

static bool value_copy(char *out, struct str value)
{
	if (value.len >= FILTER_VALUE_MAX)
		return false;
	out[to_bytes(out, value)] = '\0';
	return true;
}

/* The searched text is JSON, so the needle takes the form that it has there. */
static bool text_copy(char *out, struct str value)
{
	struct buf quoted = { .max = 6 * FILTER_VALUE_MAX + 2 };
	bool fits = value_copy(out, value);

	if (fits) {
		buf_add_json(&quoted, str_of(out));
		fits = buf_ok(&quoted) && quoted.len - 2 < FILTER_VALUE_MAX;
	}
	if (fits) {
		memcpy(out, quoted.at + 1, quoted.len - 2);
		out[quoted.len - 2] = '\0';
	}
	buf_done(&quoted);
	return fits;
}

const char *filter_read(struct filter *ret, const char *(*get)(const void *userdata, const char *name),
                        const void *userdata)
{
	struct str priority = str_of(get(userdata, "priority"));
	struct str incident = str_of(get(userdata, "incident"));
	enum priority level = PRIORITY_DEBUG;

	*ret = (struct filter){ 0 };
	if (priority.len > 0 && !priority_parse(priority, &level))
		return "priority: not one of emergency, alert, critical, error, warning, notice, "
		       "informational, debug";
	ret->priority_max = level;
	if (incident.len > 0 && !str_to_u64(incident, &ret->incident))
		return "incident: not a number";
	if (!value_copy(ret->rule, str_of(get(userdata, "rule"))) ||
	    !value_copy(ret->hostname, str_of(get(userdata, "hostname"))) ||
	    !value_copy(ret->source, str_of(get(userdata, "source"))) ||
	    !text_copy(ret->text, str_of(get(userdata, "q"))))
		return "rule, hostname, source and q take at most 511 bytes each";
	return NULL;
}

void filter_query(const struct filter *filter, struct journal_query *ret)
{
	ret->priority_max = filter->priority_max;
	ret->incident = filter->incident;
	ret->rule = str_of(filter->rule);
	ret->hostname = str_of(filter->hostname);
	ret->source = str_of(filter->source);
	ret->text = str_of(filter->text);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool contains_nocase(struct str hay, struct str needle)
{
	char first = needle.len == 0 ? '\0' : lower(needle.at[0]);

	for (size_t i = 0; i + needle.len <= hay.len; i++)
		if (needle.len == 0 || (lower(hay.at[i]) == first &&
		                        strncasecmp(hay.at + i, needle.at, needle.len) == 0))
			return true;
	return false;
}

bool filter_matches(const struct filter *filter, struct alert *alert, struct arena *arena)
{
	struct str rule = str_of(filter->rule), hostname = str_of(filter->hostname);
	struct str source = str_of(filter->source);

	if (alert->priority > filter->priority_max)
		return false;
	if (filter->incident != 0 && alert->incident != filter->incident)
		return false;
	if (filter->text[0] != '\0' && !contains_nocase(alert->json, str_of(filter->text)))
		return false;
	if (rule.len + hostname.len + source.len == 0)
		return true;
	return alert_read(alert, arena) == 0 && (rule.len == 0 || str_eq(alert->rule, rule)) &&
	       (hostname.len == 0 || str_eq(alert->hostname, hostname)) &&
	       (source.len == 0 || str_eq(alert->source, source));
}
