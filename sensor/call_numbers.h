/* Numbers of system calls that this machine's C library or architecture does not have. Those that only
 * 32-bit programs can make get numbers of our own, which the kernel never uses. */
#ifndef SENSOR_CALL_NUMBERS_H
#define SENSOR_CALL_NUMBERS_H

#include "sensor/plan.h"

#include <sys/syscall.h>

#ifndef SYS_umount
#define SYS_umount (PLAN_FOREIGN + 0)
#endif

#endif
