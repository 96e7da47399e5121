/* The other way to match: rule by rule, every predicate each time it is met, no index by type. For
 * the benchmark's baseline, and for tests that the sharing changes nothing. */
#ifndef RULES_EVAL_H
#define RULES_EVAL_H

#include "rules/compiled.h"

size_t rules_match_plain(const struct rules *rules, struct rules_scratch *scratch,
			 const struct event *event, const struct rule **hits, size_t max);

#endif
