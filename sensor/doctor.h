/* What this machine lets a sensor do. */
#ifndef SENSOR_DOCTOR_H
#define SENSOR_DOCTOR_H

#include "sensor/options.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether the eBPF probe can work here; either way `why` says, for people, what decides it. */
bool doctor_ebpf(char *why, size_t size);

/* Prints what is there, what is missing and what that costs. The exit status: 0 when some probe can
 * work. */
int doctor_print(const struct options *options);

#endif
