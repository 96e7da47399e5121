/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* What lsm.bpf.h denied has been told of: the end of the call, which comes after, need not be. */
#ifndef SENSOR_EBPF_DENIED_BPF_H
#define SENSOR_EBPF_DENIED_BPF_H

#include "maps.bpf.h"

#define DENIED_NS 1000000000ULL /* how long it waits for the end of the call */

struct denied_call {
	__u64 at;
	__u32 nr;
	__u32 count; /* by an io_uring: of the process, not of a thread */
};

/* By thread, or by process with a thread of 0. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct denied_call);
} denied_calls SEC(".maps");

bool denies_here; /* a rule is in force */

static __always_inline bool take_mark(__u64 key, __u32 nr)
{
	struct denied_call *mark = bpf_map_lookup_elem(&denied_calls, &key);
	bool is_it;

	if (mark == NULL)
		return false;
	is_it = (nr == PLAN_CALLS || mark->nr == nr) && bpf_ktime_get_ns() - mark->at < DENIED_NS;
	if (is_it && mark->count > 1)
		mark->count--;
	else
		bpf_map_delete_elem(&denied_calls, &key);
	return is_it;
}

/* It has been told of. */
static __always_inline bool was_denied(__u32 nr, long ret)
{
	return denies_here && take_mark(bpf_get_current_pid_tgid(), nr) && ret < 0;
}

/* At the hook it may have been taken for another call of the same kind. */
static __always_inline bool uring_was_denied(long ret)
{
	return denies_here && ret < 0 && take_mark((__u64)bpf_get_current_task_btf()->tgid << 32, PLAN_CALLS);
}

#endif
