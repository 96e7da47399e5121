/* Reading secrets from where the configuration says that they are. */
#include "base/cleanup.h"
#include "base/conf_secret.h"
#include "base/read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

static int refuse(struct conf_secret *secret, int error, const char *what, const char *why)
{
	snprintf(secret->note, sizeof(secret->note), "%.200s: %s", what, why);
	return error;
}

static int take(struct str value, struct arena *arena, const char *what, struct conf_secret *secret)
{
	if (value.len == 0)
		return refuse(secret, -EINVAL, what, "is empty");
	if (memchr(value.at, '\0', value.len) != NULL)
		return refuse(secret, -EINVAL, what, "holds a NUL byte");
	secret->value = arena_str(arena, value).at;
	return secret->value == NULL ? refuse(secret, -ENOMEM, what, "out of memory") : 0;
}

static int read_secret_file(const char *path, struct arena *arena, struct conf_secret *secret)
{
	/* Not blocking: a pipe that nobody writes to must not hang the start. */
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	autofree char *text = malloc(CONF_SECRET_MAX + 1);
	struct stat status;
	struct str value;
	ssize_t len;
	int r;

	if (fd < 0 || fstat(fd, &status) < 0)
		return refuse(secret, -errno, path, strerror(errno));
	if (text == NULL)
		return refuse(secret, -ENOMEM, path, "out of memory");
	if (!S_ISREG(status.st_mode))
		return refuse(secret, -EINVAL, path, "is not a regular file");
	len = read_full(fd, text, CONF_SECRET_MAX + 1);
	if (len < 0 || len > CONF_SECRET_MAX)
		return refuse(secret, len < 0 ? (int)len : -EFBIG, path,
		              len < 0 ? strerror((int)-len) : "more than 64 KiB");
	value = (struct str){ text, (size_t)len };
	while (value.len > 0 && (value.at[value.len - 1] == '\n' || value.at[value.len - 1] == '\r'))
		value.len--;
	r = take(value, arena, path, secret);
	explicit_bzero(text, CONF_SECRET_MAX + 1);
	if (r == 0 && (status.st_mode & S_IROTH) != 0)
		snprintf(secret->note, sizeof(secret->note), "%.200s can be read by everybody (chmod o-r)",
		         path);
	return r;
}

static int read_credential(const char *name, struct arena *arena, struct conf_secret *secret)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];

	if (dir == NULL)
		return refuse(secret, -ENOENT, name, "no systemd credentials here (CREDENTIALS_DIRECTORY)");
	if (*name == '\0' || strchr(name, '/') != NULL)
		return refuse(secret, -EINVAL, name, "is not the name of a credential");
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return refuse(secret, -ENAMETOOLONG, name, strerror(ENAMETOOLONG));
	return read_secret_file(path, arena, secret);
}

int conf_secret_read(struct str text, struct arena *arena, struct conf_secret *ret)
{
	const char *value;

	*ret = (struct conf_secret){ .is_literal = true };
	if (memchr(text.at, '\0', text.len) != NULL)
		return refuse(ret, -EINVAL, "the secret", "holds a NUL byte");
	ret->is_literal = false;
	if (str_starts(text, STR("file:")))
		return read_secret_file(text.at + 5, arena, ret);
	if (str_starts(text, STR("credential:")))
		return read_credential(text.at + 11, arena, ret);
	if (str_starts(text, STR("env:"))) {
		value = getenv(text.at + 4);
		return value == NULL ? refuse(ret, -ENOENT, text.at + 4, "is not set in the environment")
		                     : take(str_of(value), arena, text.at + 4, ret);
	}
	ret->is_literal = true;
	return take(text, arena, "the secret", ret);
}
