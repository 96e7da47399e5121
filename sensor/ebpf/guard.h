/* What is done to the probe itself: who signalled the sensor, whether its programs are attached. */
#ifndef SENSOR_EBPF_GUARD_H
#define SENSOR_EBPF_GUARD_H

#include "sensor/plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_object_skeleton;

/* Keeps the map of senders at `path` in a BPF file system, in the place of what an earlier run left there, whose
 * SIGKILL is *ret_killer; number 0: there was none. At most 64 are kept in the
 * folder, the newest ones. Without such a file system nothing is kept. */
void guard_keep(int map, const char *path, struct plan_sender *ret_killer);

/* At an orderly end nothing is left behind. */
void guard_forget(const char *path);

/* Who sent the last signal of this kind (PLAN_SENDER_…); false: nobody did. */
bool guard_sender(int map, uint32_t slot, struct plan_sender *ret);

/* How many of the programs that were attached are not any more. */
size_t guard_detached(const struct bpf_object_skeleton *skeleton);

/* Whether a link to a cgroup still is one. */
struct bpf_link;
bool guard_refuses(const struct bpf_link *link);

#endif
