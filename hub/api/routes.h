/* The API's map: which method and path is which call, and who may make it. Pure data and its lookup;
 * web/openapi.yaml describes the same map, and a test compares the two. */
#ifndef HUB_API_ROUTES_H
#define HUB_API_ROUTES_H

#include "base/str.h"

enum api_call_id {
	API_ALERTS = 0,
	API_ALERT,
	API_STREAM,
	API_TAIL,
	API_OUTPUTS,
	API_OUTPUT_KICK,
	API_LETTERS,
	API_LETTERS_REPLAY,
	API_STATUS,
	API_SENSORS,
	API_RULES,
	API_RULES_RELOAD,
	API_CONFIG,
	API_OPENAPI,
	API_SESSION,
	API_LOGIN,
	API_LOGOUT,
	API_LOGIN_TOKEN,
	API_CALLS,
};

enum api_right {
	API_OPEN = 0, /* no credential */
	API_ANY,      /* the admin token or a session */
	API_TOKEN,    /* the admin token only */
};

struct api_route {
	const char *method;  /* GET serves HEAD too */
	const char *pattern; /* below /api/v1; {name} stands for one segment */
	enum api_call_id call;
	enum api_right right;
};

#define API_PREFIX "/api/v1"

/* Ends with a NULL method. */
extern const struct api_route api_routes[];

/* The route of a request, with what stands for {name} in ret_argument. NULL: none; then ret_known tells
 * whether the path exists with another method. */
const struct api_route *api_route_find(struct str method, struct str path, struct str *ret_argument,
                                       bool *ret_known);

#endif
