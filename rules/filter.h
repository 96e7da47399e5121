/* A condition by itself, as somebody types it to see events: made a rule, and its errors told by their
 * column in it. */
#ifndef RULES_FILTER_H
#define RULES_FILTER_H

#include "rules/rules.h"

enum { RULES_FILTER_MAX = 4096 }; /* bytes of a condition */

/* Appends a rule of this name with the condition, as a rules file has it. The condition stands on one
 * line: control characters in it become blanks. The rule is severe, so that no threshold leaves it out. */
void rules_filter_add(struct buf *out, const char *name, struct str condition);

/* Whether the condition is one. What is wrong with it is appended for people: a line "column N: …" for
 * each error, and the condition with a caret. 0, -EINVAL or -ENOMEM. */
int rules_filter_check(struct str condition, struct buf *ret_why);

#endif
