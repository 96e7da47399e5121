/* Rules from the hub. A thread asks for them by long poll, compiles what is new aside, keeps the text in
 * the state folder (for a start while the hub is away), and leaves the finished set for the sensor's own
 * thread. Rules that do not load change nothing; the heartbeat says so.
 *
 * The hub's answer (GET /api/v1/sensors/rules) is one object: `files` ({name, text}), and the settings
 * that decide what is worth sending: `priority`, `rules` (Falco's enable and disable), `extra_output`
 * (all that is appended to outputs) and `suggested_output`.
 *
 * In place of rules the answer can be {"tail":{`id`, `ms`, `rate`, `follow`, `filter`}}: somebody looks on.
 * The set is then compiled again with the filter as its first rules, and when that is over once more without. */
#ifndef SENSOR_POLICY_H
#define SENSOR_POLICY_H

#include "base/http.h"
#include "sensor/prefilter.h"
#include "sensor/tail.h"

enum {
	POLICY_TEXT_MAX = 64 << 20, /* bytes of an answer; a larger one is refused */
	POLICY_WAIT_S = 50,	    /* the hub holds a question for so long */
	POLICY_WAIT_TAIL_S = 2,	    /* ... while somebody looks on, for that has an end */
	POLICY_FIRST_MS = 5000,	    /* a sensor that has no rules yet waits so long at its start */
	POLICY_BACKOFF_MAX_MS = 30000,
	POLICY_VERSION_LEN = 16,
};

struct policy;

struct policy_settings {
	const char *hub;   /* "http://host:port", without a path */
	const char *token; /* NULL: none */
	const char *node;  /* the hostname */
	const struct http_settings *http;
	const char *folder;   /* where the text is kept */
	const char *fallback; /* a rules file for the very first start without a hub; may not exist */
};

/* A compiled set; its owner frees the prefilter, then the registry. */
struct policy_set {
	struct fields *fields;
	struct prefilter *prefilter;
	char version[POLICY_VERSION_LEN + 1]; /* "" for the fallback */
	struct tail_order tail; /* the first rules are observe's, and all rules match */
};

/* Reads what is kept, else waits for the hub, else takes the fallback, else an empty set; then begins to
 * ask. All strings must outlive it. 0 or -errno. */
int policy_start(const struct policy_settings *settings, struct policy **ret,
		 struct policy_set *ret_first);
void policy_stop(struct policy *policy);

/* True when there is another set than the last one; it is the caller's from now on. */
bool policy_take(struct policy *policy, struct policy_set *ret);

/* Nobody looks on any more: the next set is without the filter. */
void policy_tail_over(struct policy *policy);

/* For the heartbeat: "policy":{"version":…,"current":…,"error":…}. `version` is the one in force. */
void policy_report(struct policy *policy, const char *version, struct buf *out);

void policy_set_done(struct policy_set *set);

#endif
