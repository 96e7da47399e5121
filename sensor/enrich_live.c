/* Fields that only /proc tells, and only while the process runs: its memory, threads, descriptors and control
 * groups. Looked at when a rule reads one, or the event is to be shown; null when the process has ended by then, or its
 * number is another one's. Nothing here waits: no file of the process's own is opened or asked anything. */
#include "sensor/enrich_inner.h"

#include "base/cleanup.h"
#include "sensor/proc_read.h"
#include "sensor/record_text.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum {
	LIVE_TYPES_MAX = 16,  /* kinds of descriptors that are told apart */
	LIVE_FDS_MAX = 1024,  /* descriptors whose kinds are looked at */
	LIVE_COUNT_MAX = 1 << 16, /* ... and that are counted, where the kernel does not */
};

/* ---- the process's folder ---- */

/* -1: it has ended, or nobody is to look. */
static int folder_of(struct enrich *enrich)
{
	const struct record *record = enrich->record;
	struct live *live = &enrich->live;

	if (!live->looked && enrich->settings.proc_folder != NULL)
		live->folder = proc_open(enrich->settings.proc_folder, record->tgid, record->start_ns);
	live->looked = true;
	return live->folder;
}

void enrich_live_end(struct enrich *enrich)
{
	if (enrich->live.folder >= 0)
		close(enrich->live.folder);
	enrich->live.folder = -1;
	enrich->live.looked = false;
	enrich->live.status_len = 0;
}

/* A file of the process, or of the thread; empty when it cannot be read. */
static struct str read_file(struct enrich *enrich, bool of_thread, const char *name, char *room, size_t size)
{
	char path[64];
	int folder = folder_of(enrich);
	ssize_t len;

	if (of_thread)
		snprintf(path, sizeof(path), "task/%u/%s", enrich->record->tid, name);
	else
		snprintf(path, sizeof(path), "%s", name);
	len = folder < 0 ? -1 : proc_read_file(folder, path, room, size);
	return len <= 0 ? STR("") : (struct str){ room, (size_t)len };
}

/* The number behind a key at the begin of a line, after blanks. */
static bool number_behind(struct str text, struct str key, uint64_t *ret)
{
	ptrdiff_t at = str_find(text, key);
	struct str rest = at < 0 ? STR("") : str_from(text, (size_t)at + key.len);
	size_t digits = 0;

	while (rest.len > 0 && (rest.at[0] == ' ' || rest.at[0] == '\t'))
		rest = str_from(rest, 1);
	while (digits < rest.len && rest.at[digits] >= '0' && rest.at[digits] <= '9')
		digits++;
	return str_to_u64(str_cut(rest, digits), ret);
}

static void put_number(struct enrich *enrich, field_id id, bool known, uint64_t value)
{
	if (known)
		enrich_put_int(enrich, id, (int64_t)value);
	else
		enrich_put_null(enrich, id);
}

/* ---- memory and threads ---- */

enum { MEMORY_SIZE, MEMORY_RESIDENT, MEMORY_SWAPPED, THREADS, OF_LEADER = 8, IN_BYTES = 16, WITHOUT_LEADER = 32 };

static bool status_number(struct enrich *enrich, unsigned what, uint64_t *ret)
{
	static const struct str keys[] = { STR("\nVmSize:"), STR("\nVmRSS:"), STR("\nVmSwap:"), STR("\nThreads:") };
	struct live *live = &enrich->live;

	if (live->status_len == 0)
		live->status_len = read_file(enrich, false, "status", live->status, sizeof(live->status)).len;
	return number_behind((struct str){ live->status, live->status_len }, keys[what & 7], ret);
}

/* Of a thread that is not the first one Falco says that it has none. */
static void put_status(struct enrich *enrich, field_id id, unsigned what)
{
	uint64_t value = 0;
	bool known;

	if ((what & OF_LEADER) && enrich->record->tid != enrich->record->tgid) {
		enrich_put_int(enrich, id, 0);
		return;
	}
	known = status_number(enrich, what, &value);
	if ((what & WITHOUT_LEADER) && value > 0)
		value--;
	put_number(enrich, id, known, what & IN_BYTES ? value * 1024 : value);
}

/* Page faults of the thread: "PID (name) S ppid pgrp session tty tpgid flags minor … major …". */
static void put_faults(struct enrich *enrich, field_id id, unsigned major)
{
	char room[1024];
	struct str text = read_file(enrich, true, "stat", room, sizeof(room) - 1);
	uint64_t minor = 0, majors = 0;
	const char *end;

	room[text.len] = '\0';
	end = strrchr(room, ')'); /* a name may hold anything */
	if (text.len == 0 || end == NULL ||
	    sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %" SCNu64 " %*u %" SCNu64, &minor, &majors) != 2)
		enrich_put_null(enrich, id);
	else
		enrich_put_int(enrich, id, (int64_t)(major != 0 ? majors : minor));
}

/* ---- descriptors ---- */

enum { FDS_OPEN, FDS_LIMIT, FDS_USAGE };

static bool is_number(const char *name)
{
	return name[0] >= '0' && name[0] <= '9';
}

static DIR *descriptors(struct enrich *enrich)
{
	int folder = folder_of(enrich);
	autoclose int fd = folder < 0 ? -1 : openat(folder, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir != NULL)
		fd = -1; /* the stream's by now */
	return dir;
}

/* From Linux 6.2 on the folder's size is their number. */
static bool count_open(struct enrich *enrich, uint64_t *ret)
{
	DIR *dir = descriptors(enrich);
	const struct dirent *entry;
	struct stat st;

	if (dir == NULL)
		return false;
	*ret = 0;
	if (fstat(dirfd(dir), &st) == 0 && st.st_size > 0)
		*ret = (uint64_t)st.st_size;
	for (bool counted = *ret > 0; !counted && *ret < LIVE_COUNT_MAX && (entry = readdir(dir)) != NULL;)
		*ret += is_number(entry->d_name);
	closedir(dir);
	return true;
}

static void put_descriptors(struct enrich *enrich, field_id id, unsigned what)
{
	char room[2048];
	uint64_t open = 0, limit = 0;
	bool has_limit = what == FDS_OPEN ||
			 number_behind(read_file(enrich, false, "limits", room, sizeof(room)), STR("\nMax open files"), &limit);
	bool has_open = what == FDS_LIMIT || count_open(enrich, &open);

	if (what != FDS_USAGE) {
		put_number(enrich, id, has_limit && has_open, what == FDS_OPEN ? open : limit);
		return;
	}
	if (!has_limit || !has_open)
		enrich_put_null(enrich, id);
	else
		event_set(&enrich->event, id,
			  (struct value){ .kind = VALUE_DOUBLE,
					  .d = limit == 0 ? 0 : open > limit ? 100 : (double)(open * 100 / limit) });
}

/* What the kernel calls a socket's protocol says its family. */
static const char *socket_type(int folder, unsigned fd)
{
	char path[64], name[32] = "";
	struct str text;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/fd/%u", folder, fd);
	len = getxattr(path, "system.sockprotoname", name, sizeof(name) - 1);
	text = len <= 0 ? STR("") : str_of(name);
	if (str_starts(text, STR("UNIX")))
		return "unix";
	if (str_eq(text, STR("NETLINK")))
		return "netlink";
	if (text.len == 0 || str_eq(text, STR("PACKET")))
		return "unknown";
	return str_ends(text, STR("v6")) ? "ipv6" : "ipv4";
}

/* Falco's name of what a descriptor is; NULL: there is none, or no process. `target`: where its link leads. */
static const char *type_of(struct enrich *enrich, unsigned fd, char *room, size_t size, struct str *ret_target)
{
	int folder = folder_of(enrich);
	char name[16];
	struct statx st;
	ssize_t len;

	snprintf(name, sizeof(name), "fd/%u", fd);
	len = folder < 0 ? -1 : readlinkat(folder, name, room, size);
	if (len <= 0)
		return NULL;
	*ret_target = (struct str){ room, (size_t)len };
	if (str_starts(*ret_target, STR("socket:")))
		return socket_type(folder, fd);
	if (str_starts(*ret_target, STR("pipe:")))
		return "pipe";
	if (str_starts(*ret_target, STR("anon_inode:")))
		return enrich_anonymous(str_from(*ret_target, sizeof("anon_inode:") - 1));
	if (str_starts(*ret_target, STR("/memfd:")))
		return "memfd";
	/* From what is known, without asking a file system that may be the process's own. */
	if (statx(folder, name, AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 && S_ISDIR(st.stx_mode))
		return "directory";
	return "file";
}

static bool is_same_socket(const struct record *record, struct str target)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "socket:[%" PRIu64 "]", (uint64_t)record->object.ino);

	return (record->flags & RECORD_HAS_OBJECT) && record->object.kind == RECORD_OBJECT_SOCKET &&
	       str_eq(target, (struct str){ text, (size_t)len });
}

/* What a program had when it was started, as the probe has told. */
static void put_told_type(struct enrich *enrich, field_id id, unsigned fd)
{
	const struct record *record = enrich->record;
	unsigned kind = record->args[fd] & 0xff, family = record->args[fd] >> 8 & 0xffff;

	switch (kind) {
	case RECORD_OBJECT_FILE:
	case RECORD_OBJECT_DEVICE: enrich_put_borrowed(enrich, id, STR("file")); break;
	case RECORD_OBJECT_DIRECTORY: enrich_put_borrowed(enrich, id, STR("directory")); break;
	case RECORD_OBJECT_PIPE: enrich_put_borrowed(enrich, id, STR("pipe")); break;
	case RECORD_OBJECT_SOCKET:
		enrich_put_borrowed(enrich, id,
				    family == AF_INET	 ? STR("ipv4")
				    : family == AF_INET6 ? STR("ipv6")
				    : family == AF_UNIX	 ? STR("unix")
							 : STR("unknown"));
		break;
	default: break;
	}
}

/* At an exec the process may have ended since. */
static void put_standard_type(struct enrich *enrich, field_id id, unsigned fd)
{
	char room[RECORD_STRING_MAX];
	struct str target;
	const char *type;

	if (enrich->record->type == RECORD_EXEC && event_get(&enrich->event, id)->kind == VALUE_ABSENT)
		put_told_type(enrich, id, fd);
	if (event_get(&enrich->event, id)->kind != VALUE_ABSENT)
		return;
	type = type_of(enrich, fd, room, sizeof(room), &target);
	if (type != NULL)
		enrich_put(enrich, id, str_of(type));
	else if (folder_of(enrich) < 0)
		enrich_put_null(enrich, id);
}

/* A socket has the name that is known of it here: of the event's own one. Pipes and the like have none. */
static void put_standard_name(struct enrich *enrich, field_id id, unsigned fd)
{
	bool is_exec = enrich->record->type == RECORD_EXEC;
	char room[RECORD_STRING_MAX];
	struct str target = { 0 };
	const char *type = type_of(enrich, fd, room, sizeof(room), &target);

	if ((is_exec && fd == 0 && (enrich->record->flags & RECORD_HAS_OBJECT)) || is_same_socket(enrich->record, target))
		enrich_put(enrich, id, is_exec ? enrich_stdin_name(enrich) : enrich->fd_name);
	else if (type == NULL ? folder_of(enrich) < 0 : strcmp(type, "ipv4") == 0 || strcmp(type, "ipv6") == 0)
		enrich_put_null(enrich, id);
	else if (str_starts(target, STR("/")))
		enrich_put(enrich, id, target);
}

/* One of many. */
static void add_type(struct value *types, uint32_t *count, const char *type)
{
	for (uint32_t i = 0; i < *count; i++)
		if (str_eq(value_as_str(&types[i]), str_of(type)))
			return;
	if (*count < LIVE_TYPES_MAX)
		types[(*count)++] = value_str(str_of(type));
}

static uint32_t all_types(struct enrich *enrich, struct value *types)
{
	DIR *dir = descriptors(enrich);
	char room[RECORD_STRING_MAX];
	const struct dirent *entry;
	struct str target;
	uint32_t count = 0;

	for (unsigned n = 0; dir != NULL && n < LIVE_FDS_MAX && (entry = readdir(dir)) != NULL; n++) {
		const char *type = !is_number(entry->d_name) ? NULL
							     : type_of(enrich, (unsigned)strtoul(entry->d_name, NULL, 10),
								       room, sizeof(room), &target);

		if (type != NULL)
			add_type(types, &count, type);
	}
	if (dir != NULL)
		closedir(dir);
	return count;
}

static void put_types(struct enrich *enrich, field_id id, const struct value *types, uint32_t count)
{
	if (count > 0)
		event_set(&enrich->event, id, (struct value){ .kind = VALUE_LIST, .len = count, .list = types });
	else if (folder_of(enrich) < 0)
		enrich_put_null(enrich, id);
}

static void put_all_types(struct enrich *enrich, field_id id, unsigned unused)
{
	struct value *types = arena_zalloc(&enrich->arena, LIVE_TYPES_MAX * sizeof(*types));

	(void)unused;
	if (types != NULL)
		put_types(enrich, id, types, all_types(enrich, types));
}

void enrich_live_types(struct enrich *enrich, field_id id, struct str number)
{
	struct value *types = arena_zalloc(&enrich->arena, sizeof(*types));
	char room[RECORD_STRING_MAX];
	struct str target;
	const char *type;
	uint64_t fd;

	if (types == NULL || !str_to_u64(number, &fd) || fd > INT32_MAX)
		return;
	type = type_of(enrich, (unsigned)fd, room, sizeof(room), &target);
	*types = value_str(str_of(type));
	put_types(enrich, id, types, type != NULL);
}

/* ---- control groups ---- */

static bool has_controller(struct str controllers, struct str name)
{
	while (controllers.len > 0) {
		const char *comma = memchr(controllers.at, ',', controllers.len);
		struct str one = str_cut(controllers, comma == NULL ? controllers.len : (size_t)(comma - controllers.at));

		if (str_eq(one, name))
			return true;
		controllers = str_from(controllers, one.len + 1);
	}
	return false;
}

/* Lines are "4:cpu,cpuacct:/path", and of the unified tree "0::/path", which is that of all that have none of
 * their own. */
static struct str cgroup_of(struct str text, struct str subsystem)
{
	struct str name = str_eq(subsystem, STR("io")) ? STR("blkio") : subsystem, unified = { 0 };

	while (text.len > 0) {
		const char *end = memchr(text.at, '\n', text.len);
		struct str line = str_cut(text, end == NULL ? text.len : (size_t)(end - text.at));
		ptrdiff_t first = str_find(line, STR(":")), second;
		struct str rest = str_from(line, (size_t)first + 1);

		text = str_from(text, line.len + 1);
		second = first < 0 ? -1 : str_find(rest, STR(":"));
		if (second < 0)
			continue;
		if (second == 0)
			unified = str_from(rest, 1);
		else if (has_controller(str_cut(rest, (size_t)second), name))
			return str_from(rest, (size_t)second + 1);
	}
	return unified;
}

/* In Falco's order. */
static const struct str subsystems[] = { STR("cpuset"), STR("cpu"), STR("cpuacct"), STR("io"), STR("memory") };

static void put_cgroups(struct enrich *enrich, field_id id, unsigned unused)
{
	char room[PROC_TEXT_MAX];
	struct str text = read_file(enrich, true, "cgroup", room, sizeof(room));

	(void)unused;
	if (text.len == 0) {
		enrich_put_null(enrich, id);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(subsystems); i++) {
		if (i > 0)
			buf_add_char(&enrich->text, ' ');
		buf_add(&enrich->text, subsystems[i]);
		buf_add_char(&enrich->text, '=');
		buf_add(&enrich->text, cgroup_of(text, subsystems[i]));
	}
	enrich_put_text(enrich, id);
}

void enrich_live_cgroup(struct enrich *enrich, field_id id, struct str subsystem)
{
	char room[PROC_TEXT_MAX];
	struct str text = read_file(enrich, true, "cgroup", room, sizeof(room));

	if (text.len == 0)
		enrich_put_null(enrich, id);
	else
		enrich_put(enrich, id, cgroup_of(text, subsystem));
}

/* ---- by name ---- */

const struct asked_row enrich_live_rows[] = {
	{ "proc.vmsize", put_status, MEMORY_SIZE },
	{ "proc.vmrss", put_status, MEMORY_RESIDENT },
	{ "proc.vmswap", put_status, MEMORY_SWAPPED },
	{ "thread.vmsize", put_status, MEMORY_SIZE | OF_LEADER },
	{ "thread.vmrss", put_status, MEMORY_RESIDENT | OF_LEADER },
	{ "thread.vmsize.b", put_status, MEMORY_SIZE | OF_LEADER | IN_BYTES },
	{ "thread.vmrss.b", put_status, MEMORY_RESIDENT | OF_LEADER | IN_BYTES },
	{ "proc.nthreads", put_status, THREADS },
	{ "proc.nchilds", put_status, THREADS | WITHOUT_LEADER },
	{ "thread.pfmajor", put_faults, 1 },
	{ "thread.pfminor", put_faults, 0 },
	{ "proc.fdopencount", put_descriptors, FDS_OPEN },
	{ "proc.fdlimit", put_descriptors, FDS_LIMIT },
	{ "proc.fdusage", put_descriptors, FDS_USAGE },
	{ "proc.stdin.type", put_standard_type, 0 },
	{ "proc.stdout.type", put_standard_type, 1 },
	{ "proc.stderr.type", put_standard_type, 2 },
	{ "proc.stdin.name", put_standard_name, 0 },
	{ "proc.stdout.name", put_standard_name, 1 },
	{ "proc.stderr.name", put_standard_name, 2 },
	{ "fd.types", put_all_types, 0 },
	{ "thread.cgroups", put_cgroups, 0 },
};
const size_t enrich_live_rows_count = ARRAY_LEN(enrich_live_rows);

bool enrich_live_param(struct enrich *enrich, field_id id, struct str name)
{
	static const struct asked_row params[] = {
		{ "vm_size", put_status, MEMORY_SIZE },	  { "vm_rss", put_status, MEMORY_RESIDENT },
		{ "vm_swap", put_status, MEMORY_SWAPPED }, { "pgft_maj", put_faults, 1 },
		{ "pgft_min", put_faults, 0 },		  { "fdlimit", put_descriptors, FDS_LIMIT },
		{ "cgroups", put_cgroups, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		if (!str_eq(name, str_of(params[i].name)))
			continue;
		params[i].put(enrich, id, params[i].what);
		return true;
	}
	return false;
}
