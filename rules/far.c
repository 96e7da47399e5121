/* Literals of predicates on the far end of a connection. */
#include "rules/far.h"

#include "rules/compiled.h"

static bool is_far(const struct term *term, bool port)
{
	static const field_id addresses[] = { FIELD_FD_SIP, FIELD_FD_RIP, FIELD_FD_IP,
					      FIELD_FD_SNET, FIELD_FD_RNET, FIELD_FD_NET };
	static const field_id ports[] = { FIELD_FD_SPORT, FIELD_FD_RPORT, FIELD_FD_PORT };
	const field_id *fields = port ? ports : addresses;
	size_t count = port ? ARRAY_LEN(ports) : ARRAY_LEN(addresses);

	for (size_t i = 0; term->kind == AST_FIELD && i < count; i++)
		if (term->base == fields[i])
			return true;
	return false;
}

static struct net_prefix network_of(const struct predicate *predicate, const struct literal *literal)
{
	if (predicate->class == CLASS_NETWORK)
		return literal->net;
	return (struct net_prefix){ .addr = literal->addr, .bits = (uint8_t)(literal->addr.len * 8) };
}

size_t rules_far_networks(const struct rules *rules, struct net_prefix *out, size_t max)
{
	size_t count = 0;

	for (uint32_t i = 0; i < rules->predicates_count; i++) {
		const struct predicate *predicate = &rules->predicates[i];

		if (!is_far(&rules->terms[predicate->term], false) ||
		    (predicate->class != CLASS_ADDRESS && predicate->class != CLASS_NETWORK))
			continue;
		for (uint32_t j = 0; j < predicate->count; j++, count++)
			if (count < max)
				out[count] = network_of(predicate, &predicate->literals[j]);
	}
	return count;
}

size_t rules_far_ports(const struct rules *rules, int64_t *out, size_t max)
{
	size_t count = 0;

	for (uint32_t i = 0; i < rules->predicates_count; i++) {
		const struct predicate *predicate = &rules->predicates[i];

		if (!is_far(&rules->terms[predicate->term], true) || predicate->class != CLASS_NUMBER)
			continue;
		for (uint32_t j = 0; j < predicate->count; j++, count++)
			if (count < max)
				out[count] = (int64_t)predicate->literals[j].number;
	}
	return count;
}
