/* The thread that sets marks: on files that stand at the places, on folders that do as a whole (their files are asked
 * about as they are opened, new ones too), and on the file systems of containers for their programs. A mark is on the file,
 * not on its name; where names come and go inotify says so, and everything is looked at once more. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sensor/gate/gate_inner.h"
#include "sensor/ptrace/tracee.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	DEPTH_MAX = 32,
	LOOK_MS = 1000,	  /* whether the thread that answers is well */
	AGAIN_MS = 10000, /* for what nobody tells of: folders that were not there, mounts */
	SOON_MS = 5,	  /* several changes are one */
	REST = 20,	  /* times as long as it took nothing is looked at again */
};

/* A root directory that processes have. */
struct seen_root {
	dev_t dev;
	ino_t ino;
	uint64_t cgroup_id; /* numbers of file systems are given again; 0: nobody told */
};

struct marking {
	struct gate *gate;
	struct seen_root roots[GATE_ROOTS_MAX];
	size_t roots_count;
	dev_t host; /* the file system of the machine's own root */
	const struct place *places; /* a copy of the gate's: */
	size_t places_count;
	bool programs;
	struct arena arena;
	uint64_t version;
	bool changed;
	int64_t next, last;
};

/* ---- one mark ---- */

static void mark(struct marking *m, int fd, uint64_t mask, unsigned how)
{
	char path[FD_PATH];
	struct gate_counters *counters = &m->gate->counters;

	if (counters->marks >= GATE_MARKS_MAX ||
	    fanotify_mark(m->gate->group, FAN_MARK_ADD | how, mask, AT_FDCWD, fd_path(fd, path)) < 0)
		gate_count(&counters->unmarked);
	else
		gate_count(&counters->marks);
}

static void watch(struct marking *m, int fd)
{
	char path[FD_PATH];

	inotify_add_watch(m->gate->notes, fd_path(fd, path), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

static uint64_t mask_of(const struct place *place)
{
	return (place->opens ? FAN_OPEN_PERM : 0) | (place->execs ? FAN_OPEN_EXEC_PERM : 0);
}

/* What the kernel shows has no files, and the thread that answers opens some of it. */
static bool is_of_kernel(int fd)
{
	static const long types[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
				      DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC, BPF_FS_MAGIC };
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if ((long)st.f_type == types[i])
			return true;
	return false;
}

/* ---- places ---- */

/* The folder and those below it. Not behind links. */
static void mark_tree(struct marking *m, int folder, uint64_t mask, unsigned depth)
{
	int fd = is_of_kernel(folder) ? -1 : openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	mark(m, fd, mask | FAN_EVENT_ON_CHILD, 0);
	watch(m, fd);
	while (depth < DEPTH_MAX && m->gate->counters.marks < GATE_MARKS_MAX && !atomic_load(&m->gate->stop) &&
	       (entry = readdir(dir)) != NULL) {
		autoclose int below = -1;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		below = openat(fd, entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0)
			mark_tree(m, below, mask, depth + 1);
	}
	closedir(dir);
}

static int open_in(int root, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | flags, .resolve = RESOLVE_IN_ROOT };

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static void mark_one(struct marking *m, int fd, uint64_t mask)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || is_of_kernel(fd))
		return;
	if (S_ISDIR(st.st_mode))
		mark_tree(m, fd, mask, 0);
	else if (S_ISREG(st.st_mode))
		mark(m, fd, mask, 0);
}

/* What in the folder begins so: through links, which rules may know it by. */
static void mark_named(struct marking *m, int root, const char *folder, const char *start, uint64_t mask)
{
	autoclose int path_fd = open_in(root, folder, O_DIRECTORY);
	int fd = path_fd < 0 || is_of_kernel(path_fd) ? -1 : openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char path[RECORD_STRING_MAX];

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	watch(m, fd);
	while ((entry = readdir(dir)) != NULL && !atomic_load(&m->gate->stop)) {
		autoclose int found = -1;

		if (strncmp(entry->d_name, start, strlen(start)) != 0 || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (snprintf(path, sizeof(path), "%s%s", folder, entry->d_name) >= (int)sizeof(path))
			continue;
		found = open_in(root, path, 0);
		if (found >= 0)
			mark_one(m, found, mask);
	}
	closedir(dir);
}

static void mark_place(struct marking *m, int root, const struct place *place)
{
	char folder[RECORD_STRING_MAX];
	const char *slash = strrchr(place->path.at, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - place->path.at) + 1;

	if (len == 0 || len >= sizeof(folder))
		return;
	memcpy(folder, place->path.at, len);
	folder[len] = '\0';
	if (slash[1] != '\0') {
		mark_named(m, root, folder, slash + 1, mask_of(place));
	} else {
		autoclose int fd = open_in(root, folder, O_DIRECTORY);

		if (fd >= 0)
			mark_tree(m, fd, mask_of(place), 0);
	}
}

/* ---- roots ---- */

/* Programs of a container are asked about where it has a file system of its own, in layers or not. */
static void mark_programs(struct marking *m, int root)
{
	struct stat st;

	if (fstat(root, &st) == 0 && st.st_dev != m->host)
		mark(m, root, FAN_OPEN_EXEC_PERM, FAN_MARK_FILESYSTEM);
}

static bool stat_of(uint32_t tgid, const char *what, struct stat *ret)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%u/%s", tgid, what);
	return tracee_stat(path, ret);
}

/* True: it is new. */
static bool add_root(struct marking *m, uint32_t tgid, uint64_t cgroup_id)
{
	struct stat root;

	if (!stat_of(tgid, "root", &root))
		return false;
	for (size_t i = 0; i < m->roots_count; i++)
		if (m->roots[i].dev == root.st_dev && m->roots[i].ino == root.st_ino &&
		    m->roots[i].cgroup_id == cgroup_id)
			return false;
	if (m->roots_count == GATE_ROOTS_MAX) {
		gate_count(&m->gate->counters.unmarked);
		return false;
	}
	m->roots[m->roots_count++] = (struct seen_root){ root.st_dev, root.st_ino, cgroup_id };
	return true;
}

static void mark_root_of(struct marking *m, uint32_t tgid, uint64_t cgroup_id)
{
	char path[48];
	autoclose int root = -1;

	if (!add_root(m, tgid, cgroup_id))
		return;
	snprintf(path, sizeof(path), "/proc/%u/root", tgid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return;
	for (size_t i = 0; i < m->places_count && !atomic_load(&m->gate->stop); i++)
		mark_place(m, root, &m->places[i]);
	if (m->programs)
		mark_programs(m, root);
	atomic_store(&m->gate->counters.roots, m->roots_count);
}

/* Of all processes: whose root is nobody's any more is forgotten by that. */
static void mark_all(struct marking *m)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	struct stat st;
	uint64_t tgid;

	m->roots_count = 0;
	m->host = stat_of(1, "root", &st) || stat("/", &st) == 0 ? st.st_dev : 0;
	atomic_store(&m->gate->counters.marks, 0);
	atomic_store(&m->gate->counters.unmarked, 0);
	while (dir != NULL && (entry = readdir(dir)) != NULL && !atomic_load(&m->gate->stop))
		if (str_to_u64(str_of(entry->d_name), &tgid) && tgid <= INT32_MAX)
			mark_root_of(m, (uint32_t)tgid, 0);
	if (dir != NULL)
		closedir(dir);
}

/* ---- news ---- */

/* A copy: the sensor's may be others by the time that marking is done. */
static bool take_places(struct marking *m)
{
	struct gate *gate = m->gate;
	struct place *copy = NULL;
	bool changed;

	pthread_mutex_lock(&gate->lock);
	changed = m->version != gate->version;
	if (changed) {
		arena_reset(&m->arena);
		m->places_count = gate->places == NULL ? 0 : gate->places->count;
		m->programs = gate->places != NULL && gate->places->programs;
		copy = arena_alloc(&m->arena, (m->places_count + 1) * sizeof(*copy));
		if (copy == NULL)
			m->places_count = 0;
		for (size_t i = 0; i < m->places_count; i++) {
			copy[i] = gate->places->at[i];
			copy[i].path = arena_str(&m->arena, gate->places->at[i].path);
			if (copy[i].path.at == NULL)
				copy[i].path = STR("");
		}
		m->places = copy;
		m->version = gate->version;
	}
	pthread_mutex_unlock(&gate->lock);
	return changed;
}

static void take_seen(struct marking *m)
{
	struct seen seen[SEEN_MAX];
	size_t count;
	uint64_t times;
	ssize_t n = read(m->gate->seen, &times, sizeof(times));

	(void)n;
	pthread_mutex_lock(&m->gate->lock);
	count = m->gate->seen_count;
	memcpy(seen, m->gate->seen_programs, count * sizeof(seen[0]));
	m->gate->seen_count = 0;
	pthread_mutex_unlock(&m->gate->lock);
	for (size_t i = 0; i < count; i++)
		mark_root_of(m, seen[i].tgid, seen[i].cgroup_id);
}

/* A folder, or what some place's last name begins. */
static bool is_of_interest(const struct marking *m, const struct inotify_event *note)
{
	if (note->len == 0 || (note->mask & (IN_ISDIR | IN_Q_OVERFLOW)) != 0)
		return true;
	for (size_t i = 0; i < m->places_count; i++) {
		const char *slash = strrchr(m->places[i].path.at, '/');

		if (slash != NULL && slash[1] != '\0' && strncmp(note->name, slash + 1, strlen(slash + 1)) == 0)
			return true;
	}
	return false;
}

static void take_notes(struct marking *m)
{
	char room[4096] __attribute__((aligned(8)));
	ssize_t len;

	while ((len = read(m->gate->notes, room, sizeof(room))) > 0)
		for (ssize_t at = 0; at < len;) {
			const struct inotify_event *note = (const void *)(room + at);

			m->changed |= is_of_interest(m, note);
			at += (ssize_t)(sizeof(*note) + note->len);
		}
}

static void tell(const struct marking *m)
{
	const struct gate_counters *counters = &m->gate->counters;

	if (m->places_count > 0 || m->programs)
		log_info("enforce: the kernel asks about %llu files and folders, in %zu root directories",
			 (unsigned long long)counters->marks, m->roots_count);
	if (counters->unmarked > 0)
		log_warning("enforce: %llu files and folders are not asked about: more than %d, or the kernel refuses",
			    (unsigned long long)counters->unmarked, GATE_MARKS_MAX);
}

static void look_again(struct marking *m)
{
	bool other = take_places(m);
	int64_t begin = clock_mono();

	if (other)
		fanotify_mark(m->gate->group, FAN_MARK_FLUSH, 0, AT_FDCWD, NULL);
	if (other)
		fanotify_mark(m->gate->group, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, NULL);
	m->changed = false;
	if (m->places_count > 0 || m->programs || other)
		mark_all(m);
	if (other)
		tell(m);
	m->last = clock_mono();
	m->next = m->last + (m->last - begin) * REST;
}

static int until(const struct marking *m)
{
	int64_t wait = m->next + SOON_MS * NS_PER_MS - clock_mono();

	if (!m->changed || wait > LOOK_MS * NS_PER_MS)
		return LOOK_MS;
	return wait <= 0 ? 0 : (int)(wait / NS_PER_MS) + 1;
}

static void step(struct marking *m)
{
	struct pollfd fds[] = { { m->gate->seen, POLLIN, 0 }, { m->gate->notes, POLLIN, 0 } };

	(void)poll(fds, ARRAY_LEN(fds), until(m));
	gate_open_if_stuck(m->gate);
	if (fds[0].revents & POLLIN)
		take_seen(m);
	if (fds[1].revents & POLLIN)
		take_notes(m);
	pthread_mutex_lock(&m->gate->lock);
	m->changed |= m->version != m->gate->version;
	pthread_mutex_unlock(&m->gate->lock);
	if ((m->changed && clock_mono() >= m->next) || clock_mono() - m->last >= AGAIN_MS * NS_PER_MS)
		look_again(m);
}

void *gate_marks_thread(void *userdata)
{
	struct marking *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->gate = userdata;
	arena_init(&m->arena, 8 << 20);
	look_again(m);
	while (!atomic_load(&m->gate->stop))
		step(m);
	arena_done(&m->arena);
	free(m);
	return NULL;
}
