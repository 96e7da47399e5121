/* Floods whoever observes this machine: loops of harmless opens, connects, writes and forks, one process
 * a kind and processor, for so many seconds. Prints how many calls that were.
 *
 *   flood SECONDS */
#include "base/clock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KINDS = 4, CPUS_MAX = 64, LOOPS = 100 };

static void harmless_open(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
}

static void harmless_connect(void)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(9),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static int fd = -1;

	if (fd < 0)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return;
}

static void harmless_write(void)
{
	int fd = open("/tmp", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	if (write(fd, "x", 1) != 1)
		_exit(1);
	close(fd);
}

static void harmless_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void (*const kinds[KINDS])(void) = { harmless_open, harmless_connect, harmless_write,
					    harmless_fork };

static uint64_t repeat(void (*call)(void), int64_t end)
{
	uint64_t count = 0;

	while (clock_mono() < end)
		for (int i = 0; i < LOOPS; i++, count++)
			call();
	return count;
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t end = clock_mono() + (argc > 1 ? strtol(argv[1], NULL, 10) : 1) * NS_PER_S;
	uint64_t *counts = mmap(NULL, KINDS * sizeof(*counts), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (counts == MAP_FAILED)
		return 1;
	for (long i = 0; i < KINDS * (cpus < CPUS_MAX ? cpus : CPUS_MAX); i++)
		if (fork() == 0) {
			uint64_t count = repeat(kinds[i % KINDS], end);

			__atomic_fetch_add(&counts[i % KINDS], count, __ATOMIC_RELAXED);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	printf("{\"open\":%llu,\"connect\":%llu,\"write\":%llu,\"fork\":%llu}\n",
	       (unsigned long long)counts[0], (unsigned long long)counts[1],
	       (unsigned long long)counts[2], (unsigned long long)counts[3]);
	return 0;
}
