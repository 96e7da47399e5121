/* The table of system calls. Parameter names, and the order in which evt.args lists them, are
 * Falco's. */
#include "sensor/calls.h"

#include "base/cleanup.h"
#include "sensor/call_numbers.h"
#include "sensor/record.h"

#define RES                                                                                        \
	{                                                                                          \
		"res", PARAM_RESULT, 0, NULL                                                       \
	}
#define FD                                                                                         \
	{                                                                                          \
		"fd", PARAM_FD, 0, NULL                                                            \
	}
#define DATA                                                                                       \
	{                                                                                          \
		"data", PARAM_DATA, 0, NULL                                                        \
	}
/* What was read or written. */
#define DONE                                                                                       \
	{                                                                                          \
		"size", PARAM_SIZE, 0, NULL                                                        \
	}
#define TUPLE                                                                                      \
	{                                                                                          \
		"tuple", PARAM_TUPLE, 0, NULL                                                      \
	}
#define DEV_INO                                                                                    \
	{                                                                                          \
		"dev", PARAM_DEV, 0, NULL                                                          \
	},                                                                                         \
	{                                                                                          \
		"ino", PARAM_INO, 0, NULL                                                          \
	}
/* The result is a descriptor. */
#define RES_FD                                                                                     \
	{                                                                                          \
		"res", PARAM_FD, 0, NULL                                                           \
	}

#define OPEN_PLAN(open_, mode_, name_, dir_, extra_)                                               \
	{                                                                                          \
		.flags = PLAN_RETURNS_FD | PLAN_OPEN | (extra_), .class = RECORD_CLASS_OPEN,       \
		.name_arg = { name_ }, .dir_arg = { dir_ }, .open_arg = open_, .mode_arg = mode_   \
	}
/* Reading and writing: only for rules that name the call. */
#define BUFFER_PLAN(data_)                                                                         \
	{                                                                                          \
		.flags = PLAN_DATA_BUFFER, .class = RECORD_CLASS_OTHER, .object_arg = 1, .data_arg = data_ \
	}
#define VECTOR_PLAN(data_)                                                                         \
	{                                                                                          \
		.flags = PLAN_DATA_VECTOR, .class = RECORD_CLASS_OTHER, .object_arg = 1, .data_arg = data_, \
		.data_len = (data_) + 1                                                            \
	}
#define PATH_PLAN(group_, ...)                                                                     \
	{                                                                                          \
		.class = RECORD_CLASS_PATH, .group = PLAN_GROUP_##group_, __VA_ARGS__              \
	}
#define NET_PLAN(group_, ...)                                                                      \
	{                                                                                          \
		.class = RECORD_CLASS_NET, .group = PLAN_GROUP_##group_, __VA_ARGS__               \
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
	{ "execve", SYS_execve, 11, CALL_STATE,
	  PROCESS_PLAN(.flags = PLAN_FAILED_ONLY, .name_arg = { 1 }),
	  { RES, { "filename", PARAM_RAW_NAME, 1, NULL } } },
	{ "execveat", SYS_execveat, COMPAT(358, 387), CALL_STATE,
	  PROCESS_PLAN(.flags = PLAN_FAILED_ONLY, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "pathname", PARAM_PATH, 2, NULL } } },

	{ "open", SYS_open, 5, CALL_WANTED, OPEN_PLAN(2, 3, 1, 0, 0),
	  { FD, { "name", PARAM_PATH, 1, NULL }, { "flags", PARAM_OPEN_FLAGS, 2, NULL },
	    { "mode", PARAM_OPEN_MODE, 3, NULL }, DEV_INO } },
	{ "openat", SYS_openat, COMPAT(295, 322), CALL_WANTED, OPEN_PLAN(3, 4, 2, 1, 0),
	  { FD, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "name", PARAM_PATH, 2, NULL },
	    { "flags", PARAM_OPEN_FLAGS, 3, NULL }, { "mode", PARAM_OPEN_MODE, 4, NULL }, DEV_INO } },
	{ "openat2", SYS_openat2, 437, CALL_WANTED, OPEN_PLAN(3, 3, 2, 1, PLAN_OPEN_HOW),
	  { FD, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "name", PARAM_PATH, 2, NULL },
	    { "flags", PARAM_OPEN_FLAGS, 3, NULL }, { "mode", PARAM_OPEN_MODE, 3, NULL },
	    { "resolve", PARAM_FLAGS, 4, flags_openat2_resolve }, DEV_INO } },
	{ "creat", SYS_creat, 8, CALL_WANTED, OPEN_PLAN(0, 2, 1, 0, 0),
	  { FD, { "name", PARAM_PATH, 1, NULL }, { "mode", PARAM_OPEN_MODE, 2, NULL }, DEV_INO } },

	{ "open_by_handle_at", SYS_open_by_handle_at, COMPAT(342, 371), CALL_WANTED, OPEN_PLAN(3, 0, 0, 0, 0),
	  { FD, { "mountfd", PARAM_PLAIN_FD, 1, NULL }, { "flags", PARAM_OPEN_FLAGS, 3, NULL },
	    { "path", PARAM_OBJECT_PATH, 0, NULL }, DEV_INO } },

	{ "connect", SYS_connect, COMPAT(362, 283), CALL_WANTED,
	  NET_PLAN(CONNECT, .object_arg = 1, .address_arg = 2, .address_len_arg = 3),
	  { RES, TUPLE, FD, { "addr", PARAM_SOCKADDR, 0, NULL } } },
	{ "bind", SYS_bind, COMPAT(361, 282), CALL_WANTED,
	  NET_PLAN(SERVE, .object_arg = 1, .address_arg = 2, .address_len_arg = 3),
	  { RES, { "addr", PARAM_SOCKADDR, 0, NULL }, FD } },
	{ "listen", SYS_listen, COMPAT(363, 284), CALL_WANTED, NET_PLAN(SERVE, .object_arg = 1),
	  { RES, FD, { "backlog", PARAM_INT, 2, NULL } } },
	{ "accept", SYS_accept, COMPAT(CALL_COMPAT_NONE, 285), CALL_WANTED, NET_PLAN(SERVE, .flags = PLAN_RETURNS_FD),
	  { FD, { "tuple", PARAM_TUPLE, 0, NULL } } },
	{ "accept4", SYS_accept4, COMPAT(364, 366), CALL_WANTED, NET_PLAN(SERVE, .flags = PLAN_RETURNS_FD),
	  { FD, { "tuple", PARAM_TUPLE, 0, NULL }, { "flags", PARAM_INT, 4, NULL } } },
	{ "socket", SYS_socket, COMPAT(359, 281), CALL_WANTED, NET_PLAN(OTHER, .flags = PLAN_RETURNS_FD),
	  { FD, { "domain", PARAM_NAME, 1, names_family }, { "type", PARAM_INT, 2, NULL },
	    { "proto", PARAM_INT, 3, NULL }, { "flags", PARAM_FLAGS, 2, flags_userfaultfd } } },
	{ "sendto", SYS_sendto, COMPAT(369, 290), CALL_WANTED,
	  NET_PLAN(MESSAGE, .flags = PLAN_NEEDS_ADDRESS | PLAN_DATA_BUFFER, .object_arg = 1, .address_arg = 5,
	           .address_len_arg = 6, .data_arg = 2),
	  { RES, DATA, FD, { "size", PARAM_INT, 3, NULL }, TUPLE } },
	{ "sendmsg", SYS_sendmsg, COMPAT(370, 296), CALL_WANTED,
	  NET_PLAN(MESSAGE, .flags = PLAN_NEEDS_ADDRESS | PLAN_MESSAGE | PLAN_DATA_VECTOR, .object_arg = 1, .address_arg = 2,
	           .data_arg = 2),
	  { RES, DATA, FD, DONE, TUPLE } },
	{ "sendmmsg", SYS_sendmmsg, COMPAT(345, 374), CALL_WANTED,
	  NET_PLAN(MESSAGE, .flags = PLAN_NEEDS_ADDRESS | PLAN_MESSAGE | PLAN_DATA_VECTOR, .object_arg = 1, .address_arg = 2,
	           .data_arg = 2),
	  { RES, FD, DATA, TUPLE } },
	{ "recvfrom", SYS_recvfrom, COMPAT(371, 292), CALL_WANTED,
	  NET_PLAN(MESSAGE, .flags = PLAN_NEEDS_ADDRESS | PLAN_LENGTH_AT | PLAN_SUCCESS_ONLY | PLAN_DATA_BUFFER,
	           .object_arg = 1, .address_arg = 5, .address_len_arg = 6, .data_arg = 2),
	  { RES, DATA, TUPLE, FD, { "size", PARAM_INT, 3, NULL } } },
	{ "recvmsg", SYS_recvmsg, COMPAT(372, 297), CALL_WANTED,
	  NET_PLAN(MESSAGE, .flags = PLAN_NEEDS_ADDRESS | PLAN_MESSAGE | PLAN_SUCCESS_ONLY | PLAN_DATA_VECTOR,
	           .object_arg = 1, .address_arg = 2, .data_arg = 2),
	  { RES, DONE, DATA, TUPLE, FD } },
	{ "recvmmsg", SYS_recvmmsg, COMPAT(337, 365), CALL_WANTED,
	  NET_PLAN(MESSAGE, .flags = PLAN_NEEDS_ADDRESS | PLAN_MESSAGE | PLAN_SUCCESS_ONLY | PLAN_DATA_VECTOR,
	           .object_arg = 1, .address_arg = 2, .data_arg = 2),
	  { RES, FD, DATA, TUPLE } },
	{ "socketpair", SYS_socketpair, COMPAT(360, 288), CALL_NAMED, NET_PLAN(OTHER, .data_arg = 4, .data_len = 8),
	  { RES, { "fd1", PARAM_WORD, 1, NULL }, { "fd2", PARAM_WORD, 2, NULL },
	    { "domain", PARAM_NAME, 1, names_family }, { "type", PARAM_INT, 2, NULL },
	    { "proto", PARAM_INT, 3, NULL } } },
	{ "shutdown", SYS_shutdown, COMPAT(373, 293), CALL_WANTED, NET_PLAN(OTHER, .object_arg = 1),
	  { RES, FD, { "how", PARAM_NAME, 2, names_shutdown } } },
	{ "getsockopt", SYS_getsockopt, COMPAT(365, 295), CALL_NAMED, NET_PLAN(OTHER, .object_arg = 1),
	  { RES, FD, { "level", PARAM_NAME, 2, names_socket_level },
	    { "optname", PARAM_NAME, 3, names_socket_option } } },

	{ "dup", SYS_dup, 41, CALL_WANTED,
	  OTHER_PLAN(.flags = PLAN_RETURNS_FD | PLAN_STANDARD_FD),
	  { RES_FD, { "oldfd", PARAM_PLAIN_FD, 1, NULL } } },
	{ "dup2", SYS_dup2, 63, CALL_WANTED,
	  OTHER_PLAN(.flags = PLAN_RETURNS_FD | PLAN_STANDARD_FD),
	  { RES_FD, { "oldfd", PARAM_PLAIN_FD, 1, NULL }, { "newfd", PARAM_PLAIN_FD, 2, NULL } } },
	{ "dup3", SYS_dup3, COMPAT(330, 358), CALL_WANTED,
	  OTHER_PLAN(.flags = PLAN_RETURNS_FD | PLAN_STANDARD_FD),
	  { RES_FD, { "oldfd", PARAM_PLAIN_FD, 1, NULL }, { "newfd", PARAM_PLAIN_FD, 2, NULL },
	    { "flags", PARAM_FLAGS, 3, flags_userfaultfd } } },

	{ "chmod", SYS_chmod, 15, CALL_WANTED, PATH_PLAN(MODE, .name_arg = { 1 }),
	  { RES, { "filename", PARAM_PATH, 1, NULL }, { "mode", PARAM_MODE, 2, NULL } } },
	{ "fchmod", SYS_fchmod, 94, CALL_WANTED, PATH_PLAN(MODE, .object_arg = 1),
	  { RES, FD, { "mode", PARAM_MODE, 2, NULL } } },
	{ "fchmodat", SYS_fchmodat, COMPAT(306, 333), CALL_WANTED, PATH_PLAN(MODE, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "filename", PARAM_PATH, 2, NULL },
	    { "mode", PARAM_MODE, 3, NULL } } },
	/* fchmodat2 is fchmodat with flags; rules know only the older name. */
	{ "fchmodat", 452, 452, CALL_WANTED, PATH_PLAN(MODE, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "filename", PARAM_PATH, 2, NULL },
	    { "mode", PARAM_MODE, 3, NULL } } },
	{ "chown", SYS_chown, 212, CALL_WANTED, PATH_PLAN(OWNER, .name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "uid", PARAM_UINT32, 2, NULL },
	    { "gid", PARAM_UINT32, 3, NULL } } },
	{ "lchown", SYS_lchown, 198, CALL_WANTED, PATH_PLAN(OWNER, .name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "uid", PARAM_UINT32, 2, NULL },
	    { "gid", PARAM_UINT32, 3, NULL } } },
	{ "fchown", SYS_fchown, 207, CALL_WANTED, PATH_PLAN(OWNER, .object_arg = 1),
	  { RES, FD, { "uid", PARAM_UINT32, 2, NULL }, { "gid", PARAM_UINT32, 3, NULL } } },
	{ "fchownat", SYS_fchownat, COMPAT(298, 325), CALL_WANTED,
	  PATH_PLAN(OWNER, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "pathname", PARAM_PATH, 2, NULL },
	    { "uid", PARAM_UINT32, 3, NULL }, { "gid", PARAM_UINT32, 4, NULL },
	    { "flags", PARAM_FLAGS, 5, flags_fchownat } } },
	{ "mknod", SYS_mknod, 14, CALL_WANTED, PATH_PLAN(MAKE, .name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "mode", PARAM_FLAGS, 2, flags_mknod },
	    { "dev", PARAM_UINT32, 3, NULL } } },
	{ "mknodat", SYS_mknodat, COMPAT(297, 324), CALL_WANTED, PATH_PLAN(MAKE, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "path", PARAM_PATH, 2, NULL },
	    { "mode", PARAM_FLAGS, 3, flags_mknod }, { "dev", PARAM_UINT32, 4, NULL } } },
	{ "unlink", SYS_unlink, 10, CALL_WANTED, PATH_PLAN(UNLINK, .name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "unlinkat", SYS_unlinkat, COMPAT(301, 328), CALL_WANTED, PATH_PLAN(UNLINK, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "name", PARAM_PATH, 2, NULL },
	    { "flags", PARAM_FLAGS, 3, flags_unlinkat } } },
	{ "rmdir", SYS_rmdir, 40, CALL_WANTED, PATH_PLAN(UNLINK, .name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "mkdir", SYS_mkdir, 39, CALL_WANTED, PATH_PLAN(MAKE, .name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "mode", PARAM_HEX, 2, NULL } } },
	{ "mkdirat", SYS_mkdirat, COMPAT(296, 323), CALL_WANTED, PATH_PLAN(MAKE, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "path", PARAM_PATH, 2, NULL },
	    { "mode", PARAM_HEX, 3, NULL } } },
	{ "rename", SYS_rename, 38, CALL_WANTED, PATH_PLAN(RENAME, .name_arg = { 1, 2 }),
	  { RES, { "oldpath", PARAM_PATH, 1, NULL }, { "newpath", PARAM_PATH2, 2, NULL } } },
	{ "renameat", SYS_renameat, COMPAT(302, 329), CALL_WANTED,
	  PATH_PLAN(RENAME, .name_arg = { 2, 4 }, .dir_arg = { 1, 3 }),
	  { RES, { "olddirfd", PARAM_DIR_FD, 1, NULL }, { "oldpath", PARAM_PATH, 2, NULL },
	    { "newdirfd", PARAM_DIR_FD, 3, NULL }, { "newpath", PARAM_PATH2, 4, NULL } } },
	{ "renameat2", SYS_renameat2, COMPAT(353, 382), CALL_WANTED,
	  PATH_PLAN(RENAME, .name_arg = { 2, 4 }, .dir_arg = { 1, 3 }),
	  { RES, { "olddirfd", PARAM_DIR_FD, 1, NULL }, { "oldpath", PARAM_PATH, 2, NULL },
	    { "newdirfd", PARAM_DIR_FD, 3, NULL }, { "newpath", PARAM_PATH2, 4, NULL },
	    { "flags", PARAM_FLAGS, 5, flags_renameat2 } } },
	{ "link", SYS_link, 9, CALL_WANTED, PATH_PLAN(LINK, .name_arg = { 1, 2 }),
	  { RES, { "oldpath", PARAM_PATH, 1, NULL }, { "newpath", PARAM_PATH2, 2, NULL } } },
	{ "linkat", SYS_linkat, COMPAT(303, 330), CALL_WANTED, PATH_PLAN(LINK, .name_arg = { 2, 4 }, .dir_arg = { 1, 3 }),
	  { RES, { "olddir", PARAM_DIR_FD, 1, NULL }, { "oldpath", PARAM_PATH, 2, NULL },
	    { "newdir", PARAM_DIR_FD, 3, NULL }, { "newpath", PARAM_PATH2, 4, NULL },
	    { "flags", PARAM_FLAGS, 5, flags_linkat } } },
	{ "symlink", SYS_symlink, 83, CALL_WANTED,
	  PATH_PLAN(SYMLINK, .flags = PLAN_TARGET_TEXT, .name_arg = { 1, 2 }),
	  { RES, { "target", PARAM_RAW_NAME, 1, NULL }, { "linkpath", PARAM_PATH2, 2, NULL } } },
	{ "symlinkat", SYS_symlinkat, COMPAT(304, 331), CALL_WANTED,
	  PATH_PLAN(SYMLINK, .flags = PLAN_TARGET_TEXT, .name_arg = { 1, 3 }, .dir_arg = { 0, 2 }),
	  { RES, { "target", PARAM_RAW_NAME, 1, NULL }, { "linkdirfd", PARAM_DIR_FD, 2, NULL },
	    { "linkpath", PARAM_PATH2, 3, NULL } } },

	{ "setuid", SYS_setuid, 213, CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "uid", PARAM_UID, 1, NULL } } },
	{ "setgid", SYS_setgid, 214, CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "gid", PARAM_GID, 1, NULL } } },
	{ "setreuid", SYS_setreuid, 203, CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "ruid", PARAM_UID, 1, NULL }, { "euid", PARAM_UID, 2, NULL } } },
	{ "setregid", SYS_setregid, 204, CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "rgid", PARAM_GID, 1, NULL }, { "egid", PARAM_GID, 2, NULL } } },
	{ "setresuid", SYS_setresuid, 208, CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "ruid", PARAM_UID, 1, NULL }, { "euid", PARAM_UID, 2, NULL },
	    { "suid", PARAM_UID, 3, NULL } } },
	{ "setresgid", SYS_setresgid, 210, CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "rgid", PARAM_GID, 1, NULL }, { "egid", PARAM_GID, 2, NULL },
	    { "sgid", PARAM_GID, 3, NULL } } },
	{ "capset", SYS_capset, 185, CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "cap_inheritable", PARAM_CAPS, 1, NULL }, { "cap_permitted", PARAM_CAPS, 2, NULL },
	    { "cap_effective", PARAM_CAPS, 3, NULL } } },
	{ "prctl", SYS_prctl, 172, CALL_WANTED,
	  PRIV_PLAN(.group = PLAN_GROUP_PROCESS, .flags = PLAN_TEXT | PLAN_NAME_OF_THREAD, .name_arg = { 2 }),
	  { RES, { "option", PARAM_NAME, 1, names_prctl }, { "arg2_str", PARAM_RAW_NAME, 2, NULL },
	    { "arg2_int", PARAM_OPTION, 2, NULL } } },
	{ "seccomp", SYS_seccomp, COMPAT(354, 383), CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "op", PARAM_INT, 1, NULL }, { "flags", PARAM_HEX, 2, NULL } } },
	{ "ptrace", SYS_ptrace, 26, CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "addr", PARAM_HEX, 3, NULL }, { "data", PARAM_HEX, 4, NULL },
	    { "request", PARAM_NAME, 1, names_ptrace }, { "pid", PARAM_PID, 2, NULL } } },
	{ "process_vm_readv", SYS_process_vm_readv, COMPAT(347, 376), CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { { "res", PARAM_NUMBER, 0, NULL }, { "pid", PARAM_PID, 1, NULL } } },
	{ "process_vm_writev", SYS_process_vm_writev, COMPAT(348, 377), CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { { "res", PARAM_NUMBER, 0, NULL }, { "pid", PARAM_PID, 1, NULL } } },
	{ "kill", SYS_kill, 37, CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "pid", PARAM_PID, 1, NULL }, { "sig", PARAM_NAME, 2, names_signal } } },
	/* Run-time systems stop their own threads so, often: not among those that are never shed. */
	{ "tkill", SYS_tkill, 238, CALL_WANTED, OTHER_PLAN(.flags = 0),
	  { RES, { "tid", PARAM_PID, 1, NULL }, { "sig", PARAM_NAME, 2, names_signal } } },
	{ "tgkill", SYS_tgkill, COMPAT(270, 268), CALL_WANTED, OTHER_PLAN(.flags = 0),
	  { RES, { "pid", PARAM_PID, 1, NULL }, { "tid", PARAM_PID, 2, NULL },
	    { "sig", PARAM_NAME, 3, names_signal } } },
	{ "rt_sigqueueinfo", SYS_rt_sigqueueinfo, 178, CALL_NAMED, OTHER_PLAN(.flags = 0),
	  { RES, { "pid", PARAM_PID, 1, NULL }, { "sig", PARAM_NAME, 2, names_signal } } },
	{ "rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, COMPAT(335, 363), CALL_NAMED, OTHER_PLAN(.flags = 0),
	  { RES, { "pid", PARAM_PID, 1, NULL }, { "tid", PARAM_PID, 2, NULL }, { "sig", PARAM_NAME, 3, names_signal } } },
	{ "pidfd_open", SYS_pidfd_open, 434, CALL_WANTED, PRIV_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "pid", PARAM_PID, 1, NULL }, { "flags", PARAM_FLAGS, 2, flags_pidfd_open } } },
	{ "pidfd_getfd", SYS_pidfd_getfd, 438, CALL_WANTED, PRIV_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "pid_fd", PARAM_PLAIN_FD, 1, NULL }, { "target_fd", PARAM_PLAIN_FD, 2, NULL },
	    { "flags", PARAM_UINT32, 3, NULL } } },
	{ "pidfd_send_signal", SYS_pidfd_send_signal, 424, CALL_WANTED, PRIV_PLAN(.object_arg = 1),
	  { RES, FD, { "sig", PARAM_NAME, 2, names_signal } } },
	{ "setns", SYS_setns, COMPAT(346, 375), CALL_WANTED, PRIV_PLAN(.object_arg = 1),
	  { RES, FD, { "nstype", PARAM_FLAGS, 2, flags_clone } } },
	{ "unshare", SYS_unshare, COMPAT(310, 337), CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "flags", PARAM_FLAGS, 1, flags_clone } } },
	{ "chroot", SYS_chroot, 61, CALL_WANTED, PRIV_PLAN(.group = PLAN_GROUP_MOUNT, .name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "mount", SYS_mount, 21, CALL_WANTED,
	  PRIV_PLAN(.group = PLAN_GROUP_MOUNT, .flags = PLAN_TARGET_TEXT, .name_arg = { 1, 2 }, .text_arg = 3),
	  { RES, { "dev", PARAM_RAW_NAME, 1, NULL }, { "dir", PARAM_PATH2, 2, NULL },
	    { "type", PARAM_TEXT, 3, NULL }, { "flags", PARAM_FLAGS, 4, flags_mount } } },
	{ "umount2", SYS_umount2, 52, CALL_WANTED, PRIV_PLAN(.group = PLAN_GROUP_MOUNT, .name_arg = { 1 }),
	  { RES, { "name", PARAM_PATH, 1, NULL }, { "flags", PARAM_FLAGS, 2, flags_umount } } },
	{ "umount", SYS_umount, 22, CALL_WANTED, PRIV_PLAN(.group = PLAN_GROUP_MOUNT, .name_arg = { 1 }),
	  { RES, { "name", PARAM_PATH, 1, NULL } } },
	{ "pivot_root", SYS_pivot_root, COMPAT(217, 218), CALL_WANTED, PRIV_PLAN(.group = PLAN_GROUP_MOUNT, .name_arg = { 1, 2 }),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "dir", PARAM_PATH2, 2, NULL } } },
	{ "move_mount", SYS_move_mount, 429, CALL_WANTED,
	  PRIV_PLAN(.group = PLAN_GROUP_MOUNT, .name_arg = { 2, 4 }, .dir_arg = { 1, 3 }),
	  { RES, { "olddirfd", PARAM_DIR_FD, 1, NULL }, { "oldpath", PARAM_PATH, 2, NULL },
	    { "newdirfd", PARAM_DIR_FD, 3, NULL }, { "newpath", PARAM_PATH2, 4, NULL },
	    { "flags", PARAM_HEX, 5, NULL } } },
	{ "fsopen", SYS_fsopen, 430, CALL_WANTED,
	  PRIV_PLAN(.flags = PLAN_RETURNS_FD | PLAN_TEXT, .name_arg = { 1 }),
	  { FD, { "type", PARAM_RAW_NAME, 1, NULL }, { "flags", PARAM_HEX, 2, NULL } } },
	{ "init_module", SYS_init_module, 128, CALL_WANTED,
	  PRIV_PLAN(.flags = PLAN_TEXT, .name_arg = { 3 }),
	  { RES, { "length", PARAM_INT, 2, NULL }, { "uargs", PARAM_RAW_NAME, 3, NULL } } },
	{ "finit_module", SYS_finit_module, COMPAT(350, 379), CALL_WANTED,
	  PRIV_PLAN(.flags = PLAN_TEXT, .object_arg = 1, .name_arg = { 2 }),
	  { RES, FD, { "uargs", PARAM_RAW_NAME, 2, NULL },
	    { "flags", PARAM_FLAGS, 3, flags_finit_module } } },
	{ "delete_module", SYS_delete_module, 129, CALL_WANTED,
	  PRIV_PLAN(.flags = PLAN_TEXT, .name_arg = { 1 }),
	  { RES, { "name", PARAM_RAW_NAME, 1, NULL }, { "flags", PARAM_FLAGS, 2, flags_delete_module } } },
	{ "kexec_load", SYS_kexec_load, COMPAT(283, 347), CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "flags", PARAM_HEX, 4, NULL } } },
	{ "kexec_file_load", SYS_kexec_file_load, COMPAT(CALL_COMPAT_NONE, 401), CALL_WANTED, PRIV_PLAN(.object_arg = 1),
	  { RES, FD, { "flags", PARAM_HEX, 5, NULL } } },
	{ "bpf", SYS_bpf, COMPAT(357, 386), CALL_WANTED, PRIV_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "cmd", PARAM_NAME, 1, names_bpf } } },
	{ "userfaultfd", SYS_userfaultfd, COMPAT(374, 388), CALL_WANTED, PRIV_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "flags", PARAM_FLAGS, 1, flags_userfaultfd } } },
	{ "memfd_create", SYS_memfd_create, COMPAT(356, 385), CALL_WANTED,
	  PRIV_PLAN(.flags = PLAN_RETURNS_FD | PLAN_TEXT, .name_arg = { 1 }),
	  { FD, { "name", PARAM_RAW_NAME, 1, NULL }, { "flags", PARAM_FLAGS, 2, flags_memfd } } },
	{ "io_uring_setup", SYS_io_uring_setup, 425, CALL_WANTED,
	  PRIV_PLAN(.flags = PLAN_RETURNS_FD, .data_arg = 2, .data_len = 24),
	  { RES, { "entries", PARAM_INT, 1, NULL }, { "sq_entries", PARAM_WORD, 1, NULL },
	    { "cq_entries", PARAM_WORD, 2, NULL },
	    { "flags", PARAM_WORD_FLAGS, 3, flags_io_uring_setup },
	    { "sq_thread_cpu", PARAM_WORD, 4, NULL }, { "sq_thread_idle", PARAM_WORD, 5, NULL },
	    { "features", PARAM_WORD_FLAGS, 6, flags_io_uring_features } } },
	{ "io_uring_enter", SYS_io_uring_enter, 426, CALL_NAMED, OTHER_PLAN(.object_arg = 1),
	  { RES, FD, { "to_submit", PARAM_UINT32, 2, NULL }, { "min_complete", PARAM_UINT32, 3, NULL },
	    { "flags", PARAM_FLAGS, 4, flags_io_uring_enter } } },
	{ "io_uring_register", SYS_io_uring_register, 427, CALL_NAMED, OTHER_PLAN(.object_arg = 1),
	  { RES, FD, { "opcode", PARAM_NAME, 2, names_io_uring_register }, { "arg", PARAM_HEX, 3, NULL },
	    { "nr_args", PARAM_UINT32, 4, NULL } } },

	{ "setsid", SYS_setsid, 66, CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { { "res", PARAM_NUMBER, 0, NULL } } },
	{ "setpgid", SYS_setpgid, 57, CALL_WANTED, PRIV_PLAN(.flags = 0),
	  { RES, { "pid", PARAM_PID, 1, NULL }, { "pgid", PARAM_PID, 2, NULL } } },
	{ "fcntl", SYS_fcntl, 221, CALL_NAMED, OTHER_PLAN(.object_arg = 1),
	  { { "res", PARAM_NUMBER, 0, NULL }, FD, { "cmd", PARAM_NAME, 2, names_fcntl },
	    { "arg", PARAM_HEX, 3, NULL } } },
	{ "pipe", SYS_pipe, 42, CALL_NAMED, OTHER_PLAN(.data_arg = 1, .data_len = 8),
	  { RES, { "fd1", PARAM_WORD, 1, NULL }, { "fd2", PARAM_WORD, 2, NULL } } },
	{ "pipe2", SYS_pipe2, COMPAT(331, 359), CALL_NAMED, OTHER_PLAN(.data_arg = 1, .data_len = 8),
	  { RES, { "fd1", PARAM_WORD, 1, NULL }, { "fd2", PARAM_WORD, 2, NULL },
	    { "flags", PARAM_FLAGS, 2, flags_userfaultfd } } },
	{ "eventfd", SYS_eventfd, COMPAT(323, 351), CALL_NAMED, OTHER_PLAN(.flags = PLAN_RETURNS_FD),
	  { RES_FD, { "initval", PARAM_UINT32, 1, NULL } } },
	{ "eventfd2", SYS_eventfd2, COMPAT(328, 356), CALL_NAMED, OTHER_PLAN(.flags = PLAN_RETURNS_FD),
	  { RES_FD, { "flags", PARAM_FLAGS, 2, flags_userfaultfd }, { "initval", PARAM_UINT32, 1, NULL } } },
	{ "epoll_create", SYS_epoll_create, COMPAT(254, 250), CALL_NAMED, OTHER_PLAN(.flags = PLAN_RETURNS_FD),
	  { RES_FD, { "size", PARAM_INT32, 1, NULL } } },
	{ "epoll_create1", SYS_epoll_create1, COMPAT(329, 357), CALL_NAMED, OTHER_PLAN(.flags = PLAN_RETURNS_FD),
	  { RES_FD, { "flags", PARAM_FLAGS, 1, flags_epoll_create } } },
	{ "inotify_init", SYS_inotify_init, COMPAT(291, 316), CALL_NAMED, OTHER_PLAN(.flags = PLAN_RETURNS_FD),
	  { RES_FD } },
	{ "inotify_init1", SYS_inotify_init1, COMPAT(332, 360), CALL_NAMED, OTHER_PLAN(.flags = PLAN_RETURNS_FD),
	  { RES_FD, { "flags", PARAM_FLAGS, 1, flags_userfaultfd } } },
	{ "timerfd_create", SYS_timerfd_create, COMPAT(322, 350), CALL_NAMED, OTHER_PLAN(.flags = PLAN_RETURNS_FD),
	  { RES_FD, { "clockid", PARAM_UINT32, 1, NULL }, { "flags", PARAM_UINT32, 2, NULL } } },
	{ "signalfd", SYS_signalfd, COMPAT(321, 349), CALL_NAMED, OTHER_PLAN(.flags = PLAN_RETURNS_FD),
	  { RES_FD, { "fd", PARAM_PLAIN_FD, 1, NULL } } },
	{ "signalfd4", SYS_signalfd4, COMPAT(327, 355), CALL_NAMED, OTHER_PLAN(.flags = PLAN_RETURNS_FD),
	  { RES_FD, { "flags", PARAM_FLAGS, 4, flags_userfaultfd }, { "fd", PARAM_PLAIN_FD, 1, NULL } } },
	{ "mprotect", SYS_mprotect, 125, CALL_NAMED, OTHER_PLAN(.flags = 0),
	  { RES, { "addr", PARAM_HEX, 1, NULL }, { "length", PARAM_INT, 2, NULL },
	    { "prot", PARAM_FLAGS, 3, flags_prot } } },
	/* With a key, or with none, it is the older call. */
	{ "mprotect", SYS_pkey_mprotect, COMPAT(380, 394), CALL_NAMED, OTHER_PLAN(.flags = 0),
	  { RES, { "addr", PARAM_HEX, 1, NULL }, { "length", PARAM_INT, 2, NULL },
	    { "prot", PARAM_FLAGS, 3, flags_prot } } },
	{ "mmap", SYS_mmap, 192, CALL_NAMED, OTHER_PLAN(.object_arg = 5),
	  { { "res", PARAM_ADDRESS, 0, NULL }, { "addr", PARAM_HEX, 1, NULL },
	    { "length", PARAM_INT, 2, NULL }, { "prot", PARAM_FLAGS, 3, flags_prot },
	    { "flags", PARAM_FLAGS, 4, flags_mmap }, FD, { "offset", PARAM_INT, 6, NULL } } },

	/* Reading and writing. */
	{ "read", SYS_read, 3, CALL_NAMED, BUFFER_PLAN(2), { RES, DATA, FD, { "size", PARAM_INT, 3, NULL } } },
	{ "write", SYS_write, 4, CALL_NAMED, BUFFER_PLAN(2), { RES, DATA, FD, { "size", PARAM_INT, 3, NULL } } },
	{ "pread", SYS_pread64, COMPAT(180, 180), CALL_NAMED, BUFFER_PLAN(2),
	  { RES, DATA, FD, { "size", PARAM_INT, 3, NULL }, { "pos", PARAM_INT, 4, NULL } } },
	{ "pwrite", SYS_pwrite64, COMPAT(181, 181), CALL_NAMED, BUFFER_PLAN(2),
	  { RES, DATA, FD, { "size", PARAM_INT, 3, NULL }, { "pos", PARAM_INT, 4, NULL } } },
	{ "readv", SYS_readv, 145, CALL_NAMED, VECTOR_PLAN(2), { RES, DONE, DATA, FD } },
	{ "writev", SYS_writev, 146, CALL_NAMED, VECTOR_PLAN(2), { RES, DATA, FD, DONE } },
	{ "preadv", SYS_preadv, COMPAT(333, 361), CALL_NAMED, VECTOR_PLAN(2),
	  { RES, DONE, DATA, FD, { "pos", PARAM_INT, 4, NULL } } },
	{ "pwritev", SYS_pwritev, COMPAT(334, 362), CALL_NAMED, VECTOR_PLAN(2),
	  { RES, DATA, FD, DONE, { "pos", PARAM_INT, 4, NULL } } },
	/* These are the older calls with flags. */
	{ "preadv", SYS_preadv2, COMPAT(378, 392), CALL_NAMED, VECTOR_PLAN(2),
	  { RES, DONE, DATA, FD, { "pos", PARAM_INT, 4, NULL } } },
	{ "pwritev", SYS_pwritev2, COMPAT(379, 393), CALL_NAMED, VECTOR_PLAN(2),
	  { RES, DATA, FD, DONE, { "pos", PARAM_INT, 4, NULL } } },
	{ "sendfile", SYS_sendfile, 187, CALL_NAMED, OTHER_PLAN(.object_arg = 2),
	  { RES, { "offset", PARAM_HEX, 3, NULL }, { "out_fd", PARAM_PLAIN_FD, 1, NULL }, { "in_fd", PARAM_FD, 2, NULL },
	    { "size", PARAM_INT, 4, NULL } } },
	{ "splice", SYS_splice, COMPAT(313, 340), CALL_NAMED, OTHER_PLAN(.object_arg = 1),
	  { RES, { "fd_in", PARAM_FD, 1, NULL }, { "fd_out", PARAM_PLAIN_FD, 3, NULL }, { "size", PARAM_INT, 5, NULL },
	    { "flags", PARAM_HEX, 6, NULL } } },
	{ "copy_file_range", SYS_copy_file_range, COMPAT(377, 391), CALL_NAMED, OTHER_PLAN(.object_arg = 1),
	  { RES, { "fdout", PARAM_PLAIN_FD, 3, NULL }, { "fdin", PARAM_FD, 1, NULL }, { "len", PARAM_INT, 5, NULL } } },
	{ "close", SYS_close, 6, CALL_NAMED, OTHER_PLAN(.object_arg = 0), { RES, { "fd", PARAM_PLAIN_FD, 1, NULL } } },
	{ "ioctl", SYS_ioctl, 54, CALL_NAMED, OTHER_PLAN(.object_arg = 1),
	  { RES, FD, { "request", PARAM_HEX, 2, NULL }, { "argument", PARAM_HEX, 3, NULL } } },
	{ "ftruncate", SYS_ftruncate, 93, CALL_NAMED, OTHER_PLAN(.object_arg = 1), { RES, FD, { "length", PARAM_INT, 2, NULL } } },
	{ "truncate", SYS_truncate, 92, CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 1 }),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "length", PARAM_INT, 2, NULL } } },
	{ "faccessat", SYS_faccessat, COMPAT(307, 334), CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "pathname", PARAM_PATH, 2, NULL }, { "mode", PARAM_OCTAL, 3, NULL } } },
	{ "readlinkat", SYS_readlinkat, COMPAT(305, 332), CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "path", PARAM_PATH, 2, NULL } } },
	{ "utimensat", SYS_utimensat, COMPAT(320, 348), CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "path", PARAM_PATH, 2, NULL } } },
	{ "setxattr", SYS_setxattr, 226, CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 1 }, .text_arg = 2),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "name", PARAM_TEXT, 2, NULL } } },
	{ "setxattrat", 463, 463, CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 2 }, .dir_arg = { 1 }, .text_arg = 4),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "path", PARAM_PATH, 2, NULL }, { "name", PARAM_TEXT, 4, NULL } } },
	{ "lsetxattr", SYS_lsetxattr, 227, CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 1 }, .text_arg = 2),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "name", PARAM_TEXT, 2, NULL } } },
	{ "fsetxattr", SYS_fsetxattr, 228, CALL_NAMED, PATH_PLAN(OTHER, .object_arg = 1, .text_arg = 2),
	  { RES, FD, { "name", PARAM_TEXT, 2, NULL } } },
	{ "removexattr", SYS_removexattr, 235, CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 1 }, .text_arg = 2),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "name", PARAM_TEXT, 2, NULL } } },
	{ "lremovexattr", SYS_lremovexattr, 236, CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 1 }, .text_arg = 2),
	  { RES, { "path", PARAM_PATH, 1, NULL }, { "name", PARAM_TEXT, 2, NULL } } },
	{ "fremovexattr", SYS_fremovexattr, 237, CALL_NAMED, PATH_PLAN(OTHER, .object_arg = 1, .text_arg = 2),
	  { RES, FD, { "name", PARAM_TEXT, 2, NULL } } },
	{ "fallocate", SYS_fallocate, COMPAT(324, 352), CALL_NAMED, OTHER_PLAN(.object_arg = 1),
	  { RES, FD, { "mode", PARAM_HEX, 2, NULL } } },
	{ "tee", SYS_tee, COMPAT(315, 342), CALL_NAMED, OTHER_PLAN(.object_arg = 1),
	  { RES, { "fd_in", PARAM_FD, 1, NULL }, { "fd_out", PARAM_PLAIN_FD, 2, NULL }, { "size", PARAM_INT, 3, NULL } } },
	{ "vmsplice", SYS_vmsplice, COMPAT(316, 343), CALL_NAMED, OTHER_PLAN(.object_arg = 1), { RES, FD } },
#if defined(__x86_64__)
	{ "access", SYS_access, 33, CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 1 }),
	  { RES, { "name", PARAM_PATH, 1, NULL }, { "mode", PARAM_OCTAL, 2, NULL } } },
	{ "utime", SYS_utime, 30, CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 1 }), { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "utimes", SYS_utimes, 271, CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 1 }), { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "futimesat", SYS_futimesat, 299, CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "path", PARAM_PATH, 2, NULL } } },
	{ "readlink", SYS_readlink, 85, CALL_NAMED, PATH_PLAN(OTHER, .name_arg = { 1 }), { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "iopl", SYS_iopl, 110, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES, { "level", PARAM_INT, 1, NULL } } },
	{ "ioperm", SYS_ioperm, 101, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES } },
	{ "modify_ldt", SYS_modify_ldt, 123, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES } },
#endif

	/* Seldom made, and seldom by anybody who means well. */
	{ "name_to_handle_at", SYS_name_to_handle_at, COMPAT(341, 370), CALL_NAMED, PRIV_PLAN(.name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "pathname", PARAM_PATH, 2, NULL } } },
	{ "open_tree", 428, 428, CALL_NAMED, PRIV_PLAN(.flags = PLAN_RETURNS_FD, .name_arg = { 2 }, .dir_arg = { 1 }),
	  { FD, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "path", PARAM_PATH, 2, NULL }, { "flags", PARAM_HEX, 3, NULL } } },
	{ "fsconfig", 431, 431, CALL_NAMED, PRIV_PLAN(.flags = PLAN_TEXT, .object_arg = 1, .name_arg = { 3 }),
	  { RES, FD, { "cmd", PARAM_INT, 2, NULL }, { "key", PARAM_RAW_NAME, 3, NULL } } },
	{ "fsmount", 432, 432, CALL_NAMED, PRIV_PLAN(.flags = PLAN_RETURNS_FD), { FD, { "flags", PARAM_HEX, 2, NULL } } },
	{ "mount_setattr", 442, 442, CALL_NAMED, PRIV_PLAN(.name_arg = { 2 }, .dir_arg = { 1 }),
	  { RES, { "dirfd", PARAM_DIR_FD, 1, NULL }, { "path", PARAM_PATH, 2, NULL }, { "flags", PARAM_HEX, 3, NULL } } },
	{ "memfd_secret", 447, 447, CALL_NAMED, PRIV_PLAN(.flags = PLAN_RETURNS_FD), { FD, { "flags", PARAM_HEX, 1, NULL } } },
	{ "add_key", SYS_add_key, COMPAT(286, 309), CALL_NAMED, PRIV_PLAN(.flags = PLAN_TEXT, .name_arg = { 1, 2 }), { RES } },
	{ "request_key", SYS_request_key, COMPAT(287, 310), CALL_NAMED, PRIV_PLAN(.flags = PLAN_TEXT, .name_arg = { 1, 2 }), { RES } },
	{ "keyctl", SYS_keyctl, COMPAT(288, 311), CALL_NAMED, PRIV_PLAN(.flags = 0), { RES, { "option", PARAM_INT, 1, NULL } } },
	{ "perf_event_open", SYS_perf_event_open, COMPAT(336, 364), CALL_NAMED, PRIV_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "pid", PARAM_PID, 2, NULL } } },
	{ "fanotify_init", SYS_fanotify_init, COMPAT(338, 367), CALL_NAMED, PRIV_PLAN(.flags = PLAN_RETURNS_FD),
	  { FD, { "flags", PARAM_HEX, 1, NULL } } },
	{ "personality", SYS_personality, 136, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES } },
	{ "acct", SYS_acct, 51, CALL_NAMED, PRIV_PLAN(.name_arg = { 1 }), { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "swapon", SYS_swapon, 87, CALL_NAMED, PRIV_PLAN(.name_arg = { 1 }), { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "swapoff", SYS_swapoff, 115, CALL_NAMED, PRIV_PLAN(.name_arg = { 1 }), { RES, { "path", PARAM_PATH, 1, NULL } } },
	{ "reboot", SYS_reboot, 88, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES, { "cmd", PARAM_HEX, 3, NULL } } },
	{ "sethostname", SYS_sethostname, 74, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES } },
	{ "setdomainname", SYS_setdomainname, 121, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES } },
	{ "syslog", SYS_syslog, 103, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES, { "type", PARAM_INT, 1, NULL } } },
	{ "quotactl", SYS_quotactl, 131, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES, { "cmd", PARAM_HEX, 1, NULL } } },
	{ "settimeofday", SYS_settimeofday, 79, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES } },
	{ "clock_settime", SYS_clock_settime, COMPAT(264, 262), CALL_NAMED, PRIV_PLAN(.flags = 0), { RES } },
	{ "setfsuid", SYS_setfsuid, 215, CALL_NAMED, PRIV_PLAN(.flags = 0), { { "res", PARAM_NUMBER, 0, NULL }, { "uid", PARAM_UID, 1, NULL } } },
	{ "setfsgid", SYS_setfsgid, 216, CALL_NAMED, PRIV_PLAN(.flags = 0), { { "res", PARAM_NUMBER, 0, NULL }, { "gid", PARAM_GID, 1, NULL } } },
	{ "setgroups", SYS_setgroups, 206, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES } },
	{ "kcmp", SYS_kcmp, COMPAT(349, 378), CALL_NAMED, PRIV_PLAN(.flags = 0), { RES, { "pid", PARAM_PID, 1, NULL } } },
	{ "process_madvise", 440, 440, CALL_NAMED, PRIV_PLAN(.flags = 0), { RES } },

	/* State: the working directory. */
	{ "chdir", SYS_chdir, 12, CALL_STATE,
	  OTHER_PLAN(.flags = PLAN_CWD | PLAN_SUCCESS_ONLY | PLAN_TEXT, .name_arg = { 1 }),
	  { RES, { "path", PARAM_RAW_NAME, 1, NULL } } },
	{ "fchdir", SYS_fchdir, 133, CALL_STATE,
	  OTHER_PLAN(.flags = PLAN_CWD | PLAN_SUCCESS_ONLY, .object_arg = 1), { RES, FD } },

	/* State from the fork tracepoint; rows only for their names. */
	{ "clone", SYS_clone, 120, CALL_WANTED, PROCESS_PLAN(.flags = 0), { { "res", PARAM_NUMBER, 0, NULL } } },
	{ "clone3", SYS_clone3, 435, CALL_WANTED, PROCESS_PLAN(.flags = 0), { { "res", PARAM_NUMBER, 0, NULL } } },
	{ "fork", SYS_fork, 2, CALL_WANTED, PROCESS_PLAN(.flags = 0), { { "res", PARAM_NUMBER, 0, NULL } } },
	{ "vfork", SYS_vfork, 190, CALL_WANTED, PROCESS_PLAN(.flags = 0), { { "res", PARAM_NUMBER, 0, NULL } } },
};
/* clang-format on */

const size_t calls_count = ARRAY_LEN(calls);

/* ARM has i386's numbers for these. */
const struct call_alias call_aliases[] = {
	{ 16, SYS_lchown },	{ 23, SYS_setuid },	{ 46, SYS_setgid },	{ 55, SYS_fcntl },	{ 70, SYS_setreuid },
	{ 71, SYS_setregid },	{ 81, SYS_setgroups },	{ 95, SYS_fchown },	{ 138, SYS_setfsuid },	{ 139, SYS_setfsgid },
	{ 164, SYS_setresuid }, { 170, SYS_setresgid }, { 182, SYS_chown },	{ 193, SYS_truncate },	{ 194, SYS_ftruncate },
	{ 239, SYS_sendfile },	{ 404, SYS_clock_settime }, { 412, SYS_utimensat }, { 417, SYS_recvmmsg },
};

const size_t call_aliases_count = ARRAY_LEN(call_aliases);

_Static_assert(ARRAY_LEN(calls) <= CALLS_MAX, "CALLS_MAX must hold the table");

bool call_is_traced(const struct call *call)
{
	return call->plan.class == RECORD_CLASS_PROCESS && call->watch != CALL_STATE;
}

const struct call *call_find(uint16_t nr)
{
	for (size_t i = 0; i < calls_count; i++)
		if (calls[i].nr == nr)
			return &calls[i];
	return NULL;
}

const struct call *call_find_compat(uint32_t nr)
{
	for (size_t i = 0; i < calls_count; i++)
		if (calls[i].compat == nr && nr != CALL_COMPAT_NONE)
			return &calls[i];
	for (size_t i = 0; i < call_aliases_count; i++)
		if (call_aliases[i].compat == nr)
			return call_find(call_aliases[i].nr);
	return NULL;
}

const struct call *call_find_name(struct str name)
{
	for (size_t i = 0; i < calls_count; i++)
		if (str_eq(str_of(calls[i].name), name))
			return &calls[i];
	return NULL;
}
