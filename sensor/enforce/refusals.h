/* Which connections the kernel is to refuse: rules that deny, reduced to a table by the far end's address and
 * ports. Only what a rule surely matches, whoever connects, is in it. Pure. */
#ifndef SENSOR_ENFORCE_REFUSALS_H
#define SENSOR_ENFORCE_REFUSALS_H

#include "rules/rules.h"
#include "sensor/plan.h"

enum {
	REFUSALS_NETWORKS_MAX = 1024, /* that rules which deny name; beyond it nothing is refused */
	REFUSALS_PORTS_MAX = 64,
};

struct refusal {
	struct plan_far far;
	struct plan_far_ranges ranges;
};

/* How much of a rule the table has. */
struct refusals_rule {
	bool connects, messages;       /* all of its connections; of its messages */
	bool any;		       /* some of either */
};

struct refusals {
	struct refusal *at;
	size_t count;
	struct refusals_rule *rules; /* by place in the rules */
	bool too_many; /* networks, ports or ranges: nothing is refused */
};

/* 0 or -ENOMEM. */
int refusals_new(const struct rules *rules, struct refusals *ret);
void refusals_done(struct refusals *refusals);

#endif
