/* /metrics: a thread that answers a scraper with the text it was last given. Serves one connection
 * at a time, each for two seconds at most: made for a scraper on the same host, not for the world.
 */
#ifndef SENSOR_EXPORTER_H
#define SENSOR_EXPORTER_H

#include "base/str.h"

struct exporter;

/* Listens on "HOST:PORT" with a numeric host ("127.0.0.1:2802", "[::1]:2802"; port 0: any). 0 or
 * -errno (-EINVAL: not such an address). */
int exporter_start(const char *address, struct exporter **ret);
void exporter_stop(struct exporter *exporter);

/* The port, when any was asked for. */
unsigned exporter_port(const struct exporter *exporter);

/* What /metrics says from now on (Prometheus text format); copied. */
void exporter_set(struct exporter *exporter, struct str text);

#endif
