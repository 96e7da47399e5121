/* What this kernel lets a program be attached to, asked of the kernel itself: for the doctor. */
#ifndef SENSOR_EBPF_HOOKS_H
#define SENSOR_EBPF_HOOKS_H

#include <stdbool.h>

enum hook { HOOK_TRACEPOINT, HOOK_FENTRY, HOOK_LSM, HOOK_KPROBE, HOOKS };

/* Loads an empty program of the kind and attaches it for a moment. 0 or -errno. */
int hook_try(enum hook hook);

/* Whether the programs of this probe, an open probe_ebpf, see what is asked for through io_urings. */
bool hook_uring(const void *probe);

#endif
