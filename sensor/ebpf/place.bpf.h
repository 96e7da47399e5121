/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* Whether a process is on the host or in a container, which its cgroup's path says, and user space knows to read.
 * The process table has a process where its last exec or its fork found it: one that was moved since, or whose
 * cgroup nobody has seen yet, may be anywhere. */
#ifndef SENSOR_EBPF_PLACE_BPF_H
#define SENSOR_EBPF_PLACE_BPF_H

#include "fill.bpf.h"

__noinline int is_on_host(struct scratch *scratch)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 tgid = (__u32)task->tgid, *place;
	__u64 number;

	if (scratch == NULL || !places_are_known || task->group_leader->start_boottime <= uncertain_ns)
		return false;
	(void)cgroup_of(task, &number);
	place = bpf_map_lookup_elem(&places, &number);
	scratch->place_unknown = place == NULL;
	return place != NULL && *place == PLAN_PLACE_HOST && bpf_map_lookup_elem(&moved, &tgid) == NULL;
}

/* What has to be looked for in the call; PLAN_BITS_ALL: nothing, it passes; 0: no rule can match it. Rules ask of
 * processes on the host for the upper half, of others for the lower one. Where both may be asked for, and it
 * depends on what is found, nobody looks yet where the process is. */
static __always_inline plan_bits bits_asked(struct scratch *scratch, __u16 kind, plan_bits bit)
{
	const struct plan_interest *of = &interests[scratch->record.nr & (PLAN_CALLS - 1)];
	__u16 differs = (of->can ^ of->host_can) | (of->pass ^ of->host_pass);

	if (!(of->can & kind))
		return 0;
	if ((differs & kind) && is_on_host(scratch)) {
		if (!(of->host_can & kind))
			return 0;
		return (of->host_pass & kind) ? PLAN_BITS_ALL : bit << PLAN_HOST_SHIFT;
	}
	if (of->pass & kind)
		return PLAN_BITS_ALL;
	return (differs & kind) ? bit : bit | bit << PLAN_HOST_SHIFT;
}

/* Whether what was found is enough. */
static __always_inline bool bits_suffice(struct scratch *scratch, plan_bits asked, plan_bits found)
{
	found &= asked;
	if (asked >> PLAN_HOST_SHIFT == 0 || (__u32)asked == 0)
		return found != 0;
	if ((__u32)found == 0)
		return false;
	return found >> PLAN_HOST_SHIFT != 0 || !is_on_host(scratch);
}

/* So that user space says where the processes of this cgroup are. */
__noinline int add_own_cgroup(struct scratch *scratch)
{
	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	walk_cgroup(scratch, bpf_get_current_task_btf());
	add_walked(scratch, RECORD_STRING_CGROUP);
	return 0;
}

static __always_inline void forget_moved(struct task_struct *task)
{
	__u32 tgid = (__u32)task->tgid;

	bpf_map_delete_elem(&moved, &tgid);
}

/* A table without room: then they are all taken to be anywhere that have begun by now, which makes room. */
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_moved, struct cgroup *to, const char *path, struct task_struct *task, bool all_threads)
{
	__u64 now = bpf_ktime_get_boot_ns();
	__u32 tgid = (__u32)task->tgid;

	if (bpf_map_update_elem(&moved, &tgid, &now, BPF_ANY) != 0) {
		uncertain_ns = now;
		moved_is_full = true;
	}
	return 0;
}

/* Of the old hierarchies' directories only. What is below it has another path, too: who was there is known by the
 * old one. User space forgets all paths and says so; it may just have done so when this begins. */
SEC("tp_btf/cgroup_rename")
int BPF_PROG(on_renamed, struct cgroup *cgroup, const char *path)
{
	*(volatile bool *)&places_are_known = false;
	*(volatile __u64 *)&uncertain_ns = bpf_ktime_get_boot_ns();
	*(volatile bool *)&places_are_known = false;
	return 0;
}

#endif
