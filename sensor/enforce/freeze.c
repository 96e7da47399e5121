/* freeze: the cgroup of the process's container, in the v2 tree or with v1's freezer. */
#include "sensor/enforce/act.h"

#include "base/cleanup.h"
#include "base/read.h"
#include "base/str.h"
#include "sensor/container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <unistd.h>

enum { TEXT_MAX = 16 << 10 };

/* One of the two kinds of trees that can freeze. */
struct tree {
	const char *type, *option; /* of the mount; option: NULL for any */
	const char *file, *freeze, *thaw;
};

static const struct tree trees[] = {
	{ "cgroup2", NULL, "cgroup.freeze", "1", "0" },
	{ "cgroup", "freezer", "freezer.state", "FROZEN", "THAWED" },
};

static bool is_of_tree(struct str line, const struct tree *tree)
{
	struct str controllers;
	ssize_t colon = str_find(line, STR(":"));

	if (colon < 0)
		return false;
	controllers = str_from(line, (size_t)colon + 1);
	colon = str_find(controllers, STR(":"));
	if (colon < 0)
		return false;
	controllers = str_cut(controllers, (size_t)colon);
	return tree->option == NULL ? controllers.len == 0 : str_eq(controllers, str_of(tree->option));
}

/* The process's path in a tree, from the text of its file in /proc. */
static struct str path_in(struct str text, const struct tree *tree)
{
	while (text.len > 0) {
		const char *end = memchr(text.at, '\n', text.len);
		struct str line = end == NULL ? text : str_cut(text, (size_t)(end - text.at));
		const char *slash = memchr(line.at, '/', line.len);

		if (slash != NULL && is_of_tree(line, tree))
			return str_from(line, (size_t)(slash - line.at));
		text = str_from(text, line.len + (end != NULL));
	}
	return (struct str){ 0 };
}

static int read_paths(const char *file, char *at, struct str *ret)
{
	autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -errno : read_full(fd, at, TEXT_MAX);

	if (got < 0)
		return got == -ENOENT ? -ESRCH : (int)got;
	*ret = (struct str){ at, (size_t)got };
	return 0;
}

/* The container's own cgroup: what is below it belongs to it. Empty: the path is of none. */
static struct str of_container(struct str path, struct str wanted)
{
	const struct container_id whole = container_of_cgroup(path);

	if (wanted.len > 0 && !str_eq(wanted, (struct str){ whole.text, whole.len }))
		return (struct str){ 0 };

	for (size_t i = 1; whole.len > 0 && i <= path.len; i++) {
		struct container_id id;

		if (i < path.len && path.at[i] != '/')
			continue;
		id = container_of_cgroup(str_cut(path, i));
		if (id.len == whole.len && memcmp(id.text, whole.text, id.len) == 0)
			return str_cut(path, i);
	}
	return (struct str){ 0 };
}

static bool is_within(struct str path, struct str folder)
{
	return str_starts(path, folder) && (path.len == folder.len || path.at[folder.len] == '/');
}

bool cgroup_mount(const char *type, const char *option, char *ret, size_t size)
{
	FILE *file = setmntent("/proc/self/mounts", "re");
	char text[2 * PATH_MAX];
	struct mntent entry;
	bool found = false;

	while (file != NULL && !found && getmntent_r(file, &entry, text, sizeof(text)) != NULL)
		if (strcmp(entry.mnt_type, type) == 0 &&
		    (option == NULL || hasmntopt(&entry, option) != NULL))
			found = (size_t)snprintf(ret, size, "%s", entry.mnt_dir) < size;
	if (file != NULL)
		endmntent(file);
	return found;
}

static int write_state(const char *path, const char *state)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, state, strlen(state)) < 0)
		return -errno;
	return 0;
}

static int freeze_in(const struct tree *tree, struct str theirs, struct str own, struct str id,
		     struct buf *ret_thaw)
{
	struct str folder = of_container(path_in(theirs, tree), id);
	char mount[PATH_MAX], path[2 * PATH_MAX];
	int r;

	if (folder.len == 0)
		return -ENOENT;
	if (is_within(path_in(own, tree), folder))
		return -EBUSY;
	if (str_starts(folder, STR("/..")) || !cgroup_mount(tree->type, tree->option, mount, sizeof(mount)))
		return -EXDEV;
	if (snprintf(path, sizeof(path), "%s%.*s/%s", mount, STR_ARG(folder), tree->file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = write_state(path, tree->freeze);
	if (r == 0)
		buf_addf(ret_thaw, "echo %s > '%s'", tree->thaw, path);
	return r;
}

int act_freeze(uint32_t tgid, struct str id, struct buf *ret_thaw)
{
	char file[32], theirs_text[TEXT_MAX], own_text[TEXT_MAX];
	struct str theirs, own;
	int r;

	snprintf(file, sizeof(file), "/proc/%u/cgroup", tgid);
	r = read_paths(file, theirs_text, &theirs);
	if (r == 0)
		r = read_paths("/proc/self/cgroup", own_text, &own);
	if (r < 0)
		return r;
	r = -ENOENT;
	for (size_t i = 0; i < ARRAY_LEN(trees) && (r == -ENOENT || r == -EXDEV); i++)
		r = freeze_in(&trees[i], theirs, own, id, ret_thaw);
	return r;
}
