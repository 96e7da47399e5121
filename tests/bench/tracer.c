/* The baseline of bench_ptrace.py: the least that a tracer by PTRACE_SYSCALL can do. Follows forks,
 * looks at nothing, lets everything go on.
 *
 *   tracer [-c FILE] COMMAND [ARGUMENT]...    -c: how many calls were begun, to FILE */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS                                                                                    \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |   \
	 PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)

static unsigned long stops, ended, execs;

static bool is_job_stop(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static void on_stop(pid_t tid, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16;

	if (signal == (SIGTRAP | 0x80)) {
		stops++;
		signal = 0;
	} else if (event == PTRACE_EVENT_STOP && is_job_stop(signal)) {
		ptrace(PTRACE_LISTEN, tid, 0, 0);
		return;
	} else if (event != 0) {
		execs += event == PTRACE_EVENT_EXEC;
		signal = 0;
	}
	ptrace(PTRACE_SYSCALL, tid, 0, signal);
}

/* Its exit status. */
static int trace(pid_t command)
{
	int status, result = 1;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (tid < 0)
			continue;
		if (WIFSTOPPED(status)) {
			on_stop(tid, status);
			continue;
		}
		ended++;
		if (tid == command)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return result;
}

static pid_t start(char **argv)
{
	int go[2];
	char byte = 0;
	pid_t command;

	if (pipe(go) < 0)
		return -1;
	command = fork();
	if (command == 0) {
		close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(126);
		close(go[0]);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(go[0]);
	if (command < 0 || ptrace(PTRACE_SEIZE, command, 0, OPTIONS) < 0 ||
	    ptrace(PTRACE_INTERRUPT, command, 0, 0) < 0 || write(go[1], &byte, 1) != 1)
		return -1;
	close(go[1]);
	return command;
}

int main(int argc, char **argv)
{
	bool count = argc > 3 && strcmp(argv[1], "-c") == 0;
	FILE *out = count ? fopen(argv[2], "we") : NULL;
	pid_t command = argc > 1 ? start(argv + (count ? 3 : 1)) : -1;
	int result;

	if (command < 0 || (count && out == NULL)) {
		perror("tracer");
		return 126;
	}
	result = trace(command);
	/* A call that ends its thread stops only once. */
	if (count && (fprintf(out, "%lu\n", (stops + ended) / 2) < 0 || fclose(out) != 0))
		return 126;
	return result;
}
