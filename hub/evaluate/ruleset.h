/* One generation of the rules, with all that depends on it: the registry of fields that they want, and
 * the event and the scratch that are sized for it. A reload makes another one beside it; the old one
 * lives until the last who holds it lets go. Made on any thread, from then on one thread's. */
#ifndef HUB_RULESET_H
#define HUB_RULESET_H

#include "hub/config.h"
#include "include/event.h"
#include "rules/rules.h"

struct ruleset {
	struct fields *fields;
	struct rules *rules;           /* NULL: none are configured */
	struct rules_scratch *scratch; /* NULL without rules */
	struct event event;            /* the one that is being looked at */
	unsigned refs;
};

/* Loads and compiles what the configuration names. `report` is filled in any case. 0, -EINVAL (the
 * report holds an error) or -ENOMEM. */
int ruleset_new(const struct config *config, struct rules_report *report, struct ruleset **ret);

struct ruleset *ruleset_ref(struct ruleset *set);

/* Accepts NULL. */
void ruleset_unref(struct ruleset *set);

#endif
