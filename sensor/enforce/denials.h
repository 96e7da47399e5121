/* What the kernel is to deny by itself, where it asks before it does what a call wants (BPF LSM): rules that deny, as far
 * as it can tell by facts of its own that they match. Pure. */
#ifndef SENSOR_ENFORCE_DENIALS_H
#define SENSOR_ENFORCE_DENIALS_H

#include "rules/rules.h"
#include "sensor/enforce/facts.h"

/* What becomes of a rule's calls of one name. */
enum denial {
	DENIAL_NO = 0, /* none of them, or the kernel does not ask about such */
	DENIAL_SOME,
	DENIAL_ALL,
};

struct denials {
	struct facts facts;
	struct plan_deny calls[PLAN_CALLS]; /* by call number */
	struct plan_denial clauses[PLAN_CLAUSES];
	size_t clauses_count;
	struct plan_deny_arg args[PLAN_DENY_ARGS];
	size_t args_count;
	uint16_t by_uring[PLAN_HOOKS]; /* the call that an io_uring asks for there; PLAN_CALLS: none */
	uint32_t hooks;		       /* that are needed, as bits */
	uint8_t (*what)[CALLS_MAX];    /* enum denial, by rule and row of calls[] */
};

/* `hooks`: those that there are, as bits. 0 or -ENOMEM. */
int denials_new(const struct rules *rules, uint32_t hooks, struct denials **ret);
void denials_free(struct denials *denials);

/* Whether all opens of the rule, or all programs that it is about, are denied so. */
bool denials_has_opens(const struct denials *denials, const struct rules *rules, size_t rule);
bool denials_has_execs(const struct denials *denials, const struct rules *rules, size_t rule);

#endif
