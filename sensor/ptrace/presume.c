/* An open as if it had worked, before it begins: for who decides whether it may. Names are followed as the
 * process would follow them, now; it can make them lead elsewhere before the kernel does. */
#include "sensor/ptrace/presume.h"

#include "base/cleanup.h"
#include "sensor/ptrace/presume_inner.h"
#include "sensor/ptrace/tracee.h"
#include "sensor/record_text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { LINKS_MAX = 8 /* of a file that is not there yet */ };

static bool is_same(const char *what, uint32_t tid, const char *ours)
{
	struct stat a, b;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%u/%s", tid, what);
	return tracee_stat(path, &a) && stat(ours, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int presume_open_as(const struct root *root, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)(O_PATH | O_CLOEXEC | flags), .resolve = RESOLVE_IN_ROOT };

	if (root->is_ours)
		return open(path, O_PATH | O_CLOEXEC | flags);
	return (int)syscall(SYS_openat2, root->fd, path, &how, sizeof(how));
}

/* What the process means by itself is not what the sensor would. */
static void add_name(struct path *path, uint32_t tgid, uint32_t tid, struct str name)
{
	static const struct {
		struct str name;
		bool of_thread;
		const char *rest;
	} own[] = {
		{ STR("/proc/self/"), false, "" },
		{ STR("/proc/thread-self/"), true, "" },
		{ STR("/dev/fd/"), false, "fd/" },
	};

	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (!str_starts(name, own[i].name))
			continue;
		snprintf(path->text, PRESUME_PATH_ROOM, "/proc/%u/%s%.*s", own[i].of_thread ? tid : tgid, own[i].rest,
			 STR_ARG(str_from(name, own[i].name.len)));
		return;
	}
	snprintf(path->text, PRESUME_PATH_ROOM, "%.*s", STR_ARG(name));
}

bool presume_first_path(const struct record *record, struct path *ret)
{
	struct str name = record_text(record, RECORD_STRING_NAME), dir = record_text(record, RECORD_STRING_DIR);
	struct path joined;

	if (name.len == 0)
		return false;
	if (name.at[0] == '/') {
		add_name(ret, record->tgid, record->tid, name);
		return true;
	}
	if (dir.len == 0 || dir.at[0] != '/')
		return false;
	snprintf(joined.text, PRESUME_PATH_ROOM, "%.*s/%.*s", STR_ARG(dir), STR_ARG(name));
	add_name(ret, record->tgid, record->tid, str_of(joined.text));
	return true;
}

struct str presume_path_of(int fd, uint32_t tid, struct path *to)
{
	char link[48], root[PRESUME_PATH_ROOM];
	ssize_t len, root_len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, to->text, PRESUME_PATH_ROOM - 1);
	snprintf(link, sizeof(link), "/proc/%u/root", tid);
	root_len = readlink(link, root, sizeof(root));
	if (len <= 0)
		return (struct str){ 0 };
	if (root_len > 1 && len > root_len && memcmp(to->text, root, (size_t)root_len) == 0 && to->text[root_len] == '/')
		return (struct str){ to->text + root_len, (size_t)(len - root_len) };
	return (struct str){ to->text, (size_t)len };
}

static uint8_t kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFIFO: return RECORD_OBJECT_PIPE;
	case S_IFDIR: return RECORD_OBJECT_DIRECTORY;
	case S_IFCHR:
	case S_IFBLK: return RECORD_OBJECT_DEVICE;
	case S_IFSOCK: return RECORD_OBJECT_SOCKET;
	default: return RECORD_OBJECT_FILE;
	}
}

bool presume_put_object(struct record *record, int fd)
{
	struct path path;
	struct stat st;
	struct str text = presume_path_of(fd, record->tid, &path);

	if (text.len == 0 || fstat(fd, &st) < 0)
		return false;
	record->object = (struct record_object){ .fd = record->object.fd,
						 .kind = kind_of(st.st_mode),
						 .ino = st.st_ino,
						 .dev = (uint32_t)(major(st.st_dev) << 20 | minor(st.st_dev)),
						 .mode = st.st_mode };
	record->flags |= RECORD_HAS_OBJECT;
	record_add(record, RECORD_STRING_PATH, text);
	return true;
}

/* The last component of a file that is to be made, behind the folder's real path. */
static bool put_new(struct record *record, int folder, const char *last)
{
	struct path path;
	struct str text = presume_path_of(folder, record->tid, &path);
	char whole[PRESUME_PATH_ROOM + 256];
	int len = snprintf(whole, sizeof(whole), "%.*s/%s", text.len == 1 ? 0 : (int)text.len, text.at, last);

	if (text.len == 0 || len < 0 || (size_t)len >= sizeof(whole))
		return false;
	record->object = (struct record_object){ .fd = record->object.fd, .kind = RECORD_OBJECT_FILE, .mode = S_IFREG };
	record->flags |= RECORD_HAS_OBJECT | RECORD_CREATED;
	record_add(record, RECORD_STRING_PATH, (struct str){ whole, (size_t)len });
	return true;
}

/* A link to nothing is followed by who makes a file: then `path` becomes what it leads to. */
static bool follow(struct path *path, int folder, char *last)
{
	char target[RECORD_STRING_MAX], whole[PRESUME_PATH_ROOM];
	ssize_t len = readlinkat(folder, last, target, sizeof(target) - 1);

	if (len <= 0)
		return false;
	target[len] = '\0';
	if (target[0] == '/') {
		snprintf(path->text, PRESUME_PATH_ROOM, "%s", target);
		return true;
	}
	*last = '\0';
	if (snprintf(whole, sizeof(whole), "%s%s", path->text, target) >= (int)sizeof(whole))
		return false;
	memcpy(path->text, whole, sizeof(whole));
	return true;
}

static bool make_new(struct record *record, const struct root *root, struct path *path)
{
	for (int i = 0; i < LINKS_MAX; i++) {
		char *slash = strrchr(path->text, '/'), first;
		autoclose int folder = -1;

		if (slash == NULL || slash[1] == '\0')
			return false;
		first = slash[1];
		slash[1] = '\0';
		folder = presume_open_as(root, path->text, O_DIRECTORY);
		slash[1] = first;
		if (folder < 0)
			return false;
		if (!follow(path, folder, slash + 1))
			return put_new(record, folder, slash + 1);
	}
	return false;
}

struct root presume_root(uint32_t tid)
{
	char link[48];

	snprintf(link, sizeof(link), "/proc/%u/root", tid);
	return (struct root){ open(link, O_PATH | O_DIRECTORY | O_CLOEXEC),
			      is_same("root", tid, "/") && is_same("ns/mnt", tid, "/proc/self/ns/mnt") };
}

bool presume_stat(uint32_t tid, const char *path, struct stat *ret)
{
	const struct root root = presume_root(tid);
	autoclose int root_fd = root.fd, fd = root.fd < 0 ? -1 : presume_open_as(&root, path, 0);

	return root_fd >= 0 && fd >= 0 && fstat(fd, ret) == 0;
}

bool presume_open(struct record *record, int presumed)
{
	const int nofollow = (int)(record->args[4] & O_NOFOLLOW);
	const struct root root = presume_root(record->tid);
	autoclose int root_fd = root.fd, fd = -1;
	struct path path;

	if (root_fd < 0 || !presume_first_path(record, &path))
		return false;
	record->ret = record->object.fd = presumed;
	fd = presume_open_as(&root, path.text, nofollow);
	if (fd >= 0)
		return presume_put_object(record, fd);
	return errno == ENOENT && (record->args[4] & O_CREAT) != 0 && make_new(record, &root, &path);
}
