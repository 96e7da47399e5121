/* The API's map and its lookup. */
#include "hub/api/routes.h"

const struct api_route api_routes[] = {
	{ "GET",  "/alerts",              API_ALERTS,         API_ANY },
	{ "GET",  "/alerts/{id}",         API_ALERT,          API_ANY },
	{ "GET",  "/stream",              API_STREAM,         API_ANY },
	{ "GET",  "/tail",                API_TAIL,           API_TOKEN },
	{ "GET",  "/outputs",             API_OUTPUTS,        API_ANY },
	{ "POST", "/outputs/{name}/kick", API_OUTPUT_KICK,    API_ANY },
	{ "GET",  "/dead-letters",        API_LETTERS,        API_ANY },
	{ "POST", "/dead-letters/replay", API_LETTERS_REPLAY, API_ANY },
	{ "GET",  "/status",              API_STATUS,         API_ANY },
	{ "GET",  "/sensors",             API_SENSORS,        API_ANY },
	{ "GET",  "/rules",               API_RULES,          API_ANY },
	{ "POST", "/rules/reload",        API_RULES_RELOAD,   API_ANY },
	{ "GET",  "/config",              API_CONFIG,         API_ANY },
	{ "GET",  "/openapi.yaml",        API_OPENAPI,        API_OPEN },
	{ "GET",  "/session",             API_SESSION,        API_OPEN },
	{ "POST", "/login",               API_LOGIN,          API_OPEN },
	{ "POST", "/logout",              API_LOGOUT,         API_ANY },
	{ "POST", "/login-token",         API_LOGIN_TOKEN,    API_TOKEN },
	{ 0 },
};

/* Takes the segment off the front of `path`, its slash included. */
static struct str take_segment(struct str *path)
{
	struct str rest = str_from(*path, 1);
	const char *slash = rest.len == 0 ? NULL : memchr(rest.at, '/', rest.len);
	struct str segment = slash == NULL ? rest : str_cut(rest, (size_t)(slash - rest.at));

	*path = str_from(rest, segment.len);
	return segment;
}

static bool pattern_matches(struct str pattern, struct str path, struct str *ret_argument)
{
	while (pattern.len > 0 && path.len > 0) {
		struct str want = take_segment(&pattern), have = take_segment(&path);

		if (want.len > 0 && want.at[0] == '{' && have.len > 0)
			*ret_argument = have;
		else if (!str_eq(want, have))
			return false;
	}
	return pattern.len == 0 && path.len == 0;
}

const struct api_route *api_route_find(struct str method, struct str path, struct str *ret_argument,
                                       bool *ret_known)
{
	*ret_known = false;
	*ret_argument = (struct str){ 0 };
	if (!str_starts(path, STR(API_PREFIX "/")))
		return NULL;
	path = str_from(path, sizeof(API_PREFIX) - 1);
	if (str_eq(method, STR("HEAD")))
		method = STR("GET");
	for (const struct api_route *route = api_routes; route->method != NULL; route++) {
		struct str argument = { 0 };

		if (!pattern_matches(str_of(route->pattern), path, &argument))
			continue;
		*ret_known = true;
		if (!str_eq(str_of(route->method), method))
			continue;
		*ret_argument = argument;
		return route;
	}
	return NULL;
}
