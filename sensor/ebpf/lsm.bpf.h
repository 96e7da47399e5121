/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* Denying in the name of rules where the kernel asks first (BPF LSM): at hooks that are reached by calls only, and that say
 * which file is meant with its mount. By then names are resolved, and no other thread can exchange them. Only where the
 * facts leave no doubt that the rule matches. The record is made here, with the names as they were resolved; that of
 * the call's end is then superfluous. */
#ifndef SENSOR_EBPF_LSM_BPF_H
#define SENSOR_EBPF_LSM_BPF_H

#include "kill.bpf.h"

#define NR_IO_URING_ENTER 426 /* on all processors */
#define PF_IO_WORKER	  0x00000010
#define PF_KTHREAD	  0x00200000
#define S_ISUID		  0004000
#define ERRNO_MAX	  4095
#define STRINGS_MASK	  16383 /* no string that decides begins beyond */
#define EXEC_ARGS	  20
#define EXEC_ARG_BYTES	  256
#define EXEC_ARGS_BYTES	  2048

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, PLAN_KILL_PATHS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct plan_prefix);
	__type(value, plan_bits);
} deny_paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PLAN_KILL_COMMS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct plan_comm);
	__type(value, plan_bits);
} deny_comms SEC(".maps");

struct plan_deny deny_calls[PLAN_CALLS];
struct plan_denial deny_clauses[PLAN_CLAUSES];
struct plan_deny_arg deny_args[PLAN_DENY_ARGS];
__u32 deny_args_count;
__u16 deny_by_uring[PLAN_HOOKS];
/* Facts about each. */
plan_bits deny_object_bits, deny_exe_bits, deny_comm_bits, deny_name_bits, deny_name2_bits, deny_text_bits, deny_arg_bits;
volatile __u32 deny_version; /* changes before other clauses take the place of those that are in force */
bool lsm_asks; /* the kernel did ask the sensor itself */
struct plan_denied denied;

/* ---- facts ---- */

__noinline int deny_error(__u64 clauses, plan_bits so, plan_bits not_beyond)
{
	for (__u32 i = 0; i < PLAN_CLAUSES && clauses != 0; i++, clauses >>= 1)
		if ((clauses & 1) && (deny_clauses[i].when.need & ~so) == 0 && (deny_clauses[i].when.lack & not_beyond) == 0)
			return (int)deny_clauses[i].error;
	return 0;
}

__noinline plan_bits deny_args_found(struct scratch *scratch)
{
	plan_bits found = 0;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	for (__u32 i = 0; i < PLAN_DENY_ARGS && i < deny_args_count; i++) {
		const struct plan_deny_arg *of = &deny_args[i];

		if (of->nr == scratch->record.nr && (arg(&scratch->record, of->place) & of->mask) == of->value)
			found |= of->bit;
	}
	return found;
}

/* Of the string that was added last, at `at`. */
__noinline plan_bits deny_found(struct scratch *scratch, __u32 at)
{
	const struct record_string *string;
	plan_bits *found;
	__u32 len;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	string = (const void *)scratch + masked(at, STRINGS_MASK);
	len = string->len < PLAN_PREFIX_MAX ? string->len : PLAN_PREFIX_MAX;
	bpf_probe_read_kernel(scratch->prefix.path, PLAN_PREFIX_MAX, string->text);
	if (len < PLAN_PREFIX_MAX) {
		scratch->prefix.path[masked(len, PLAN_PREFIX_MAX - 1)] = 0;
		len++;
	}
	scratch->prefix.bits = len * 8;
	found = bpf_map_lookup_elem(&deny_paths, &scratch->prefix);
	return found != NULL ? *found : 0;
}

/* The string just added, from `at` on: what it says of these facts. One that is cut says nothing. */
static __always_inline void know_string(struct scratch *scratch, __u32 at, plan_bits of, plan_bits exists)
{
	__u16 tag = 0;

	if (scratch->record.len <= at)
		return;
	bpf_probe_read_kernel(&tag, sizeof(tag), (void *)scratch + masked(at, STRINGS_MASK));
	if (tag & RECORD_STRING_CUT)
		return;
	scratch->have |= exists | (deny_found(scratch, at) & of);
	scratch->maybe = (scratch->maybe & ~of) | scratch->have;
}

/* Of scratch->from, at which the verifier looks once. */
__noinline int deny_add_path(struct scratch *scratch, __u32 tag)
{
	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	add_path(scratch, (struct path *)scratch->from, (__u16)tag);
	return 0;
}

static __always_inline void deny_path(struct scratch *scratch, __u64 path, __u16 tag, plan_bits of, plan_bits exists)
{
	__u32 at = scratch->record.len;

	if (path == 0)
		return;
	scratch->from = path;
	deny_add_path(scratch, tag);
	know_string(scratch, at, of, exists);
}

/* Text in kernel memory. */
static __always_inline void deny_text(struct scratch *scratch, __u64 text, __u16 tag, plan_bits of)
{
	struct record_string *string = string_room(scratch);
	__u32 at = scratch->record.len;
	long len;

	if (string == NULL || text == 0)
		return;
	len = bpf_probe_read_kernel_str(string->text, PLAN_PREFIX_MAX, (void *)text);
	if (len <= 0)
		return;
	if (len == PLAN_PREFIX_MAX)
		tag |= RECORD_STRING_CUT;
	string_take(scratch, string, tag, masked((__u32)len - 1, PLAN_PREFIX_MAX - 1));
	know_string(scratch, at, of, 0);
}

static __always_inline void deny_comm(struct scratch *scratch)
{
	plan_bits *found = bpf_map_lookup_elem(&deny_comms, &scratch->comm);

	scratch->have |= found != NULL ? *found & deny_comm_bits : 0;
}

/* What is soon known: who it is, and the arguments. */
static __always_inline void deny_know_process(struct scratch *scratch, struct task_struct *task, plan_bits about, bool is_exec)
{
	scratch->have = scratch->maybe = 0;
	if (!is_exec)
		read_16(scratch->comm.text, &task->group_leader->comm);
	if (about & deny_comm_bits)
		deny_comm(scratch);
	if (task->cred->euid.val == 0)
		scratch->have |= PLAN_KILL_ROOT;
	if (about & PLAN_KILL_CONTAINER)
		know_place(scratch, task, is_exec);
	if (!(about & deny_arg_bits))
		return;
	if (scratch->record.flags & RECORD_URING)
		scratch->maybe |= deny_arg_bits;
	else
		scratch->have |= deny_args_found(scratch);
}

/* All that the names may yet say. */
static __always_inline void deny_know_names(struct scratch *scratch)
{
	scratch->maybe |= scratch->have | deny_object_bits | deny_exe_bits | deny_name_bits | deny_name2_bits |
			  deny_text_bits | PLAN_KILL_PATH | PLAN_KILL_FILE | PLAN_KILL_DIRECTORY | PLAN_KILL_UPPER |
			  PLAN_KILL_LOWER | PLAN_KILL_MEMFD;
}

/* ---- the record ---- */

static __always_inline void deny_add_address(struct scratch *scratch)
{
	struct record_string *string = string_room(scratch);
	__u32 len = scratch->hooked.address_len;

	if (string == NULL || scratch->hooked.address == 0)
		return;
	len = masked(len > 127 ? 127 : len, 127);
	if (len > 0 && bpf_probe_read_kernel(string->text, len, (void *)scratch->hooked.address) == 0)
		string_take(scratch, string, RECORD_STRING_ADDRESS, len);
}

static __always_inline void deny_know_kind(struct scratch *scratch, __u8 kind)
{
	scratch->maybe &= ~(PLAN_KILL_FILE | PLAN_KILL_DIRECTORY);
	if (kind == RECORD_OBJECT_FILE || kind == RECORD_OBJECT_DEVICE)
		scratch->have |= PLAN_KILL_FILE;
	else if (kind == RECORD_OBJECT_DIRECTORY)
		scratch->have |= PLAN_KILL_DIRECTORY;
	scratch->maybe |= scratch->have;
}

/* A call that opens: what it opens is an object, once it is there. */
static __always_inline void deny_fill_open(struct scratch *scratch, const struct plan *plan)
{
	struct file *file = (struct file *)scratch->hooked.file;
	struct record *record = &scratch->record;
	__u16 tag = RECORD_STRING_PATH;

	if (file != NULL) {
		fill_object(scratch, file, 0);
		scratch->hooked.path[0].mnt = (__u64)READ(file, f_path.mnt);
		scratch->hooked.path[0].dentry = (__u64)READ(file, f_path.dentry);
	} else {
		tag = RECORD_STRING_NAME;
	}
	deny_know_kind(scratch, file == NULL ? RECORD_OBJECT_FILE : record->object.kind);
	deny_path(scratch, (__u64)&scratch->hooked.path[0], tag, deny_object_bits | PLAN_KILL_PATH, PLAN_KILL_PATH);
	if (file != NULL && plan->name_arg[0] != 0 && !(record->flags & RECORD_URING))
		add_user_text(scratch, arg(record, plan->name_arg[0]), RECORD_STRING_NAME);
}

static __always_inline void deny_fill_exec(struct scratch *scratch, struct task_struct *task)
{
	struct file *file = (struct file *)scratch->hooked.file;
	__u32 at = scratch->record.len, flags;

	fill_exe(scratch, task, file);
	know_string(scratch, at, deny_exe_bits, 0);
	flags = scratch->record.flags;
	scratch->have |= (flags & RECORD_EXE_UPPER ? PLAN_KILL_UPPER : 0) | (flags & RECORD_EXE_LOWER ? PLAN_KILL_LOWER : 0) |
			 (flags & RECORD_EXE_MEMFD ? PLAN_KILL_MEMFD : 0);
	scratch->maybe = (scratch->maybe & ~(PLAN_KILL_UPPER | PLAN_KILL_LOWER | PLAN_KILL_MEMFD)) | scratch->have;
	/* Who it will run as is not known yet. */
	if (scratch->record.exe_mode & S_ISUID) {
		scratch->have &= ~PLAN_KILL_ROOT;
		scratch->maybe |= PLAN_KILL_ROOT;
	}
}

static __always_inline void deny_fill_socket(struct scratch *scratch)
{
	struct file *file = (struct file *)scratch->hooked.file;

	if (file != NULL)
		fill_object(scratch, file, (__s32)scratch->record.args[0]);
	deny_add_address(scratch);
}

/* A call with names, or on a descriptor's file. */
static __always_inline void deny_fill_names(struct scratch *scratch, struct task_struct *task, const struct plan *plan)
{
	struct file *file;

	if (plan->object_arg != 0) {
		file = file_of(task, (__s32)arg(&scratch->record, plan->object_arg));
		if (file == NULL)
			return;
		fill_object(scratch, file, (__s32)arg(&scratch->record, plan->object_arg));
		deny_know_kind(scratch, scratch->record.object.kind);
		deny_path(scratch, (__u64)&file->f_path, RECORD_STRING_PATH, deny_object_bits | PLAN_KILL_PATH, PLAN_KILL_PATH);
		return;
	}
	if (scratch->hooked.path[0].dentry != 0)
		deny_path(scratch, (__u64)&scratch->hooked.path[0], RECORD_STRING_NAME, deny_name_bits, 0);
	else
		deny_text(scratch, scratch->hooked.text[0], RECORD_STRING_NAME, deny_name_bits);
	if (scratch->hooked.path[1].dentry != 0)
		deny_path(scratch, (__u64)&scratch->hooked.path[1], RECORD_STRING_NAME2, deny_name2_bits, 0);
	deny_text(scratch, scratch->hooked.text[1], RECORD_STRING_TEXT, deny_text_bits);
}

/* What the program is to be called with, as the caller has it. */
static __always_inline void deny_add_args(struct scratch *scratch)
{
	struct record_string *string = (void *)scratch + masked(scratch->record.len, STRINGS_MASK);
	__u64 argv = scratch->record.args[scratch->record.nr == NR_EXECVEAT ? 2 : 1], at = 0;
	bool compat = scratch->record.flags & RECORD_COMPAT;
	__u32 off = 0;
	long len;

	for (__u32 i = 0; i < EXEC_ARGS && off < EXEC_ARGS_BYTES - EXEC_ARG_BYTES; i++) {
		at = 0;
		if (bpf_probe_read_user(&at, compat ? 4 : 8, (void *)(argv + i * (compat ? 4 : 8))) != 0 || at == 0)
			break;
		len = bpf_probe_read_user_str(string->text + masked(off, EXEC_ARGS_BYTES - 1), EXEC_ARG_BYTES, (void *)at);
		if (len <= 0)
			break;
		off = masked(off + (__u32)len, EXEC_ARGS_BYTES - 1);
	}
	string_take(scratch, string, RECORD_STRING_ARGS, masked(off, EXEC_ARGS_BYTES - 1));
}

/* How it opens: where the file is there by that, else by the call's arguments. */
static __always_inline __u32 deny_open_kind(struct scratch *scratch, const struct plan *plan)
{
	struct file *file = (struct file *)scratch->hooked.file;
	struct record *record = &scratch->record;

	if (!(record->flags & RECORD_URING))
		read_open_flags(record, plan);
	if (file != NULL && ((record->flags & RECORD_URING) || (plan->flags & PLAN_OPEN_HOW)))
		record->args[4] = READ(file, f_flags);
	return kind_number(plan_open_kind(plan->open_arg == 0, record->args[4], record->args[5], 0));
}

static __always_inline __u32 deny_socket_kind(struct scratch *scratch)
{
	struct file *file = (struct file *)scratch->hooked.file;
	__u16 family = scratch->hooked.family;
	struct socket *socket;

	if (file != NULL) {
		socket = READ(file, private_data);
		family = BPF_CORE_READ(socket, sk, __sk_common.skc_family);
	}
	return kind_number(plan_socket_kind(1, family, 0, 0));
}

/* ---- deciding ---- */

__noinline int deny_fill(struct scratch *scratch)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct plan *plan;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	plan = &plans[scratch->record.nr & (PLAN_CALLS - 1)];
	if (plan->flags & PLAN_FAILED_ONLY) {
		fill_head(&scratch->record, task, RECORD_EXEC, plan->class);
		__builtin_memcpy(scratch->record.comm, scratch->comm.text, sizeof(scratch->record.comm));
		deny_fill_exec(scratch, task);
		return 0;
	}
	fill_head(&scratch->record, task, RECORD_CALL, plan->class);
	if (plan->flags & PLAN_OPEN)
		deny_fill_open(scratch, plan);
	else if (plan->class == RECORD_CLASS_NET)
		deny_fill_socket(scratch);
	else
		deny_fill_names(scratch, task, plan);
	return 0;
}

/* 0: it is let go; else the error that it is to end with. The record is whole but for what does not decide. */
__noinline int deny_decide(struct scratch *scratch)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct plan_deny *of;
	const struct plan *plan;
	__u32 kind = 0, version = deny_version;
	__u64 clauses;
	bool is_exec;
	int error;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	of = &deny_calls[scratch->record.nr & (PLAN_CALLS - 1)];
	plan = &plans[scratch->record.nr & (PLAN_CALLS - 1)];
	is_exec = plan->flags & PLAN_FAILED_ONLY;
	if (plan->flags & PLAN_OPEN)
		kind = deny_open_kind(scratch, plan);
	else if (plan->class == RECORD_CLASS_NET)
		kind = deny_socket_kind(scratch);
	clauses = of->of[kind & 7];
	if (clauses == 0)
		return 0;
	deny_know_process(scratch, task, of->about, is_exec);
	deny_know_names(scratch);
	if (deny_error(clauses, scratch->maybe, scratch->have) == 0)
		return 0;
	deny_fill(scratch);
	error = deny_error(clauses, scratch->have, scratch->maybe);
	if (version != deny_version)
		return 0;
	if (error == 0 && deny_error(clauses, scratch->maybe, scratch->have) != 0)
		denied.unsure++;
	return error;
}

/* One record a call, however often the kernel asks about it. */
__noinline int deny_tell(struct scratch *scratch)
{
	struct plan_counters *counters;
	struct denied_call mark = { 0 }, *before;
	__u64 key;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	key = scratch->record.flags & RECORD_URING ? (__u64)scratch->record.tgid << 32 : bpf_get_current_pid_tgid();
	mark = (struct denied_call){ bpf_ktime_get_ns(), scratch->record.nr, 1 };
	before = bpf_map_lookup_elem(&denied_calls, &key);
	if (before != NULL && before->nr == mark.nr && mark.at - before->at < DENIED_NS) {
		if (!(scratch->record.flags & RECORD_URING))
			return 0;
		mark.count += before->count;
	}
	if (scratch->record.type == RECORD_EXEC) {
		deny_add_args(scratch);
		add_own_cgroup(scratch);
	}
	counters = counters_of(SLOT_DENY, scratch->record.class);
	if (counters == NULL)
		return 0;
	counters->seen++;
	scratch->only_followed = false;
	if (emit(scratch, counters))
		bpf_map_update_elem(&denied_calls, &key, &mark, BPF_ANY);
	else
		denied.untold++;
	return 0;
}

/* ---- at the hooks ---- */

/* Which call it is that the kernel asks for, PLAN_CALLS: none of ours; its arguments are in the record then. */
static __always_inline __u32 asking_call(struct scratch *scratch, struct task_struct *task, __u32 hook)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u64 nr = call_number(regs);
	bool compat;

	scratch->record.flags = 0;
	if ((task->flags & PF_IO_WORKER) || nr == NR_IO_URING_ENTER) {
		scratch->record.flags = RECORD_URING;
		__builtin_memset(scratch->record.args, 0, sizeof(scratch->record.args));
		return hook < PLAN_HOOKS ? deny_by_uring[hook] : PLAN_CALLS;
	}
	if (nr >= PLAN_FOREIGN)
		return PLAN_CALLS;
	compat = call_is_compat(task);
	if (compat) {
		nr = compat_number(regs, nr);
		scratch->record.flags = RECORD_COMPAT;
		compat_arguments(scratch->record.args, regs);
	} else {
		call_arguments(scratch->record.args, regs, false);
	}
	return (__u32)nr;
}

/* On kernels that may take the processor away at any time another task can come in between: it finds the first room taken. */
static __always_inline struct scratch *take_room(__u64 owner)
{
	struct scratch *scratch = scratch_of(SLOT_DENY);

	if (scratch != NULL && scratch->hooked.owner != 0)
		scratch = scratch_of(SLOT_DENY_TOO);
	if (scratch == NULL || scratch->hooked.owner != 0) {
		denied.busy++;
		return NULL;
	}
	__builtin_memset(&scratch->hooked, 0, sizeof(scratch->hooked));
	scratch->hooked.owner = owner;
	return scratch;
}

/* NULL: no rule denies here. */
static __always_inline struct scratch *deny_begin(__u32 hook)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *scratch;
	__u32 nr;

	if ((__u32)task->tgid == own_tgid)
		lsm_asks = true;
	if (!denies_here || (task->flags & PF_KTHREAD) || (__u32)task->tgid == own_tgid)
		return NULL;
	scratch = take_room(bpf_get_current_pid_tgid());
	if (scratch == NULL)
		return NULL;
	nr = asking_call(scratch, task, hook);
	if (nr >= PLAN_CALLS || !(deny_calls[nr].hooks & (1U << hook))) {
		scratch->hooked.owner = 0;
		return NULL;
	}
	scratch->record.nr = (__u16)nr;
	return scratch;
}

/* What the kernel gets for an answer. */
static __always_inline int deny_end(struct scratch *scratch)
{
	long error = deny_decide(scratch);

	if (scratch->hooked.owner != bpf_get_current_pid_tgid()) {
		denied.busy++;
		return 0;
	}
	if (error > 0 && error <= ERRNO_MAX) {
		denied.denied++;
		scratch->record.ret = -error;
		scratch->record.flags |= RECORD_REFUSED;
		deny_tell(scratch);
	} else {
		error = 0;
	}
	scratch->hooked.owner = 0;
	error = -error;
	asm volatile("" : "+r"(error)); /* the verifier is to see the bounds */
	return error < -ERRNO_MAX || error > 0 ? 0 : (int)error;
}

static __always_inline void hook_name(struct scratch *scratch, int which, const struct path *dir, struct dentry *dentry)
{
	scratch->hooked.path[which].mnt = (__u64)dir->mnt;
	scratch->hooked.path[which].dentry = (__u64)dentry;
}

static __always_inline void hook_path(struct scratch *scratch, int which, const struct path *path)
{
	hook_name(scratch, which, path, path->dentry);
}

static __always_inline int ask_name(__u32 hook, const struct path *dir, struct dentry *dentry)
{
	struct scratch *scratch = deny_begin(hook);

	if (scratch == NULL)
		return 0;
	hook_name(scratch, 0, dir, dentry);
	return deny_end(scratch);
}

static __always_inline int ask_path(__u32 hook, const struct path *path)
{
	struct scratch *scratch = deny_begin(hook);

	if (scratch == NULL)
		return 0;
	hook_path(scratch, 0, path);
	return deny_end(scratch);
}

static __always_inline int ask_plain(__u32 hook)
{
	struct scratch *scratch = deny_begin(hook);

	return scratch == NULL ? 0 : deny_end(scratch);
}

static __always_inline int ask_socket(__u32 hook, struct socket *socket, struct sockaddr *address, int len)
{
	struct scratch *scratch = deny_begin(hook);

	if (scratch == NULL)
		return 0;
	scratch->hooked.file = (__u64)socket->file;
	scratch->hooked.address = (__u64)address;
	scratch->hooked.address_len = len < 0 ? 0 : (__u32)len;
	return deny_end(scratch);
}

SEC("?lsm/file_open")
int BPF_PROG(lsm_open, struct file *file)
{
	struct scratch *scratch = deny_begin(PLAN_HOOK_OPEN);

	if (scratch == NULL)
		return 0;
	scratch->hooked.file = (__u64)file;
	return deny_end(scratch);
}

struct leaf {
	struct scratch *scratch;
	__u32 from; /* where the last component begins in scratch->prefix */
};

static long leaf_step(__u32 i, struct leaf *leaf)
{
	char c = leaf->scratch->prefix.path[masked(i, PLAN_PREFIX_MAX - 1)];

	if (c == '/')
		leaf->from = masked(i + 1, PLAN_PREFIX_MAX - 1);
	return c == '\0';
}

/* It will be called as the last component of what it was run by. */
static __always_inline void name_program(struct scratch *scratch, const char *name)
{
	struct leaf leaf = { .scratch = scratch };

	bpf_probe_read_kernel_str(scratch->prefix.path, PLAN_PREFIX_MAX, name);
	LOOP(PLAN_PREFIX_MAX, PLAN_PREFIX_MAX, leaf_step, &leaf);
	__builtin_memset(&scratch->comm, 0, sizeof(scratch->comm));
	bpf_probe_read_kernel_str(scratch->comm.text, PLAN_COMM, &scratch->prefix.path[masked(leaf.from, PLAN_PREFIX_MAX - 1)]);
}

/* Before the program that begins is what the process is. Of a script first of itself, then of who reads it. */
SEC("?lsm/bprm_check_security")
int BPF_PROG(lsm_exec, struct linux_binprm *program)
{
	struct scratch *scratch = deny_begin(PLAN_HOOK_EXEC);

	if (scratch == NULL)
		return 0;
	scratch->hooked.file = (__u64)program->file;
	name_program(scratch, program->filename);
	return deny_end(scratch);
}

SEC("?lsm/path_unlink")
int BPF_PROG(lsm_unlink, const struct path *dir, struct dentry *dentry)
{
	return ask_name(PLAN_HOOK_UNLINK, dir, dentry);
}

SEC("?lsm/path_rmdir")
int BPF_PROG(lsm_rmdir, const struct path *dir, struct dentry *dentry)
{
	return ask_name(PLAN_HOOK_RMDIR, dir, dentry);
}

SEC("?lsm/path_mkdir")
int BPF_PROG(lsm_mkdir, const struct path *dir, struct dentry *dentry)
{
	return ask_name(PLAN_HOOK_MKDIR, dir, dentry);
}

/* Also of files that an open makes, whose io_uring says only later how it opens them. */
SEC("?lsm/path_mknod")
int BPF_PROG(lsm_mknod, const struct path *dir, struct dentry *dentry)
{
	struct scratch *scratch = deny_begin(PLAN_HOOK_CREATE);

	if (scratch == NULL)
		return ask_name(PLAN_HOOK_MKNOD, dir, dentry);
	if (scratch->record.flags & RECORD_URING) {
		scratch->hooked.owner = 0;
		return 0;
	}
	hook_name(scratch, 0, dir, dentry);
	return deny_end(scratch);
}

SEC("?lsm/path_rename")
int BPF_PROG(lsm_rename, const struct path *from, struct dentry *old, const struct path *to, struct dentry *new)
{
	struct scratch *scratch = deny_begin(PLAN_HOOK_RENAME);

	if (scratch == NULL)
		return 0;
	hook_name(scratch, 0, from, old);
	hook_name(scratch, 1, to, new);
	return deny_end(scratch);
}

/* Both are in one mount. */
SEC("?lsm/path_link")
int BPF_PROG(lsm_link, struct dentry *old, const struct path *to, struct dentry *new)
{
	struct scratch *scratch = deny_begin(PLAN_HOOK_LINK);

	if (scratch == NULL)
		return 0;
	hook_name(scratch, 0, to, old);
	hook_name(scratch, 1, to, new);
	return deny_end(scratch);
}

SEC("?lsm/path_symlink")
int BPF_PROG(lsm_symlink, const struct path *dir, struct dentry *dentry, const char *target)
{
	struct scratch *scratch = deny_begin(PLAN_HOOK_SYMLINK);

	if (scratch == NULL)
		return 0;
	scratch->hooked.text[0] = (__u64)target;
	hook_name(scratch, 1, dir, dentry);
	return deny_end(scratch);
}

SEC("?lsm/path_chmod")
int BPF_PROG(lsm_chmod, const struct path *path)
{
	return ask_path(PLAN_HOOK_CHMOD, path);
}

SEC("?lsm/path_chown")
int BPF_PROG(lsm_chown, const struct path *path)
{
	return ask_path(PLAN_HOOK_CHOWN, path);
}

SEC("?lsm/path_truncate")
int BPF_PROG(lsm_truncate, const struct path *path)
{
	return ask_path(PLAN_HOOK_TRUNCATE, path);
}

SEC("?lsm/file_truncate")
int BPF_PROG(lsm_ftruncate, struct file *file)
{
	return ask_path(PLAN_HOOK_FTRUNCATE, &file->f_path);
}

SEC("?lsm/path_chroot")
int BPF_PROG(lsm_chroot, const struct path *path)
{
	return ask_path(PLAN_HOOK_CHROOT, path);
}

SEC("?lsm/sb_mount")
int BPF_PROG(lsm_mount, const char *device, const struct path *path, const char *type)
{
	struct scratch *scratch = deny_begin(PLAN_HOOK_MOUNT);

	if (scratch == NULL)
		return 0;
	scratch->hooked.text[0] = (__u64)device;
	scratch->hooked.text[1] = (__u64)type;
	hook_path(scratch, 1, path);
	return deny_end(scratch);
}

static __always_inline int ask_paths(__u32 hook, const struct path *first, const struct path *second)
{
	struct scratch *scratch = deny_begin(hook);

	if (scratch == NULL)
		return 0;
	hook_path(scratch, 0, first);
	hook_path(scratch, 1, second);
	return deny_end(scratch);
}

SEC("?lsm/move_mount")
int BPF_PROG(lsm_move_mount, const struct path *from, const struct path *to)
{
	return ask_paths(PLAN_HOOK_MOVE_MOUNT, from, to);
}

/* The new root is the first name. */
SEC("?lsm/sb_pivotroot")
int BPF_PROG(lsm_pivot, const struct path *old, const struct path *new)
{
	return ask_paths(PLAN_HOOK_PIVOT, new, old);
}

SEC("?lsm/sb_umount")
int BPF_PROG(lsm_umount, struct vfsmount *mnt)
{
	struct scratch *scratch = deny_begin(PLAN_HOOK_UMOUNT);

	if (scratch == NULL)
		return 0;
	scratch->hooked.path[0].mnt = (__u64)mnt;
	scratch->hooked.path[0].dentry = (__u64)mnt->mnt_root;
	return deny_end(scratch);
}

SEC("?lsm/ptrace_access_check")
int BPF_PROG(lsm_ptrace, struct task_struct *child)
{
	return ask_plain(PLAN_HOOK_PTRACE);
}

SEC("?lsm/ptrace_traceme")
int BPF_PROG(lsm_traceme, struct task_struct *parent)
{
	return ask_plain(PLAN_HOOK_TRACEME);
}

SEC("?lsm/kernel_load_data")
int BPF_PROG(lsm_load_data)
{
	return ask_plain(PLAN_HOOK_LOAD_DATA);
}

SEC("?lsm/kernel_read_file")
int BPF_PROG(lsm_read_file)
{
	return ask_plain(PLAN_HOOK_READ_FILE);
}

SEC("?lsm/bpf")
int BPF_PROG(lsm_bpf)
{
	return ask_plain(PLAN_HOOK_BPF);
}

SEC("?lsm/task_kill")
int BPF_PROG(lsm_signal)
{
	return ask_plain(PLAN_HOOK_SIGNAL);
}

/* One for the kernel's own use is no call's. */
SEC("?lsm/socket_create")
int BPF_PROG(lsm_socket, int family, int type, int protocol, int for_kernel)
{
	struct scratch *scratch = for_kernel ? NULL : deny_begin(PLAN_HOOK_SOCKET);

	if (scratch == NULL)
		return 0;
	scratch->hooked.family = (__u16)family;
	return deny_end(scratch);
}

SEC("?lsm/socket_connect")
int BPF_PROG(lsm_connect, struct socket *socket, struct sockaddr *address, int len)
{
	return ask_socket(PLAN_HOOK_CONNECT, socket, address, len);
}

SEC("?lsm/socket_bind")
int BPF_PROG(lsm_bind, struct socket *socket, struct sockaddr *address, int len)
{
	return ask_socket(PLAN_HOOK_BIND, socket, address, len);
}

SEC("?lsm/socket_listen")
int BPF_PROG(lsm_listen, struct socket *socket)
{
	return ask_socket(PLAN_HOOK_LISTEN, socket, NULL, 0);
}

#endif
