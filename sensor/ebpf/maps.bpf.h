/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* What the kernel side and the user side share: the ring, the counters, the watched names and the
 * settings, which are plain variables that user space writes through the mapped .bss. */
#ifndef SENSOR_EBPF_MAPS_BPF_H
#define SENSOR_EBPF_MAPS_BPF_H

#include "read.bpf.h"

#include <bpf/bpf_tracing.h>

#include "../plan.h"
#include "../record.h"

#define PATH_HALF  4096
#define PARTS	   128 /* components of a path that are looked up: longer ones pass */

/* How far a walk has come. In a map and not on the stack, where the verifier would follow each value that it
 * can have. */
struct walked {
	__u32 off;  /* where the path begins in scratch->path; PATH_HALF: empty */
	__u32 leaf; /* where its last component begins, after the slash; 0: none yet */
	plan_bits kinds; /* who asks: its components are looked up; 0: nobody */
	__u32 other; /* 1: ... and that is no open */
	bool text;  /* it is no path: dots have no meaning */
	plan_bits hits; /* what it lets pass, as far as it was looked at */
	__u32 parts, parts_end; /* its components, as far as they were found by the walk; where the last one ends */
	__u64 mnt, dentry, mnt_root;  /* where the walk is; the first two as a struct path has them */
	__u64 root_mnt, root_dentry;  /* where it ends; as a struct path, too */
	__u64 above;		      /* the mount that the one being left is in */
	struct {
		__u64 parent;
		__u32 hash, len;
		__u64 name;
	} head; /* of a dentry, as far as it is read at once */
	bool done;  /* the root was reached: else the path was cut */
};

/* A name that an open was given, in scratch->prefix. */
struct given {
	__u32 len;
	bool cut;   /* it is longer, or may be */
	bool whole; /* every byte is there */
};

/* What the kernel asks about, as kernel addresses; 0: there is none. Of a file that is not yet made the dentry is. */
struct hooked {
	struct {
		__u64 mnt, dentry;
	} path[2]; /* as struct path */
	__u64 file;
	__u64 text[2]; /* in the place of the first path; a third text */
	__u64 address; /* of a socket */
	__u32 address_len;
	__u16 family; /* of a socket that is not there yet */
	__u64 owner; /* the thread that this is for; 0: nobody uses it */
};

/* A record while it is being put together, and room for the path walk, which writes backwards from
 * PATH_HALF and may overshoot by one component. */
struct scratch {
	struct record record;
	char strings[RECORD_MAX - sizeof(struct record)];
	char path[2 * PATH_HALF];
	__u16 parts[PARTS]; /* where components begin, from the end of the path on */
	struct walked walked;
	__u32 slot;		    /* where it is in its map */
	__u32 base_off;		    /* how far a walk is when what is left is what a relative name starts from */
	__u64 base_mnt, base_dentry; /* ... and that; 0: it never was there */
	__u64 from;		    /* a struct path of the kernel */
	__u64 file;		    /* ... a struct file: what was opened */
	bool linked;		    /* the name it was opened by is of a link to it, or through one */
	struct given given;
	bool place_unknown; /* the process's cgroup is to be told */
	__u16 kind;	    /* how the call ended, as a bit; 0: that was not asked */
	__u32 kill_version;
	plan_bits have, maybe; /* facts of kill.bpf.h: that are so; that are or may be */
	__u32 message_bytes, message_flags; /* of each message of a call of many */
	bool only_followed; /* it passes because its process is followed */
	struct plan_prefix prefix;
	struct plan_affix affix;
	struct plan_name name;
	struct plan_comm comm;
	struct hooked hooked;
};

/* Processes and privileges: nothing else can fill it. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PLAN_URGENT_BYTES);
} urgent SEC(".maps");

/* All else. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PLAN_BULK_BYTES);
} bulk SEC(".maps");

/* Of the rings; set before the programs are loaded. */
const volatile __u32 urgent_bytes = PLAN_URGENT_BYTES, bulk_bytes = PLAN_BULK_BYTES;

/* What a process has put into the bulk ring while that was under pressure. */
struct budget {
	__u64 window;
	__u64 taken;
};

/* By process, and by class in the upper half. Few are here: only pressure makes one. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct budget);
} budgets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct plan_flood);
} floods SEC(".maps");

/* Of each socket that sends or receives with addresses: a hash of the last one, by inode. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, __u64);
} peers SEC(".maps");

/* One slot a program: a program cannot interrupt itself, but may interrupt another one. */
enum slot { SLOT_CALL, SLOT_EXEC, SLOT_FORK, SLOT_EXIT, SLOT_URING, SLOT_NAME, SLOT_BEGIN, SLOT_DENY, SLOT_DENY_TOO, SLOTS };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct counters {
	struct plan_counters of[PLAN_CLASS_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct counters);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct plan_losses);
} losses SEC(".maps");

/* What passes by its path, its names or its process, by the fact. Of the tries the longest entry answers for the
 * shorter ones. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, PLAN_PREFIXES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct plan_prefix);
	__type(value, plan_bits);
} watched_prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, PLAN_TEXTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct plan_affix);
	__type(value, plan_bits);
} watched_endings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 2 * PLAN_TEXTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct plan_affix);
	__type(value, struct plan_name_kinds);
} watched_leads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * PLAN_TEXTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct plan_name);
	__type(value, struct plan_name_kinds);
} watched_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PLAN_TEXTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct plan_comm);
	__type(value, struct plan_comm_kinds);
} watched_comms SEC(".maps");

/* By port, as on the wire. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PLAN_TEXTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u16);
	__type(value, plan_bits);
} watched_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, PLAN_TEXTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct plan_far);
	__type(value, plan_bits);
} watched_addresses SEC(".maps");

/* By cgroup: enum plan_place. One that is forgotten is told once more. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PLAN_PLACES_MAX);
	__type(key, __u64);
	__type(value, __u32);
} places SEC(".maps");

/* Processes that changed their cgroup, by when, and have not executed a program since: the process table has them
 * where they were. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PLAN_MOVED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} moved SEC(".maps");

/* What is to be known of a process's place in the tree beside what the kernel has: lineage.bpf.h. */
struct stray {
	struct plan_comm was; /* the process table may still call it so; empty: it does not */
	__u32 many;	      /* it had more names than that since */
	__u32 version;	      /* of the tables by which this was looked up: */
	plan_bits lost;	      /* what ancestors let pass that have ended */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PLAN_STRAYS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct stray);
} strays SEC(".maps");

#define STRAY_SLOTS 1024
__u32 strays_at[STRAY_SLOTS]; /* how many of them there are, by the end of their id: most are in none */

__u64 either[PLAN_CALLS / 64]; /* as a 64-bit number or as an i386 one it is a wanted call */
__u64 wanted[PLAN_CALLS / 64];
struct plan plans[PLAN_CALLS];
__u16 compat_calls[PLAN_COMPAT];    /* 64-bit number by i386 number; PLAN_CALLS: none */
struct plan_interest interests[PLAN_CALLS];
struct plan_firsts firsts[2]; /* of opens; of other calls */
__u64 comm_pairs[PLAN_PAIRS];
/* What some entry of each table lets pass: the others need no look. */
plan_bits prefix_kinds, ending_kinds, name_kinds, comm_kinds, parent_kinds, ancestor_kinds, dots_kinds, port_kinds, address_kinds, follow_kinds;
__u64 follows_lost; /* processes of which it could not be kept that they may be followed */
__u32 own_tgid;
bool take_environment;
__u32 tables_version;	/* changes when all tables have */
__u32 lineage_version;  /* another one whenever the tables change */
bool lineage_is_known;  /* else everybody may descend from anybody */
bool places_are_known; /* else nobody is taken to be on the host */
bool moved_is_full; /* it was, and user space is to make room */
__u64 uncertain_ns; /* of processes that began before nobody is taken to be there: since boot */
struct plan_reader reader;

/* A mask that the compiler cannot prove superfluous, so that the verifier gets to see it. */
static __always_inline __u32 masked(__u32 value, __u32 mask)
{
	asm volatile("" : "+r"(value));
	return value & mask;
}

static __always_inline bool has_pair(const __u64 *pairs, char first, char second)
{
	return pairs[first & (PLAN_PAIRS - 1)] & 1ULL << (second & 63);
}

static __always_inline const struct plan_firsts *firsts_of(const struct walked *walked)
{
	return &firsts[masked(walked->other, 1)];
}

static __always_inline struct scratch *scratch_of(__u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &slot);

	if (!direct_reads && scratch != NULL)
		scratch->slot = slot;
	return scratch;
}

/* What a function of its own is handed is memory and no map's, and before 6.2 no key may be in such: there it is
 * looked up once more. */
static __always_inline struct scratch *scratch_again(struct scratch *scratch)
{
	__u32 slot;

	if (direct_reads || scratch == NULL)
		return scratch;
	slot = scratch->slot;
	return bpf_map_lookup_elem(&scratches, &slot);
}

static __always_inline struct plan_counters *counters_of(__u32 slot, __u32 class)
{
	struct counters *counters = bpf_map_lookup_elem(&counts, &slot);

	return counters != NULL ? &counters->of[class & (PLAN_CLASS_SLOTS - 1)] : NULL;
}

#endif
