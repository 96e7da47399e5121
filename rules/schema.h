/* What Falco's schema of a rules file has against one: keys that no item has, priorities that are not
 * spelt in capitals, values of another kind. Never fails a load. */
#ifndef RULES_SCHEMA_H
#define RULES_SCHEMA_H

#include "rules/report.h"

void schema_check(struct rules_report *report, const struct yaml *root);

#endif
