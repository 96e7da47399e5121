/* A map pinned in /sys/fs/bpf outlives the sensor; links are asked about by their descriptors. */
#include "sensor/ebpf/guard.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE 0700

enum { PINS_MAX = 64 };

bool guard_sender(int map, uint32_t slot, struct plan_sender *ret)
{
	if (bpf_map_lookup_elem(map, &slot, ret) < 0 || ret->number == 0)
		return false;
	ret->comm[sizeof(ret->comm) - 1] = '\0';
	return true;
}

/* Only a map of our own form is read. */
static bool is_senders(int map)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(map, &info, &len) == 0 && info.type == BPF_MAP_TYPE_ARRAY &&
	       info.value_size == sizeof(struct plan_sender) && info.max_entries == PLAN_SENDERS;
}

/* How many pins are in the folder, and the name of the oldest. */
static unsigned count_pins(DIR *dir, char *ret_oldest, size_t size)
{
	struct timespec oldest = { 0 };
	unsigned count = 0;

	rewinddir(dir);
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (count++ == 0 || st.st_mtim.tv_sec < oldest.tv_sec ||
		    (st.st_mtim.tv_sec == oldest.tv_sec && st.st_mtim.tv_nsec < oldest.tv_nsec)) {
			oldest = st.st_mtim;
			snprintf(ret_oldest, size, "%s", entry->d_name);
		}
	}
	return count;
}

/* Of sensors that were killed and never started again with the same spool nobody else would take the pins away. */
static void drop_oldest(const char *folder)
{
	DIR *dir = opendir(folder);
	char oldest[256];

	if (dir == NULL)
		return;
	while (count_pins(dir, oldest, sizeof(oldest)) >= PINS_MAX)
		if (unlinkat(dirfd(dir), oldest, 0) < 0)
			break;
	closedir(dir);
}

void guard_keep(int map, const char *path, struct plan_sender *ret_killer)
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');
	autoclose int before = path == NULL ? -1 : bpf_obj_get(path);
	char folder[256];

	if (before < 0 || !is_senders(before) || !guard_sender(before, PLAN_SENDER_KILL, ret_killer))
		*ret_killer = (struct plan_sender){ 0 };
	if (slash == NULL || (size_t)(slash - path) >= sizeof(folder))
		return;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	(void)mkdir(folder, FOLDER_MODE);
	(void)unlink(path);
	drop_oldest(folder);
	if (bpf_obj_pin(map, path) < 0)
		log_debug("probe: %s: %s; who kills the sensor is not known to the next start", path, strerror(errno));
}

void guard_forget(const char *path)
{
	if (path != NULL)
		(void)unlink(path);
}

bool guard_refuses(const struct bpf_link *link)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &len) == 0 && info.cgroup.cgroup_id != 0;
}

size_t guard_detached(const struct bpf_object_skeleton *skeleton)
{
	size_t count = 0;

	for (int i = 0; i < skeleton->prog_cnt; i++) {
		struct bpf_link *link = *skeleton->progs[i].link;
		struct bpf_link_info info = { 0 };
		uint32_t len = sizeof(info);

		if (link != NULL && bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &len) < 0)
			count++;
	}
	return count;
}
