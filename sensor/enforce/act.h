/* What is done to a process or its container. Each refuses what would do more harm than any rule can mean. */
#ifndef SENSOR_ENFORCE_ACT_H
#define SENSOR_ENFORCE_ACT_H

#include "base/buf.h"

#include <stdint.h>

/* Ends the process with all its threads, if it is still the one that made a call at `called_ns` since boot.
 * 0; -ESRCH: it has ended; -EPERM: process 1, the sensor itself, or one that it may not signal. */
int act_kill(uint32_t tgid, uint64_t called_ns);

/* Stops the container that the process is in; *ret_thaw is what lets it go on, a line for a shell. `id`: only if that is the container's whole id; empty: any. 0;
 * -ENOENT: it is in none; -EBUSY: the sensor is in it, too; -EXDEV: its cgroup lies outside of what is
 * mounted here; else -errno. */
int act_freeze(uint32_t tgid, struct str id, struct buf *ret_thaw);

/* Where a tree of cgroups is mounted: of this type and with this option, NULL for any. */
bool cgroup_mount(const char *type, const char *option, char *ret, size_t size);

#endif
