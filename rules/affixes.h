/* What texts begin and end with. All literals that a term is compared to by startswith are in one trie,
 * and a value is walked down it once an event: hundreds of prefixes cost as many steps as the longest that
 * fits, most often a few. The same backwards for endswith, and over path components for pmatch. What stands
 * anywhere inside is looked for by fragments.h, behind the same door. */
#ifndef RULES_AFFIXES_H
#define RULES_AFFIXES_H

#include "rules/compiled.h"

struct compiler;

/* Of which kind all the predicate's literals are; AFFIX_KINDS: they cannot be looked for so. */
enum affix affix_of(const struct rules *rules, const struct predicate *predicate);

/* Fills terms' affixes and predicates' affix_plus_1. False: out of memory. */
bool affixes_make(struct compiler *c);

/* Walks the term's values, once an event for each kind: scratch->hit then says which of its predicates with
 * such an affix hold. False: a value is not a text, and each predicate has to look for itself. */
bool affixes_look(struct rules_scratch *scratch, uint32_t term, enum affix kind);

/* The predicate holds for the event. */
void affix_hit(struct rules_scratch *scratch, uint32_t predicate);

#endif
