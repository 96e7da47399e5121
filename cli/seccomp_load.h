/* What the verbs of seccomp profiles share. */
#ifndef CLI_SECCOMP_LOAD_H
#define CLI_SECCOMP_LOAD_H

#include "sensor/seccomp/profile.h"
#include "sensor/seccomp/program.h"

struct seccomp_loaded {
	struct arena arena;
	struct conf_errors errors;
	struct profile profile;
	struct seccomp_program program;
	bool ok;
};

/* Reads and compiles a profile for this machine: with all capabilities, none, or those of this process ("all",
 * "none", NULL) or those in a list with commas. What is wrong is in `errors`. False: the list is wrong, which is
 * told. Ends with seccomp_loaded_free(). */
bool seccomp_load(const char *path, const char *caps, struct seccomp_loaded **ret);
void seccomp_loaded_free(struct seccomp_loaded *loaded);

#endif
