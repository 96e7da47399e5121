/* An open as if it had worked, before it begins. */
#ifndef SENSOR_PTRACE_PRESUME_H
#define SENSOR_PTRACE_PRESUME_H

#include "sensor/record.h"

#include <stdbool.h>

/* Puts what it would open, links followed, and the descriptor that it would get into a record that has its
 * arguments. False: that cannot be known, or it will fail by itself. */
bool presume_open(struct record *record, int presumed);

#endif
