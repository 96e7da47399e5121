/* Request bodies, gzipped. One state for the life of a connection: making one costs more than
 * packing a small batch. One thread. */
#ifndef SENSOR_GZIP_H
#define SENSOR_GZIP_H

#include "base/buf.h"

struct gzip;

/* Level 1: on the edge time is dearer than bytes. NULL: out of memory. */
struct gzip *gzip_new(void);
void gzip_free(struct gzip *gzip);

/* `body` packed into `out` (replaced). False: out of memory. */
bool gzip_pack(struct gzip *gzip, struct str body, struct buf *out);

#endif
