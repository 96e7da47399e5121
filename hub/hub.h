/* The hub as a whole: its rooms, opened in order, and the loop of the thread that takes events. */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include "hub/config.h"

struct hub;

/* Opens everything: rules, journal, outputs, API, ingest. Logs what an operator wants to know of it. 0
 * or -errno, with the reason logged. The configuration must outlive it. */
int hub_new(const struct config *config, struct hub **ret);

/* Serves until SIGTERM or SIGINT; then answers what is under way and returns 0. */
int hub_run(struct hub *hub);

/* Stops deliveries (those under way get a few seconds), writes what waits, closes. */
void hub_free(struct hub *hub);

#endif
