/* Capabilities by name. */
#ifndef SENSOR_CAPS_H
#define SENSOR_CAPS_H

#include "base/str.h"

/* By number; NULL at the end. */
extern const char *const cap_names[];

/* The number of "CAP_SYS_ADMIN", or -1. */
int cap_find(struct str name);

#endif
