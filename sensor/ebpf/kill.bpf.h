/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* Killing in the name of rules, here and not some milliseconds later: before the calls that look for a deadly signal
 * before they do anything (reads and writes of files, new processes), before a program's first instruction, and at the
 * end of all other calls. Only where the facts leave no doubt that the rule matches; all else is user space's. */
#ifndef SENSOR_EBPF_KILL_BPF_H
#define SENSOR_EBPF_KILL_BPF_H

#include "arch.bpf.h"
#include "place.bpf.h"

#define SIGKILL	     9
#define CLONE_THREAD 0x10000
#define KILLED_NS    1000000000ULL /* how long it waits for the end of the call */

/* Set before the programs are loaded: else nothing of this is in them. */
const volatile bool kills_here = false;

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, PLAN_KILL_PATHS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct plan_prefix);
	__type(value, plan_bits);
} kill_paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PLAN_KILL_COMMS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct plan_comm);
	__type(value, plan_bits);
} kill_comms SEC(".maps");

/* When, by thread that was killed before a call. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} killed_threads SEC(".maps");

struct plan_kill kill_calls[PLAN_CALLS];
struct plan_clause kill_clauses[PLAN_CLAUSES];
__u64 kill_begins[PLAN_CALLS / 64]; /* calls that are looked at before they begin, by our numbers or i386's */
plan_bits kill_path_bits, kill_exe_bits, kill_comm_bits;
bool kills_begin; /* some call is looked at before it begins */
__u32 parent_tgid; /* of the sensor: it is spared */
struct plan_killed kills;
__u64 kill_window, kill_taken;
volatile __u32 kill_version; /* changes before other clauses take the place of those that a program may just be looking at */

/* Whether one of the clauses holds when these facts are so, and those not beyond these. */
__noinline int kill_holds(__u64 clauses, plan_bits so, plan_bits not_beyond)
{
	for (__u32 i = 0; i < PLAN_CLAUSES && clauses != 0; i++, clauses >>= 1)
		if ((clauses & 1) && (kill_clauses[i].need & ~so) == 0 && (kill_clauses[i].lack & not_beyond) == 0)
			return 1;
	return 0;
}

/* Where it is: a process that was moved is known again from its next program on. */
static __always_inline void know_place(struct scratch *scratch, struct task_struct *task, bool is_exec)
{
	__u32 tgid = (__u32)task->tgid, *place;
	__u64 number;

	scratch->maybe |= PLAN_KILL_CONTAINER;
	if (!places_are_known)
		return;
	(void)cgroup_of(task, &number);
	place = bpf_map_lookup_elem(&places, &number);
	if (place == NULL) {
		scratch->place_unknown = true;
		return;
	}
	if (!is_exec && bpf_map_lookup_elem(&moved, &tgid) != NULL)
		return;
	if (*place == PLAN_PLACE_CONTAINER)
		scratch->have |= PLAN_KILL_CONTAINER;
	else if (*place == PLAN_PLACE_HOST)
		scratch->maybe &= ~PLAN_KILL_CONTAINER;
}

/* What is soon known of who calls: what the call's clauses are about. */
static __always_inline void know_process(struct scratch *scratch, struct task_struct *task, bool is_exec)
{
	plan_bits about = kill_calls[scratch->record.nr & (PLAN_CALLS - 1)].about, *found;
	struct task_struct *leader = task->group_leader;

	scratch->have = scratch->maybe = 0;
	if (about & kill_comm_bits) {
		read_16(scratch->comm.text, &leader->comm);
		found = bpf_map_lookup_elem(&kill_comms, &scratch->comm);
		scratch->have |= found != NULL ? *found : 0;
	}
	if (task->cred->euid.val == 0)
		scratch->have |= PLAN_KILL_ROOT;
	if (about & PLAN_KILL_CONTAINER)
		know_place(scratch, task, is_exec);
	scratch->maybe |= scratch->have;
}

/* What it has open there; of what has no path user space knows more. */
static __always_inline void know_object(struct scratch *scratch, bool has_object, __u8 kind)
{
	scratch->maybe |= PLAN_KILL_PATH | kill_path_bits;
	if (!has_object)
		scratch->maybe |= PLAN_KILL_FILE | PLAN_KILL_DIRECTORY;
	else if (kind == RECORD_OBJECT_FILE || kind == RECORD_OBJECT_DEVICE)
		scratch->have |= PLAN_KILL_FILE;
	else if (kind == RECORD_OBJECT_DIRECTORY)
		scratch->have |= PLAN_KILL_DIRECTORY;
	scratch->maybe |= scratch->have;
}

/* The record's first text is the path that was walked. Of a longer one its begin decides. */
__noinline plan_bits kill_path(struct scratch *scratch)
{
	const struct record_string *first;
	plan_bits *found;
	__u32 len;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	first = (const void *)scratch->strings;
	len = first->len < PLAN_PREFIX_MAX ? first->len : PLAN_PREFIX_MAX;
	bpf_probe_read_kernel(scratch->prefix.path, PLAN_PREFIX_MAX, first->text);
	if (len < PLAN_PREFIX_MAX) {
		scratch->prefix.path[masked(len, PLAN_PREFIX_MAX - 1)] = 0;
		len++;
	}
	scratch->prefix.bits = len * 8;
	found = bpf_map_lookup_elem(&kill_paths, &scratch->prefix);
	return found != NULL ? *found : 0;
}

/* What is in no directory has another name in user space. */
static __always_inline void know_path(struct scratch *scratch, __u16 tag, plan_bits exists, plan_bits of)
{
	const struct record_string *first = (const void *)scratch->strings;

	if (scratch->record.len <= sizeof(struct record) || first->tag != tag || first->len <= 1 || first->text[0] != '/')
		return;
	scratch->have |= exists | (kill_path(scratch) & of);
	scratch->maybe = (scratch->maybe & ~of) | scratch->have;
}

/* The sensor, who started it, and the machine's first process are spared; and too many at once are user space's. */
static __always_inline bool may_kill(struct task_struct *task)
{
	__u32 tgid = (__u32)task->tgid;
	__u64 window = bpf_ktime_get_boot_ns() >> PLAN_BUDGET_SHIFT;

	if (tgid <= 1 || tgid == own_tgid || tgid == parent_tgid)
		return false;
	if (kill_window != window) {
		kill_window = window;
		kill_taken = 0;
	}
	if (kill_taken >= PLAN_KILLS) {
		kills.over++;
		return false;
	}
	kill_taken++;
	return true;
}

/* Whether it is to be killed, by the facts. */
static __always_inline bool is_due(struct scratch *scratch, struct task_struct *task, __u64 clauses)
{
	if (kill_holds(clauses, scratch->have, scratch->maybe) && scratch->kill_version == kill_version)
		return may_kill(task);
	if (kill_holds(clauses, scratch->maybe, scratch->have))
		kills.unsure++;
	return false;
}

/* ---- at the end of a call, of which the record is whole ---- */

/* The place of the only bit. */
static __always_inline __u32 kind_number(__u16 kind)
{
	return ((kind & 0xff00) != 0) << 3 | ((kind & 0xf0f0) != 0) << 2 | ((kind & 0xcccc) != 0) << 1 | ((kind & 0xaaaa) != 0);
}

__noinline int is_due_at_end(struct scratch *scratch, __u64 clauses)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct record *record;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	record = &scratch->record;
	know_process(scratch, task, false);
	know_object(scratch, record->flags & RECORD_HAS_OBJECT, record->object.kind);
	if (object_has_path(record) && record->object.kind != RECORD_OBJECT_ANONYMOUS)
		know_path(scratch, RECORD_STRING_PATH, PLAN_KILL_PATH, kill_path_bits | PLAN_KILL_PATH);
	return is_due(scratch, task, clauses);
}

/* RECORD_KILLED: the signal is to be sent, once the record is on its way. */
static __always_inline __u32 kill_at_end(struct scratch *scratch)
{
	__u64 clauses;

	if (!kills_here || scratch->kind == 0)
		return 0;
	scratch->kill_version = kill_version;
	clauses = kill_calls[scratch->record.nr & (PLAN_CALLS - 1)].end[kind_number(scratch->kind)];
	if (clauses == 0 || !is_due_at_end(scratch, clauses))
		return 0;
	scratch->record.flags |= RECORD_KILLED;
	kills.at_end++;
	return RECORD_KILLED;
}

/* ---- a program that begins ---- */

__noinline int is_due_program(struct scratch *scratch, __u64 clauses)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 flags;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	flags = scratch->record.flags;
	know_process(scratch, task, true);
	scratch->have |= (flags & RECORD_EXE_UPPER ? PLAN_KILL_UPPER : 0) | (flags & RECORD_EXE_LOWER ? PLAN_KILL_LOWER : 0) |
			 (flags & RECORD_EXE_MEMFD ? PLAN_KILL_MEMFD : 0);
	scratch->maybe |= scratch->have | kill_exe_bits;
	if (flags & RECORD_HAS_EXE)
		know_path(scratch, RECORD_STRING_EXE, 0, kill_exe_bits);
	return is_due(scratch, task, clauses);
}

static __always_inline bool kill_program(struct scratch *scratch)
{
	__u64 clauses;

	if (!kills_here)
		return false;
	scratch->kill_version = kill_version;
	clauses = kill_calls[scratch->record.nr & (PLAN_CALLS - 1)].end[0];
	if (clauses == 0 || !is_due_program(scratch, clauses))
		return false;
	scratch->record.flags |= RECORD_KILLED;
	kills.programs++;
	return true;
}

/* ---- before a call ---- */

/* Flags of the record of a call that ends: who was killed before it is told of. */
static __always_inline __u32 killed_before(void)
{
	__u64 thread, *at;
	bool recently;

	if (!kills_here || !kills_begin)
		return 0;
	thread = bpf_get_current_pid_tgid();
	at = bpf_map_lookup_elem(&killed_threads, &thread);
	if (at == NULL)
		return 0;
	recently = bpf_ktime_get_ns() - *at < KILLED_NS;
	bpf_map_delete_elem(&killed_threads, &thread);
	return recently ? RECORD_KILLED | RECORD_KILLED_BEFORE : 0;
}

/* A thread is no new process; where that cannot be read it may be one. */
static __always_inline bool makes_thread(const struct record *record)
{
	__u64 flags = CLONE_THREAD;

	if (record->nr == NR_CLONE)
		return record->args[0] & CLONE_THREAD;
	if (record->nr != NR_CLONE3)
		return false;
	if (bpf_probe_read_user(&flags, sizeof(flags), (void *)record->args[0]) != 0)
		kills.unsure++;
	return flags & CLONE_THREAD;
}

/* The path is walked only where it decides. */
__noinline int is_due_before(struct scratch *scratch, __u64 clauses)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct plan *plan;
	struct record *record;
	struct inode *inode;
	struct file *file;
	__u32 place;
	__u8 kind;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	record = &scratch->record;
	plan = &plans[record->nr & (PLAN_CALLS - 1)];
	know_process(scratch, task, false);
	if (plan->object_arg == 0)
		return !makes_thread(record) && is_due(scratch, task, clauses);
	place = (__u32)plan->object_arg - 1;
	file = place < 6 ? file_of(task, (__s32)record->args[place]) : NULL;
	if (file == NULL)
		return 0;
	inode = READ(file, f_inode);
	kind = object_kind(inode, READ(inode, i_mode));
	know_object(scratch, true, kind);
	if (!kill_holds(clauses, scratch->maybe, scratch->have))
		return 0;
	if ((scratch->have & (PLAN_KILL_FILE | PLAN_KILL_DIRECTORY)) && !kill_holds(clauses, scratch->have, scratch->maybe)) {
		record->len = sizeof(*record);
		add_path(scratch, &file->f_path, RECORD_STRING_PATH);
		know_path(scratch, RECORD_STRING_PATH, PLAN_KILL_PATH, kill_path_bits | PLAN_KILL_PATH);
	}
	return is_due(scratch, task, clauses);
}

static __always_inline int kill_before(struct task_struct *task, struct pt_regs *regs, __u32 nr, bool compat)
{
	struct scratch *scratch = scratch_of(SLOT_BEGIN);
	__u64 clauses, thread, now;

	if (scratch == NULL || (__u32)task->tgid == own_tgid)
		return 0;
	scratch->kill_version = kill_version;
	clauses = kill_calls[nr & (PLAN_CALLS - 1)].begin;
	if (clauses == 0)
		return 0;
	scratch->record.nr = (__u16)nr;
	scratch->record.flags = 0;
	if (compat)
		compat_arguments(scratch->record.args, regs);
	else
		call_arguments(scratch->record.args, regs, false);
	if (!is_due_before(scratch, clauses))
		return 0;
	thread = bpf_get_current_pid_tgid();
	now = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&killed_threads, &thread, &now, BPF_ANY) != 0)
		return 0;
	kills.at_begin++;
	bpf_send_signal(SIGKILL);
	return 0;
}

/* Attached only while a rule is in force that kills before calls: each call of each process pays for it. */
SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long number)
{
	__u64 nr = call_number(regs);
	struct task_struct *task;
	bool compat;

	if (!kills_here || nr >= PLAN_FOREIGN || !(kill_begins[nr / 64] & (1ULL << (nr % 64))))
		return 0;
	task = bpf_get_current_task_btf();
	compat = call_is_compat(task);
	if (compat)
		nr = compat_number(regs, nr);
	return nr >= PLAN_CALLS ? 0 : kill_before(task, regs, (__u32)nr, compat);
}

#endif
