/* The table of system calls. Parameter names, and the order in which evt.args lists them, are
 * Falco's. */
#include "sensor/calls.h"

#include "base/cleanup.h"
#include "sensor/record.h"

#include <sys/syscall.h>

#define RES                                                                                        \
	{                                                                                          \
		"res", PARAM_RESULT, 0, NULL                                                       \
	}
#define FD                                                                                         \
	{                                                                                          \
		"fd", PARAM_FD, 0, NULL                                                            \
	}

#define OPEN_PLAN(open_, mode_, name_, dir_, extra_)                                               \
	{                                                                                          \
		.flags = PLAN_RETURNS_FD | PLAN_OPEN | (extra_), .class = RECORD_CLASS_OPEN,       \
		.name_arg = { name_ }, .dir_arg = { dir_ }, .open_arg = open_, .mode_arg = mode_   \
	}
#define PATH_PLAN(...)                                                                             \
	{                                                                                          \
		.class = RECORD_CLASS_PATH, __VA_ARGS__                                            \
	}
#define NET_PLAN(...)                                                                              \
	{                                                                                          \
		.class = RECORD_CLASS_NET, __VA_ARGS__                                             \
	}
#define PRIV_PLAN(...)                                                                             \
	{                                                                                          \
		.class = RECORD_CLASS_PRIVILEGE, __VA_ARGS__                                       \
	}
#define OTHER_PLAN(...)                                                                            \
	{                                                                                          \
		.class = RECORD_CLASS_OTHER, __VA_ARGS__                                           \
	}
#define PROCESS_PLAN(...)                                                                          \
	{                                                                                          \
		.class = RECORD_CLASS_PROCESS, __VA_ARGS__                                         \
	}

/* clang-format off */
const struct call calls[] = {
	/* Images. Success comes from the exec tracepoint, here are the failures. */
	{ "execve", SYS_execve, 11, true,
	  PROCESS_PLAN(.flags = PLAN_FAILED_ONLY, .name_arg = { 1 }),
	  { RES, { "filename", PARAM_RAW_NAME, 1, NULL } } },
	{ "execveat", SYS_execveat, 358, true,
	  PROCESS_PLAN(.flags = PLAN_FAILED_ONLY, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "pathname", PARAM_PATH, 2, NULL } } },

	{ "open", SYS_open, 5, false, OPEN_PLAN(2, 3, 1, 0, 0),
	  { FD, { "name", PARAM_PATH, 1, NULL }, { "flags", PARAM_OPEN_FLAGS, 2, NULL },
	    { "mode", PARAM_OPEN_MODE, 3, NULL } } },
	{ "openat", SYS_openat, 295, false, OPEN_PLAN(3, 4, 2, 1, 0),
	  { FD, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "name", PARAM_PATH, 2, NULL },
	    { "flags", PARAM_OPEN_FLAGS, 3, NULL }, { "mode", PARAM_OPEN_MODE, 4, NULL } } },
	{ "openat2", SYS_openat2, 437, false, OPEN_PLAN(3, 3, 2, 1, PLAN_OPEN_HOW),
	  { FD, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "name", PARAM_PATH, 2, NULL },
	    { "flags", PARAM_OPEN_FLAGS, 3, NULL }, { "mode", PARAM_OPEN_MODE, 3, NULL },
	    { "resolve", PARAM_FLAGS, 4, flags_openat2_resolve } } },
	{ "creat", SYS_creat, 8, false, OPEN_PLAN(0, 2, 1, 0, 0),
	  { FD, { "name", PARAM_PATH, 1, NULL }, { "mode", PARAM_OPEN_MODE, 2, NULL } } },

	{ "connect", SYS_connect, 362, false,
	  NET_PLAN(.object_arg = 1, .address_arg = 2, .address_len_arg = 3),
	  { RES, { "tuple", PARAM_TUPLE, 0, NULL }, FD } },
	{ "bind", SYS_bind, 361, false,
	  NET_PLAN(.object_arg = 1, .address_arg = 2, .address_len_arg = 3), { RES, FD } },
	{ "listen", SYS_listen, 363, false, NET_PLAN(.object_arg = 1),
	  { RES, FD, { "backlog", PARAM_INT, 2, NULL } } },
	{ "accept", SYS_accept, CALL_COMPAT_NONE, false, NET_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "tuple", PARAM_TUPLE, 0, NULL } } },
	{ "accept4", SYS_accept4, 364, false, NET_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "tuple", PARAM_TUPLE, 0, NULL }, { "flags", PARAM_INT, 4, NULL } } },
	{ "socket", SYS_socket, 359, false, NET_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "domain", PARAM_NAME, 1, names_family }, { "type", PARAM_INT, 2, NULL },
	    { "proto", PARAM_INT, 3, NULL } } },
	{ "sendto", SYS_sendto, 369, false,
	  NET_PLAN(.flags = PLAN_NEEDS_ADDRESS, .object_arg = 1, .address_arg = 5,
	           .address_len_arg = 6),
	  { RES, FD, { "size", PARAM_INT, 3, NULL }, { "tuple", PARAM_TUPLE, 0, NULL } } },
	{ "sendmsg", SYS_sendmsg, 370, false,
	  NET_PLAN(.flags = PLAN_NEEDS_ADDRESS | PLAN_MESSAGE, .object_arg = 1, .address_arg = 2),
	  { RES, FD, { "tuple", PARAM_TUPLE, 0, NULL } } },

	{ "sendmmsg", SYS_sendmmsg, 345, false,
	  NET_PLAN(.flags = PLAN_NEEDS_ADDRESS | PLAN_MESSAGE, .object_arg = 1, .address_arg = 2),
	  { RES, FD, { "tuple", PARAM_TUPLE, 0, NULL } } },
	{ "recvfrom", SYS_recvfrom, 371, false,
	  NET_PLAN(.flags = PLAN_NEEDS_ADDRESS | PLAN_LENGTH_AT | PLAN_SUCCESS_ONLY, .object_arg = 1,
	           .address_arg = 5, .address_len_arg = 6),
	  { RES, { "tuple", PARAM_TUPLE, 0, NULL }, FD, { "size", PARAM_INT, 3, NULL } } },
	{ "recvmsg", SYS_recvmsg, 372, false,
	  NET_PLAN(.flags = PLAN_NEEDS_ADDRESS | PLAN_MESSAGE | PLAN_SUCCESS_ONLY, .object_arg = 1,
	           .address_arg = 2),
	  { RES, { "tuple", PARAM_TUPLE, 0, NULL }, FD } },
	{ "recvmmsg", SYS_recvmmsg, 337, false,
	  NET_PLAN(.flags = PLAN_NEEDS_ADDRESS | PLAN_MESSAGE | PLAN_SUCCESS_ONLY, .object_arg = 1,
	           .address_arg = 2),
	  { RES, FD, { "tuple", PARAM_TUPLE, 0, NULL } } },
	{ "shutdown", SYS_shutdown, 373, false, NET_PLAN(.object_arg = 1),
	  { RES, FD, { "how", PARAM_NAME, 2, names_shutdown } } },

	{ "open_by_handle_at", SYS_open_by_handle_at, 342, false, OPEN_PLAN(3, 0, 0, 0, 0),
	  { FD, { "mountfd", PARAM_PLAIN_FD, 1, NULL }, { "flags", PARAM_OPEN_FLAGS, 3, NULL },
	    { "path", PARAM_OBJECT_PATH, 0, NULL } } },

	{ "dup", SYS_dup, 41, false,
	  OTHER_PLAN(.flags = PLAN_RETURNS_FD | PLAN_STANDARD_FD), { RES, { "oldfd", PARAM_PLAIN_FD, 1, NULL } } },
	{ "dup2", SYS_dup2, 63, false,
	  OTHER_PLAN(.flags = PLAN_RETURNS_FD | PLAN_STANDARD_FD),
	  { RES, { "oldfd", PARAM_PLAIN_FD, 1, NULL }, { "newfd", PARAM_PLAIN_FD, 2, NULL } } },
	{ "dup3", SYS_dup3, 330, false,
	  OTHER_PLAN(.flags = PLAN_RETURNS_FD | PLAN_STANDARD_FD),
	  { RES, { "oldfd", PARAM_PLAIN_FD, 1, NULL }, { "newfd", PARAM_PLAIN_FD, 2, NULL },
	    { "flags", PARAM_FLAGS, 3, flags_userfaultfd } } },

	{ "chmod", SYS_chmod, 15, false, PATH_PLAN(.name_arg = { 1 }),
	  { RES, { "filename", PARAM_PATH, 1, NULL }, { "mode", PARAM_MODE, 2, NULL } } },
	{ "fchmod", SYS_fchmod, 94, false, PATH_PLAN(.object_arg = 1),
	  { RES, FD, { "mode", PARAM_MODE, 2, NULL } } },
	{ "fchmodat", SYS_fchmodat, 306, false, PATH_PLAN(.name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "filename", PARAM_PATH, 2, NULL },
	    { "mode", PARAM_MODE, 3, NULL } } },
	/* fchmodat2 is fchmodat with flags; rules know only the older name. */
	{ "fchmodat", 452, 452, false, PATH_PLAN(.name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "filename", PARAM_PATH, 2, NULL },
	    { "mode", PARAM_MODE, 3, NULL } } },
	{ "unlink", SYS_unlink, 10, false, PATH_PLAN(.name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "unlinkat", SYS_unlinkat, 301, false, PATH_PLAN(.name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "name", PARAM_PATH, 2, NULL },
	    { "flags", PARAM_FLAGS, 3, flags_unlinkat } } },
	{ "rmdir", SYS_rmdir, 40, false, PATH_PLAN(.name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "mkdir", SYS_mkdir, 39, false, PATH_PLAN(.name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "mode", PARAM_HEX, 2, NULL } } },
	{ "mkdirat", SYS_mkdirat, 296, false, PATH_PLAN(.name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "path", PARAM_PATH, 2, NULL },
	    { "mode", PARAM_HEX, 3, NULL } } },
	{ "rename", SYS_rename, 38, false, PATH_PLAN(.name_arg = { 1, 2 }),
	  { RES, { "oldpath", PARAM_PATH, 1, NULL }, { "newpath", PARAM_PATH2, 2, NULL } } },
	{ "renameat", SYS_renameat, 302, false,
	  PATH_PLAN(.name_arg = { 2, 4 }, .dir_arg = { 1, 3 }),
	  { RES, { "olddirfd", PARAM_DIR_FD, 1, NULL }, { "oldpath", PARAM_PATH, 2, NULL },
	    { "newdirfd", PARAM_DIR_FD, 3, NULL }, { "newpath", PARAM_PATH2, 4, NULL } } },
	{ "renameat2", SYS_renameat2, 353, false,
	  PATH_PLAN(.name_arg = { 2, 4 }, .dir_arg = { 1, 3 }),
	  { RES, { "olddirfd", PARAM_DIR_FD, 1, NULL }, { "oldpath", PARAM_PATH, 2, NULL },
	    { "newdirfd", PARAM_DIR_FD, 3, NULL }, { "newpath", PARAM_PATH2, 4, NULL },
	    { "flags", PARAM_FLAGS, 5, flags_renameat2 } } },
	{ "link", SYS_link, 9, false, PATH_PLAN(.name_arg = { 1, 2 }),
	  { RES, { "oldpath", PARAM_PATH, 1, NULL }, { "newpath", PARAM_PATH2, 2, NULL } } },
	{ "linkat", SYS_linkat, 303, false, PATH_PLAN(.name_arg = { 2, 4 }, .dir_arg = { 1, 3 }),
	  { RES, { "olddir", PARAM_DIR_FD, 1, NULL }, { "oldpath", PARAM_PATH, 2, NULL },
	    { "newdir", PARAM_DIR_FD, 3, NULL }, { "newpath", PARAM_PATH2, 4, NULL },
	    { "flags", PARAM_FLAGS, 5, flags_linkat } } },
	{ "symlink", SYS_symlink, 83, false,
	  PATH_PLAN(.flags = PLAN_TARGET_TEXT, .name_arg = { 1, 2 }),
	  { RES, { "target", PARAM_RAW_NAME, 1, NULL }, { "linkpath", PARAM_PATH2, 2, NULL } } },
	{ "symlinkat", SYS_symlinkat, 304, false,
	  PATH_PLAN(.flags = PLAN_TARGET_TEXT, .name_arg = { 1, 3 }, .dir_arg = { 0, 2 }),
	  { RES, { "target", PARAM_RAW_NAME, 1, NULL }, { "linkdirfd", PARAM_DIR_FD, 2, NULL },
	    { "linkpath", PARAM_PATH2, 3, NULL } } },

	{ "setuid", SYS_setuid, 213, false, PRIV_PLAN(.flags = 0),
	  { RES, { "uid", PARAM_UID, 1, NULL } } },
	{ "setgid", SYS_setgid, 214, false, PRIV_PLAN(.flags = 0),
	  { RES, { "gid", PARAM_GID, 1, NULL } } },
	{ "setreuid", SYS_setreuid, 203, false, PRIV_PLAN(.flags = 0),
	  { RES, { "ruid", PARAM_UID, 1, NULL }, { "euid", PARAM_UID, 2, NULL } } },
	{ "setregid", SYS_setregid, 204, false, PRIV_PLAN(.flags = 0),
	  { RES, { "rgid", PARAM_GID, 1, NULL }, { "egid", PARAM_GID, 2, NULL } } },
	{ "setresuid", SYS_setresuid, 208, false, PRIV_PLAN(.flags = 0),
	  { RES, { "ruid", PARAM_UID, 1, NULL }, { "euid", PARAM_UID, 2, NULL },
	    { "suid", PARAM_UID, 3, NULL } } },
	{ "setresgid", SYS_setresgid, 210, false, PRIV_PLAN(.flags = 0),
	  { RES, { "rgid", PARAM_GID, 1, NULL }, { "egid", PARAM_GID, 2, NULL },
	    { "sgid", PARAM_GID, 3, NULL } } },
	{ "capset", SYS_capset, 185, false, PRIV_PLAN(.flags = 0), { RES } },
	{ "ptrace", SYS_ptrace, 26, false, PRIV_PLAN(.flags = 0),
	  { RES, { "request", PARAM_NAME, 1, names_ptrace }, { "pid", PARAM_PID, 2, NULL } } },
	{ "setns", SYS_setns, 346, false, PRIV_PLAN(.object_arg = 1),
	  { RES, FD, { "nstype", PARAM_FLAGS, 2, flags_clone } } },
	{ "unshare", SYS_unshare, 310, false, PRIV_PLAN(.flags = 0),
	  { RES, { "flags", PARAM_FLAGS, 1, flags_clone } } },
	{ "chroot", SYS_chroot, 61, false, PRIV_PLAN(.name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "mount", SYS_mount, 21, false,
	  PRIV_PLAN(.flags = PLAN_TARGET_TEXT, .name_arg = { 1, 2 }),
	  { RES, { "dev", PARAM_RAW_NAME, 1, NULL }, { "dir", PARAM_PATH2, 2, NULL },
	    { "flags", PARAM_FLAGS, 4, flags_mount } } },
	{ "umount2", SYS_umount2, 52, false, PRIV_PLAN(.name_arg = { 1 }),
	  { RES, { "name", PARAM_PATH, 1, NULL }, { "flags", PARAM_FLAGS, 2, flags_umount } } },
	{ "init_module", SYS_init_module, 128, false,
	  PRIV_PLAN(.flags = PLAN_TEXT, .name_arg = { 3 }),
	  { RES, { "length", PARAM_INT, 2, NULL }, { "uargs", PARAM_RAW_NAME, 3, NULL } } },
	{ "finit_module", SYS_finit_module, 350, false,
	  PRIV_PLAN(.flags = PLAN_TEXT, .object_arg = 1, .name_arg = { 2 }),
	  { RES, FD, { "uargs", PARAM_RAW_NAME, 2, NULL },
	    { "flags", PARAM_FLAGS, 3, flags_finit_module } } },
	{ "bpf", SYS_bpf, 357, false, PRIV_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "cmd", PARAM_NAME, 1, names_bpf } } },
	{ "userfaultfd", SYS_userfaultfd, 374, false, PRIV_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "flags", PARAM_FLAGS, 1, flags_userfaultfd } } },
	{ "memfd_create", SYS_memfd_create, 356, false,
	  PRIV_PLAN(.flags = PLAN_RETURNS_FD | PLAN_TEXT, .name_arg = { 1 }),
	  { FD, { "name", PARAM_RAW_NAME, 1, NULL }, { "flags", PARAM_FLAGS, 2, flags_memfd } } },

	{ "delete_module", SYS_delete_module, 129, false,
	  PRIV_PLAN(.flags = PLAN_TEXT, .name_arg = { 1 }),
	  { RES, { "name", PARAM_RAW_NAME, 1, NULL }, { "flags", PARAM_HEX, 2, NULL } } },
	{ "pivot_root", SYS_pivot_root, 217, false, PRIV_PLAN(.name_arg = { 1, 2 }),
	  { RES, { "new_root", PARAM_PATH, 1, NULL }, { "put_old", PARAM_PATH2, 2, NULL } } },
	{ "prctl", SYS_prctl, 172, false, PRIV_PLAN(.flags = 0),
	  { RES, { "option", PARAM_NAME, 1, names_prctl }, { "arg2_int", PARAM_INT, 2, NULL } } },
	{ "seccomp", SYS_seccomp, 354, false, PRIV_PLAN(.flags = 0),
	  { RES, { "op", PARAM_NAME, 1, names_seccomp }, { "flags", PARAM_HEX, 2, NULL } } },
	{ "setsid", SYS_setsid, 66, false, PRIV_PLAN(.flags = 0), { { "res", PARAM_NUMBER, 0, NULL } } },
	{ "setpgid", SYS_setpgid, 57, false, PRIV_PLAN(.flags = 0),
	  { RES, { "pid", PARAM_PID, 1, NULL }, { "pgid", PARAM_PID, 2, NULL } } },
	{ "process_vm_readv", SYS_process_vm_readv, 347, false, PRIV_PLAN(.flags = 0),
	  { { "res", PARAM_NUMBER, 0, NULL }, { "pid", PARAM_PID, 1, NULL } } },
	{ "process_vm_writev", SYS_process_vm_writev, 348, false, PRIV_PLAN(.flags = 0),
	  { { "res", PARAM_NUMBER, 0, NULL }, { "pid", PARAM_PID, 1, NULL } } },
	{ "pidfd_open", SYS_pidfd_open, 434, false, PRIV_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "pid", PARAM_PID, 1, NULL }, { "flags", PARAM_FLAGS, 2, flags_pidfd_open } } },
	{ "pidfd_getfd", SYS_pidfd_getfd, 438, false, PRIV_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "pid_fd", PARAM_PLAIN_FD, 1, NULL }, { "target_fd", PARAM_PLAIN_FD, 2, NULL },
	    { "flags", PARAM_INT, 3, NULL } } },
	{ "io_uring_setup", SYS_io_uring_setup, 425, false, PRIV_PLAN(.flags = PLAN_RETURNS_FD),
	  { RES, { "entries", PARAM_INT, 1, NULL } } },
	{ "kill", SYS_kill, 37, false, PRIV_PLAN(.flags = 0),
	  { RES, { "pid", PARAM_PID, 1, NULL }, { "sig", PARAM_NAME, 2, names_signal } } },
	/* Run-time systems stop their own threads so, often: not among those that are never shed. */
	{ "tkill", SYS_tkill, 238, false, OTHER_PLAN(.flags = 0),
	  { RES, { "tid", PARAM_PID, 1, NULL }, { "sig", PARAM_NAME, 2, names_signal } } },
	{ "tgkill", SYS_tgkill, 270, false, OTHER_PLAN(.flags = 0),
	  { RES, { "pid", PARAM_PID, 1, NULL }, { "tid", PARAM_PID, 2, NULL },
	    { "sig", PARAM_NAME, 3, names_signal } } },
	{ "pidfd_send_signal", SYS_pidfd_send_signal, 424, false, PRIV_PLAN(.object_arg = 1),
	  { RES, FD, { "sig", PARAM_NAME, 2, names_signal } } },
	{ "mknod", SYS_mknod, 14, false, PATH_PLAN(.name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "mode", PARAM_HEX, 2, NULL }, { "dev", PARAM_INT, 3, NULL } } },
	{ "mknodat", SYS_mknodat, 297, false, PATH_PLAN(.name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "path", PARAM_PATH, 2, NULL },
	    { "mode", PARAM_HEX, 3, NULL }, { "dev", PARAM_INT, 4, NULL } } },
	{ "chown", SYS_chown, 212, false, PATH_PLAN(.name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "uid", PARAM_UID, 2, NULL }, { "gid", PARAM_GID, 3, NULL } } },
	{ "lchown", SYS_lchown, 198, false, PATH_PLAN(.name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "uid", PARAM_UID, 2, NULL }, { "gid", PARAM_GID, 3, NULL } } },
	{ "fchown", SYS_fchown, 207, false, PATH_PLAN(.object_arg = 1),
	  { RES, FD, { "uid", PARAM_UID, 2, NULL }, { "gid", PARAM_GID, 3, NULL } } },
	{ "fchownat", SYS_fchownat, 298, false, PATH_PLAN(.name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "pathname", PARAM_PATH, 2, NULL },
	    { "uid", PARAM_UID, 3, NULL }, { "gid", PARAM_GID, 4, NULL } } },

	/* State: the working directory. */
	{ "chdir", SYS_chdir, 12, true,
	  OTHER_PLAN(.flags = PLAN_CWD | PLAN_SUCCESS_ONLY | PLAN_TEXT, .name_arg = { 1 }),
	  { RES, { "path", PARAM_RAW_NAME, 1, NULL } } },
	{ "fchdir", SYS_fchdir, 133, true,
	  OTHER_PLAN(.flags = PLAN_CWD | PLAN_SUCCESS_ONLY, .object_arg = 1), { RES, FD } },

	/* State from the fork tracepoint; rows only for their names. */
	{ "clone", SYS_clone, 120, false, PROCESS_PLAN(.flags = 0), { { "res", PARAM_NUMBER, 0, NULL } } },
	{ "clone3", SYS_clone3, 435, false, PROCESS_PLAN(.flags = 0), { { "res", PARAM_NUMBER, 0, NULL } } },
	{ "fork", SYS_fork, 2, false, PROCESS_PLAN(.flags = 0), { { "res", PARAM_NUMBER, 0, NULL } } },
	{ "vfork", SYS_vfork, 190, false, PROCESS_PLAN(.flags = 0), { { "res", PARAM_NUMBER, 0, NULL } } },
};
/* clang-format on */

const size_t calls_count = ARRAY_LEN(calls);

_Static_assert(ARRAY_LEN(calls) <= CALLS_MAX, "CALLS_MAX must hold the table");

bool call_is_traced(const struct call *call)
{
	return call->plan.class == RECORD_CLASS_PROCESS && !call->state;
}

const struct call *call_find(uint16_t nr)
{
	for (size_t i = 0; i < calls_count; i++)
		if (calls[i].nr == nr)
			return &calls[i];
	return NULL;
}

const struct call *call_find_name(struct str name)
{
	for (size_t i = 0; i < calls_count; i++)
		if (str_eq(str_of(calls[i].name), name))
			return &calls[i];
	return NULL;
}
