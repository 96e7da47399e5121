/* What the questions about events before they exist share. */
#ifndef RULES_INTEREST_INNER_H
#define RULES_INTEREST_INNER_H

#include "rules/compiled.h"
#include "rules/interest.h"

struct answer {
	enum rules_verdict verdict;
	bool is_certain; /* of RULES_ALWAYS: it does hold, so `not` of it never does */
	uint32_t count;
	const struct rules_fact *facts;
	float chance;
};

struct rules_interest {
	const struct rules *rules;
	struct arena arena; /* of one question */
	struct answer *of;  /* by node, when its stamp is now's */
	uint32_t *stamps, now;
	struct rules_asked asked;
	struct rules_fact *facts; /* the answer: RULES_FACTS_MAX */
};

enum truth { TRUTH_UNKNOWN = 0, TRUTH_YES, TRUTH_NO };

/* Forgets the last question. */
void interest_begin(struct rules_interest *interest, const struct rules_asked *asked);

/* Whether the check holds for all events of which what was said is known. */
enum truth interest_truth(const struct rules_interest *interest, const struct predicate *predicate);

#endif
