/* Every network and port that a rule names splits the space of far ends; of each part every rule is asked
 * whether it surely matches a connection there. */
#include "sensor/enforce/refusals.h"

#include "base/cleanup.h"
#include "rules/far.h"

#include <errno.h>
#include <stdlib.h>

enum { KNOWN_MAX = 24, BOUNDS_MAX = 2 * REFUSALS_PORTS_MAX + 2 };

struct making {
	const struct rules *rules;
	struct rules_interest *interest;
	struct net_prefix networks[REFUSALS_NETWORKS_MAX + 2];
	size_t networks_count;
	uint32_t bounds[BOUNDS_MAX]; /* where a range of ports begins; the last is 65536 */
	size_t bounds_count;
	struct refusals *to;
};

/* ---- the parts ---- */

static int compare_bounds(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void split_ports(struct making *m, const int64_t *ports, size_t count)
{
	size_t kept = 0;

	m->bounds[m->bounds_count++] = 0;
	m->bounds[m->bounds_count++] = 65536;
	for (size_t i = 0; i < count; i++)
		for (int64_t at = ports[i]; at <= ports[i] + 1; at++)
			if (at > 0 && at < 65536)
				m->bounds[m->bounds_count++] = (uint32_t)at;
	qsort(m->bounds, m->bounds_count, sizeof(m->bounds[0]), compare_bounds);
	for (size_t i = 0; i < m->bounds_count; i++)
		if (kept == 0 || m->bounds[kept - 1] != m->bounds[i])
			m->bounds[kept++] = m->bounds[i];
	m->bounds_count = kept;
}

/* With what is in no network that a rule names. */
static bool split(struct making *m)
{
	int64_t ports[REFUSALS_PORTS_MAX];
	size_t count = rules_far_ports(m->rules, ports, REFUSALS_PORTS_MAX);

	m->networks_count = rules_far_networks(m->rules, m->networks, REFUSALS_NETWORKS_MAX);
	if (count > REFUSALS_PORTS_MAX || m->networks_count > REFUSALS_NETWORKS_MAX)
		return false;
	m->networks[m->networks_count++] = (struct net_prefix){ .addr.len = 4 };
	m->networks[m->networks_count++] = (struct net_prefix){ .addr.len = 16 };
	split_ports(m, ports, count);
	return true;
}

/* ---- asking ---- */

struct known {
	struct rules_known at[KNOWN_MAX];
	size_t count;
};

static void know_number(struct known *known, field_id field, int64_t min, int64_t max)
{
	known->at[known->count++] = (struct rules_known){ .field = field, .min = min, .max = max };
}

static void know_text(struct known *known, field_id field, const char *text)
{
	known->at[known->count++] = (struct rules_known){ .field = field, .texts = { text } };
}

static struct known know(const struct net_prefix *network, uint32_t from, uint32_t to, const char *type, bool stream)
{
	static const field_id ends[] = { FIELD_FD_SIP,	FIELD_FD_RIP,  FIELD_FD_IP,
					 FIELD_FD_SNET, FIELD_FD_RNET, FIELD_FD_NET };
	static const field_id ports[] = { FIELD_FD_SPORT, FIELD_FD_RPORT, FIELD_FD_PORT };
	struct known known = { .count = 0 };
	bool v4 = network->addr.len == 4;

	know_text(&known, FIELD_EVT_TYPE, type);
	know_text(&known, FIELD_EVT_RES, "SUCCESS");
	know_number(&known, FIELD_EVT_RAWRES, 0, INT64_MAX);
	know_number(&known, FIELD_EVT_FAILED, 0, 0);
	know_number(&known, FIELD_FD_NUM, 0, INT32_MAX);
	know_number(&known, FIELD_FD_IS_SERVER, 0, 0);
	know_text(&known, FIELD_FD_TYPE, v4 ? "ipv4" : "ipv6");
	know_text(&known, FIELD_FD_TYPECHAR, v4 ? "4" : "6");
	know_text(&known, FIELD_FD_SOCKFAMILY, "ip");
	know_text(&known, FIELD_FD_L4PROTO, stream ? "tcp" : "udp");
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		known.at[known.count++] = (struct rules_known){ .field = ends[i], .within = network };
	for (size_t i = 0; i < ARRAY_LEN(ports); i++)
		know_number(&known, ports[i], from, to);
	return known;
}

static enum rules_verdict ask(const struct making *m, size_t rule, const struct net_prefix *network, uint32_t from,
			      uint32_t to, const char *type, bool stream)
{
	const struct known known = know(network, from, to, type, stream);

	return rules_interest_surely(m->interest, rule, known.at, known.count);
}

static bool denies(const struct rules *rules, size_t index)
{
	const struct rule *rule = rules_at(rules, index);

	return rule_is_enabled(rule) && rule_respond(rule).action == RESPOND_DENY;
}

static uint32_t connections(const struct making *m, size_t rule, const struct net_prefix *network, uint32_t from, uint32_t to)
{
	struct refusals_rule *of = &m->to->rules[rule];
	uint32_t what = 0;

	for (int stream = 0; stream < 2; stream++) {
		enum rules_verdict verdict = ask(m, rule, network, from, to, "connect", stream);

		what |= verdict != RULES_ALWAYS ? 0 : stream ? PLAN_FAR_STREAM : PLAN_FAR_DATAGRAM;
		of->any |= verdict == RULES_ALWAYS;
		of->connects &= verdict != RULES_IF;
	}
	return what;
}

/* The kernel does not tell by which call a message goes: the rule has to mean both. */
static uint32_t messages(const struct making *m, size_t rule, const struct net_prefix *network, uint32_t from, uint32_t to)
{
	struct refusals_rule *of = &m->to->rules[rule];
	enum rules_verdict to_one = ask(m, rule, network, from, to, "sendto", false);
	enum rules_verdict other = ask(m, rule, network, from, to, "sendmsg", false);
	bool surely = to_one == RULES_ALWAYS && other == RULES_ALWAYS;

	of->any |= surely;
	of->messages &= surely || (to_one == RULES_NEVER && other == RULES_NEVER);
	return surely ? PLAN_FAR_MESSAGE : 0;
}

/* ---- the table ---- */

static struct plan_far far_of(const struct net_prefix *network)
{
	struct plan_far far = { .bits = network->bits };

	if (network->addr.len == 16) {
		memcpy(far.address, network->addr.bytes, 16);
		return far;
	}
	far.bits += 96;
	far.address[10] = far.address[11] = 0xff;
	memcpy(far.address + 12, network->addr.bytes, 4);
	return far;
}

static bool add_range(struct plan_far_ranges *ranges, uint32_t from, uint32_t to, uint32_t what)
{
	struct plan_far_range *last = ranges->count == 0 ? NULL : &ranges->at[ranges->count - 1];

	if (what == 0)
		return true;
	if (last != NULL && last->what == what && last->to + 1u == from) {
		last->to = (uint16_t)to;
		return true;
	}
	if (ranges->count == PLAN_FAR_RANGES)
		return false;
	ranges->at[ranges->count++] =
		(struct plan_far_range){ .from = (uint16_t)from, .to = (uint16_t)to, .what = what };
	return true;
}

/* An entry for every network, be it empty: it stands before the wider ones. */
static bool add_network(struct making *m, const struct net_prefix *network)
{
	struct refusal *refusal = &m->to->at[m->to->count++];

	*refusal = (struct refusal){ .far = far_of(network) };
	for (size_t i = 0; i + 1 < m->bounds_count; i++) {
		uint32_t from = m->bounds[i], to = m->bounds[i + 1] - 1, what = 0;

		for (size_t rule = 0; rule < rules_count(m->rules); rule++)
			if (denies(m->rules, rule))
				what |= connections(m, rule, network, from, to) | messages(m, rule, network, from, to);
		if (!add_range(&refusal->ranges, from, to, what))
			return false;
	}
	return true;
}

static bool denies_any(const struct rules *rules)
{
	static const struct str types[] = { STR("connect"), STR("sendto"), STR("sendmsg") };

	for (size_t i = 0; i < rules_count(rules); i++)
		for (size_t t = 0; t < ARRAY_LEN(types) && denies(rules, i); t++)
			if (rule_wants_type(rules_at(rules, i), types[t]))
				return true;
	return false;
}

static int make(struct making *m)
{
	size_t count = rules_count(m->rules);

	m->to->rules = calloc(count + 1, sizeof(*m->to->rules));
	if (m->to->rules == NULL)
		return -ENOMEM;
	if (!denies_any(m->rules))
		return 0;
	m->to->too_many = !split(m);
	m->to->at = calloc(m->networks_count + 1, sizeof(*m->to->at));
	if (m->to->at == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		m->to->rules[i] = (struct refusals_rule){ .connects = true, .messages = true };
	for (size_t i = 0; i < m->networks_count && !m->to->too_many; i++)
		m->to->too_many = !add_network(m, &m->networks[i]);
	if (!m->to->too_many)
		return 0;
	m->to->count = 0;
	memset(m->to->rules, 0, count * sizeof(*m->to->rules));
	return 0;
}

int refusals_new(const struct rules *rules, struct refusals *ret)
{
	autofree struct making *m = calloc(1, sizeof(*m));
	int r = -ENOMEM;

	*ret = (struct refusals){ 0 };
	if (m == NULL)
		return r;
	m->rules = rules;
	m->to = ret;
	m->interest = rules_interest_new(rules);
	if (m->interest != NULL)
		r = make(m);
	rules_interest_free(m->interest);
	if (r < 0)
		refusals_done(ret);
	return r;
}

void refusals_done(struct refusals *refusals)
{
	free(refusals->at);
	free(refusals->rules);
	*refusals = (struct refusals){ 0 };
}
