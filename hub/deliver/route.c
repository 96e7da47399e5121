/* Matching alerts with routes. */
#include "hub/deliver/route.h"

#include <fnmatch.h>

static bool pattern_matches(const char *pattern, struct str value, struct arena *arena)
{
	struct str text;

	if (pattern[strcspn(pattern, "*?[\\")] == '\0')
		return str_eq(str_of(pattern), value);
	text = arena_str(arena, value); /* fnmatch() wants a terminated text */
	return text.at != NULL && fnmatch(pattern, text.at, 0) == 0;
}

static bool any_pattern(const struct config_matcher *matcher, struct str value, struct arena *arena)
{
	for (size_t i = 0; i < matcher->values.count; i++)
		if (pattern_matches(matcher->values.at[i], value, arena))
			return true;
	return false;
}

static bool matcher_holds(const struct config_matcher *matcher, const struct alert *alert,
                          struct arena *arena)
{
	struct str key = str_of(matcher->key);

	if (str_eq(key, STR("rule")))
		return any_pattern(matcher, alert->rule, arena);
	if (str_eq(key, STR("source")))
		return any_pattern(matcher, alert->source, arena);
	if (str_eq(key, STR("hostname")))
		return any_pattern(matcher, alert->hostname, arena);
	if (str_eq(key, STR("priority")))
		return any_pattern(matcher, str_of(priority_name(alert->priority)), arena);
	if (str_eq(key, STR("tags"))) {
		for (size_t i = 0; i < alert->tags_count; i++)
			if (any_pattern(matcher, alert->tags[i], arena))
				return true;
		return false;
	}
	for (size_t i = 0; i < alert->fields_count; i++)
		if (str_eq(alert->fields[i].key, key))
			return alert->fields[i].kind != JSON_NULL &&
			       any_pattern(matcher, alert->fields[i].text, arena);
	return false;
}

static bool route_matches(const struct config_route *route, struct alert *alert, struct arena *arena)
{
	if (route->matchers_count > 0 && alert_read(alert, arena) < 0)
		return false;
	for (size_t i = 0; i < route->matchers_count; i++)
		if (!matcher_holds(&route->matchers[i], alert, arena))
			return false;
	return true;
}

static bool leads_to(const struct config_route *route, const struct config_output *output)
{
	for (size_t i = 0; i < route->outputs.count; i++)
		if (strcmp(route->outputs.at[i], output->name) == 0)
			return true;
	return false;
}

/* Every alert, or only what changes its incident. */
static enum journal_outcome by_change(int64_t deliver, const struct config_output *output,
                                      const struct alert *alert)
{
	bool changes = deliver == CONFIG_DELIVER_CHANGES ||
	               (deliver == CONFIG_DELIVER_DEFAULT && output->ops->changes);

	if (changes)
		return alert->change == ALERT_REPEAT ? JOURNAL_SUPPRESSED_REPEAT : 0;
	return alert->change == ALERT_ONGOING || alert->change == ALERT_RESOLVED
	               ? JOURNAL_SUPPRESSED_CHANGE : 0;
}

enum journal_outcome route_decide(const struct config *config, const struct config_output *output,
                                  struct alert *alert, struct arena *arena)
{
	enum journal_outcome why = JOURNAL_SUPPRESSED_ROUTE;

	if ((int64_t)alert->priority > output->minimum_priority)
		return JOURNAL_SUPPRESSED_PRIORITY;
	if (config->routes_count == 0)
		return by_change(CONFIG_DELIVER_DEFAULT, output, alert);
	for (size_t i = 0; i < config->routes_count; i++) {
		const struct config_route *route = &config->routes[i];
		bool leads = leads_to(route, output), severe = (int64_t)alert->priority <= route->minimum_priority;

		/* A route that neither leads here nor ends the search does not matter. */
		if ((!leads && route->proceed) || !route_matches(route, alert, arena))
			continue;
		if (!severe) { /* the minimum is one more matcher */
			if (leads && why == JOURNAL_SUPPRESSED_ROUTE)
				why = JOURNAL_SUPPRESSED_PRIORITY;
			continue;
		}
		if (leads) {
			why = by_change(route->deliver, output, alert);
			if (why == 0)
				return 0;
		}
		if (!route->proceed)
			break;
	}
	return why;
}
