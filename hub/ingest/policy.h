/* Rules for sensors, over HTTP: GET /api/v1/sensors/rules. The answer carries an ETag; with If-None-Match
 * and `Prefer: wait=SECONDS` (RFC 7240) a request for what the sensor has already is held until there is
 * something newer or the time is over (304), so that a change reaches all nodes at once. */
#ifndef HUB_POLICY_H
#define HUB_POLICY_H

#include "base/metrics.h"
#include "hub/server.h"

struct policy;
struct tails;

enum {
	POLICY_WAIT_MAX_S = 60,
	POLICY_WAITING_MAX = 20000, /* beyond it 304 comes at once; sensors then ask less often */
};

struct policy_settings {
	/* The version of the rules and, unless `out` is NULL, their text. */
	void (*rules)(void *userdata, char version[17], struct buf *out);
	void *userdata;
	struct tails *tails; /* what else sensors are asked for in this way */
};

/* NULL: out of memory. */
struct policy *policy_new(const struct policy_settings *settings);
void policy_free(struct policy *policy);

/* Answers, now or later. */
void policy_ask(struct policy *policy, struct server_request *request);

/* Other rules are in force: answers all who wait. */
void policy_changed(struct policy *policy);

/* Somebody looks on at a node: its sensor is answered with that, if it waits. A sensor says where it is by
 * X-Tocsin-Node, its hostname. */
void policy_orders(struct policy *policy);

/* Answers those whose time is over. */
void policy_tick(struct policy *policy);

/* The hub stops: everybody is answered. */
void policy_quiesce(struct policy *policy);

void policy_metrics(const struct policy *policy, struct metrics *metrics);

#endif
