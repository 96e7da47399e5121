/* "Did you mean …?": the candidate that is nearest to a name that nobody knows. */
#ifndef RULES_NEAR_H
#define RULES_NEAR_H

#include "base/str.h"

struct near {
	struct str name, best; /* best: empty while none is near enough */
	size_t distance;
};

struct near near_to(struct str name);
void near_try(struct near *near, struct str candidate);

/* How many single edits lie between two names, whatever their case; more than `max`: max + 1. */
size_t near_distance(struct str a, struct str b, size_t max);

#endif
