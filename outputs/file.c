/* Alerts appended to a file, synced to disk before they count as delivered. The file is this output's
 * alone: a line that did not get onto the disk whole is cut off again. */
#include "outputs/line.h"
#include "outputs/verdict.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

struct file_conf {
	const char *path;
	int64_t format;
	int64_t rotate_size;
	int64_t rotate_keep;
};

struct file {
	const struct file_conf *conf;
	int fd;              /* -1: not open */
	struct stat opened;  /* which file that is */
	struct buf lines;
};

#define FIELD(member) offsetof(struct file_conf, member)

static const struct conf_field file_fields[] = {
	{ .key = "path", .type = CONF_STRING, .offset = FIELD(path), .flags = CONF_REQUIRED,
	  .help = "file to append to; made with mode 0600 when it is not there" },
	{ .key = "format", .type = CONF_CHOICE, .offset = FIELD(format), .fallback = "json",
	  .choices = line_formats, .help = "one JSON object a line, or text for people" },
	{ .key = "rotate_size", .type = CONF_SIZE, .offset = FIELD(rotate_size), .fallback = "0", .min = 0,
	  .max = (int64_t)1 << 40, .help = "begin a new file beyond this size; 0: never" },
	{ .key = "rotate_keep", .type = CONF_INT, .offset = FIELD(rotate_keep), .fallback = "5", .min = 1,
	  .max = 1000, .help = "old files to keep, as PATH.1 (the newest) to PATH.N" },
	{ 0 },
};

static int file_open(const void *conf, const char *name, void **ret_state, char *note)
{
	struct file *file = calloc(1, sizeof(*file));

	(void)name;
	(void)note;
	if (file == NULL)
		return -ENOMEM;
	file->conf = conf;
	file->fd = -1;
	*ret_state = file;
	return 0;
}

static void file_shut(struct file *file)
{
	cleanup_close(&file->fd);
	file->fd = -1;
}

static void file_close(void *state)
{
	struct file *file = state;

	if (file == NULL)
		return;
	file_shut(file);
	buf_done(&file->lines);
	free(file);
}

/* Makes the name durable, not only the content. */
static int sync_folder(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	autoclose int fd = -1;

	snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path),
	         slash == NULL ? "." : path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

/* A crash may have left half a line; it was not acknowledged and comes again. Ending it loses
 * nothing, whatever file this is. */
static int end_torn_line(int fd, off_t size)
{
	autoclose int reading = -1;
	char path[64], last = '\n';

	if (size == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* fd itself is write-only */
	reading = open(path, O_RDONLY | O_CLOEXEC);
	if (reading < 0)
		return 0;
	if (pread(reading, &last, 1, size - 1) == 1 && last != '\n' && write(fd, "\n", 1) < 0)
		return -errno;
	return 0;
}

static int file_reopen(struct file *file)
{
	autoclose int fd = -1;
	int r;

	file_shut(file);
	fd = open(file->conf->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &file->opened) < 0)
		return -errno;
	if (!S_ISREG(file->opened.st_mode))
		return -EINVAL;
	r = end_torn_line(fd, file->opened.st_size);
	if (r == 0)
		r = sync_folder(file->conf->path);
	if (r == 0)
		file->fd = TAKE_FD(fd);
	return r;
}

/* Shifts PATH.1 … PATH.N by one and makes PATH the newest of them. */
static int file_rotate(struct file *file)
{
	char from[PATH_MAX], to[PATH_MAX];
	const char *path = file->conf->path;

	for (int64_t i = file->conf->rotate_keep - 1; i >= 0; i--) {
		int length = i == 0 ? snprintf(from, sizeof(from), "%s", path)
		                    : snprintf(from, sizeof(from), "%s.%lld", path, (long long)i);

		if (length >= PATH_MAX - 8)
			return -ENAMETOOLONG;
		snprintf(to, sizeof(to), "%s.%lld", path, (long long)i + 1);
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	return file_reopen(file);
}

/* Opens what `path` names now: somebody may have moved the old file away. Rotates when the batch
 * would not fit. */
static int file_ready(struct file *file)
{
	struct stat now;
	int r;

	if (file->fd < 0 || stat(file->conf->path, &now) < 0 || now.st_ino != file->opened.st_ino ||
	    now.st_dev != file->opened.st_dev) {
		r = file_reopen(file);
		if (r < 0)
			return r;
	}
	if (fstat(file->fd, &now) < 0)
		return -errno;
	if (file->conf->rotate_size > 0 && now.st_size > 0 &&
	    now.st_size + (off_t)file->lines.len > file->conf->rotate_size)
		return file_rotate(file);
	return 0;
}

/* All or nothing: on failure the file is as it was. */
static int file_append(struct file *file)
{
	struct stat before;
	size_t written;
	int r;

	if (fstat(file->fd, &before) < 0)
		return -errno;
	r = line_write(file->fd, buf_str(&file->lines), 0, &written);
	if (r == 0 && fdatasync(file->fd) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	if (ftruncate(file->fd, before.st_size) < 0 && r != -EIO)
		r = -errno;
	file_shut(file); /* after a failed sync the kernel may call lost pages clean: never sync here again */
	return r;
}

static enum output_verdict verdict_of(int error)
{
	switch (-error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EIO:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EINTR:
	case ETIMEDOUT: return OUTPUT_LATER;
	default: return OUTPUT_BROKEN; /* the path or its permissions */
	}
}

static void file_send(void *state, struct output_call *call)
{
	struct file *file = state;
	int r;

	buf_clear(&file->lines);
	for (size_t i = 0; i < call->count; i++)
		if (!line_add(&file->lines, (enum line_format)file->conf->format,
		              call->deliveries[i].alert, call->arena))
			delivery_settle(&call->deliveries[i], OUTPUT_NEVER, "the alert cannot be read");
	r = buf_ok(&file->lines) ? file_ready(file) : -ENOMEM;
	if (r == 0)
		r = file_append(file);
	if (r < 0)
		call_settle(call, 0, verdict_of(r), "%.120s: %s", file->conf->path,
		            r == -EINVAL ? "not a regular file" : strerror(-r));
	else
		call_settle(call, 0, OUTPUT_DELIVERED, "%s", "");
}

static bool file_check(const void *conf_, char *note)
{
	const struct file_conf *conf = conf_;

	if (conf->path != NULL && conf->path[0] != '\0' && strlen(conf->path) < PATH_MAX - 8)
		return true;
	snprintf(note, OUTPUT_NOTE_MAX, "path: empty or too long");
	return false;
}

const struct output_ops output_file = {
	.type = "file",
	.summary = "lines appended to a file",
	.fields = file_fields,
	.conf_size = sizeof(struct file_conf),
	.batch_max = OUTPUT_BATCH_MAX,
	.open = file_open,
	.send = file_send,
	.close = file_close,
	.check = file_check,
};
