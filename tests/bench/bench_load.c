/* Loads for bench_sensor.py and bench_ptrace.py. TO: a file for the figures, because a sensor may print beside them.
 *
 *   bench_load sleepers COUNT             so many processes that sleep, until standard input ends
 *   bench_load opens PATH SECONDS         opens and closes PATH, prints how often
 *   bench_load mix PATH SECONDS           of ten calls that rules want five are such opens, two connect a datagram socket,
 *                                         two copy a descriptor and one sets PATH's mode; prints how many those were
 *   bench_load loop TO KIND PATH SECONDS  ns a turn: getppid, read (open and close), write (the same), spawn
 *   bench_load time TO COMMAND...         seconds that it takes, and of the processor */
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 4096, LOOPS = 1000 };

static int sleep_forever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return 0;
}

/* They share our memory: ten thousand cost little. All but nothing of a stack is used, so all use one. */
static int sleepers(long count)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), byte;
	long i;

	if (stack == MAP_FAILED)
		return 1;
	signal(SIGTERM, SIG_DFL);
	for (i = 0; i < count; i++)
		if (clone(sleep_forever, stack + STACK, CLONE_VM, NULL) < 0)
			break;
	printf("%ld\n", i);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	kill(0, SIGKILL);
	return 0;
}

static int opens(const char *path, long seconds)
{
	int64_t end = clock_mono() + seconds * NS_PER_S;
	unsigned long count = 0;

	while (clock_mono() < end)
		for (int i = 0; i < LOOPS; i++, count++) {
			int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);

			if (fd < 0)
				return 1;
			syscall(SYS_close, fd);
		}
	printf("%lu\n", count);
	return 0;
}

static int spawn_and_wait(char *const *argv, int *ret_status)
{
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
		return -1;
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return 0;
}

static bool turn(const char *kind, const char *path)
{
	char *const nothing[] = { "/bin/true", NULL };
	bool writes = strcmp(kind, "write") == 0;
	int fd;

	if (strcmp(kind, "getppid") == 0)
		return syscall(SYS_getppid) >= 0;
	if (strcmp(kind, "spawn") == 0)
		return spawn_and_wait(nothing, &fd) == 0;
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, (writes ? O_WRONLY | O_CREAT : O_RDONLY) | O_CLOEXEC, 0600);
	return fd >= 0 && syscall(SYS_close, fd) == 0;
}

static bool mixed_turn(const char *path, int fd)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int copy;

	for (int i = 0; i < 5; i++)
		if (!turn("read", path))
			return false;
	for (int i = 0; i < 2; i++) {
		copy = dup(fd);
		if (copy < 0 || close(copy) < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
			return false;
	}
	return chmod(path, 0644) == 0;
}

static int mix(const char *path, long seconds)
{
	int64_t end = clock_mono() + seconds * NS_PER_S;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned long count = 0;

	while (clock_mono() < end)
		for (int i = 0; i < LOOPS / 10; i++, count += 10)
			if (!mixed_turn(path, fd))
				return 1;
	printf("%lu\n", count);
	return 0;
}

static int to_file(const char *to, double a, double b)
{
	FILE *out = fopen(to, "we");

	return out == NULL || fprintf(out, "%.9f %.9f\n", a, b) < 0 || fclose(out) != 0;
}

/* The turns are too short to read the clock at each. */
static int loop(const char *to, const char *kind, const char *path, double seconds)
{
	int64_t begin = clock_mono(), end = begin + (int64_t)(seconds * NS_PER_S), now = begin;
	long count = 0, step = 1;

	for (; now < end; now = clock_mono()) {
		for (long i = 0; i < step; i++, count++)
			if (!turn(kind, path))
				return 1;
		if (clock_mono() - now < NS_PER_MS)
			step *= 2;
	}
	return to_file(to, (double)(now - begin) / (double)count, 0);
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static int time_of(const char *to, char *const *argv)
{
	int64_t begin = clock_mono();
	struct rusage usage;
	int status;

	if (spawn_and_wait(argv, &status) < 0 || !WIFEXITED(status) || getrusage(RUSAGE_CHILDREN, &usage) < 0)
		return 1;
	return to_file(to, (double)(clock_mono() - begin) / (double)NS_PER_S,
		       seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime)) || WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "sleepers") == 0)
		return sleepers(strtol(argv[2], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "mix") == 0)
		return mix(argv[2], strtol(argv[3], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "opens") == 0)
		return opens(argv[2], strtol(argv[3], NULL, 10));
	if (argc == 6 && strcmp(argv[1], "loop") == 0)
		return loop(argv[2], argv[3], argv[4], strtod(argv[5], NULL));
	if (argc > 3 && strcmp(argv[1], "time") == 0)
		return time_of(argv[2], argv + 3);
	fprintf(stderr, "usage: bench_load sleepers COUNT | opens PATH SECONDS | loop TO KIND PATH SECONDS | "
			"time TO COMMAND...\n");
	return 2;
}
