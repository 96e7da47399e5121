/* Reading /proc/PID. Any file may vanish at any moment and any text in it is the process's own. */
#include "sensor/proc_read.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "sensor/procs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>

static int folder_open(const char *folder, uint32_t tgid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%.32s/%u", folder, tgid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

ssize_t proc_read_file(int folder, const char *name, char *to, size_t max)
{
	autoclose int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, to, max);

	return len < 0 ? -errno : len;
}

static void link_read(int folder, const char *name, struct buf *out)
{
	char text[RECORD_STRING_MAX];
	ssize_t len = readlinkat(folder, name, text, sizeof(text));

	buf_clear(out);
	if (len > 0)
		buf_add(out, (struct str){ text, (size_t)len });
}

static void bytes_read(int folder, const char *name, struct buf *out)
{
	char text[RECORD_STRING_MAX];
	ssize_t len = proc_read_file(folder, name, text, sizeof(text));

	buf_clear(out);
	if (len > 0)
		buf_add(out, (struct str){ text, (size_t)len });
}

/* Behind the 22nd field, its beginning, the 48th to 51st: where arguments and environment are. Who may not know finds
 * zeros. */
static void places_parse(const char *text, struct proc_facts *ret)
{
	uint64_t *const places[] = { &ret->args_place.at, &ret->args_place.end, &ret->env_place.at, &ret->env_place.end };
	char *end = (char *)(uintptr_t)text;

	for (int spaces = 0; *end != '\0' && spaces < 48 - 22; end++)
		spaces += *end == ' ';
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		*places[i] = strtoull(end, &end, 10);
}

/* "PID (comm) S ppid pgrp session tty …": comm may hold anything, so the last ')' ends it. */
static bool stat_parse(char *text, struct proc_facts *ret)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long start;
	unsigned ppid, pgid, sid;
	int tty, len;

	if (open == NULL || close == NULL || close < open)
		return false;
	*close = '\0';
	snprintf(ret->comm, sizeof(ret->comm), "%s", open + 1);
	if (sscanf(close + 1,
		   " %*c %u %u %u %d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu%n",
		   &ppid, &pgid, &sid, &tty, &start, &len) != 5)
		return false;
	ret->ppid = ppid;
	ret->pgid = pgid;
	ret->sid = sid;
	ret->tty = (uint32_t)tty;
	ret->start_ns = start * (uint64_t)(NS_PER_S / sysconf(_SC_CLK_TCK));
	places_parse(close + 1 + len, ret);
	return true;
}

/* The last of the numbers behind a key: the innermost namespace's. */
static uint32_t status_last(const char *text, const char *key, uint32_t fallback)
{
	const char *at = strstr(text, key);
	uint32_t value = fallback;

	if (at == NULL)
		return fallback;
	for (at += strlen(key); *at != '\n' && *at != '\0';) {
		if (isdigit((unsigned char)*at)) {
			char *end;

			value = (uint32_t)strtoul(at, &end, 10);
			at = end;
		} else {
			at++;
		}
	}
	return value;
}

static uint64_t status_hex(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	unsigned long long value = 0;

	if (at != NULL)
		sscanf(at + strlen(key), " %llx", &value);
	return value;
}

static void status_parse(const char *text, struct proc_facts *ret)
{
	const char *at = strstr(text, "\nUid:");

	if (at != NULL)
		sscanf(at, " Uid: %u %u", &ret->uid, &ret->euid);
	at = strstr(text, "\nGid:");
	if (at != NULL)
		sscanf(at, " Gid: %u %u", &ret->gid, &ret->egid);
	ret->vpid = status_last(text, "\nNStgid:", ret->tgid);
	ret->vpgid = status_last(text, "\nNSpgid:", ret->pgid);
	ret->vsid = status_last(text, "\nNSsid:", ret->sid);
	ret->cap_inheritable = status_hex(text, "\nCapInh:");
	ret->cap_permitted = status_hex(text, "\nCapPrm:");
	ret->cap_effective = status_hex(text, "\nCapEff:");
}

/* The path of the unified hierarchy, or where that says nothing of the pids or memory one. */
static void cgroup_parse(char *text, struct buf *out)
{
	char *save = NULL;

	buf_clear(out);
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(line, ':'), *path;
		bool unified;

		path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
		if (path == NULL)
			continue;
		*path++ = '\0';
		controllers++;
		unified = *controllers == '\0' && path[1] != '\0';
		if (unified || ((*controllers == '\0' || strcmp(controllers, "pids") == 0 ||
				 strcmp(controllers, "memory") == 0) &&
				out->len <= 1 && strlen(path) > out->len)) {
			buf_clear(out);
			buf_add(out, str_of(path));
		}
	}
}

static void cgroup_read(int folder, struct buf *out)
{
	char text[PROC_TEXT_MAX + 1];
	ssize_t len = proc_read_file(folder, "cgroup", text, PROC_TEXT_MAX);

	text[len < 0 ? 0 : len] = '\0';
	cgroup_parse(text, out);
}

static void more_read(int folder, unsigned what, struct proc_facts *ret)
{
	if (what & PROC_READ_CGROUP)
		cgroup_read(folder, &ret->cgroup);
	if (what & PROC_READ_LINKS) {
		link_read(folder, "exe", &ret->exe);
		link_read(folder, "cwd", &ret->cwd);
	}
	if (what & PROC_READ_ARGS)
		bytes_read(folder, "cmdline", &ret->args);
	if (what & PROC_READ_ENV)
		bytes_read(folder, "environ", &ret->env);
}

static int stat_read(int folder, const char *name, struct proc_facts *ret)
{
	char text[PROC_TEXT_MAX + 1];
	ssize_t len = proc_read_file(folder, name, text, PROC_TEXT_MAX);

	if (len <= 0)
		return -ESRCH;
	text[len] = '\0';
	return stat_parse(text, ret) ? 0 : -EBADMSG;
}

int proc_open(const char *folder, uint32_t tgid, uint64_t start_ns)
{
	autoclose int fd = folder_open(folder, tgid);
	struct proc_facts facts = { 0 };
	int r = fd < 0 ? fd : stat_read(fd, "stat", &facts);

	if (r < 0)
		return r;
	if (start_ns != 0 && start_ns / PROCS_TICK_NS > facts.start_ns / PROCS_TICK_NS + 1)
		return -ESRCH;
	if (start_ns != 0 && facts.start_ns / PROCS_TICK_NS > start_ns / PROCS_TICK_NS + 1)
		return -ESRCH;
	return TAKE_FD(fd);
}

int proc_read_stat(const char *folder, uint32_t tgid, struct proc_facts *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "%.32s/%u/stat", folder, tgid);
	ret->tgid = tgid;
	return stat_read(AT_FDCWD, path, ret);
}

int proc_read(const char *folder, uint32_t tgid, unsigned what, struct proc_facts *ret)
{
	autoclose int fd = folder_open(folder, tgid);
	char text[PROC_TEXT_MAX + 1];
	ssize_t len;
	int r;

	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	ret->tgid = tgid;
	r = stat_read(fd, "stat", ret);
	if (r < 0)
		return r;
	len = proc_read_file(fd, "status", text, PROC_TEXT_MAX);
	if (len <= 0)
		return -ESRCH;
	text[len] = '\0';
	status_parse(text, ret);
	len = proc_read_file(fd, "loginuid", text, 16);
	text[len < 0 ? 0 : len] = '\0';
	ret->loginuid = (uint32_t)-1;
	sscanf(text, "%u", &ret->loginuid);
	more_read(fd, what, ret);
	return 0;
}

int proc_read_more(const char *folder, uint32_t tgid, unsigned what, struct proc_facts *ret)
{
	autoclose int fd = folder_open(folder, tgid);

	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	more_read(fd, what, ret);
	return 0;
}

void proc_facts_done(struct proc_facts *facts)
{
	buf_done(&facts->exe);
	buf_done(&facts->cwd);
	buf_done(&facts->args);
	buf_done(&facts->env);
	buf_done(&facts->cgroup);
}
