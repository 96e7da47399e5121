/* Rules that deny, as the kernel's table of far ends. */
#include "sensor/enforce/refusals.h"

#include "rules_fixture.h"

#include <arpa/inet.h>

#define DENY(condition) "- rule: r\n  desc: d\n  condition: " condition "\n  output: o\n  priority: INFO\n  respond: deny\n"

static const struct refusal *longest(const struct refusals *refusals, const char *address)
{
	const struct refusal *best = NULL;
	uint8_t bytes[16] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, address, bytes + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, address, bytes), 1);
	for (size_t i = 0; i < refusals->count; i++) {
		const struct plan_far *far = &refusals->at[i].far;
		bool within = true;

		for (unsigned bit = 0; bit < far->bits; bit++)
			within &= ((far->address[bit / 8] ^ bytes[bit / 8]) >> (7 - bit % 8) & 1) == 0;
		if (within && (best == NULL || far->bits > best->far.bits))
			best = &refusals->at[i];
	}
	return best;
}

/* What is refused there, as bits of enum plan_far_what. */
static uint32_t refused(const struct refusals *refusals, const char *address, uint16_t port)
{
	const struct refusal *refusal = longest(refusals, address);
	uint32_t what = 0;

	for (uint32_t i = 0; refusal != NULL && i < refusal->ranges.count; i++)
		if (port >= refusal->ranges.at[i].from && port <= refusal->ranges.at[i].to)
			what |= refusal->ranges.at[i].what;
	return what;
}

enum { TCP = PLAN_FAR_STREAM, UDP = PLAN_FAR_DATAGRAM, SENT = PLAN_FAR_MESSAGE };

static const struct row {
	const char *condition;
	bool connects, messages; /* all of the rule's can be refused */
	const char *address;
	uint16_t port;
	uint32_t what;
} rows[] = {
	{ "evt.type=connect and fd.sip=1.2.3.4", true, true, "1.2.3.4", 80, TCP | UDP },
	{ "evt.type=connect and fd.sip=1.2.3.4", true, true, "1.2.3.5", 80, 0 },
	{ "evt.type=connect and fd.sip=1.2.3.4 and fd.l4proto=tcp", true, true, "1.2.3.4", 80, TCP },
	{ "evt.type=connect and fd.sport in (53, 80)", true, true, "9.9.9.9", 80, TCP | UDP },
	{ "evt.type=connect and fd.sport in (53, 80)", true, true, "9.9.9.9", 81, 0 },
	{ "evt.type=connect and fd.sport >= 1024", true, true, "::1", 1024, TCP | UDP },
	{ "evt.type=connect and fd.sport >= 1024", true, true, "::1", 1023, 0 },
	{ "evt.type=connect and fd.snet=10.0.0.0/8 and not fd.snet=10.1.0.0/16", true, true, "10.2.0.1", 1, TCP | UDP },
	{ "evt.type=connect and fd.snet=10.0.0.0/8 and not fd.snet=10.1.0.0/16", true, true, "10.1.0.1", 1, 0 },
	{ "evt.type=connect and fd.snet=10.0.0.0/8 and fd.sip != 10.1.0.1", true, true, "10.1.0.1", 1, 0 },
	{ "evt.type=connect and (evt.rawres >= 0 or evt.res = EINPROGRESS) and fd.rip=1.2.3.4", true, true, "1.2.3.4", 1,
	  TCP | UDP },
	{ "evt.type in (sendto, sendmsg) and fd.sport=53", true, true, "1.1.1.1", 53, SENT },
	{ "evt.type=sendto and fd.sport=53", true, false, "1.1.1.1", 53, 0 },
	{ "evt.type=connect and fd.sip=1.2.3.4 and proc.name=nc", false, true, "1.2.3.4", 80, 0 },
	{ "evt.type=connect and fd.sip=1.2.3.4 and evt.failed=true", true, true, "1.2.3.4", 80, 0 },
	{ "evt.type=connect and (fd.sip=1.2.3.4 or proc.name=nc)", false, true, "1.2.3.4", 80, TCP | UDP },
	{ "evt.type=connect and fd.ip=1.2.3.4", false, true, "1.2.3.4", 80, TCP | UDP },
	{ "evt.type=connect and not fd.ip=1.2.3.4", false, true, "1.2.3.4", 80, 0 },
	{ "evt.type=connect and not fd.ip=1.2.3.4", false, true, "1.2.3.5", 80, 0 },
	{ "evt.type=unlink", true, true, "1.2.3.5", 80, 0 },
};

static void only_what_a_rule_surely_matches(void **state)
{
	const struct row *row = *state;
	const struct rules_settings settings = { .priority_max = PRIORITY_DEBUG };
	struct refusals refusals;
	struct loaded loaded;
	struct buf yaml = { 0 };

	buf_addf(&yaml, DENY("%s"), row->condition);
	load_texts(&loaded, &settings, &(struct rules_text){ .name = "t.yaml", .text = buf_str(&yaml) }, 1);
	assert_int_equal(loaded.result, 0);
	assert_int_equal(refusals_new(loaded.rules, &refusals), 0);
	assert_int_equal(refused(&refusals, row->address, row->port), row->what);
	if (refusals.count > 0) {
		assert_int_equal(refusals.rules[0].connects, row->connects);
		assert_int_equal(refusals.rules[0].messages, row->messages);
	}
	refusals_done(&refusals);
	loaded_done(&loaded);
	buf_done(&yaml);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(rows)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].condition,
						.test_func = only_what_a_rule_surely_matches,
						.initial_state = (void *)(uintptr_t)&rows[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
