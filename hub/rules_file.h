/* The rules as the hub's configuration names them. */
#ifndef HUB_RULES_FILE_H
#define HUB_RULES_FILE_H

#include "hub/config.h"
#include "include/fields.h"
#include "rules/rules.h"

/* Loads config->rules_files; none is no error: *ret is NULL. Errors and warnings go to stderr with their place. 0 or -EINVAL. */
int rules_file_load(const struct config *config, struct fields *fields, struct rules **ret);

/* [{"name":…,"priority":…,"source":…,"tags":[…],"enabled":…},…]; NULL rules: []. */
void rules_file_list(const struct rules *rules, struct buf *out);

#endif
