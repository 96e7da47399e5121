/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* Whether a process descends from one that is called as rules ask: its ancestors are what the kernel has at the
 * moment of the call. The process table may know them otherwise, and what it would find must not be missed. It
 * has a name of before, when a process changed it and no record has told of that; and an ancestor that has
 * ended, when it cannot learn who took its place. Both are noted in `strays`, for as long as it can matter. */
#ifndef SENSOR_EBPF_LINEAGE_BPF_H
#define SENSOR_EBPF_LINEAGE_BPF_H

#include "arch.bpf.h"
#include "fill.bpf.h"

#define LINEAGE_STEPS 32   /* as far as rules and the process table look */
#define ORPHANS_MAX   8192 /* children of one thread that ends */
#define ORPHANS_OLD   256  /* before 5.17 */

struct lineage {
	struct scratch *scratch;
	struct task_struct *task; /* a process's first thread */
	plan_bits asked, found;
};

static __always_inline __u32 *strays_near(__u32 tgid)
{
	return &strays_at[tgid & (STRAY_SLOTS - 1)];
}

static __always_inline struct stray *stray_of(__u32 tgid)
{
	return *strays_near(tgid) == 0 ? NULL : bpf_map_lookup_elem(&strays, &tgid);
}

/* NULL: there are too many, and everybody may be anybody's descendant. */
static __always_inline struct stray *stray_make(__u32 tgid)
{
	struct stray fresh = { 0 }, *stray = stray_of(tgid);

	if (stray != NULL)
		return stray;
	__sync_fetch_and_add(strays_near(tgid), 1);
	if (bpf_map_update_elem(&strays, &tgid, &fresh, BPF_NOEXIST) != 0)
		__sync_fetch_and_add(strays_near(tgid), -1);
	stray = bpf_map_lookup_elem(&strays, &tgid);
	if (stray == NULL)
		lineage_is_known = false;
	return stray;
}

static __always_inline void stray_forget(__u32 tgid)
{
	if (*strays_near(tgid) != 0 && bpf_map_delete_elem(&strays, &tgid) == 0)
		__sync_fetch_and_add(strays_near(tgid), -1);
}

/* A record has told what the process is called now. */
static __always_inline void stray_settle(__u32 tgid)
{
	struct stray *stray = stray_of(tgid);

	if (stray == NULL)
		return;
	if (stray->lost == 0) {
		stray_forget(tgid);
		return;
	}
	stray->many = 0;
	stray->was.text[0] = 0;
}

static __always_inline const struct plan_comm_kinds *kinds_of_comm(const struct plan_comm *comm)
{
	return has_pair(comm_pairs, comm->text[0], comm->text[1]) ? bpf_map_lookup_elem(&watched_comms, comm) : NULL;
}

static __always_inline void take_name(struct lineage *lineage, const struct plan_comm *comm, bool is_parent)
{
	const struct plan_comm_kinds *kinds = kinds_of_comm(comm);

	if (kinds != NULL)
		lineage->found |= kinds->ancestor | (is_parent ? kinds->parent : 0);
}

static __always_inline void take_ancestor(struct lineage *lineage, struct task_struct *leader, bool is_parent)
{
	struct plan_comm *comm = &lineage->scratch->comm;
	const struct stray *stray;

	read_16(comm->text, &leader->comm);
	take_name(lineage, comm, is_parent);
	stray = stray_of((__u32)READ(leader, tgid));
	if (stray == NULL)
		return;
	if (stray->many)
		lineage->found = PLAN_BITS_ALL;
	else if (stray->was.text[0] != 0)
		take_name(lineage, &stray->was, is_parent);
}

/* Up to the parent. */
static long lineage_step(__u32 step, struct lineage *lineage)
{
	struct task_struct *task = lineage->task, *parent = READ2(task, real_parent, group_leader);
	const struct stray *stray = stray_of((__u32)READ(task, tgid));

	if (stray != NULL && stray->lost != 0)
		lineage->found |= stray->version == lineage_version ? stray->lost : PLAN_BITS_ALL;
	if (parent == NULL || parent == task || READ(parent, tgid) == 0 ||
	    (lineage->found & lineage->asked) == lineage->asked)
		return 1;
	take_ancestor(lineage, parent, step == 0);
	lineage->task = parent;
	return 0;
}

/* What the ancestors of the current process let pass. A function of its own, which the verifier looks at once. */
__noinline plan_bits lineage_found(struct scratch *scratch, plan_bits kinds)
{
	struct lineage lineage = { .asked = kinds & (parent_kinds | ancestor_kinds) };
	struct task_struct *task = bpf_get_current_task_btf();

	scratch = scratch_again(scratch);
	if (scratch == NULL || lineage.asked == 0)
		return 0;
	if (!lineage_is_known)
		return lineage.asked;
	lineage.scratch = scratch;
	lineage.task = task->group_leader;
	LOOP(LINEAGE_STEPS, LINEAGE_STEPS, lineage_step, &lineage);
	return lineage.found & lineage.asked;
}

/* ---- what the process table may know otherwise ---- */

static __always_inline bool is_executing(void)
{
	__u64 nr = call_number((struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()));

	return nr == NR_EXECVE || nr == NR_EXECVEAT;
}

/* It may be a while until the process table hears of it. */
static __always_inline void note_name(__u32 tgid, const struct plan_comm *was)
{
	struct stray *stray = stray_make(tgid);

	if (stray == NULL)
		return;
	if (stray->was.text[0] != 0)
		stray->many = 1;
	else
		stray->was = *was;
}

/* A record of no call, which only tells the process table of the name. False: it was lost. */
static __always_inline bool tell_name(struct task_struct *task, const struct plan_comm *comm)
{
	struct plan_counters *counters = counters_of(SLOT_NAME, RECORD_CLASS_PRIVILEGE);
	struct scratch *scratch = scratch_of(SLOT_NAME);

	if (scratch == NULL || counters == NULL)
		return false;
	counters->seen++;
	__builtin_memset(&scratch->record, 0, sizeof(scratch->record));
	scratch->record.nr = RECORD_NR_NONE;
	fill_head(&scratch->record, task, RECORD_CALL, RECORD_CLASS_PRIVILEGE);
	__builtin_memcpy(scratch->record.comm, comm->text, sizeof(comm->text));
	return emit(scratch, counters);
}

static __always_inline bool is_same_comm(const struct plan_comm *a, const struct plan_comm *b)
{
	const __u64 *x = (const void *)a, *y = (const void *)b;

	return x[0] == y[0] && x[1] == y[1];
}

/* Before the name changes. An exec tells of it by its own record, but there is a moment until then. */
SEC("tp_btf/task_rename")
int BPF_PROG(on_named, struct task_struct *task, const char *comm)
{
	struct plan_comm was __attribute__((aligned(8))) = { 0 }, is __attribute__((aligned(8))) = { 0 };
	__u32 tgid = (__u32)task->tgid;

	if (task->pid != task->tgid || tgid == own_tgid)
		return 0;
	read_16(was.text, &task->comm);
	bpf_probe_read_kernel_str(is.text, sizeof(is.text), comm);
	if (is_executing()) {
		if (((ancestor_kinds | parent_kinds) != 0) && kinds_of_comm(&was) != NULL)
			note_name(tgid, &was);
	} else if (!is_same_comm(&was, &is)) {
		if (tell_name(task, &is))
			stray_settle(tgid);
		else
			note_name(tgid, &was);
	}
	return 0;
}

struct orphans {
	struct list_head *at, *end;
	plan_bits lost;
	bool all;
};

static long orphan_step(__u32 step, struct orphans *orphans)
{
	struct list_head *at = orphans->at;
	struct task_struct *child = (void *)at - bpf_core_field_offset(struct task_struct, sibling);
	struct stray *stray;

	if (at == NULL || at == orphans->end) {
		orphans->all = at != NULL;
		return 1;
	}
	orphans->at = READ(at, next);
	stray = stray_make((__u32)READ(child, tgid));
	if (stray != NULL) {
		bool is_stale = stray->lost != 0 && stray->version != lineage_version;

		stray->lost |= is_stale ? PLAN_BITS_ALL : orphans->lost;
		stray->version = lineage_version;
	}
	return 0;
}

/* Whom a thread that ends has begun gets other parents; the table may go on to hold to this one, and to what is
 * above it. */
__noinline int leave_orphans(struct scratch *scratch)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct lineage lineage = { .asked = PLAN_BITS_ALL };
	struct orphans orphans = { 0 };

	scratch = scratch_again(scratch);
	if (scratch == NULL || (parent_kinds | ancestor_kinds) == 0)
		return 0;
	orphans.end = (void *)task + bpf_core_field_offset(task->children);
	orphans.at = READ(orphans.end, next);
	if (orphans.at == orphans.end)
		return 0;
	lineage.scratch = scratch;
	lineage.task = task->group_leader;
	take_ancestor(&lineage, lineage.task, false);
	LOOP(LINEAGE_STEPS, LINEAGE_STEPS, lineage_step, &lineage);
	orphans.lost = lineage.found;
	if (orphans.lost == 0)
		return 0;
	LOOP(ORPHANS_MAX, ORPHANS_OLD, orphan_step, &orphans);
	if (!orphans.all)
		lineage_is_known = false;
	return 0;
}

#endif
