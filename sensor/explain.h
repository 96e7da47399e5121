/* What rules ask of a sensor, told without observing anything. */
#ifndef SENSOR_EXPLAIN_H
#define SENSOR_EXPLAIN_H

#include "sensor/options.h"

/* Prints for each system call which of its ends pass and for which rule, and what is looked for in paths.
 * Errors of the rules go to stderr. The exit status. */
int explain_interest(const struct options *options);

#endif
