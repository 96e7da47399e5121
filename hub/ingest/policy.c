/* The long poll for rules. */
#include "hub/ingest/policy.h"

#include "base/clock.h"
#include "hub/tails.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct waiting {
	struct waiting *next;
	struct server_request *request;
	int64_t deadline_ns;
};

struct policy {
	struct policy_settings settings;
	struct waiting *first;
	size_t count;
	bool stopping;
	struct server_body *body; /* the rules as last sent, and their version: one text for all who wait */
	char version[17];
	counter sent, unchanged;
};

struct policy *policy_new(const struct policy_settings *settings)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (policy != NULL)
		policy->settings = *settings;
	return policy;
}

void policy_free(struct policy *policy)
{
	if (policy == NULL)
		return;
	for (struct waiting *at = policy->first, *next; at != NULL; at = next) {
		next = at->next;
		free(at);
	}
	server_body_unref(policy->body);
	free(policy);
}

/* The text of the version in force, made once for each. False: out of memory. */
static bool have_body(struct policy *policy)
{
	struct buf text = { 0 };
	char version[17];

	policy->settings.rules(policy->settings.userdata, version, NULL);
	if (policy->body != NULL && strcmp(version, policy->version) == 0)
		return true;
	server_body_unref(policy->body);
	policy->body = NULL;
	policy->settings.rules(policy->settings.userdata, policy->version, &text);
	if (buf_ok(&text))
		policy->body = server_body_new(buf_str(&text));
	buf_done(&text);
	return policy->body != NULL;
}

static void send_rules(struct policy *policy, struct server_request *request)
{
	char etag[32];
	const char *const headers[] = { etag, "Cache-Control: no-cache", NULL };

	if (!have_body(policy)) {
		server_problem(request, 503, "out of memory", NULL);
		return;
	}
	snprintf(etag, sizeof(etag), "ETag: \"%s\"", policy->version);
	counter_add(&policy->sent, 1);
	server_answer_shared(request, 200, "application/json", policy->body, headers);
}

static void send_unchanged(struct policy *policy, struct server_request *request)
{
	char version[17], etag[32];
	const char *const headers[] = { etag, NULL };

	policy->settings.rules(policy->settings.userdata, version, NULL);
	snprintf(etag, sizeof(etag), "ETag: \"%s\"", version);
	counter_add(&policy->unchanged, 1);
	server_answer(request, 304, NULL, (struct str){ 0 }, headers);
}

static bool has_it(struct policy *policy, const struct server_request *request)
{
	const char *known = server_header(request, "If-None-Match");
	char version[17];

	policy->settings.rules(policy->settings.userdata, version, NULL);
	return known != NULL && strstr(known, version) != NULL;
}

/* Seconds of "wait=N"; 0 without. */
static int64_t wait_of(const struct server_request *request)
{
	const char *prefer = server_header(request, "Prefer"), *found;
	uint64_t seconds = 0;
	struct str digits;

	found = prefer == NULL ? NULL : strstr(prefer, "wait=");
	if (found == NULL)
		return 0;
	digits = str_of(found + 5);
	digits.len = strspn(found + 5, "0123456789");
	if (!str_to_u64(digits, &seconds))
		return 0;
	return seconds > POLICY_WAIT_MAX_S ? POLICY_WAIT_MAX_S : (int64_t)seconds;
}

/* True: answered with an order, in place of rules. */
static bool send_order(struct policy *policy, struct server_request *request)
{
	const char *node = server_header(request, "X-Tocsin-Node");
	static const char *const headers[] = { "Cache-Control: no-cache", NULL };
	struct buf text = { 0 };
	bool ordered;

	if (node == NULL)
		return false;
	ordered = tails_order(policy->settings.tails, str_of(node), &text);
	if (ordered)
		server_answer(request, 200, "application/json", buf_str(&text), headers);
	buf_done(&text);
	return ordered;
}

void policy_orders(struct policy *policy)
{
	struct waiting **at = &policy->first;

	while (*at != NULL) {
		struct waiting *waiting = *at;

		if (!send_order(policy, waiting->request)) {
			at = &waiting->next;
			continue;
		}
		*at = waiting->next;
		policy->count--;
		free(waiting);
	}
}

void policy_ask(struct policy *policy, struct server_request *request)
{
	int64_t wait_s = wait_of(request);
	struct waiting *waiting;

	if (wait_s > 0 && send_order(policy, request))
		return;
	if (!has_it(policy, request)) {
		send_rules(policy, request);
		return;
	}
	waiting = wait_s == 0 || policy->stopping || policy->count >= POLICY_WAITING_MAX
	                  ? NULL : malloc(sizeof(*waiting));
	if (waiting == NULL) {
		send_unchanged(policy, request);
		return;
	}
	*waiting = (struct waiting){ .next = policy->first, .request = request,
		                     .deadline_ns = clock_mono() + wait_s * NS_PER_S };
	policy->first = waiting;
	policy->count++;
}

/* Takes from the list those whose deadline is before `until`, and answers them. */
static void answer(struct policy *policy, int64_t until, void (*send)(struct policy *, struct server_request *))
{
	struct waiting **at = &policy->first;

	while (*at != NULL) {
		struct waiting *waiting = *at;

		if (waiting->deadline_ns > until) {
			at = &waiting->next;
			continue;
		}
		*at = waiting->next;
		policy->count--;
		send(policy, waiting->request);
		free(waiting);
	}
}

void policy_changed(struct policy *policy)
{
	answer(policy, INT64_MAX, send_rules);
}

void policy_tick(struct policy *policy)
{
	answer(policy, clock_mono(), send_unchanged);
}

void policy_quiesce(struct policy *policy)
{
	policy->stopping = true;
	answer(policy, INT64_MAX, send_unchanged);
}

void policy_metrics(const struct policy *policy, struct metrics *metrics)
{
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_policies_sent", NULL, "Rules handed to sensors.");
	metrics_u64(metrics, NULL, counter_get(&policy->sent));
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_policies_unchanged", NULL,
	               "Sensors' questions for rules that were answered with: no others.");
	metrics_u64(metrics, NULL, counter_get(&policy->unchanged));
	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_policies_waiting", NULL, "Sensors that wait for other rules.");
	metrics_u64(metrics, NULL, policy->count);
}
