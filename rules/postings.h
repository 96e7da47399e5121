/* Making lists of numbers that lie one behind the other: the pairs are gone through twice, once to count
 * and once to fill. */
#ifndef RULES_POSTINGS_H
#define RULES_POSTINGS_H

#include "rules/compiler.h"

struct filling {
	struct postings *postings;
	uint32_t *next; /* by list: where its next number goes; NULL: counting into postings->first */
};

/* Adds `number` to list `list`, or counts it. */
static inline void postings_add(struct filling *filling, uint32_t list, uint32_t number)
{
	if (filling->next == NULL)
		filling->postings->first[list + 1]++;
	else
		filling->postings->at[filling->next[list]++] = number;
}

/* Before counting, and between counting and filling. False: out of memory. */
bool postings_begin(struct compiler *c, struct postings *postings, uint32_t lists);
bool postings_fill(struct compiler *c, struct filling *filling, uint32_t lists);

#endif
