/* Routes: which outputs get an alert, and whether all or only its incident's changes. Pure. */
#ifndef HUB_ROUTE_H
#define HUB_ROUTE_H

#include "hub/config.h"
#include "hub/journal/journal.h"

/* 0: the output gets it; else why not: JOURNAL_SUPPRESSED_…. Routes are looked at in order; the first
 * that matches decides, with `continue` the ones behind it as well, and the output gets the alert when
 * one of them leads to it. Without any route every output gets everything. Reads the alert when a
 * matcher needs it; an alert that cannot be read matches no matcher. */
enum journal_outcome route_decide(const struct config *config, const struct config_output *output,
                                  struct alert *alert, struct arena *arena);

#endif
