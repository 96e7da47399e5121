/* Loads for bench_sensor.py.
 *
 *   bench_load sleepers COUNT        so many processes that sleep, until standard input ends
 *   bench_load opens PATH SECONDS    opens and closes PATH, prints how often */
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
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

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "sleepers") == 0)
		return sleepers(strtol(argv[2], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "opens") == 0)
		return opens(argv[2], strtol(argv[3], NULL, 10));
	fprintf(stderr, "usage: bench_load sleepers COUNT | opens PATH SECONDS\n");
	return 2;
}
