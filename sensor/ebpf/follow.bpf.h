/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* Processes that are followed: what they do passes, and so does what their descendants do. Who it is user space
 * finds out by their records, and that takes a moment: until it has looked at a record by which a process may come to
 * be followed, that process passes as if it were. So nothing is missed in between, and nothing at a fork. */
#ifndef SENSOR_EBPF_FOLLOW_BPF_H
#define SENSOR_EBPF_FOLLOW_BPF_H

#include "maps.bpf.h"

/* When the last such record of a process was made, or PLAN_FOLLOWED. Written here, and the latter by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PLAN_FOLLOWED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} followed SEC(".maps");

/* Up to which time user space has looked at them, and does not follow the process. Written there. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PLAN_FOLLOWED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} unfollowed SEC(".maps");

/* 0: it is not. */
static __always_inline __u64 followed_since(__u32 tgid)
{
	__u64 *since = bpf_map_lookup_elem(&followed, &tgid), *until;

	if (since == NULL)
		return 0;
	until = *since == PLAN_FOLLOWED ? NULL : bpf_map_lookup_elem(&unfollowed, &tgid);
	return until == NULL || *since > *until ? *since : 0;
}

/* A record was made by which the process may come to be followed. */
static __always_inline void note_candidate(__u32 tgid, __u64 time_ns)
{
	__u64 *since;

	if (follow_kinds == 0)
		return;
	since = bpf_map_lookup_elem(&followed, &tgid);
	if (since != NULL && *since != PLAN_FOLLOWED)
		*since = time_ns;
	else if (since == NULL && bpf_map_update_elem(&followed, &tgid, &time_ns, BPF_NOEXIST) != 0 &&
		 bpf_map_lookup_elem(&followed, &tgid) == NULL)
		__sync_fetch_and_add(&follows_lost, 1);
}

/* Whose number the child has is gone. */
static __always_inline void follow_child(__u32 parent, __u32 child, __u64 time_ns)
{
	__u64 since = time_ns;

	if (follow_kinds == 0)
		return;
	if (followed_since(parent) == PLAN_FOLLOWED)
		since = PLAN_FOLLOWED;
	if (bpf_map_update_elem(&followed, &child, &since, BPF_ANY) != 0)
		__sync_fetch_and_add(&follows_lost, 1);
}

static __always_inline void follow_no_more(__u32 tgid)
{
	if (follow_kinds != 0)
		bpf_map_delete_elem(&followed, &tgid);
}

/* Asked last: what passes otherwise may be a reason to follow the process. Once one was lost, everybody passes. */
static __always_inline bool passes_as_followed(struct scratch *scratch, plan_bits asked)
{
	__u32 tgid = (__u32)bpf_get_current_task_btf()->tgid;

	scratch->only_followed = (follow_kinds & asked) != 0 && (follows_lost != 0 || followed_since(tgid) != 0);
	return scratch->only_followed;
}

#endif
