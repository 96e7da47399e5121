/* An alert as Falco prints it. */
#ifndef CLI_RULES_ALERT_H
#define CLI_RULES_ALERT_H

#include "cli/rules_set.h"

/* One line of JSON, keys sorted, for the event in the set; `iso`: times as Falco's
 * time_format_iso_8601 has them. False when memory is out. */
bool alert_add(struct rules_set *set, const struct rule *rule, bool iso, struct buf *out);

/* The output without time and priority. */
struct str alert_message(struct str output);

#endif
