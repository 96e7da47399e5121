/* Programs as they were started. An image is shared by all processes forked from the one that ran
 * it, so that a server with a thousand workers keeps its command line once. */
#ifndef SENSOR_IMAGE_H
#define SENSOR_IMAGE_H

#include "sensor/procs.h"

/* An image with its strings in the same allocation. `args` and `env` have a NUL behind each item.
 * Flags, times and owners are the caller's to set. NULL: out of memory. One reference. */
struct image *image_new(struct str exepath, struct str args, struct str env);
struct image *image_ref(struct image *image);
void image_unref(struct image *image);

#endif
