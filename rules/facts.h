/* From one check to facts about the path or the process, of which one must be so for it to hold. */
#ifndef RULES_FACTS_H
#define RULES_FACTS_H

#include "rules/compiled.h"
#include "rules/interest.h"

/* NULL: the check says nothing of what was asked for, or the arena is full. ret_chance: roughly, how often one of
 * them is so. The texts are the literals', or the arena's. */
const struct rules_fact *facts_of(const struct rules_asked *asked, const struct rules *rules,
				  const struct predicate *predicate, struct arena *arena,
				  uint32_t *ret_count, float *ret_chance);

/* The field that the predicate asks for, of a path perhaps its last component only. */
const struct term *facts_field(const struct rules *rules, const struct predicate *predicate, bool *ret_last);

#endif
