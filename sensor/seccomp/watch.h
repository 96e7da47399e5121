/* Which system calls a command makes, it and all that it starts: it runs under a filter that tells of every
 * one, and each is let go on. No privileges are wanted; without CAP_SYS_ADMIN the command runs with
 * no_new_privs. */
#ifndef SENSOR_SECCOMP_WATCH_H
#define SENSOR_SECCOMP_WATCH_H

#include <stdbool.h>
#include <stdint.h>

enum {
	WATCH_CALLS_MAX = 1024, /* numbers of each architecture; higher ones are only counted */
	WATCH_ARCHES_MAX = 3,
};

struct watched_arch {
	uint32_t arch; /* libseccomp's token; 0: none */
	bool seen[WATCH_CALLS_MAX];
};

struct watched {
	struct watched_arch arches[WATCH_ARCHES_MAX];
	uint64_t calls;	  /* all that were made */
	uint64_t unknown; /* of other architectures, or beyond WATCH_CALLS_MAX */
	int status;	  /* of the command, as waitpid() has it */
};

/* Runs the command (argv, ends with NULL) to the end of its last process. 0, or -errno with what failed in
 * ret_why (a literal). SIGTERM and SIGHUP are handed to it; SIGINT and SIGQUIT come to it from the terminal. */
int watch_command(char *const *command, struct watched *ret, const char **ret_why);

#endif
