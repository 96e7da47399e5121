/* The rules as the hub's configuration names them, and as the API tells of them. */
#ifndef HUB_RULES_FILE_H
#define HUB_RULES_FILE_H

#include "hub/config.h"
#include "rules/rules.h"

/* What the configuration says of rules, in the rule library's terms. Points into the configuration. */
void rules_file_settings(const struct config *config, struct rules_settings *ret);

/* [{"name":…,"priority":…,"source":…,"tags":[…],"enabled":…},…]; NULL rules: []. */
void rules_file_list(const struct rules *rules, struct buf *out);

/* What sensors load: the files' texts and the settings that decide which rules are on and which fields
 * they read, as one JSON object; see sensor/policy.h. NULL rules: no files. */
void rules_file_bundle(const struct config *config, const struct rules *rules, struct buf *out);

#endif
