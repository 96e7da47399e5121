/* Users and groups of a container, out of the files of its root: what a number is called there is nobody
 * else's to say. */
#include "sensor/containers/passwd.h"

#include "base/cleanup.h"
#include "base/read.h"
#include "sensor/names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of a home directory and a shell that are too long nothing is known. */
static bool keep(struct box_draft *draft, const struct names_line *line, struct box_name *ret)
{
	*ret = (struct box_name){ .id = line->id, .name = arena_str(&draft->arena, line->name) };
	if (line->home.len <= NAMES_HOME_MAX)
		ret->home = arena_str(&draft->arena, line->home);
	if (line->shell.len <= NAMES_HOME_MAX)
		ret->shell = arena_str(&draft->arena, line->shell);
	return ret->name.at != NULL;
}

void passwd_parse(struct box_draft *draft, struct str text, struct box_names *names, struct box_name *room)
{
	names->at = room;
	while (text.len > 0) {
		const char *end = memchr(text.at, '\n', text.len);
		struct str line = str_cut(text, end == NULL ? text.len : (size_t)(end - text.at));
		struct names_line one;

		text = str_from(text, line.len + 1);
		if (!names_parse(line, &one))
			continue;
		if (names->count == BOX_NAMES_MAX || !keep(draft, &one, &room[names->count])) {
			draft->box.has |= BOX_CUT;
			return;
		}
		names->count++;
	}
}

/* Links in the container's files lead nowhere out of them. */
static int open_within(int root, const char *name)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };

	return (int)syscall(SYS_openat2, root, name, &how, sizeof(how));
}

static void read_file(struct box_draft *draft, int root, const char *name, struct box_names *names,
		      struct box_name *room)
{
	static const size_t max = PASSWD_BYTES_MAX;
	autoclose int fd = open_within(root, name);
	CLEANUP(cleanup_free) char *text = fd < 0 ? NULL : malloc(max);
	struct stat st;
	ssize_t got;

	if (text == NULL || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	got = read_full(fd, text, max);
	if (got > 0)
		passwd_parse(draft, (struct str){ text, (size_t)got }, names, room);
}

static ino_t user_namespace(const char *process)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.16s/ns/user", process);
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

/* A runtime's own process that has not gone in yet has the machine's root. */
static bool is_machines(int root)
{
	struct stat theirs, ours;

	return fstat(root, &theirs) < 0 || (stat("/proc/1/root", &ours) == 0 && theirs.st_dev == ours.st_dev &&
					    theirs.st_ino == ours.st_ino);
}

/* The first process's root is there in whatever namespace of mounts this runs. Who is in a user namespace of his own
 * may have mounted what never answers: only one of the machine's own is looked at, and asked for after the opening,
 * because there is no way back. */
static int root_of_process(uint32_t pid)
{
	char name[16], path[64];
	autoclose int fd = -1;

	if (pid == 0)
		return -1;
	snprintf(name, sizeof(name), "%u", pid);
	snprintf(path, sizeof(path), "/proc/%s/root", name);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || is_machines(fd) || user_namespace(name) == 0 || user_namespace(name) != user_namespace("self"))
		return -1;
	return TAKE_FD(fd);
}

static int root_of_path(const char *root, const char *rootfs)
{
	char path[4096];
	int len = snprintf(path, sizeof(path), "%s%s", root, rootfs);

	if (rootfs[0] != '/' || len < 0 || (size_t)len >= sizeof(path))
		return -1;
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void passwd_read(struct box_draft *draft, const char *root)
{
	autoclose int fd = root_of_process(draft->first_pid);
	bool is_process = fd >= 0;

	if (!is_process)
		fd = root_of_path(root, draft->rootfs);
	if (fd < 0)
		return;
	read_file(draft, fd, "etc/passwd", &draft->box.users, draft->users);
	read_file(draft, fd, "etc/group", &draft->box.groups, draft->groups);
	/* An empty folder may be one into which the files have been mounted where this does not see it. */
	if (is_process || draft->box.users.count > 0)
		draft->box.has |= BOX_ROOT;
}
