/* Tables of names and how they are put together. */
#include "sensor/flags.h"

#include "base/cleanup.h"
#include "sensor/caps.h"
#include "sensor/record.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/stat.h>

/* Falco numbers read, write and both as bits 1, 2 and 3; kept apart from the kernel's bits here. */
#define OPEN_READ    (1ULL << 32)
#define OPEN_WRITE   (1ULL << 33)
#define OPEN_CREATED (1ULL << 34)
#define OPEN_UPPER   (1ULL << 35)
#define OPEN_LOWER   (1ULL << 36)
#ifdef __aarch64__
#define LARGEFILE 0400000
#else
#define LARGEFILE 0100000
#endif

/* clang-format off */
const struct flag flags_open[] = {
	{ "O_LARGEFILE", LARGEFILE },
	{ "O_DIRECTORY", O_DIRECTORY },
	{ "O_DIRECT", O_DIRECT },
	{ "O_TRUNC", O_TRUNC },
	{ "O_SYNC", O_SYNC },
	{ "O_NONBLOCK", O_NONBLOCK },
	{ "O_EXCL", O_EXCL },
	{ "O_DSYNC", O_DSYNC },
	{ "O_APPEND", O_APPEND },
	{ "O_CREAT", O_CREAT },
	{ "O_RDWR", OPEN_READ | OPEN_WRITE },
	{ "O_WRONLY", OPEN_WRITE },
	{ "O_RDONLY", OPEN_READ },
	{ "O_CLOEXEC", O_CLOEXEC },
	{ "O_TMPFILE", O_TMPFILE & ~O_DIRECTORY },
	{ "O_F_CREATED", OPEN_CREATED },
	{ "FD_UPPER_LAYER", OPEN_UPPER },
	{ "FD_LOWER_LAYER", OPEN_LOWER },
	{ NULL, 0 },
};

const struct flag flags_openat2_resolve[] = {
	{ "RESOLVE_BENEATH", RESOLVE_BENEATH },
	{ "RESOLVE_IN_ROOT", RESOLVE_IN_ROOT },
	{ "RESOLVE_NO_MAGICLINKS", RESOLVE_NO_MAGICLINKS },
	{ "RESOLVE_NO_SYMLINKS", RESOLVE_NO_SYMLINKS },
	{ "RESOLVE_NO_XDEV", RESOLVE_NO_XDEV },
	{ NULL, 0 },
};

const struct flag flags_chmod[] = {
	{ "S_IXOTH", S_IXOTH }, { "S_IWOTH", S_IWOTH }, { "S_IROTH", S_IROTH },
	{ "S_IXGRP", S_IXGRP }, { "S_IWGRP", S_IWGRP }, { "S_IRGRP", S_IRGRP },
	{ "S_IXUSR", S_IXUSR }, { "S_IWUSR", S_IWUSR }, { "S_IRUSR", S_IRUSR },
	{ "S_ISVTX", S_ISVTX }, { "S_ISGID", S_ISGID }, { "S_ISUID", S_ISUID },
	{ NULL, 0 },
};

const struct flag flags_clone[] = {
	{ "CLONE_FILES", CLONE_FILES },
	{ "CLONE_FS", CLONE_FS },
	{ "CLONE_IO", CLONE_IO },
	{ "CLONE_NEWIPC", CLONE_NEWIPC },
	{ "CLONE_NEWNET", CLONE_NEWNET },
	{ "CLONE_NEWNS", CLONE_NEWNS },
	{ "CLONE_NEWPID", CLONE_NEWPID },
	{ "CLONE_NEWUTS", CLONE_NEWUTS },
	{ "CLONE_PARENT_SETTID", CLONE_PARENT_SETTID },
	{ "CLONE_PARENT", CLONE_PARENT },
	{ "CLONE_PTRACE", CLONE_PTRACE },
	{ "CLONE_SIGHAND", CLONE_SIGHAND },
	{ "CLONE_SYSVSEM", CLONE_SYSVSEM },
	{ "CLONE_THREAD", CLONE_THREAD },
	{ "CLONE_UNTRACED", CLONE_UNTRACED },
	{ "CLONE_VM", CLONE_VM },
	{ "CLONE_NEWUSER", CLONE_NEWUSER },
	{ "CLONE_CHILD_CLEARTID", CLONE_CHILD_CLEARTID },
	{ "CLONE_CHILD_SETTID", CLONE_CHILD_SETTID },
	{ "CLONE_SETTLS", CLONE_SETTLS },
	{ "CLONE_STOPPED", 0x02000000 },
	{ "CLONE_VFORK", CLONE_VFORK },
	{ "CLONE_NEWCGROUP", CLONE_NEWCGROUP },
	{ NULL, 0 },
};

/* Bits are Falco's: see enrich_exec. */
const struct flag flags_exec[] = {
	{ "EXE_WRITABLE", 1 },   { "EXE_UPPER_LAYER", 2 }, { "EXE_FROM_MEMFD", 4 },
	{ "EXE_LOWER_LAYER", 8 }, { NULL, 0 },
};

const struct flag flags_memfd[] = {
	{ "MFD_CLOEXEC", 1 }, { "MFD_ALLOW_SEALING", 2 }, { "MFD_HUGETLB", 4 }, { NULL, 0 },
};

const struct flag flags_unlinkat[] = { { "AT_REMOVEDIR", AT_REMOVEDIR }, { NULL, 0 } };

const struct flag flags_linkat[] = {
	{ "AT_SYMLINK_FOLLOW", AT_SYMLINK_FOLLOW }, { "AT_EMPTY_PATH", AT_EMPTY_PATH }, { NULL, 0 },
};

const struct flag flags_renameat2[] = {
	{ "RENAME_NOREPLACE", 1 }, { "RENAME_EXCHANGE", 2 }, { "RENAME_WHITEOUT", 4 }, { NULL, 0 },
};

const struct flag flags_mount[] = {
	{ "RDONLY", 1 },          { "NOSUID", 2 },         { "NODEV", 4 },
	{ "NOEXEC", 8 },          { "SYNCHRONOUS", 16 },   { "REMOUNT", 32 },
	{ "MANDLOCK", 64 },       { "DIRSYNC", 128 },      { "NOATIME", 1024 },
	{ "NODIRATIME", 2048 },   { "BIND", 4096 },        { "MOVE", 8192 },
	{ "REC", 16384 },         { "SILENT", 32768 },     { "POSIXACL", 1 << 16 },
	{ "UNBINDABLE", 1 << 17 }, { "PRIVATE", 1 << 18 }, { "SLAVE", 1 << 19 },
	{ "SHARED", 1 << 20 },    { "RELATIME", 1 << 21 }, { "KERNMOUNT", 1 << 22 },
	{ "I_VERSION", 1 << 23 }, { "STRICTATIME", 1 << 24 }, { "LAZYTIME", 1 << 25 },
	{ NULL, 0 },
};

const struct flag flags_umount[] = {
	{ "FORCE", 1 }, { "DETACH", 2 }, { "EXPIRE", 4 }, { "NOFOLLOW", 8 }, { NULL, 0 },
};

const struct flag flags_finit_module[] = {
	{ "MODULE_INIT_IGNORE_MODVERSIONS", 1 },
	{ "MODULE_INIT_IGNORE_VERMAGIC", 2 },
	{ "MODULE_INIT_COMPRESSED_FILE", 4 },
	{ NULL, 0 },
};

const struct flag flags_userfaultfd[] = {
	{ "O_NONBLOCK", O_NONBLOCK }, { "O_CLOEXEC", O_CLOEXEC }, { NULL, 0 },
};

const struct flag names_family[] = {
	{ "AF_UNSPEC", 0 },    { "AF_UNIX", 1 },       { "AF_INET", 2 },       { "AF_AX25", 3 },
	{ "AF_IPX", 4 },       { "AF_APPLETALK", 5 },  { "AF_NETROM", 6 },     { "AF_BRIDGE", 7 },
	{ "AF_ATMPVC", 8 },    { "AF_X25", 9 },        { "AF_INET6", 10 },     { "AF_ROSE", 11 },
	{ "AF_DECnet", 12 },   { "AF_NETBEUI", 13 },   { "AF_SECURITY", 14 },  { "AF_KEY", 15 },
	{ "AF_NETLINK", 16 },  { "AF_PACKET", 17 },    { "AF_ASH", 18 },       { "AF_ECONET", 19 },
	{ "AF_ATMSVC", 20 },   { "AF_RDS", 21 },       { "AF_SNA", 22 },       { "AF_IRDA", 23 },
	{ "AF_PPPOX", 24 },    { "AF_WANPIPE", 25 },   { "AF_LLC", 26 },       { "AF_IB", 27 },
	{ "AF_MPLS", 28 },     { "AF_CAN", 29 },       { "AF_TIPC", 30 },      { "AF_BLUETOOTH", 31 },
	{ "AF_IUCV", 32 },     { "AF_RXRPC", 33 },     { "AF_ISDN", 34 },      { "AF_PHONET", 35 },
	{ "AF_IEEE802154", 36 }, { "AF_CAIF", 37 },    { "AF_ALG", 38 },       { "AF_NFC", 39 },
	{ "AF_VSOCK", 40 },    { "AF_KCM", 41 },       { "AF_QIPCRTR", 42 },   { "AF_SMC", 43 },
	{ "AF_XDP", 44 },      { "AF_MCTP", 45 },      { NULL, 0 },
};

const struct flag names_ptrace[] = {
	{ "PTRACE_TRACEME", 0 },           { "PTRACE_PEEKTEXT", 1 },
	{ "PTRACE_PEEKDATA", 2 },          { "PTRACE_PEEKUSR", 3 },
	{ "PTRACE_POKETEXT", 4 },          { "PTRACE_POKEDATA", 5 },
	{ "PTRACE_POKEUSR", 6 },           { "PTRACE_CONT", 7 },
	{ "PTRACE_KILL", 8 },              { "PTRACE_SINGLESTEP", 9 },
	{ "PTRACE_GETREGS", 12 },          { "PTRACE_SETREGS", 13 },
	{ "PTRACE_GETFPREGS", 14 },        { "PTRACE_SETFPREGS", 15 },
	{ "PTRACE_ATTACH", 16 },           { "PTRACE_DETACH", 17 },
	{ "PTRACE_GETFPXREGS", 18 },       { "PTRACE_SETFPXREGS", 19 },
	{ "PTRACE_SYSCALL", 24 },          { "PTRACE_GET_THREAD_AREA", 25 },
	{ "PTRACE_SET_THREAD_AREA", 26 },  { "PTRACE_ARCH_PRCTL", 30 },
	{ "PTRACE_SYSEMU", 31 },           { "PTRACE_SYSEMU_SINGLESTEP", 32 },
	{ "PTRACE_SINGLEBLOCK", 33 },      { "PTRACE_SETOPTIONS", 0x4200 },
	{ "PTRACE_GETEVENTMSG", 0x4201 },  { "PTRACE_GETSIGINFO", 0x4202 },
	{ "PTRACE_SETSIGINFO", 0x4203 },   { "PTRACE_GETREGSET", 0x4204 },
	{ "PTRACE_SETREGSET", 0x4205 },    { "PTRACE_SEIZE", 0x4206 },
	{ "PTRACE_INTERRUPT", 0x4207 },    { "PTRACE_LISTEN", 0x4208 },
	{ "PTRACE_PEEKSIGINFO", 0x4209 },  { "PTRACE_GETSIGMASK", 0x420a },
	{ "PTRACE_SETSIGMASK", 0x420b },   { NULL, 0 },
};

const struct flag names_bpf[] = {
	{ "BPF_MAP_CREATE", 0 },           { "BPF_MAP_LOOKUP_ELEM", 1 },
	{ "BPF_MAP_UPDATE_ELEM", 2 },      { "BPF_MAP_DELETE_ELEM", 3 },
	{ "BPF_MAP_GET_NEXT_KEY", 4 },     { "BPF_PROG_LOAD", 5 },
	{ "BPF_OBJ_PIN", 6 },              { "BPF_OBJ_GET", 7 },
	{ "BPF_PROG_ATTACH", 8 },          { "BPF_PROG_DETACH", 9 },
	{ "BPF_PROG_TEST_RUN", 10 },       { "BPF_PROG_GET_NEXT_ID", 11 },
	{ "BPF_MAP_GET_NEXT_ID", 12 },     { "BPF_PROG_GET_FD_BY_ID", 13 },
	{ "BPF_MAP_GET_FD_BY_ID", 14 },    { "BPF_OBJ_GET_INFO_BY_FD", 15 },
	{ "BPF_PROG_QUERY", 16 },          { "BPF_RAW_TRACEPOINT_OPEN", 17 },
	{ "BPF_BTF_LOAD", 18 },            { "BPF_BTF_GET_FD_BY_ID", 19 },
	{ "BPF_TASK_FD_QUERY", 20 },       { "BPF_MAP_LOOKUP_AND_DELETE_ELEM", 21 },
	{ "BPF_MAP_FREEZE", 22 },          { "BPF_BTF_GET_NEXT_ID", 23 },
	{ "BPF_MAP_LOOKUP_BATCH", 24 },    { "BPF_MAP_LOOKUP_AND_DELETE_BATCH", 25 },
	{ "BPF_MAP_UPDATE_BATCH", 26 },    { "BPF_MAP_DELETE_BATCH", 27 },
	{ "BPF_LINK_CREATE", 28 },         { "BPF_LINK_UPDATE", 29 },
	{ "BPF_LINK_GET_FD_BY_ID", 30 },   { "BPF_LINK_GET_NEXT_ID", 31 },
	{ "BPF_ENABLE_STATS", 32 },        { "BPF_ITER_CREATE", 33 },
	{ "BPF_LINK_DETACH", 34 },         { "BPF_PROG_BIND_MAP", 35 },
	{ NULL, 0 },
};
/* clang-format on */

void flags_add(struct buf *out, const struct flag *table, uint64_t value)
{
	uint64_t left = value;
	bool any = false;

	for (; table->name != NULL; table++) {
		if ((left & table->bits) != table->bits)
			continue;
		if (any)
			buf_add_char(out, '|');
		buf_add(out, str_of(table->name));
		left &= ~table->bits;
		any = true;
	}
	if (!any)
		buf_addf(out, "%#llx", (unsigned long long)value);
}

void flags_add_name(struct buf *out, const struct flag *table, uint64_t value)
{
	for (; table->name != NULL; table++)
		if (table->bits == value) {
			buf_add(out, str_of(table->name));
			return;
		}
	buf_add_u64(out, value);
}

void flags_add_open(struct buf *out, uint64_t flags, uint32_t record_flags)
{
	uint64_t value = flags & 0xffffffff & ~(uint64_t)O_ACCMODE;
	unsigned access = (unsigned)flags & O_ACCMODE;

	if (access == O_RDONLY || access == O_RDWR)
		value |= OPEN_READ;
	if (access == O_WRONLY || access == O_RDWR)
		value |= OPEN_WRITE;
	if (record_flags & RECORD_CREATED)
		value |= OPEN_CREATED;
	if (record_flags & RECORD_FD_UPPER)
		value |= OPEN_UPPER;
	if (record_flags & RECORD_FD_LOWER)
		value |= OPEN_LOWER;
	flags_add(out, flags_open, value);
}

void flags_add_caps(struct buf *out, uint64_t caps)
{
	bool any = false;

	for (size_t i = 0; cap_names[i] != NULL; i++) {
		if (!(caps & 1ULL << i))
			continue;
		if (any)
			buf_add_char(out, ' ');
		buf_add(out, str_of(cap_names[i]));
		any = true;
	}
}

struct str flags_errno(int64_t result)
{
	static const struct {
		int64_t result;
		struct str name;
	} restarts[] = {
		/* Never seen by a program, but by who looks at the end of a call. */
		{ -512, { "ERESTARTSYS", 11 } },
		{ -513, { "ERESTARTNOINTR", 14 } },
		{ -514, { "ERESTARTNOHAND", 14 } },
		{ -516, { "ERESTART_RESTARTBLOCK", 21 } },
	};
	const char *name;

	if (result >= 0)
		return STR("SUCCESS");
	name = result > -4096 ? strerrorname_np((int)-result) : NULL;
	if (name != NULL)
		return str_of(name);
	for (size_t i = 0; i < ARRAY_LEN(restarts); i++)
		if (restarts[i].result == result)
			return restarts[i].name;
	return STR("EUNKNOWN");
}
