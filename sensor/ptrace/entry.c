/* Numbers of the other ways in, and the rules' interest asked with what a call's entry tells. */
#include "sensor/ptrace/entry.h"

#include "base/cleanup.h"
#include "sensor/call_numbers.h"
#include "sensor/ptrace/filter.h"
#include "sensor/ptrace/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* ---- which call ---- */

#if defined(__x86_64__)
/* socketcall(2), the 32-bit entry's older way to the network. */
static uint16_t socketcall_number(uint64_t which)
{
	static const uint16_t numbers[] = {
		[1] = SYS_socket,   [2] = SYS_bind,	  [3] = SYS_connect,   [4] = SYS_listen,
		[5] = SYS_accept,   [8] = SYS_socketpair, [11] = SYS_sendto,   [12] = SYS_recvfrom,
		[13] = SYS_shutdown, [15] = SYS_getsockopt, [16] = SYS_sendmsg, [17] = SYS_recvmsg,
		[18] = SYS_accept4, [19] = SYS_recvmmsg,  [20] = SYS_sendmmsg,
	};

	return which < ARRAY_LEN(numbers) && numbers[which] != 0 ? numbers[which] : PLAN_CALLS;
}

static void unfold_socketcall(struct entry *entry)
{
	uint32_t words[6] = { 0 };

	/* Short calls may stand at the end of a page. */
	if (!tracee_read(entry->tid, entry->args[1], words, sizeof(words)))
		tracee_read(entry->tid, entry->args[1], words, 12);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		entry->args[i] = words[i];
}

static uint16_t x32_number(uint32_t nr)
{
	static const struct {
		uint16_t x32, nr;
	} own[] = {
		{ 517, SYS_recvfrom }, { 518, SYS_sendmsg },  { 519, SYS_recvmsg },
		{ 520, SYS_execve },   { 521, SYS_ptrace },   { 537, SYS_recvmmsg },
		{ 538, SYS_sendmmsg }, { 539, SYS_process_vm_readv }, { 540, SYS_process_vm_writev },
		{ 542, SYS_getsockopt }, { 545, SYS_execveat },
	};

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (own[i].x32 == nr)
			return own[i].nr;
	return nr < PLAN_FOREIGN ? (uint16_t)nr : PLAN_CALLS;
}
#else
static uint16_t socketcall_number(uint64_t which)
{
	(void)which;
	return PLAN_CALLS;
}

static void unfold_socketcall(struct entry *entry)
{
	(void)entry;
}

static uint16_t x32_number(uint32_t nr)
{
	(void)nr;
	return PLAN_CALLS;
}
#endif

static const struct call *find_native(uint32_t nr)
{
	if (nr & FILTER_X32)
		nr = x32_number(nr & ~(uint32_t)FILTER_X32);
	return nr < PLAN_FOREIGN ? call_find((uint16_t)nr) : NULL;
}

bool entry_read(const struct seccomp_data *data, uint32_t tid, struct entry *ret)
{
	bool is_socketcall;

	*ret = (struct entry){ .tid = tid, .compat = data->arch != CALL_AUDIT_ARCH };
	is_socketcall = ret->compat && data->nr == COMPAT_SOCKETCALL && socketcall_number(1) < PLAN_CALLS;
	for (size_t i = 0; i < ARRAY_LEN(ret->args); i++)
		ret->args[i] = data->args[i];
	if (is_socketcall) {
		ret->call = call_find(socketcall_number(data->args[0]));
		unfold_socketcall(ret);
	} else {
		ret->call = ret->compat ? call_find_compat((uint32_t)data->nr) : find_native((uint32_t)data->nr);
	}
	return ret->call != NULL;
}

/* ---- names ---- */

static uint64_t arg(const struct entry *entry, uint8_t place)
{
	return place >= 1 && place <= 6 ? entry->args[place - 1] : 0;
}

enum { PAGE = 4096, FIRST_READ = 256 };

/* Up to its NUL; most names are short. .at NULL: not readable, or longer than a path can be. */
static struct str read_name(uint32_t tid, uint64_t address, char *to, size_t size)
{
	size_t len = 0;

	while (len < size) {
		size_t step = PAGE - ((address + len) % PAGE);
		char *end;

		if (len == 0 && step > FIRST_READ)
			step = FIRST_READ;
		if (step > size - len)
			step = size - len;
		if (!tracee_read(tid, address + len, to + len, step))
			break;
		end = memchr(to + len, '\0', step);
		if (end != NULL)
			return (struct str){ to, (size_t)(end - to) };
		len += step;
	}
	return (struct str){ NULL, 0 };
}

/* Adds the components of `name` to the path, which has no slash at its end. ".." behind a name that is
 * given, too, may lead elsewhere when that is a link: then false. */
static bool add_components(char *path, size_t *len, struct str name)
{
	bool surely = true, own = false;

	while (name.len > 0) {
		const char *slash = memchr(name.at, '/', name.len);
		struct str part = str_cut(name, slash == NULL ? name.len : (size_t)(slash - name.at));

		name = str_from(name, part.len + (slash != NULL));
		if (part.len == 0 || str_eq(part, STR(".")))
			continue;
		if (str_eq(part, STR(".."))) {
			surely &= !own;
			while (*len > 0 && path[--*len] != '/')
				;
			continue;
		}
		own = true;
		path[(*len)++] = '/';
		memcpy(path + *len, part.at, part.len);
		*len += part.len;
	}
	return surely;
}

/* What a relative name starts from. Removed directories and those of other roots have no path here. */
static bool read_directory(const struct entry *entry, int which, struct entry_view *view, size_t *len)
{
	uint8_t place = entry->call->plan.dir_arg[which];
	int32_t fd = place == 0 ? KEPT_CWD : (int32_t)arg(entry, place);
	ssize_t n = kept_link(&view->kept, entry->tid, fd < 0 ? KEPT_CWD : fd, view->path, RECORD_STRING_MAX);

	if (n <= 0 || n == RECORD_STRING_MAX || view->path[0] != '/')
		return false;
	*len = n == 1 ? 0 : (size_t)n;
	return true;
}

/* Names that lead elsewhere by what the kernel makes of them. */
static bool is_magic(struct str path)
{
	static const struct str leads[] = { STR("/root"), STR("/cwd"), STR("/exe"), STR("/fd/"), STR("/map_files/") };

	if (str_starts(path, STR("/dev/fd/")) || str_starts(path, STR("/dev/std")))
		return true;
	if (!str_starts(path, STR("/proc/")))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(leads); i++)
		if (memmem(path.at, path.len, leads[i].at, leads[i].len) != NULL)
			return true;
	return false;
}

/* Of the first or the second name. .at NULL: nobody can tell before the call has ended. `ret_roundabout`: two dots are
 * behind a name of its own, and what it stands for is known by looking it up as it was given. */
static struct str path_of(const struct entry *entry, int which, struct str given, struct entry_view *view,
			  bool *ret_roundabout)
{
	size_t len = 0;
	struct str path;

	*ret_roundabout = false;
	if (given.len == 0)
		return (struct str){ NULL, 0 };
	if (given.at[0] != '/' && !read_directory(entry, which, view, &len))
		return (struct str){ NULL, 0 };
	*ret_roundabout = !add_components(view->path, &len, given);
	if (*ret_roundabout && (given.at[0] != '/' || str_starts(given, STR("/proc/"))))
		return (struct str){ NULL, 0 };
	view->path[len] = '\0';
	path = (struct str){ view->path, len };
	return is_magic(path) ? (struct str){ NULL, 0 } : path;
}

/* ---- links on the way ---- */

void entry_roots_are_ours(struct entry_view *view)
{
	struct statfs fs;

	view->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	view->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (view->proc >= 0 && (fstatfs(view->proc, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC))
		close(TAKE_FD(view->proc));
}

void entry_roots_differ(struct entry_view *view)
{
	if (view->root >= 0)
		close(TAKE_FD(view->root));
	if (view->proc >= 0)
		close(TAKE_FD(view->proc));
}

void entry_view_done(struct entry_view *view)
{
	kept_done(&view->kept);
	entry_roots_differ(view);
}

/* Opens a path as the process would, without asking any file system: one may belong to a process that is waiting for us.
 * -errno: ELOOP where a link is on the way and `follow` is 0; EAGAIN where the kernel does not remember all of it; before
 * Linux 5.12 always. */
static int open_known(int root, const char *path, uint64_t flags, uint64_t follow)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC | flags,
				      .resolve = RESOLVE_IN_ROOT | RESOLVE_CACHED | RESOLVE_NO_MAGICLINKS | follow };
	int fd = (int)syscall(SYS_openat2, root, path[0] == '\0' ? "." : path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Whether paths mean the same to the process as to us. */
static bool has_our_root(uint32_t tid, const struct entry_view *view)
{
	char link[48], theirs[64] = "", ours[64] = "";

	if (view->root >= 0)
		return true;
	snprintf(link, sizeof(link), "/proc/%u/ns/mnt", tid);
	if (readlink(link, theirs, sizeof(theirs) - 1) < 0 || readlink("/proc/self/ns/mnt", ours, sizeof(ours) - 1) < 0 ||
	    strcmp(theirs, ours) != 0)
		return false;
	snprintf(link, sizeof(link), "/proc/%u/root", tid);
	return readlink(link, theirs, sizeof(theirs)) == 1 && theirs[0] == '/';
}

static int open_root(uint32_t tid)
{
	char link[48];

	snprintf(link, sizeof(link), "/proc/%u/root", tid);
	return open(link, O_PATH | O_CLOEXEC);
}

/* In /proc, which asks nobody: "self" is who asks, and no link of any kind is on the way. */
static struct str follow_in_proc(const struct entry *entry, struct entry_view *view)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC | O_DIRECTORY,
				      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
	const size_t folder = sizeof("/proc/") - 1, self = sizeof("/proc/self/") - 1;
	autoclose int fd = -1;
	char text[256];
	int len;

	if (str_starts(str_of(view->path), STR("/proc/self/")))
		len = snprintf(text, sizeof(text), "/proc/%u/%s", tracee_tgid(entry->tid), view->path + self);
	else
		len = snprintf(text, sizeof(text), "%s", view->path);
	if (len < 0 || (size_t)len >= sizeof(text))
		return (struct str){ NULL, 0 };
	fd = (int)syscall(SYS_openat2, view->proc, text + folder, &how, sizeof(how));
	if (fd < 0 && errno != ENOTDIR)
		return (struct str){ NULL, 0 };
	memcpy(view->path, text, (size_t)len + 1);
	return (struct str){ view->path, (size_t)len };
}

/* What the last component leads to does not matter: then its folder is enough, and it may be new. */
static int open_known_folder(int root, char *name)
{
	char *slash = strrchr(name, '/');
	int fd;

	*slash = '\0';
	fd = open_known(root, name, O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	*slash = '/';
	return fd;
}

/* Puts the path without links in the place of view->path, which `name` stands for. .at NULL: nobody can tell before the
 * call has ended. A file that is looked up as if it were a directory is found and not opened: there is nothing to close. */
static struct str follow_links(const struct entry *entry, char *name, uint64_t flags, struct entry_view *view)
{
	char link[48];
	autoclose int own = view->root >= 0 ? -1 : open_root(entry->tid), plain = -1, fd = -1;
	int root = view->root >= 0 ? view->root : own;
	ssize_t len;

	if (view->proc >= 0 && str_starts(str_of(view->path), STR("/proc/")))
		return follow_in_proc(entry, view);
	plain = root < 0 ? -ESRCH : open_known(root, name, O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	if (plain == -EAGAIN && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		plain = open_known_folder(root, name);
	if (plain >= 0 || plain == -ENOENT || plain == -ENOTDIR)
		return str_of(view->path);
	if (plain != -ELOOP || !has_our_root(entry->tid, view))
		return (struct str){ NULL, 0 };
	fd = open_known(root, name, 0, 0);
	if (fd == -ENOENT && !(flags & (O_CREAT | O_TMPFILE)))
		return str_of(view->path); /* it fails, and is known by its name */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = fd < 0 ? -1 : readlink(link, view->path, RECORD_STRING_MAX);
	if (len <= 0 || len == RECORD_STRING_MAX)
		return (struct str){ NULL, 0 };
	return (struct str){ view->path, (size_t)len };
}

/* ---- wanted ---- */

static bool read_how(const struct entry *entry, struct open_how *ret)
{
	const struct plan *plan = &entry->call->plan;

	if (plan->flags & PLAN_OPEN_HOW)
		return tracee_read(entry->tid, entry->args[2], ret, sizeof(*ret));
	*ret = (struct open_how){
		.flags = plan->open_arg == 0 ? (uint64_t)(O_CREAT | O_TRUNC | O_WRONLY) : arg(entry, plan->open_arg),
		.mode = arg(entry, plan->mode_arg),
	};
	return true;
}

/* In memory, they may be others by the time that the kernel looks. What makes a file may do so before it fails. */
static bool asks_for_folder(const struct plan *plan, uint64_t flags)
{
	return !(plan->flags & PLAN_OPEN_HOW) && (flags & (O_DIRECTORY | PLAN_O_CREAT | PLAN_O_TMPFILE)) == O_DIRECTORY;
}

/* A name in a directory that may not be a link: no link is on the way. File-tree walkers ask so. */
static bool is_one_step(struct str given, uint64_t flags)
{
	bool follows = !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);

	return !follows && memchr(given.at, '/', given.len) == NULL && !str_eq(given, STR(".")) && !str_eq(given, STR(".."));
}

/* More words than it needs are gone from the path; two dots some rules want to see, or to compare. */
static bool path_is_wanted(const struct entry *entry, const struct interest *interest, uint16_t kinds, struct str path,
			   struct str given, struct str comm)
{
	const uint16_t nr = entry->call->nr;

	if (str_find(given, STR("..")) < 0)
		return interest_wants_open(interest, nr, kinds, path, path, comm);
	if (given.at[0] != '/')
		return interest_wants_open(interest, nr, kinds, path, given, comm);
	return interest_wants_open(interest, nr, kinds, path, str_from(given, 1), comm) ||
	       interest_wants_open(interest, nr, kinds, given, STR(""), comm);
}

static bool open_is_wanted(const struct entry *entry, const struct interest *interest, struct str comm,
			   struct entry_view *view)
{
	const struct plan *plan = &entry->call->plan;
	const struct plan_interest *of = &interest->calls[entry->call->nr];
	struct open_how how;
	struct str given, path;
	bool roundabout;
	uint64_t flags;
	uint16_t kinds;

	if (!read_how(entry, &how))
		return true;
	flags = how.flags;
	if ((flags & O_ACCMODE) == O_RDONLY && ((flags & O_PATH) || (!interest->folders && asks_for_folder(plan, flags))))
		return false;
	kinds = plan_open_kind(plan->open_arg == 0, flags, how.mode, false) |
		plan_open_kind(plan->open_arg == 0, flags, how.mode, true);
	if (!(of->can & kinds))
		return false;
	/* A directory that is a root for this name alone makes another path of it. */
	if ((of->pass & kinds) || plan->name_arg[0] == 0 || (how.resolve & RESOLVE_IN_ROOT))
		return true;
	given = read_name(entry->tid, arg(entry, plan->name_arg[0]), view->given, sizeof(view->given));
	if (given.at == NULL)
		return true;
	path = path_of(entry, 0, given, view, &roundabout);
	if (path.at == NULL || path_is_wanted(entry, interest, kinds, path, given, comm))
		return true;
	/* Who shares the memory can write over the name that was read here, before the kernel reads it. */
	if (entry->at_its_end && !kept_is_alone(&view->kept, entry->tid))
		return true;
	if (is_one_step(given, flags))
		return false;
	path = follow_links(entry, roundabout ? view->given : view->path, flags, view);
	return path.at == NULL || interest_wants_open(interest, entry->call->nr, kinds, path, path, comm);
}

/* A name that says its path in more words than it needs, but for a "./" in front. */
static bool is_roundabout(struct str given)
{
	if (str_starts(given, STR("./")) || str_starts(given, STR("/")))
		given = str_from(given, given.at[0] == '/' ? 1 : 2);
	while (given.at != NULL) {
		const char *slash = memchr(given.at, '/', given.len);
		struct str part = str_cut(given, slash == NULL ? given.len : (size_t)(slash - given.at));

		if (part.len == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")))
			return true;
		given = slash == NULL ? (struct str){ NULL, 0 } : str_from(given, part.len + 1);
	}
	return false;
}

/* As the eBPF program looks at it: a text with a slash in front. */
static struct str text_of(struct str given, struct entry_view *view)
{
	const size_t slash = given.len == 0 || given.at[0] != '/';

	view->path[0] = '/';
	memcpy(view->path + slash, given.at, given.len);
	return (struct str){ view->path, given.len + slash };
}

static bool name_is_wanted(const struct entry *entry, const struct interest *interest, int which, struct entry_view *view)
{
	const struct plan *plan = &entry->call->plan;
	const uint16_t kinds = 1 | 1 << PLAN_KIND_FAILED;
	const bool text = (plan->flags & PLAN_TARGET_TEXT) && which == 0;
	bool roundabout;
	struct str given, path;

	if (plan->name_arg[which] == 0)
		return false;
	given = read_name(entry->tid, arg(entry, plan->name_arg[which]), view->given, sizeof(view->given));
	if (given.at == NULL || (!text && is_roundabout(given)))
		return true;
	path = text ? text_of(given, view) : path_of(entry, which, given, view, &roundabout);
	return path.at == NULL || interest_wants_call(interest, entry->call, kinds, false, &path, 1, (struct str){ NULL, 0 });
}

/* Those who unlink, rename and link do it by names, which are all that rules will know of it. */
static bool names_are_wanted(const struct entry *entry, const struct interest *interest, struct entry_view *view)
{
	const struct plan *plan = &entry->call->plan;

	if (plan->object_arg != 0 || (interest->kinds[RULES_FACT_COMM] & PLAN_BIT_OF_GROUP(plan->group)))
		return true;
	return name_is_wanted(entry, interest, 0, view) || name_is_wanted(entry, interest, 1, view);
}

/* The family that a connection is to have, or -1: of the address, which is that of the socket or refused. */
static int family_of(const struct entry *entry)
{
	uint16_t family;

	if (entry->call->nr != SYS_connect || !tracee_read(entry->tid, entry->args[1], &family, sizeof(family)))
		return -1;
	return family == AF_UNSPEC ? -1 : family;
}

static bool network_is_wanted(const struct entry *entry, const struct interest *interest)
{
	const struct plan *plan = &entry->call->plan;
	const struct plan_interest *of = &interest->calls[entry->call->nr];
	uint64_t name = 0;
	int family;

	if (entry->call->nr == SYS_sendmmsg || entry->call->nr == SYS_recvmmsg)
		return of->can != 0; /* each message has an address of its own, or none */
	if (plan->flags & PLAN_MESSAGE) {
		if (tracee_read(entry->tid, arg(entry, plan->address_arg), &name, entry->compat ? 4 : 8) && name == 0)
			return of->bare != 0;
	} else if ((plan->flags & PLAN_NEEDS_ADDRESS) && arg(entry, plan->address_arg) == 0) {
		return of->bare != 0;
	}
	family = family_of(entry);
	return family < 0 || (of->can & (plan_socket_kind(true, (uint16_t)family, false, false) |
				     plan_socket_kind(true, (uint16_t)family, false, true))) != 0;
}

/* The lowest that is free is taken: none of the first three when they are all in use. */
static bool dup_may_take_standard(const struct entry *entry, struct entry_view *view)
{
	char target[1];

	for (int fd = 0; fd < 3; fd++)
		if (kept_link(&view->kept, entry->tid, fd, target, sizeof(target)) < 0)
			return true;
	return false;
}

/* Neither socket nor anything that has no name. */
static bool is_plain(const struct entry *entry, int fd, struct entry_view *view)
{
	char text[16];
	ssize_t len = fd < 0 ? -1 : kept_link(&view->kept, entry->tid, fd, text, sizeof(text));
	struct str target;

	target = (struct str){ text, len < 0 ? 0 : (size_t)len };
	return (str_starts(target, STR("/")) && !str_starts(target, STR("/memfd:"))) || str_starts(target, STR("pipe:["));
}

static bool dup_is_wanted(const struct entry *entry, const struct interest *interest, struct entry_view *view)
{
	bool others = (interest->calls[entry->call->nr].can & 1U << PLAN_KIND_OTHER_FD) != 0;

	if (entry->call->nr == SYS_dup && !others && !dup_may_take_standard(entry, view))
		return false;
	/* Another thread may put something else there. */
	return interest->plain_dups || !is_plain(entry, (int)entry->args[0], view) ||
	       !kept_is_alone(&view->kept, entry->tid);
}

static bool makes_a_thread(const struct entry *entry)
{
	uint64_t flags = entry->args[0];

	if (entry->call->nr == SYS_clone3 && !tracee_read(entry->tid, entry->args[0], &flags, sizeof(flags)))
		return false;
	return (entry->call->nr == SYS_clone3 || entry->call->nr == SYS_clone) && (flags & CLONE_THREAD) != 0;
}

bool entry_wants(const struct entry *entry, const struct interest *interest, struct str comm,
		 struct entry_view *view)
{
	const struct call *call = entry->call;

	if (call->plan.flags & PLAN_FAILED_ONLY)
		return true;
	if (call_is_traced(call))
		return !makes_a_thread(entry);
	if (interest->calls[call->nr].can == 0)
		return false;
	if (call->plan.flags & PLAN_OPEN)
		return open_is_wanted(entry, interest, comm, view);
	if (call->plan.class == RECORD_CLASS_NET)
		return network_is_wanted(entry, interest);
	if (call->plan.class == RECORD_CLASS_PATH)
		return names_are_wanted(entry, interest, view);
	return !(call->plan.flags & PLAN_STANDARD_FD) || dup_is_wanted(entry, interest, view);
}
