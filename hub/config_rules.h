/* The parts of the configuration that are about rules and are no plain settings: Falco's `rules:` (which
 * are enabled) and `append_output:` (what every output gets in addition), under Falco's own names. */
#ifndef HUB_CONFIG_RULES_H
#define HUB_CONFIG_RULES_H

#include "base/conf.h"
#include "hub/config.h"

enum { CONFIG_CHOICES_MAX = 1000, CONFIG_EXTRAS_MAX = 100 };

/* Fills config->choices, ->extras and ->suggested_output; faults go to the reader's errors. */
void config_rules_fill(struct conf_reader *reader, struct config *config);

void config_rules_show(const struct config *config, struct buf *out);

#endif
