/* A profile as a program, by libseccomp and with runc's ways: entries that say what is said anyway add nothing,
 * and where calls are refused by default, those newer than any that the profile names fail with ENOSYS, as the
 * C library expects of a kernel that does not have them. */
#ifndef SENSOR_SECCOMP_COMPILE_H
#define SENSOR_SECCOMP_COMPILE_H

#include "sensor/seccomp/profile.h"
#include "sensor/seccomp/program.h"

/* 0, or -errno with what failed in ret_why (a literal). */
int profile_compile(const struct profile *profile, struct seccomp_program *ret, const char **ret_why);

/* The architecture of the kernel's struct seccomp_data for libseccomp's token, and the lowest number that its
 * calls have: x32 shares the one of x86-64. */
uint32_t profile_audit_arch(uint32_t arch, uint32_t *ret_base);

/* The number of a call, or a negative one: it does not exist there. */
int profile_call_number(uint32_t arch, struct str name);

/* The name of a number (with x32's bit), or false. */
bool profile_call_name(uint32_t arch, int nr, char *ret, size_t size);

/* Whether it exists anywhere: then it has a number at least within libseccomp. */
bool profile_knows_call(uint32_t arch, struct str name);

#endif
