/* The plan: what to take from a system call, as data. One row a call serves both probes; the eBPF
 * program reads it as a map, so what is watched can change while it runs. Included by both sides.
 */
#ifndef SENSOR_PLAN_H
#define SENSOR_PLAN_H

#include <linux/types.h>

#define PLAN_CALLS  512 /* call numbers; higher ones are never watched */
#define PLAN_COMPAT 512

#define PLAN_CLASS_SLOTS                                                                           \
	8 /* counters are indexed by class & 7, which the kernel can prove to fit */

enum plan_flag {
	PLAN_RETURNS_FD = 1 << 0, /* the object is the returned descriptor */
	PLAN_OPEN = 1 << 1, /* reading opens pass only for watched paths; flags in args[open_arg] */
	PLAN_OPEN_HOW = 1 << 2,	     /* ... flags and mode are in a struct open_how */
	PLAN_TEXT = 1 << 3,	     /* the names are text, not paths */
	PLAN_NEEDS_ADDRESS = 1 << 4, /* without an address argument the call is of no interest */
	PLAN_MESSAGE = 1 << 5,	     /* the address is within a struct msghdr */
	PLAN_STANDARD_FD = 1 << 6,   /* only results 0 to 2 are of interest */
	PLAN_FAILED_ONLY = 1 << 7,   /* success is seen elsewhere (exec) */
	PLAN_CWD = 1 << 8,	     /* changes the working directory: the new one is taken */
	PLAN_SUCCESS_ONLY = 1 << 9,
	PLAN_TARGET_TEXT = 1 << 10, /* the first name is text, the second a path (symlink) */
};

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
};

/* Two rings: a flood of opens cannot take the place of an exec. Both are powers of two. */
#define PLAN_URGENT_BYTES (4 * 1024 * 1024) /* processes and privileges */
#define PLAN_BULK_BYTES	  (8 * 1024 * 1024) /* all else */

/* A bulk ring that is filled beyond the first mark is under pressure: then each process and class has a
 * budget of records for each window of 2^27 ns (134 ms), so that what is shed is the flood and not
 * those beside it. Beyond the second mark the budget is small. */
#define PLAN_BULK_MARK	   (PLAN_BULK_BYTES / 4)
#define PLAN_BULK_TIGHT	   (PLAN_BULK_BYTES / 8 * 3)
#define PLAN_BUDGET_SHIFT  27
#define PLAN_BUDGET	   256
#define PLAN_BUDGET_TIGHT  16

/* Which process loses most records on this processor, by majority vote: it made the flood. */
struct plan_flood {
	__u64 window; /* of votes; seconds of a sort (2^30 ns) */
	__u64 votes;
	__u32 tgid;
	char comm[16];
};

/* Counters by class, one set a processor. seen = filtered + emitted + dropped. */
struct plan_counters {
	__u64 seen;
	__u64 filtered;
	__u64 emitted;
	__u64 dropped;
	__u64 shed; /* of those dropped: beyond a process's budget; the others found the ring full */
};

#define PLAN_PREFIX_MAX                                                                            \
	256 /* bytes of a watched path prefix: the longest key the kernel's trie takes */
#define PLAN_NAME_MAX 32 /* bytes of a watched last or last but one component */

struct plan_prefix {
	__u32 bits;
	char path[PLAN_PREFIX_MAX];
};

struct plan_name {
	char text[PLAN_NAME_MAX];
};

#endif
