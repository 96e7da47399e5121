/* All that came of the command is killed: by descent, since what left its parents behind came to us. */
#include "sensor/ptrace/keeper_inner.h"

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/str.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KILL_MS = 3000, ROUND_MS = 5, PIDS_MAX = 1 << 22 };

struct kin {
	int pid, parent;
	bool dead, ours;
};

struct kins {
	struct kin *at;
	size_t count, room;
};

/* "PID (NAME) STATE PARENT …": a name may hold anything, so what counts stands behind its last bracket. */
static bool read_kin(const char *pid, struct kin *ret)
{
	char path[64], text[512];
	const char *end;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[len > 0 ? len : 0] = '\0';
	end = strrchr(text, ')');
	if (end == NULL || strlen(end) < 5)
		return false;
	*ret = (struct kin){ .pid = atoi(pid), .parent = atoi(end + 4), .dead = end[2] == 'Z' || end[2] == 'X' };
	return true;
}

static bool add_kin(struct kins *kins, const struct kin *kin)
{
	if (kins->count == kins->room) {
		size_t room = kins->room == 0 ? 1024 : kins->room * 2;
		struct kin *at = room > PIDS_MAX ? NULL : realloc(kins->at, room * sizeof(*at));

		if (at == NULL)
			return false;
		kins->at = at;
		kins->room = room;
	}
	kins->at[kins->count++] = *kin;
	return true;
}

static void read_all(struct kins *kins)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	struct kin kin;

	kins->count = 0;
	while (folder != NULL && (entry = readdir(folder)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) && read_kin(entry->d_name, &kin) && !add_kin(kins, &kin))
			break;
	if (folder != NULL)
		closedir(folder);
}

static bool is_ours(const struct kins *kins, int pid, int root)
{
	if (pid == root)
		return true;
	for (size_t i = 0; i < kins->count; i++)
		if (kins->at[i].pid == pid)
			return kins->at[i].ours;
	return false;
}

/* The sensor's own: front, keeper, worker, and what the worker has started for itself. */
static bool is_spared(const struct kin *kin, const struct keeper_pids *spared, int command)
{
	return kin->pid == spared->front || kin->pid == spared->keeper || kin->pid == spared->worker ||
	       kin->pid == getpid() || (kin->parent == spared->worker && kin->pid != command);
}

/* How many there were that could be killed. */
static size_t kill_all(struct kins *kins, int root, const struct keeper_pids *spared, int command)
{
	size_t killed = 0;
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < kins->count; i++)
			if (!kins->at[i].ours && is_ours(kins, kins->at[i].parent, root))
				changed = kins->at[i].ours = true;
	}
	for (size_t i = 0; i < kins->count; i++) {
		const struct kin *kin = &kins->at[i];

		if (kin->ours && !kin->dead && !is_spared(kin, spared, command))
			killed += kill(kin->pid, SIGKILL) == 0;
	}
	return killed;
}

void keeper_kill_workload(const struct keeper *keeper)
{
	const struct keeper_pids pids = keeper_pids(keeper);
	const struct timespec pause = { 0, ROUND_MS * NS_PER_MS };
	const int root = pids.front != 0 && kill(pids.front, 0) == 0 ? pids.front : getpid();
	const int command = keeper_command(keeper);
	const int64_t until = clock_mono() + KILL_MS * NS_PER_MS;
	struct kins kins = { 0 };

	for (read_all(&kins); kill_all(&kins, root, &pids, command) > 0 && clock_mono() < until; read_all(&kins))
		nanosleep(&pause, NULL);
	free(kins.at);
}
