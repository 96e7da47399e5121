/* racer COUNT SECRET HARMLESS: one thread opens what a name in memory says, another writes that name over all the time: now
 * one file, now the other. Says how often it was really the first, as the descriptor tells. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME = 256 };

static char names[2][NAME], name[NAME];
static atomic_bool over;

static void *write_over(void *unused)
{
	for (unsigned n = 0; !atomic_load(&over); n++) {
		memcpy(name, names[n & 1], NAME);
		for (volatile unsigned i = 0; i < n % 500; i++)
			;
	}
	return unused;
}

int main(int argc, char **argv)
{
	int count = argc > 3 ? atoi(argv[1]) : 0, hits = 0;
	struct stat secret, st;
	pthread_t thread;

	if (argc < 4 || stat(argv[2], &secret) < 0)
		return 2;
	snprintf(names[0], NAME, "%s", argv[2]);
	snprintf(names[1], NAME, "%s", argv[3]);
	if (pthread_create(&thread, NULL, write_over, NULL) != 0)
		return 2;
	for (int i = 0; i < count; i++) {
		int fd = open(name, O_RDONLY | O_CLOEXEC);

		hits += fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == secret.st_ino && st.st_dev == secret.st_dev;
		if (fd >= 0)
			close(fd);
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	printf("%d\n", hits);
	return 0;
}
