/* Runs a command under a profile of system calls, as runc would: no_new_privs, the filter, execve.
 *
 * usage: under_profile PROFILE COMMAND [ARGUMENT]... */
#include "sensor/seccomp/compile.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static struct seccomp_program program;
	struct arena arena;
	struct conf_errors errors = { .arena = &arena };
	struct conf_reader reader = { .arena = &arena, .errors = &errors };
	struct profile_machine machine;
	struct profile profile;
	const char *why = "the profile";
	struct sock_fprog filter;

	if (argc < 3)
		return 2;
	arena_init(&arena, 32 << 20);
	profile_machine_here(&machine);
	if (profile_read_file(&reader, argv[1], &machine, &profile) < 0 || profile_compile(&profile, &program, &why) < 0) {
		fprintf(stderr, "%s\n", why);
		return 2;
	}
	filter = (struct sock_fprog){ .len = (unsigned short)program.len, .filter = program.at };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0) {
		perror("seccomp");
		return 2;
	}
	execvp(argv[2], argv + 2);
	_exit(127);
}
