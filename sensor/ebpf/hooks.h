/* What this kernel lets a program be attached to, asked of the kernel itself: for the doctor. */
#ifndef SENSOR_EBPF_HOOKS_H
#define SENSOR_EBPF_HOOKS_H

enum hook { HOOK_TRACEPOINT, HOOK_FENTRY, HOOK_LSM, HOOK_KPROBE, HOOKS };

/* Loads an empty program of the kind and attaches it for a moment. 0 or -errno. */
int hook_try(enum hook hook);

#endif
