/* The sensor's id in its state folder. */
#include "sensor/identity.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

int identity_random(char ret[IDENTITY_TEXT])
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return -errno;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(ret, IDENTITY_TEXT,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
	return 0;
}

static bool identity_is_valid(const char *text)
{
	return strspn(text, "0123456789abcdef-") == IDENTITY_TEXT - 1;
}

void identity_machine(char ret[IDENTITY_TEXT])
{
	autoclose int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[IDENTITY_TEXT] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) != IDENTITY_TEXT - 1 || !identity_is_valid(text))
		text[0] = '\0';
	memcpy(ret, text, IDENTITY_TEXT);
}

/* Written beside and renamed, so that a crash leaves the old one or the new one. */
static int identity_write(int folder, const char *id)
{
	autoclose int fd = openat(folder, "id.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	if (write(fd, id, IDENTITY_TEXT - 1) != IDENTITY_TEXT - 1 || fsync(fd) < 0)
		return -EIO;
	return renameat(folder, "id.new", folder, "id") < 0 ? -errno : 0;
}

int identity_of(const char *folder, char ret[IDENTITY_TEXT], _Bool *ret_kept)
{
	autoclose int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int fd = at < 0 ? -1 : openat(at, "id", O_RDONLY | O_CLOEXEC);
	int r;

	memset(ret, 0, IDENTITY_TEXT);
	*ret_kept = true;
	if (fd >= 0 && read(fd, ret, IDENTITY_TEXT - 1) == IDENTITY_TEXT - 1 &&
	    identity_is_valid(ret))
		return 0;
	r = identity_random(ret);
	if (r < 0)
		return r;
	*ret_kept = at >= 0 && identity_write(at, ret) == 0;
	return 0;
}

void identity_end(const char *folder, const char *boot)
{
	autoclose int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int fd = at < 0 ? -1 : openat(at, "ended", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd >= 0 && write(fd, boot, IDENTITY_TEXT - 1) != IDENTITY_TEXT - 1)
		unlinkat(at, "ended", 0);
}

void identity_ended(const char *folder, char ret[IDENTITY_TEXT])
{
	autoclose int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int fd = at < 0 ? -1 : openat(at, "ended", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[IDENTITY_TEXT] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) != IDENTITY_TEXT - 1 || !identity_is_valid(text))
		text[0] = '\0';
	memcpy(ret, text, IDENTITY_TEXT);
	if (fd >= 0)
		unlinkat(at, "ended", 0);
}
