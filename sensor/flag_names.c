/* Names in the arguments of calls that change neither a file's name nor a process's rights directly. */
#include "sensor/flags.h"

/* clang-format off */
const struct flag flags_fchownat[] = {
	{ "AT_SYMLINK_NOFOLLOW", 0x100 }, { "AT_EMPTY_PATH", 0x1000 }, { NULL, 0 },
};

/* A type has its bits, and none that begins with them stands behind it. */
const struct flag flags_mknod[] = {
	{ "S_IFSOCK", 0140000 }, { "S_IFBLK", 0060000 }, { "S_IFREG", 0100000 },
	{ "S_IFCHR", 0020000 }, { "S_IFIFO", 0010000 }, { "S_ISUID", 04000 },
	{ "S_ISGID", 02000 }, { "S_ISVTX", 01000 }, { "S_IRUSR", 0400 }, { "S_IWUSR", 0200 },
	{ "S_IXUSR", 0100 }, { "S_IRGRP", 040 }, { "S_IWGRP", 020 }, { "S_IXGRP", 010 },
	{ "S_IROTH", 04 }, { "S_IWOTH", 02 }, { "S_IXOTH", 01 }, { NULL, 0 },
};

const struct flag flags_pidfd_open[] = {
	{ "PIDFD_NONBLOCK", 04000 }, { NULL, 0 },
};

const struct flag flags_delete_module[] = {
	{ "O_NONBLOCK", 04000 }, { "O_TRUNC", 01000 }, { NULL, 0 },
};

const struct flag flags_epoll_create[] = {
	{ "EPOLL_CLOEXEC", 02000000 }, { NULL, 0 },
};

const struct flag flags_prot[] = {
	{ "PROT_READ", 1 }, { "PROT_WRITE", 2 }, { "PROT_EXEC", 4 }, { "PROT_SEM", 8 },
	{ "PROT_GROWSDOWN", 0x1000000 }, { "PROT_GROWSUP", 0x2000000 }, { NULL, 0 },
};

const struct flag flags_mmap[] = {
	{ "MAP_SHARED", 0x1 }, { "MAP_PRIVATE", 0x2 }, { "MAP_FIXED", 0x10 },
	{ "MAP_ANONYMOUS", 0x20 }, { "MAP_32BIT", 0x40 }, { "MAP_GROWSDOWN", 0x100 },
	{ "MAP_DENYWRITE", 0x800 }, { "MAP_EXECUTABLE", 0x1000 }, { "MAP_LOCKED", 0x2000 },
	{ "MAP_NORESERVE", 0x4000 }, { "MAP_POPULATE", 0x8000 }, { "MAP_NONBLOCK", 0x10000 },
	{ "MAP_STACK", 0x20000 }, { "MAP_HUGETLB", 0x40000 }, { NULL, 0 },
};

const struct flag flags_io_uring_setup[] = {
	{ "IORING_SETUP_IOPOLL", 0x1 }, { "IORING_SETUP_SQPOLL", 0x2 },
	{ "IORING_SETUP_SQ_AFF", 0x4 }, { "IORING_SETUP_CQSIZE", 0x8 },
	{ "IORING_SETUP_CLAMP", 0x10 }, { "IORING_SETUP_ATTACH_WQ", 0x20 },
	{ "IORING_SETUP_R_DISABLED", 0x40 }, { "IORING_SETUP_SUBMIT_ALL", 0x80 },
	{ "IORING_SETUP_COOP_TASKRUN", 0x100 }, { "IORING_SETUP_TASKRUN_FLAG", 0x200 },
	{ "IORING_SETUP_SQE128", 0x400 }, { "IORING_SETUP_CQE32", 0x800 },
	{ "IORING_SETUP_SINGLE_ISSUER", 0x1000 }, { "IORING_SETUP_DEFER_TASKRUN", 0x2000 },
	{ NULL, 0 },
};

const struct flag flags_io_uring_features[] = {
	{ "IORING_FEAT_SINGLE_MMAP", 0x1 }, { "IORING_FEAT_NODROP", 0x2 },
	{ "IORING_FEAT_SUBMIT_STABLE", 0x4 }, { "IORING_FEAT_RW_CUR_POS", 0x8 },
	{ "IORING_FEAT_CUR_PERSONALITY", 0x10 }, { "IORING_FEAT_FAST_POLL", 0x20 },
	{ "IORING_FEAT_POLL_32BITS", 0x40 }, { "IORING_FEAT_SQPOLL_NONFIXED", 0x80 },
	{ "IORING_FEAT_EXT_ARG", 0x100 }, { "IORING_FEAT_NATIVE_WORKERS", 0x200 },
	{ "IORING_FEAT_RSRC_TAGS", 0x400 }, { "IORING_FEAT_CQE_SKIP", 0x800 },
	{ "IORING_FEAT_LINKED_FILE", 0x1000 }, { "IORING_FEAT_REG_REG_RING", 0x2000 },
	{ NULL, 0 },
};

const struct flag flags_io_uring_enter[] = {
	{ "IORING_ENTER_GETEVENTS", 0x1 }, { "IORING_ENTER_SQ_WAKEUP", 0x2 },
	{ "IORING_ENTER_SQ_WAIT", 0x4 }, { "IORING_ENTER_EXT_ARG", 0x8 },
	{ "IORING_ENTER_REGISTERED_RING", 0x10 }, { NULL, 0 },
};

const struct flag names_signal[] = {
	{ "SIGHUP", 1 }, { "SIGINT", 2 }, { "SIGQUIT", 3 }, { "SIGILL", 4 }, { "SIGTRAP", 5 },
	{ "SIGABRT", 6 }, { "SIGBUS", 7 }, { "SIGFPE", 8 }, { "SIGKILL", 9 }, { "SIGUSR1", 10 },
	{ "SIGSEGV", 11 }, { "SIGUSR2", 12 }, { "SIGPIPE", 13 }, { "SIGALRM", 14 },
	{ "SIGTERM", 15 }, { "SIGSTKFLT", 16 }, { "SIGCHLD", 17 }, { "SIGCONT", 18 },
	{ "SIGSTOP", 19 }, { "SIGTSTP", 20 }, { "SIGTTIN", 21 }, { "SIGTTOU", 22 },
	{ "SIGURG", 23 }, { "SIGXCPU", 24 }, { "SIGXFSZ", 25 }, { "SIGVTALRM", 26 },
	{ "SIGPROF", 27 }, { "SIGWINCH", 28 }, { "SIGIO", 29 }, { "SIGPWR", 30 },
	{ "SIGSYS", 31 }, { NULL, 0 },
};

const struct flag names_prctl[] = {
	{ "PR_SET_PDEATHSIG", 1 }, { "PR_GET_PDEATHSIG", 2 }, { "PR_GET_DUMPABLE", 3 },
	{ "PR_SET_DUMPABLE", 4 }, { "PR_GET_UNALIGN", 5 }, { "PR_SET_UNALIGN", 6 },
	{ "PR_GET_KEEPCAPS", 7 }, { "PR_SET_KEEPCAPS", 8 }, { "PR_GET_FPEMU", 9 },
	{ "PR_SET_FPEMU", 10 }, { "PR_GET_FPEXC", 11 }, { "PR_SET_FPEXC", 12 },
	{ "PR_GET_TIMING", 13 }, { "PR_SET_TIMING", 14 }, { "PR_SET_NAME", 15 },
	{ "PR_GET_NAME", 16 }, { "PR_GET_ENDIAN", 19 }, { "PR_SET_ENDIAN", 20 },
	{ "PR_GET_SECCOMP", 21 }, { "PR_SET_SECCOMP", 22 }, { "PR_CAPBSET_READ", 23 },
	{ "PR_CAPBSET_DROP", 24 }, { "PR_GET_TSC", 25 }, { "PR_SET_TSC", 26 },
	{ "PR_GET_SECUREBITS", 27 }, { "PR_SET_SECUREBITS", 28 }, { "PR_SET_TIMERSLACK", 29 },
	{ "PR_GET_TIMERSLACK", 30 }, { "PR_TASK_PERF_EVENTS_DISABLE", 31 },
	{ "PR_TASK_PERF_EVENTS_ENABLE", 32 }, { "PR_MCE_KILL", 33 }, { "PR_MCE_KILL_GET", 34 },
	{ "PR_SET_MM", 35 }, { "PR_SET_CHILD_SUBREAPER", 36 }, { "PR_GET_CHILD_SUBREAPER", 37 },
	{ "PR_SET_NO_NEW_PRIVS", 38 }, { "PR_GET_NO_NEW_PRIVS", 39 },
	{ "PR_GET_TID_ADDRESS", 40 }, { "PR_SET_THP_DISABLE", 41 }, { "PR_GET_THP_DISABLE", 42 },
	{ "PR_MPX_ENABLE_MANAGEMENT", 43 }, { "PR_MPX_DISABLE_MANAGEMENT", 44 },
	{ "PR_SET_FP_MODE", 45 }, { "PR_GET_FP_MODE", 46 }, { "PR_CAP_AMBIENT", 47 },
	{ "PR_SVE_SET_VL", 50 }, { "PR_SVE_GET_VL", 51 }, { "PR_GET_SPECULATION_CTRL", 52 },
	{ "PR_SET_SPECULATION_CTRL", 53 }, { "PR_PAC_RESET_KEYS", 54 },
	{ "PR_SET_TAGGED_ADDR_CTRL", 55 }, { "PR_GET_TAGGED_ADDR_CTRL", 56 },
	{ "PR_SET_IO_FLUSHER", 57 }, { "PR_GET_IO_FLUSHER", 58 },
	{ "PR_SET_SYSCALL_USER_DISPATCH", 59 }, { "PR_SCHED_CORE", 62 }, { "PR_SET_MDWE", 65 },
	{ "PR_GET_MDWE", 66 }, { "PR_SET_PTRACER", 0x59616d61 }, { "PR_SET_VMA", 0x53564d41 },
	{ NULL, 0 },
};

const struct flag names_fcntl[] = {
	{ "F_DUPFD", 0 }, { "F_GETFD", 1 }, { "F_SETFD", 2 }, { "F_GETFL", 3 }, { "F_SETFL", 4 },
	{ "F_GETLK", 5 }, { "F_SETLK", 6 }, { "F_SETLKW", 7 }, { "F_SETOWN", 8 },
	{ "F_GETOWN", 9 }, { "F_SETSIG", 10 }, { "F_GETSIG", 11 }, { "F_GETLK64", 12 },
	{ "F_SETLK64", 13 }, { "F_SETLKW64", 14 }, { "F_SETOWN_EX", 15 }, { "F_GETOWN_EX", 16 },
	{ "F_OFD_GETLK", 36 }, { "F_OFD_SETLK", 37 }, { "F_OFD_SETLKW", 38 },
	{ "F_SETLEASE", 1024 }, { "F_GETLEASE", 1025 }, { "F_NOTIFY", 1026 },
	{ "F_CANCELLK", 1029 }, { "F_DUPFD_CLOEXEC", 1030 }, { "F_SETPIPE_SZ", 1031 },
	{ "F_GETPIPE_SZ", 1032 }, { "F_ADD_SEALS", 1033 }, { "F_GET_SEALS", 1034 }, { NULL, 0 },
};

const struct flag names_shutdown[] = {
	{ "SHUT_RD", 0 }, { "SHUT_WR", 1 }, { "SHUT_RDWR", 2 }, { NULL, 0 },
};

const struct flag names_socket_level[] = {
	{ "SOL_SOCKET", 1 }, { "SOL_TCP", 6 }, { NULL, 0 },
};

/* Of SOL_SOCKET; other levels have the same numbers for other things, and Falco the same trouble. */
const struct flag names_socket_option[] = {
	{ "SO_DEBUG", 1 }, { "SO_REUSEADDR", 2 }, { "SO_TYPE", 3 }, { "SO_ERROR", 4 },
	{ "SO_DONTROUTE", 5 }, { "SO_BROADCAST", 6 }, { "SO_SNDBUF", 7 }, { "SO_RCVBUF", 8 },
	{ "SO_KEEPALIVE", 9 }, { "SO_OOBINLINE", 10 }, { "SO_NO_CHECK", 11 },
	{ "SO_PRIORITY", 12 }, { "SO_LINGER", 13 }, { "SO_BSDCOMPAT", 14 },
	{ "SO_REUSEPORT", 15 }, { "SO_PASSCRED", 16 }, { "SO_PEERCRED", 17 },
	{ "SO_RCVLOWAT", 18 }, { "SO_SNDLOWAT", 19 }, { "SO_RCVTIMEO", 20 },
	{ "SO_SNDTIMEO", 21 }, { "SO_BINDTODEVICE", 25 }, { "SO_ATTACH_FILTER", 26 },
	{ "SO_DETACH_FILTER", 27 }, { "SO_PEERNAME", 28 }, { "SO_TIMESTAMP", 29 },
	{ "SO_ACCEPTCONN", 30 }, { "SO_PEERSEC", 31 }, { "SO_SNDBUFFORCE", 32 },
	{ "SO_RCVBUFFORCE", 33 }, { "SO_PASSSEC", 34 }, { "SO_TIMESTAMPNS", 35 },
	{ "SO_MARK", 36 }, { "SO_TIMESTAMPING", 37 }, { "SO_PROTOCOL", 38 }, { "SO_DOMAIN", 39 },
	{ "SO_RXQ_OVFL", 40 }, { "SO_PEEK_OFF", 42 }, { "SO_NOFCS", 43 },
	{ "SO_LOCK_FILTER", 44 }, { "SO_BUSY_POLL", 46 }, { "SO_INCOMING_CPU", 49 },
	{ "SO_ATTACH_BPF", 50 }, { "SO_INCOMING_NAPI_ID", 56 }, { "SO_COOKIE", 57 },
	{ "SO_PEERGROUPS", 59 }, { "SO_ZEROCOPY", 60 }, { "SO_TXTIME", 61 },
	{ "SO_BINDTOIFINDEX", 62 }, { NULL, 0 },
};

const struct flag names_io_uring_register[] = {
	{ "IORING_REGISTER_BUFFERS", 0 }, { "IORING_UNREGISTER_BUFFERS", 1 },
	{ "IORING_REGISTER_FILES", 2 }, { "IORING_UNREGISTER_FILES", 3 },
	{ "IORING_REGISTER_EVENTFD", 4 }, { "IORING_UNREGISTER_EVENTFD", 5 },
	{ "IORING_REGISTER_FILES_UPDATE", 6 }, { "IORING_REGISTER_EVENTFD_ASYNC", 7 },
	{ "IORING_REGISTER_PROBE", 8 }, { "IORING_REGISTER_PERSONALITY", 9 },
	{ "IORING_UNREGISTER_PERSONALITY", 10 }, { "IORING_REGISTER_RESTRICTIONS", 11 },
	{ "IORING_REGISTER_ENABLE_RINGS", 12 }, { "IORING_REGISTER_FILES2", 13 },
	{ "IORING_REGISTER_FILES_UPDATE2", 14 }, { "IORING_REGISTER_BUFFERS2", 15 },
	{ "IORING_REGISTER_BUFFERS_UPDATE", 16 }, { "IORING_REGISTER_IOWQ_AFF", 17 },
	{ "IORING_UNREGISTER_IOWQ_AFF", 18 }, { "IORING_REGISTER_IOWQ_MAX_WORKERS", 19 },
	{ "IORING_REGISTER_RING_FDS", 20 }, { "IORING_UNREGISTER_RING_FDS", 21 }, { NULL, 0 },
};
/* clang-format on */
