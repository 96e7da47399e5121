/* What texts have anywhere inside. Of each literal that a term is compared to by contains, icontains or glob,
 * three bytes are chosen that are seldom seen, and a bit by their hash is set. A value is gone through once an
 * event, three bytes at a time: hardly any has its bit set, so hundreds of literals cost as much as one. Where
 * a bit is set, the literals that have it are compared in full. */
#ifndef RULES_FRAGMENTS_H
#define RULES_FRAGMENTS_H

#include "rules/compiled.h"

struct compiler;

/* Whether the literal has three bytes in a row that the value must have, too. */
bool fragments_can(enum op op, struct str literal);

/* Fills the term's fragments: of all literals of these predicates. False: out of memory. */
bool fragments_make(struct compiler *c, uint32_t term, const uint32_t *predicates, size_t count);

/* Marks those of the predicates that hold for the value, by affix_hit(). */
void fragments_look(struct rules_scratch *scratch, const struct fragments *fragments, struct str value);

#endif
