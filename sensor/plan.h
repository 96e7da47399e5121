/* The plan: what to take from a system call, as data. One row a call serves both probes; the eBPF
 * program reads it as a map, so what is watched can change while it runs. Included by both sides.
 */
#ifndef SENSOR_PLAN_H
#define SENSOR_PLAN_H

#include <linux/types.h>

#define PLAN_CALLS  512 /* call numbers; higher ones are never watched */
#define PLAN_COMPAT 512
#define COMPAT_SOCKETCALL 102 /* of i386: stands for many calls */
/* Numbers from here on are ours: calls that only 32-bit programs can make here. Far from the kernel's. */
#define PLAN_FOREIGN 480
#define PLAN_URING 64 /* operations of an io_uring that are looked at: all that there are */
#define PLAN_DATA_MAX 80 /* bytes of data, as much as Falco takes */
#define PLAN_DATA_ROOM 128 /* ... in a power of two */

#define PLAN_CLASS_SLOTS                                                                           \
	8 /* counters are indexed by class & 7, which the kernel can prove to fit */

enum plan_flag {
	PLAN_RETURNS_FD = 1 << 0, /* the object is the returned descriptor */
	PLAN_OPEN = 1 << 1, /* reading opens pass only for watched paths; flags in args[open_arg] */
	PLAN_OPEN_HOW = 1 << 2,	     /* ... flags and mode are in a struct open_how */
	PLAN_TEXT = 1 << 3,	     /* the names are text, not paths */
	PLAN_NEEDS_ADDRESS = 1 << 4, /* a message: without an address it is one of a connection, which only rules that
					name the call want */
	PLAN_MESSAGE = 1 << 5,	     /* the address is within a struct msghdr */
	PLAN_STANDARD_FD = 1 << 6,   /* other results than 0 to 2 are a kind of their own */
	PLAN_FAILED_ONLY = 1 << 7,   /* success is seen elsewhere (exec) */
	PLAN_CWD = 1 << 8,	     /* changes the working directory: the new one is taken */
	PLAN_SUCCESS_ONLY = 1 << 9,
	PLAN_LENGTH_AT = 1 << 11,   /* the address's length is behind a pointer */
	PLAN_TARGET_TEXT = 1 << 10, /* the first name is text, the second a path (symlink) */
	PLAN_NAME_OF_THREAD = 1 << 12, /* prctl(2): there is a name only with these options: */
	PLAN_DATA_BUFFER = 1 << 13, /* data_arg is a buffer: as much as the result says, if a rule wants it */
	PLAN_DATA_VECTOR = 1 << 14, /* ... many, each with its length; of a struct msghdr with PLAN_MESSAGE */
};

#define PLAN_PR_SET_NAME 15
#define PLAN_PR_GET_NAME 16

/* Argument places are from 1; 0 is none. */
struct plan {
	__u16 flags;
	__u8 class; /* enum record_class */
	__u8 object_arg;
	__u8 name_arg[2];
	__u8 dir_arg[2]; /* of a relative name; 0: the working directory */
	__u8 address_arg;
	__u8 address_len_arg; /* or 0 with PLAN_MESSAGE */
	__u8 open_arg;
	__u8 mode_arg;
	__u8 text_arg; /* a third text */
	__u8 data_arg; /* memory of the process, of which data_len bytes are taken */
	__u8 data_len; /* at most PLAN_DATA_MAX; with PLAN_DATA_VECTOR the place of their number */
	__u8 group; /* enum plan_group */
};

/* Two rings: a flood of opens cannot take the place of an exec. Powers of two, these unless options say
 * others. */
#define PLAN_URGENT_BYTES (4 * 1024 * 1024) /* processes and privileges */
#define PLAN_BULK_BYTES	  (8 * 1024 * 1024) /* all else */

/* A ring that is filled beyond the first mark is under pressure: then each process and class has a budget of
 * records for each window of 2^27 ns (134 ms), so that what is shed is the flood and not those beside it. A long
 * record counts as several. Beyond the second mark the budget is small. Of the urgent ring there is a last mark,
 * beyond which each process has one: many that flood together do not fill the rest, and there is room for processes
 * that begin and end, which are never shed. Of opens one is not enough: a program makes some for itself before the
 * one that matters. */
#define PLAN_BULK_MARK(bytes)  ((bytes) / 4)
#define PLAN_BULK_TIGHT(bytes) ((bytes) / 8 * 3)
#define PLAN_URGENT_MARK(bytes)	 ((bytes) / 2)
#define PLAN_URGENT_TIGHT(bytes) ((bytes) / 4 * 3)
#define PLAN_URGENT_LAST(bytes)	 ((bytes) / 8 * 7)
#define PLAN_BUDGET_SHIFT  27
#define PLAN_BUDGET	   256
#define PLAN_BUDGET_TIGHT  16
#define PLAN_BUDGET_LAST   1
#define PLAN_BUDGET_BYTES  1024 /* more of them in a record count as another one */

/* Which process loses most records on this processor, by majority vote: it made the flood. */
struct plan_flood {
	__u64 window; /* of votes; seconds of a sort (2^30 ns) */
	__u64 votes;
	__u32 tgid;
	char comm[16];
};

/* What the user side says about itself, on a cache line of its own: it changes while all processors read what
 * is beside it. */
struct plan_reader {
	__u32 asleep; /* nobody looks at the rings: the next record is to wake the reader, and clears this */
	__u32 unused[31];
} __attribute__((aligned(128)));

/* Counters by class, one set a processor. seen = filtered + emitted + dropped. */
struct plan_counters {
	__u64 seen;
	__u64 filtered;
	__u64 emitted;
	__u64 dropped;
	__u64 shed; /* of those dropped: beyond a process's budget; the others found the ring full */
};

/* How a call ended, as one of 16 kinds: rules are asked about each before any event exists. Of an open
 * how it accesses the file and whether it may make an executable one; of a network call the socket's
 * family; of any call whether it failed. */
enum plan_kind {
	PLAN_KIND_ACCESS = 3, /* a mask */
	PLAN_KIND_READ = 0,
	PLAN_KIND_WRITE = 1,
	PLAN_KIND_BOTH = 2,
	PLAN_KIND_CREAT = 3, /* creat(2), which for rules neither reads nor writes */
	PLAN_KIND_MAKES_EXEC = 4,

	PLAN_KIND_FAMILY = 3, /* a mask */
	PLAN_KIND_IP = 0,
	PLAN_KIND_UNIX = 1,
	PLAN_KIND_OTHER_FAMILY = 2,
	PLAN_KIND_NO_SOCKET = 3,
	PLAN_KIND_SAME_PEER = 4, /* a message to or from whom the socket's last one was */

	PLAN_KIND_OTHER_FD = 1, /* of PLAN_STANDARD_FD: a descriptor beyond 2 */

	PLAN_KIND_FAILED = 8,
};

#define PLAN_O_CREAT   00000100
#define PLAN_O_TMPFILE 020000000

static inline __u16 plan_open_kind(int is_creat, __u64 flags, __u64 mode, int failed)
{
	__u32 access = flags & 3, kind;

	kind = is_creat ? PLAN_KIND_CREAT : access == 3 ? PLAN_KIND_BOTH : access;
	if ((flags & (PLAN_O_CREAT | PLAN_O_TMPFILE)) && (mode & 0111))
		kind |= PLAN_KIND_MAKES_EXEC;
	if (failed)
		kind |= PLAN_KIND_FAILED;
	return (__u16)(1U << kind);
}

static inline __u16 plan_socket_kind(int is_socket, __u16 family, int same_peer, int failed)
{
	__u32 kind = !is_socket				  ? PLAN_KIND_NO_SOCKET
		     : family == 2 || family == 10 ? PLAN_KIND_IP
		     : family == 1			  ? PLAN_KIND_UNIX
							  : PLAN_KIND_OTHER_FAMILY;

	if (same_peer)
		kind |= PLAN_KIND_SAME_PEER;
	return (__u16)(1U << (failed ? kind | PLAN_KIND_FAILED : kind));
}

/* Of a call that is neither an open nor of the network. */
static inline __u16 plan_other_kind(__u16 flags, __s64 ret)
{
	if (ret < 0)
		return 1U << PLAN_KIND_FAILED;
	return (flags & PLAN_STANDARD_FD) && ret > 2 ? 1U << PLAN_KIND_OTHER_FD : 1;
}

/* What rules say of a path, of a name or of a process they say of some kinds of opens, and of some groups of
 * other calls: a bit each. In the upper half the same bits, of processes on the host. */
typedef __u64 plan_bits;

#define PLAN_HOST_SHIFT 32
#define PLAN_BITS_ALL	(~0ULL)

enum plan_group {
	PLAN_GROUP_OTHER = 0,
	PLAN_GROUP_UNLINK,
	PLAN_GROUP_RENAME,
	PLAN_GROUP_LINK,
	PLAN_GROUP_SYMLINK,
	PLAN_GROUP_MODE,
	PLAN_GROUP_OWNER,
	PLAN_GROUP_MAKE,
	PLAN_GROUP_MOUNT,
	PLAN_GROUP_CONNECT,
	PLAN_GROUP_SERVE, /* bind, listen, accept */
	PLAN_GROUP_MESSAGE,
	PLAN_GROUP_PROCESS, /* prctl */
};

#define PLAN_BITS_OF_OPENS 0xffff0000ffffULL
#define PLAN_BIT_OF_GROUP(group) (1ULL << (16 + (group)))

/* Of a call, bits by kind: some rule can match it; it passes whatever its path is; of those without an address
 * (PLAN_NEEDS_ADDRESS) some rule can match it. */
struct plan_interest {
	__u16 can, pass, bare;
	__u16 data; /* some rule wants what is read or written */
	__u16 host_can, host_pass; /* the same of processes on the host */
};

/* Where the processes of a cgroup are. */
enum plan_place { PLAN_PLACE_UNKNOWN = 0, PLAN_PLACE_HOST, PLAN_PLACE_CONTAINER };

#define PLAN_PLACES_MAX 4096  /* cgroups of which it is known */
#define PLAN_MOVED_MAX	16384 /* processes that changed their cgroup since their last exec */
#define PLAN_FOLLOWED_MAX 65536 /* processes of which it is known whether they are followed */
#define PLAN_FOLLOWED	  (~0ULL)
#define PLAN_STRAYS_MAX 16384 /* ... of which the process table may not know the name, or the ancestors */

/* What was lost, by call and cause; written only where something is lost. Rows beyond the calls' are of
 * the end of a process, and of what no call is known for. */
enum { PLAN_LOST_EXIT = PLAN_CALLS, PLAN_LOST_OTHER, PLAN_LOST_ROWS };

struct plan_lost {
	__u64 ring;   /* no room in the ring */
	__u64 budget; /* beyond a process's budget */
};

struct plan_losses {
	struct plan_lost of[PLAN_LOST_ROWS];
	__u64 budgets_full; /* a process got no budget, and passed: too many at once */
};

/* What is refused of connections, by the far end's address: the longest entry answers. IPv4 is mapped into IPv6. */
#define PLAN_FAR_MAX	4096
#define PLAN_FAR_RANGES 16 /* of ports, of one entry */

enum plan_far_what {
	PLAN_FAR_STREAM = 1 << 0,   /* connect(2) of TCP */
	PLAN_FAR_DATAGRAM = 1 << 1, /* connect(2) of UDP */
	PLAN_FAR_MESSAGE = 1 << 2,  /* a datagram with an address */
};

struct plan_far {
	__u32 bits;
	__u8 address[16];
};

struct plan_far_range {
	__u16 from, to; /* ports, both included */
	__u32 what;
};

struct plan_far_ranges {
	__u32 count;
	struct plan_far_range at[PLAN_FAR_RANGES];
};

/* Rules that kill, where the kernel itself can tell that they match: facts as bits, and clauses over them. Where one
 * clause's facts are all so, and none is so that it lacks, the rule surely matches. */
#define PLAN_CLAUSES	 64
#define PLAN_KILLS	 128  /* in a window of 2^27 ns, of all processes; the others are for user space */
#define PLAN_KILL_PATHS	 4096 /* entries of the table */
#define PLAN_KILL_COMMS	 1024

#define PLAN_KILL_PATH	    (1ULL << 0) /* the descriptor has a path, which is known whole */
#define PLAN_KILL_FILE	    (1ULL << 1) /* ... and is a file or a device */
#define PLAN_KILL_DIRECTORY (1ULL << 2)
#define PLAN_KILL_CONTAINER (1ULL << 3) /* the process is in one */
#define PLAN_KILL_ROOT	    (1ULL << 4) /* its effective user is 0 */
#define PLAN_KILL_UPPER	    (1ULL << 5) /* of a program that begins: where its file is */
#define PLAN_KILL_LOWER	    (1ULL << 6)
#define PLAN_KILL_MEMFD	    (1ULL << 7)
#define PLAN_KILL_TEXTS	    8 /* from this bit on: a path or a name is one of those of a check */

struct plan_clause {
	plan_bits need, lack;
};

/* Of a call, clauses as bits: before it begins; when it ends, by kind. And the facts that they are about. */
struct plan_kill {
	__u64 begin, end[16];
	plan_bits about;
};

/* What came of it. */
struct plan_killed {
	__u64 at_begin, at_end, programs; /* killed */
	__u64 unsure; /* something could not be read: left to user space */
	__u64 over;   /* beyond PLAN_KILLS: left to user space */
	__u64 untold; /* killed, and the record found the ring full */
};

/* Rules that deny, where the kernel asks before it does what a call wants (BPF LSM), and can tell itself that they
 * match: clauses as above, over facts as above, and errors. */
enum plan_hook {
	PLAN_HOOK_OPEN = 0, /* a file, once it is found or made */
	PLAN_HOOK_CREATE,   /* ... before it is made */
	PLAN_HOOK_EXEC,
	PLAN_HOOK_UNLINK,
	PLAN_HOOK_RMDIR,
	PLAN_HOOK_MKDIR,
	PLAN_HOOK_MKNOD,
	PLAN_HOOK_RENAME,
	PLAN_HOOK_LINK,
	PLAN_HOOK_SYMLINK,
	PLAN_HOOK_CHMOD,
	PLAN_HOOK_CHOWN,
	PLAN_HOOK_TRUNCATE,
	PLAN_HOOK_FTRUNCATE, /* Linux 6.2; before it is the same as the one of the path */
	PLAN_HOOK_CHROOT,
	PLAN_HOOK_MOUNT,
	PLAN_HOOK_MOVE_MOUNT,
	PLAN_HOOK_UMOUNT,
	PLAN_HOOK_PIVOT,
	PLAN_HOOK_PTRACE,
	PLAN_HOOK_TRACEME,
	PLAN_HOOK_LOAD_DATA, /* a module or a kernel, from memory */
	PLAN_HOOK_READ_FILE, /* ... from a file */
	PLAN_HOOK_BPF,
	PLAN_HOOK_SIGNAL,
	PLAN_HOOK_SOCKET,
	PLAN_HOOK_CONNECT,
	PLAN_HOOK_BIND,
	PLAN_HOOK_LISTEN,
	PLAN_HOOKS,
};

#define PLAN_DENY_ARGS 64 /* facts about arguments */

/* The bit is set where the argument has this value under the mask. */
struct plan_deny_arg {
	__u64 mask, value;
	plan_bits bit;
	__u16 nr;
	__u8 place; /* from 1 */
};

struct plan_denial {
	struct plan_clause when;
	__u32 error, unused;
};

/* Of a call: clauses as bits, by kind; the facts that they are about; the hooks at which it is asked about, as bits. */
struct plan_deny {
	__u64 of[8];
	plan_bits about;
	__u32 hooks, unused;
};

/* What came of it. */
struct plan_denied {
	__u64 denied;
	__u64 unsure; /* something could not be read: let go */
	__u64 busy;   /* no room to look at it: let go */
	__u64 untold; /* denied, and the record found the ring full */
};

/* A question to the kernel side: the layer of an open file of who asks, as RECORD_EXE_UPPER or _LOWER. */
struct plan_layer {
	__s32 fd;
	__u32 flags;
};

/* Who sent the sensor a signal that it cannot catch. */
enum { PLAN_SENDER_KILL, PLAN_SENDER_STOP, PLAN_SENDERS };

struct plan_sender {
	__u64 time_ns;	     /* since boot */
	__u32 number;	     /* of the signal; 0: there was none */
	__u32 pid, uid;
	char comm[16];
	__u32 unused;
};

/* What a name of a process lets pass: the process itself, its children, all that came of it. */
struct plan_comm_kinds {
	plan_bits own, parent, ancestor;
};

#define PLAN_PREFIXES_MAX 16384 /* entries of the table of prefixes; memory only for those that are used */
#define PLAN_TEXTS_MAX	  4096	/* entries of each other table */
#define PLAN_PREFIX_MAX	  256	/* bytes of a path that prefixes look at: the kernel's trie takes no more */
#define PLAN_NAME_MAX	  32	/* bytes of a component that is looked up whole, or of its begin or end */
#define PLAN_COMM	  16
#define PLAN_PAIRS	  64 /* words of a set of first two letters */

struct plan_prefix {
	__u32 bits;
	char path[PLAN_PREFIX_MAX];
};

/* The begin of a component, or its end backwards. */
struct plan_affix {
	__u32 bits;
	char text[PLAN_NAME_MAX];
};

struct plan_name {
	char text[PLAN_NAME_MAX];
};

/* What a component lets pass: as the last one; anywhere. */
struct plan_name_kinds {
	plan_bits last, any;
};

struct plan_comm {
	char text[PLAN_COMM];
};

/* What tells soonest that a path is in no table. */
struct plan_firsts {
	/* By a watched name's length: its first byte & 63, as a bit. Of those that are watched anywhere in a
	 * path, and of those that are as its last component. */
	__u64 any[PLAN_NAME_MAX], last[PLAN_NAME_MAX];
	__u64 any_lead, last_lead; /* of those whose begin is watched */
	/* How prefixes go on after the slash: by the first byte & 63, the second & 63 as a bit. */
	__u64 pairs[PLAN_PAIRS];
};

#endif
