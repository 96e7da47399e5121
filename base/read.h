/* Reading a descriptor to its end. */
#ifndef BASE_READ_H
#define BASE_READ_H

#include <errno.h>
#include <unistd.h>

/* Up to `max` bytes, across short reads and EINTR; less only at the end. How many, or -errno. */
static inline ssize_t read_full(int fd, char *to, size_t max)
{
	size_t len = 0;

	while (len < max) {
		ssize_t n = read(fd, to + len, max - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

#endif
