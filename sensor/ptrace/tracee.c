/* Reading a stopped tracee. */
#include "sensor/ptrace/tracee.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "sensor/record_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

enum { PAGE = 4096, ADDRESS_MAX = 128 };

bool tracee_read(uint32_t tid, uint64_t address, void *to, size_t len)
{
	struct iovec local = { to, len }, remote = { (void *)(uintptr_t)address, len };

	return process_vm_readv((pid_t)tid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

/* Page by page: the text may end right before memory that is not there. */
void tracee_add_text(struct record *record, uint32_t tid, uint64_t address,
		     enum record_string_tag tag)
{
	char text[RECORD_STRING_MAX];
	size_t len = 0;

	while (len < sizeof(text)) {
		size_t step = PAGE - ((address + len) % PAGE);
		char *end;

		if (step > sizeof(text) - len)
			step = sizeof(text) - len;
		if (!tracee_read(tid, address + len, text + len, step)) {
			record->flags |= RECORD_FAULT;
			return;
		}
		end = memchr(text + len, '\0', step);
		if (end != NULL) {
			record_add(record, tag, (struct str){ text, (size_t)(end - text) });
			return;
		}
		len += step;
	}
	record_add(record, tag, (struct str){ text, len });
}

void tracee_add_link(struct record *record, uint32_t tid, const char *what,
		     enum record_string_tag tag)
{
	char path[64], text[RECORD_STRING_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%u/%s", tid, what);
	len = readlink(path, text, sizeof(text));
	if (len > 0)
		record_add(record, tag, (struct str){ text, (size_t)len });
}

static uint64_t arg(const struct record *record, uint8_t place)
{
	return place >= 1 && place <= 6 ? record->args[place - 1] : 0;
}

static bool has_name(const struct record *record, const struct plan *plan)
{
	return !(plan->flags & PLAN_NAME_OF_THREAD) || record->args[0] == PLAN_PR_SET_NAME ||
	       record->args[0] == PLAN_PR_GET_NAME;
}

static void add_name(struct record *record, uint32_t tid, const struct plan *plan, int which)
{
	static const enum record_string_tag tags[] = { RECORD_STRING_NAME, RECORD_STRING_NAME2 };
	static const enum record_string_tag dirs[] = { RECORD_STRING_DIR, RECORD_STRING_DIR2 };
	bool text = (plan->flags & PLAN_TEXT) || ((plan->flags & PLAN_TARGET_TEXT) && which == 0);
	uint8_t dir = plan->dir_arg[which];
	struct str name;
	char what[32];

	if (plan->name_arg[which] == 0 || arg(record, plan->name_arg[which]) == 0 || !has_name(record, plan))
		return;
	tracee_add_text(record, tid, arg(record, plan->name_arg[which]), tags[which]);
	name = record_text(record, tags[which]);
	if (text || (name.len > 0 && name.at[0] == '/'))
		return;
	if (dir != 0 && (int32_t)arg(record, dir) >= 0)
		snprintf(what, sizeof(what), "fd/%d", (int32_t)arg(record, dir));
	else
		snprintf(what, sizeof(what), "cwd");
	tracee_add_link(record, tid, what, dirs[which]);
}

/* A struct msghdr begins so, and a struct mmsghdr with one. */
struct message {
	uint64_t name;
	uint32_t len;
};

static struct message message_at(const struct record *record, uint32_t tid, uint64_t at)
{
	struct message message = { 0 };
	uint32_t words[2] = { 0 };

	if (!(record->flags & RECORD_COMPAT)) {
		tracee_read(tid, at, &message, sizeof(message));
		return message;
	}
	tracee_read(tid, at, words, sizeof(words));
	return (struct message){ words[0], words[1] };
}

static void add_address(struct record *record, uint32_t tid, const struct plan *plan)
{
	struct message message = { 0 };
	char bytes[ADDRESS_MAX];

	if (plan->flags & PLAN_MESSAGE) {
		message = message_at(record, tid, arg(record, plan->address_arg));
		if (message.len > sizeof(bytes)) /* the kernel takes as much as an address can be long */
			message.len = sizeof(bytes);
	} else {
		message.name = arg(record, plan->address_arg);
		message.len = (uint32_t)arg(record, plan->address_len_arg);
		if (plan->flags & PLAN_LENGTH_AT)
			tracee_read(tid, arg(record, plan->address_len_arg), &message.len, sizeof(message.len));
	}
	if (message.name != 0 && message.len > 0 && message.len <= sizeof(bytes) &&
	    tracee_read(tid, message.name, bytes, message.len))
		record_add(record, RECORD_STRING_ADDRESS, (struct str){ bytes, message.len });
}

/* Flags and mode to where all opens have them: args[4] and args[5]. */
static void read_open(struct record *record, uint32_t tid, const struct plan *plan)
{
	struct open_how how = { 0 };

	if (plan->flags & PLAN_OPEN_HOW) {
		tracee_read(tid, record->args[2], &how, sizeof(how));
		record->args[3] = how.resolve;
	} else {
		how.flags = plan->open_arg == 0 ? (uint64_t)(O_CREAT | O_TRUNC | O_WRONLY)
						: arg(record, plan->open_arg);
		how.mode = arg(record, plan->mode_arg);
	}
	record->args[4] = (uint32_t)how.flags;
	record->args[5] = (uint32_t)how.mode;
}

/* Of a call that receives the address is its sender's, and there when it has ended. */
static bool is_answer(const struct plan *plan)
{
	return (plan->flags & PLAN_NEEDS_ADDRESS) != 0 && (plan->flags & PLAN_SUCCESS_ONLY) != 0;
}

void tracee_add_arguments(struct record *record, uint32_t tid, const struct plan *plan)
{
	add_name(record, tid, plan, 0);
	add_name(record, tid, plan, 1);
	if (plan->address_arg != 0 && !is_answer(plan))
		add_address(record, tid, plan);
	if (plan->text_arg != 0 && arg(record, plan->text_arg) != 0)
		tracee_add_text(record, tid, arg(record, plan->text_arg), RECORD_STRING_TEXT);
	if (plan->flags & PLAN_OPEN)
		read_open(record, tid, plan);
}

/* ---- many messages ---- */

enum { MESSAGES_MAX = 1024 };

static bool is_of_messages(const struct record *record)
{
	return record->nr == SYS_sendmmsg || record->nr == SYS_recvmmsg;
}

void tracee_begin_again(struct record *record)
{
	struct record fresh = { .len = sizeof(fresh), .type = RECORD_CALL, .class = record->class, .nr = record->nr,
				.flags = record->flags & RECORD_COMPAT, .tid = record->tid, .tgid = record->tgid };

	memcpy(fresh.args, record->args, sizeof(fresh.args));
	memcpy(fresh.comm, record->comm, sizeof(fresh.comm));
	*record = fresh;
}

bool tracee_next_message(struct record *record, const struct plan *plan, unsigned i)
{
	const uint32_t kept = record->flags & (RECORD_NO_RESULT | RECORD_PRESUMED);
	const int64_t ret = record->ret;
	uint64_t count;

	if (!is_of_messages(record))
		return false;
	/* What is presumed is that all of them are sent. */
	count = kept != 0 || ret == 0 ? (uint32_t)arg(record, 3) : ret < 0 ? 0 : (uint64_t)ret;
	if (i >= count || i >= MESSAGES_MAX)
		return false;
	tracee_begin_again(record);
	record->args[1] += (record->flags & RECORD_COMPAT) ? 32 : 64;
	record->ret = ret;
	record->flags |= kept;
	tracee_add_arguments(record, record->tid, plan);
	return true;
}

/* ---- what was read or written ---- */

enum { VECTORS_MAX = 1024, VECTORS_AT_ONCE = 16 };

struct vector {
	uint64_t address, len;
};

/* `count` from number `i` on; what cannot be read is empty. */
static void vectors_at(const struct record *record, uint32_t tid, uint64_t at, uint64_t i, struct vector *ret, size_t count)
{
	uint32_t words[2 * VECTORS_AT_ONCE] = { 0 };

	memset(ret, 0, count * sizeof(*ret));
	if (!(record->flags & RECORD_COMPAT)) {
		tracee_read(tid, at + i * sizeof(*ret), ret, count * sizeof(*ret));
		return;
	}
	tracee_read(tid, at + i * 8, words, count * 8);
	for (size_t k = 0; k < count; k++)
		ret[k] = (struct vector){ words[2 * k], words[2 * k + 1] };
}

/* Of sendmmsg(2) and recvmmsg(2) a message's length is behind it. */
static size_t buffer_length(const struct record *record, uint32_t tid, const struct plan *plan)
{
	uint32_t len = 0;
	uint64_t result = (uint64_t)record->ret;

	if (is_of_messages(record)) {
		tracee_read(tid, arg(record, plan->data_arg) + ((record->flags & RECORD_COMPAT) ? 28 : 56), &len,
			    sizeof(len));
		result = len;
	}
	return result > PLAN_DATA_MAX ? PLAN_DATA_MAX : result;
}

/* As they follow each other, until there are `len` bytes. */
static size_t gather(const struct record *record, uint32_t tid, struct vector from, char *to, size_t len)
{
	struct vector some[VECTORS_AT_ONCE];
	size_t off = 0;

	for (uint64_t i = 0; i < VECTORS_MAX && i < from.len && off < len; i++) {
		const uint64_t rest = from.len - i;
		size_t step;

		if (i % VECTORS_AT_ONCE == 0)
			vectors_at(record, tid, from.address, i, some, rest < VECTORS_AT_ONCE ? rest : VECTORS_AT_ONCE);
		step = some[i % VECTORS_AT_ONCE].len < len - off ? some[i % VECTORS_AT_ONCE].len : len - off;
		if (step > 0 && !tracee_read(tid, some[i % VECTORS_AT_ONCE].address, to + off, step))
			break;
		off += step;
	}
	return off;
}

/* What was read or written: of many buffers the first, as they follow each other. The same in the eBPF program. */
static void add_buffer(struct record *record, uint32_t tid, const struct plan *plan)
{
	struct vector vectors = { arg(record, plan->data_arg), arg(record, plan->data_len) };
	size_t len = buffer_length(record, tid, plan);
	char bytes[PLAN_DATA_MAX];

	if (plan->flags & PLAN_DATA_BUFFER) {
		if (len > 0 && tracee_read(tid, vectors.address, bytes, len))
			record_add(record, RECORD_STRING_DATA, (struct str){ bytes, len });
		return;
	}
	if (plan->flags & PLAN_MESSAGE)
		vectors_at(record, tid, vectors.address + ((record->flags & RECORD_COMPAT) ? 8 : 16), 0, &vectors, 1);
	record_add(record, RECORD_STRING_DATA, (struct str){ bytes, gather(record, tid, vectors, bytes, len) });
}

static void add_data(struct record *record, uint32_t tid, const struct plan *plan)
{
	char bytes[PLAN_DATA_MAX];

	if (plan->data_arg != 0 && plan->data_len <= sizeof(bytes) &&
	    tracee_read(tid, arg(record, plan->data_arg), bytes, plan->data_len))
		record_add(record, RECORD_STRING_DATA, (struct str){ bytes, plan->data_len });
}

void tracee_add_answer(struct record *record, uint32_t tid, const struct plan *plan, bool data)
{
	if (record->ret < 0)
		return;
	if (is_answer(plan))
		add_address(record, tid, plan);
	if (!(plan->flags & (PLAN_DATA_BUFFER | PLAN_DATA_VECTOR)))
		add_data(record, tid, plan);
	else if (data)
		add_buffer(record, tid, plan);
}

uint64_t tracee_clone_flags(const struct record *record)
{
	uint64_t flags = 0;

	if (record->nr == SYS_clone)
		return (uint32_t)record->args[0];
	if (record->nr == SYS_clone3)
		tracee_read(record->tid, record->args[0], &flags, sizeof(flags));
	return flags;
}

static void endpoint_take(const struct sockaddr_storage *address, uint8_t *ip, uint16_t *port)
{
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		memcpy(ip, &in->sin_addr, 4);
		*port = ntohs(in->sin_port);
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		memcpy(ip, &in6->sin6_addr, 16);
		*port = ntohs(in6->sin6_port);
	}
}

static uint16_t socket_option(int fd, int option)
{
	int value = 0;
	socklen_t len = sizeof(value);

	getsockopt(fd, SOL_SOCKET, option, &value, &len);
	return (uint16_t)value;
}

/* An abstract name begins with a NUL, for which everybody writes another sign. */
static void add_unix(struct record *record, const struct sockaddr_storage *address, socklen_t len)
{
	struct sockaddr_un un = *(const struct sockaddr_un *)address;
	const size_t head = offsetof(struct sockaddr_un, sun_path);

	if (len <= head + 1)
		return;
	if (un.sun_path[0] == '\0')
		un.sun_path[0] = '@';
	record_add(record, RECORD_STRING_UNIX, (struct str){ un.sun_path, strnlen(un.sun_path, len - head) });
}

/* A copy of the tracee's socket answers for itself. */
static void fill_socket(struct record *record, uint32_t tgid, int number)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, tgid, 0);
	autoclose int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	struct record_object *object = &record->object;
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	struct tcp_info info;

	if (fd < 0)
		return;
	object->family = socket_option(fd, SO_DOMAIN);
	object->socket_type = socket_option(fd, SO_TYPE);
	object->protocol = socket_option(fd, SO_PROTOCOL);
	if (getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
		endpoint_take(&address, object->local, &object->local_port);
		if (object->family == AF_UNIX)
			add_unix(record, &address, len);
	}
	len = sizeof(address);
	if (getpeername(fd, (struct sockaddr *)&address, &len) == 0) {
		endpoint_take(&address, object->remote, &object->remote_port);
		if (object->family == AF_UNIX)
			add_unix(record, &address, len);
	}
	len = sizeof(info);
	if ((object->protocol == IPPROTO_TCP || object->protocol == IPPROTO_MPTCP) && getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len) == 0)
		object->state = info.tcpi_state;
}

static uint8_t kind_of(mode_t mode, const char *target)
{
	switch (mode & S_IFMT) {
	case S_IFSOCK: return RECORD_OBJECT_SOCKET;
	case S_IFIFO: return RECORD_OBJECT_PIPE;
	case S_IFDIR: return RECORD_OBJECT_DIRECTORY;
	case S_IFCHR:
	case S_IFBLK: return RECORD_OBJECT_DEVICE;
	default: break;
	}
	/* What else has no path is a namespace's file, "uts:[4026531838]". */
	return strncmp(target, "/memfd:", 7) == 0 || strncmp(target, "anon_inode:", 11) == 0 || strncmp(target, "pidfd:", 6) == 0
		       ? RECORD_OBJECT_ANONYMOUS
		       : RECORD_OBJECT_FILE;
}

static uint64_t standard_kind(uint32_t tgid, int number)
{
	char path[64], target[16] = "";
	autoclose int pidfd = -1, fd = -1;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u/fd/%d", tgid, number);
	if (!tracee_stat(path, &st))
		return RECORD_OBJECT_NONE;
	if (kind_of(st.st_mode, "") == RECORD_OBJECT_ANONYMOUS && readlink(path, target, sizeof(target) - 1) < 0)
		return RECORD_OBJECT_NONE;
	if (!S_ISSOCK(st.st_mode))
		return kind_of(st.st_mode, target);
	pidfd = (int)syscall(SYS_pidfd_open, tgid, 0);
	fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	return RECORD_OBJECT_SOCKET | (fd < 0 ? 0 : (uint64_t)socket_option(fd, SO_DOMAIN) << 8);
}

void tracee_add_standard(struct record *record)
{
	const struct record_object *input = &record->object;

	record->args[0] = input->kind | (input->kind == RECORD_OBJECT_SOCKET ? (uint64_t)input->family << 8 : 0);
	for (int fd = 1; fd < 3; fd++)
		record->args[fd] = standard_kind(record->tgid, fd);
}

/* The kernel says so behind the path of a file that is gone; its own walk, and who looks for the name, do not. */
static struct str without_deleted(struct str target, const struct stat *st)
{
	return st->st_nlink == 0 && str_ends(target, STR(" (deleted)")) ? str_cut(target, target.len - 10) : target;
}

/* "anon_inode:[eventfd]" as the kernel's own walk shows it: "/[eventfd]". */
static void add_object_path(struct record *record, struct str target)
{
	char text[RECORD_STRING_MAX];

	if (str_starts(target, STR("pidfd:")))
		target = STR("/[pidfd]"); /* of newer kernels, with a number */
	if (str_starts(target, STR("anon_inode:"))) {
		int len = snprintf(text, sizeof(text), "/%.*s", (int)(target.len - 11),
				   target.at + 11);

		target = (struct str){ text, (size_t)len };
	}
	record_add(record, RECORD_STRING_PATH, target);
}

void tracee_add_object(struct record *record, uint32_t tid, const struct plan *plan)
{
	int fd = (plan->flags & PLAN_RETURNS_FD) ? (int)record->ret
		 : plan->object_arg != 0	 ? (int)arg(record, plan->object_arg)
						 : -1;
	struct record_object *object = &record->object;
	char path[64], target[RECORD_STRING_MAX];
	struct stat st;
	ssize_t len;

	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%u/fd/%d", tid, fd);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0 || !tracee_stat(path, &st))
		return;
	target[len] = '\0';
	*object = (struct record_object){ .fd = fd,
					  .kind = kind_of(st.st_mode, target),
					  .ino = st.st_ino,
					  .dev = (uint32_t)(major(st.st_dev) << 20 |
							    minor(st.st_dev)),
					  .mode = st.st_mode };
	record->flags |= RECORD_HAS_OBJECT;
	if (object->kind == RECORD_OBJECT_SOCKET)
		fill_socket(record, record->tgid, fd);
	else if (object->kind != RECORD_OBJECT_PIPE)
		add_object_path(record, without_deleted((struct str){ target, (size_t)len }, &st));
}

static uint64_t ns_of(struct timespec ts)
{
	return (uint64_t)(ts.tv_sec * NS_PER_S + ts.tv_nsec);
}

void tracee_add_executable(struct record *record, struct str path, const struct stat *st)
{
	if (st != NULL) {
		record->flags |= RECORD_HAS_EXE;
		record->exe_ino = st->st_ino;
		record->exe_ctime_ns = ns_of(st->st_ctim);
		record->exe_mtime_ns = ns_of(st->st_mtim);
		record->exe_mode = st->st_mode;
		record->exe_uid = st->st_uid;
		record->exe_gid = st->st_gid;
	}
	if (str_starts(path, STR("/memfd:")))
		record->flags |= RECORD_EXE_MEMFD;
	record_add(record, RECORD_STRING_EXE, path);
}

/* Arguments and environment are side by side in its memory, and are nobody else's yet: one call in place of two files. */
static bool read_texts(uint32_t tgid, bool with_environment, struct proc_facts *facts)
{
	char args[RECORD_STRING_MAX], env[RECORD_STRING_MAX];
	size_t args_len = facts->args_place.end - facts->args_place.at, env_len = facts->env_place.end - facts->env_place.at;
	struct iovec to[] = { { args, args_len < sizeof(args) ? args_len : sizeof(args) },
			      { env, env_len < sizeof(env) ? env_len : sizeof(env) } };
	struct iovec from[] = { { (void *)(uintptr_t)facts->args_place.at, to[0].iov_len },
				{ (void *)(uintptr_t)facts->env_place.at, to[1].iov_len } };
	const size_t count = with_environment ? 2 : 1, len = to[0].iov_len + (with_environment ? to[1].iov_len : 0);

	if (facts->args_place.at == 0 || facts->args_place.end < facts->args_place.at || facts->env_place.end < facts->env_place.at ||
	    process_vm_readv((pid_t)tgid, to, count, from, count, 0) != (ssize_t)len)
		return false;
	buf_clear(&facts->args);
	buf_add(&facts->args, (struct str){ args, to[0].iov_len });
	if (with_environment)
		buf_add(&facts->env, (struct str){ env, to[1].iov_len });
	return true;
}

int tracee_read_image(uint32_t tgid, bool with_environment, struct proc_facts *facts)
{
	unsigned what = PROC_READ_LINKS | PROC_READ_CGROUP;

	buf_clear(&facts->env);
	if (!read_texts(tgid, with_environment, facts))
		what |= PROC_READ_ARGS | (with_environment ? PROC_READ_ENV : 0);
	return proc_read_more("/proc", tgid, what, facts);
}

void tracee_add_image(struct record *record, const struct proc_facts *facts)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u/exe", record->tgid);
	tracee_add_executable(record, buf_str(&facts->exe), tracee_stat(path, &st) ? &st : NULL);
	record_add(record, RECORD_STRING_ARGS, buf_str(&facts->args));
	record_add(record, RECORD_STRING_CWD, buf_str(&facts->cwd));
	record_add(record, RECORD_STRING_CGROUP, buf_str(&facts->cgroup));
	if (facts->env.len > 0)
		record_add(record, RECORD_STRING_ENV, buf_str(&facts->env));
}

void tracee_presume_peer(struct record *record)
{
	struct str address = record_text(record, RECORD_STRING_ADDRESS);
	struct sockaddr_storage storage = { 0 };

	if (record->object.kind != RECORD_OBJECT_SOCKET || address.len < sizeof(sa_family_t) ||
	    address.len > sizeof(storage))
		return;
	memcpy(&storage, address.at, address.len);
	if (record->nr != SYS_bind)
		endpoint_take(&storage, record->object.remote, &record->object.remote_port);
}
