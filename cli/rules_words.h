/* What the verbs that tell of rules share. */
#ifndef CLI_RULES_WORDS_H
#define CLI_RULES_WORDS_H

#include "cli/rules_set.h"
#include "rules/describe.h"

/* ["a","b"] */
void words_add_json(struct buf *out, const struct words *words);

/* a, b */
void words_add(struct buf *out, const struct words *words);

/* The names of a set of event types; all of them too. */
void types_add_json(struct buf *out, const struct type_set *types);

/* "all", or up to `max` names and how many more. */
void types_add(struct buf *out, const struct type_set *types, size_t max);

/* Whether a rule takes part, and if not why: "enabled", "disabled by its own word", … True: enabled. */
bool state_add(struct buf *out, const struct rules_settings *settings, const struct rules_report *report,
               const struct described *rule);

#endif
