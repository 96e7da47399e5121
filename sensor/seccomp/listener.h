/* What is said to a seccomp listener, seccomp_unotify(2). A signal that interrupts it does not end it: a call whose
 * answer was lost would wait for ever. */
#ifndef SENSOR_SECCOMP_LISTENER_H
#define SENSOR_SECCOMP_LISTENER_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

enum { LISTENER_ANSWER_MAX = 256 /* bytes: newer kernels may have longer ones */ };

/* False: the thread has been killed meanwhile, or somebody else was quicker. */
bool listener_answer(int listener, const struct seccomp_notif_resp *answer);

/* Whether the call still waits: what was read of its thread is another one's if that has got its number meanwhile. */
bool listener_waits(int listener, uint64_t id);

#endif
