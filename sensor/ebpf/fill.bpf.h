/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* Filling a record, fact by fact: who, then what the descriptor is, then the strings; and handing
 * it to the ring. */
#ifndef SENSOR_EBPF_FILL_BPF_H
#define SENSOR_EBPF_FILL_BPF_H

#include "follow.bpf.h"
#include "walk.bpf.h"

#define PIDTYPE_TGID 1
#define PIDTYPE_PGID 2
#define PIDTYPE_SID  3

#define S_IFMT	 0170000
#define S_IFSOCK 0140000
#define S_IFREG	 0100000
#define S_IFDIR	 0040000
#define S_IFCHR	 0020000
#define S_IFBLK	 0060000
#define S_IFIFO	 0010000

#define SB_NOUSER	(1UL << 31)
#define OVERLAYFS_MAGIC 0x794c7630

#define AF_UNSPEC 0
#define AF_UNIX	  1
#define AF_INET	 2
#define AF_INET6 10

#define STRING_BYTES (sizeof(struct record_string) + RECORD_STRING_MAX)

#define PID_NUMBERS 4096 /* bytes, more than there are: the verifier before 6.3 wants to see a bound */

/* The number of a pid in the innermost namespace it lives in. */
static __always_inline __u32 pid_inner(struct pid *pid, __u32 level)
{
	void *at = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
		   masked(level * bpf_core_type_size(struct upid), PID_NUMBERS - 1) +
		   bpf_core_field_offset(struct upid, nr);

	return read_half(at);
}

static __always_inline __u32 tty_of(struct signal_struct *signal)
{
	struct tty_struct *tty = signal->tty;
	__u32 major, minor;

	if (tty == NULL)
		return 0;
	major = (__u32)tty->driver->major;
	minor = (__u32)(tty->driver->minor_start + tty->index);
	return (minor & 0xff) | (major << 8) | ((minor & ~0xffU) << 12);
}

static __always_inline void fill_ids(struct record *record, struct task_struct *task)
{
	struct signal_struct *signal = task->signal;
	struct pid *pid = task->thread_pid, *group, *session;
	__u32 level = pid->level;

	record->pidns_level = level;
	record->vtid = pid_inner(pid, level);
	record->vpid = pid_inner(signal->pids[PIDTYPE_TGID], level);
	group = signal->pids[PIDTYPE_PGID];
	record->pgid = pid_inner(group, 0);
	record->vpgid = pid_inner(group, level);
	session = signal->pids[PIDTYPE_SID];
	record->sid = pid_inner(session, level);
	record->tty = tty_of(signal);
}

static __always_inline void fill_cred(struct record *record, struct task_struct *task)
{
	const struct cred *cred = task->cred;

	record->uid = cred->uid.val;
	record->gid = cred->gid.val;
	record->euid = cred->euid.val;
	record->egid = cred->egid.val;
	/* Eight bytes in every kernel, as two words until 6.2. */
	record->cap_permitted = read_word(&cred->cap_permitted);
	record->cap_effective = read_word(&cred->cap_effective);
	record->cap_inheritable = read_word(&cred->cap_inheritable);
	record->loginuid = (__u32)-1;
	if (bpf_core_field_exists(task->loginuid))
		record->loginuid = task->loginuid.val;
}

/* Everything about the process; nr, ret, args and flags are the caller's and stay. */
static __always_inline void fill_head(struct record *record, struct task_struct *task, __u8 type,
				      __u8 class)
{
	struct task_struct *leader = task->group_leader, *parent = task->real_parent;

	record->len = sizeof(*record);
	record->exe_ino = 0;
	__builtin_memset(&record->object, 0, sizeof(record->object));
	record->type = type;
	record->class = class;
	record->cpu = bpf_get_smp_processor_id();
	record->tid = (__u32)task->pid;
	record->tgid = (__u32)task->tgid;
	record->ppid = (__u32)parent->tgid;
	record->start_ns = leader->start_boottime;
	record->parent_start_ns = parent->group_leader->start_boottime;
	(void)cgroup_of(task, &record->cgroup_id);
	record->exec_id = leader->self_exec_id;
	record->parent_exec_id = parent->group_leader->self_exec_id;
	read_16(record->comm, &leader->comm);
	fill_ids(record, task);
	fill_cred(record, task);
	record->time_ns = bpf_ktime_get_boot_ns();
}

/* Where the next string goes; NULL when the record is full. */
static __always_inline struct record_string *string_room(struct scratch *scratch)
{
	__u32 at = scratch->record.len;

	asm volatile("" : "+r"(at));
	if (at > RECORD_MAX - STRING_BYTES) {
		scratch->record.flags |= RECORD_CUT_PATH;
		return NULL;
	}
	return (void *)scratch + at;
}

static __always_inline void string_take(struct scratch *scratch, struct record_string *string,
					__u16 tag, __u32 len)
{
	string->tag = tag;
	string->len = (__u16)len;
	scratch->record.len += RECORD_STRING_SIZE(len);
}

#define CUT_MARK "/..." /* in front of what is known of a path whose beginning is not */
#define CUT_LEN	 (sizeof(CUT_MARK) - 1)

/* Within scratch; if it is short always 64 bytes: asking at each word what is left would double what the
 * verifier has to go through. */
static __always_inline void copy_text(char *to, const char *from, __u32 len)
{
	if (len > 64) {
		bpf_probe_read_kernel(to, masked(len, PATH_HALF - 1), from);
		return;
	}
#pragma unroll
	for (__u32 i = 0; i < 64; i += 8)
		*(__u64 *)(to + i) = *(const __u64 *)(from + i);
}

/* A path that was walked. */
static __always_inline void add_walked(struct scratch *scratch, __u16 tag)
{
	struct record_string *string = string_room(scratch);
	__u32 off, len;

	if (string == NULL)
		return;
	if (!scratch->walked.done) {
		/* The mark is not to take a part of a name: where there is no room left for it, the three uppermost ones go.
		 * From 1 on: the length of a string fits below PATH_HALF. */
		if (scratch->walked.off <= CUT_LEN && scratch->walked.parts >= 4)
			scratch->walked.off = (__u32)scratch->parts[masked(scratch->walked.parts - 4, PARTS - 1)] - 1;
		scratch->walked.off = scratch->walked.off <= CUT_LEN ? 1 : scratch->walked.off - CUT_LEN;
		off = masked(scratch->walked.off, PATH_HALF - 1);
		__builtin_memcpy(&scratch->path[off], CUT_MARK, CUT_LEN);
		tag |= RECORD_STRING_CUT;
		scratch->record.flags |= RECORD_CUT_PATH;
	}
	off = masked(scratch->walked.off, PATH_HALF - 1);
	len = masked(PATH_HALF - off, PATH_HALF - 1);
	copy_text(string->text, &scratch->path[off], len);
	string_take(scratch, string, tag, len);
}

static __always_inline void add_path(struct scratch *scratch, struct path *path, __u16 tag)
{
	walk_path(scratch, path, 0);
	add_walked(scratch, tag);
}

/* Text in user memory up to its NUL. No address, no text. */
static __always_inline void add_user_text(struct scratch *scratch, __u64 address, __u16 tag)
{
	struct record_string *string = string_room(scratch);
	long len;

	if (string == NULL || address == 0)
		return;
	len = bpf_probe_read_user_str(string->text, RECORD_STRING_MAX, (void *)address);
	if (len <= 0) {
		scratch->record.flags |= RECORD_FAULT;
		return;
	}
	if (len == RECORD_STRING_MAX) { /* it may just have fitted: nobody can tell */
		scratch->record.flags |= RECORD_CUT_ARGS;
		tag |= RECORD_STRING_CUT;
	}
	string_take(scratch, string, tag, (__u32)len - 1);
}

/* `len` bytes of user memory. */
static __always_inline void add_user_bytes(struct scratch *scratch, __u64 address, __u64 len,
					   __u16 tag)
{
	struct record_string *string = string_room(scratch);

	if (string == NULL || len == 0)
		return;
	if (len > RECORD_STRING_MAX - 1) {
		len = RECORD_STRING_MAX - 1;
		scratch->record.flags |= RECORD_CUT_ARGS;
		tag |= RECORD_STRING_CUT;
	}
	if (bpf_probe_read_user(string->text, masked((__u32)len, RECORD_STRING_MAX - 1),
				(void *)address) != 0) {
		scratch->record.flags |= RECORD_FAULT;
		return;
	}
	string_take(scratch, string, tag, (__u32)len);
}

static __always_inline struct file *file_of(struct task_struct *task, __s32 fd)
{
	struct fdtable *table = task->files->fdt;

	if (fd < 0 || (__u32)fd >= table->max_fds)
		return NULL;
	return (struct file *)read_word(table->fd + (__u32)fd);
}

static __always_inline void fill_unix(struct scratch *scratch, struct sock *sk)
{
	struct unix_sock *own = (void *)sk;
	struct unix_address *address = BPF_CORE_READ(own, addr);
	struct record_string *string;
	long len;

	if (address == NULL) {
		struct unix_sock *peer = (void *)BPF_CORE_READ(own, peer);

		address = peer == NULL ? NULL : BPF_CORE_READ(peer, addr);
	}
	string = string_room(scratch);
	if (address == NULL || string == NULL)
		return;
	len = bpf_probe_read_kernel_str(string->text, sizeof(((struct sockaddr_un *)0)->sun_path),
					&address->name[0].sun_path);
	if (len == 1 && READ(address, len) > 3) { /* an abstract name begins with a NUL, for which everybody writes another sign */
		string->text[0] = '@';
		len = bpf_probe_read_kernel_str(string->text + 1, sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
						&address->name[0].sun_path[1]);
		len = len > 0 ? len + 1 : 0;
	}
	if (len > 1)
		string_take(scratch, string, RECORD_STRING_UNIX, (__u32)len - 1);
}

static __always_inline void fill_socket(struct scratch *scratch, struct file *file)
{
	struct record_object *object = &scratch->record.object;
	struct socket *socket = READ(file, private_data);
	struct sock *sk = READ(socket, sk);

	if (sk == NULL)
		return;
	object->family = READ(sk, __sk_common.skc_family);
	object->state = READ(sk, __sk_common.skc_state);
	object->protocol = READ(sk, sk_protocol);
	object->socket_type = READ(sk, sk_type);
	if (object->family == AF_UNIX) {
		fill_unix(scratch, sk);
		return;
	}
	object->local_port = READ(sk, __sk_common.skc_num);
	object->remote_port = __builtin_bswap16(READ(sk, __sk_common.skc_dport));
	if (object->family == AF_INET) {
		bpf_probe_read_kernel(object->local, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_probe_read_kernel(object->remote, 4, &sk->__sk_common.skc_daddr);
	} else if (object->family == AF_INET6) {
		bpf_probe_read_kernel(object->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(object->remote, 16, &sk->__sk_common.skc_v6_daddr);
	}
}

static __always_inline __u8 object_kind(struct inode *inode, __u32 mode)
{
	switch (mode & S_IFMT) {
	case S_IFSOCK: return RECORD_OBJECT_SOCKET;
	case S_IFIFO: return RECORD_OBJECT_PIPE;
	case S_IFDIR: return RECORD_OBJECT_DIRECTORY;
	case S_IFCHR:
	case S_IFBLK: return RECORD_OBJECT_DEVICE;
	}
	if (READ2(inode, i_sb, s_flags) & SB_NOUSER)
		return RECORD_OBJECT_ANONYMOUS;
	return RECORD_OBJECT_FILE;
}

/* struct ovl_inode lives in a module's BTF, but its __upperdentry has always followed the inode. */
static __always_inline __u32 overlay_layer(struct inode *inode, __u32 upper_flag, __u32 lower_flag)
{
	struct dentry *upper = NULL;

	if (READ2(inode, i_sb, s_magic) != OVERLAYFS_MAGIC)
		return 0;
	bpf_probe_read_kernel(&upper, sizeof(upper),
			      (void *)inode + bpf_core_type_size(struct inode));
	return upper != NULL ? upper_flag : lower_flag;
}

/* What kind of thing the descriptor is; its path is the caller's to add. */
static __always_inline void fill_object(struct scratch *scratch, struct file *file, __s32 fd)
{
	struct record_object *object = &scratch->record.object;
	struct inode *inode = READ(file, f_inode);

	object->fd = fd;
	object->mode = READ(inode, i_mode);
	object->ino = READ(inode, i_ino);
	object->dev = READ2(inode, i_sb, s_dev);
	object->kind = object_kind(inode, object->mode);
	scratch->record.flags |= RECORD_HAS_OBJECT;
	if (object->kind == RECORD_OBJECT_SOCKET)
		fill_socket(scratch, file);
	else if (object->kind == RECORD_OBJECT_FILE)
		scratch->record.flags |= overlay_layer(inode, RECORD_FD_UPPER, RECORD_FD_LOWER);
}

static __always_inline bool object_has_path(const struct record *record)
{
	return (record->flags & RECORD_HAS_OBJECT) && record->object.kind != RECORD_OBJECT_SOCKET &&
	       record->object.kind != RECORD_OBJECT_PIPE;
}

static __always_inline void fill_exe_times(struct record *record, struct inode *inode)
{
	struct inode___v66 *v66 = (void *)inode;
	struct inode___v6 *v6 = (void *)inode;

	if (bpf_core_field_exists(inode->i_ctime_sec)) {
		record->exe_ctime_ns = (__u64)READ(inode, i_ctime_sec) * 1000000000 +
				       READ(inode, i_ctime_nsec);
		record->exe_mtime_ns = (__u64)READ(inode, i_mtime_sec) * 1000000000 +
				       READ(inode, i_mtime_nsec);
		return;
	}
	if (bpf_core_field_exists(v66->__i_ctime))
		record->exe_ctime_ns = (__u64)BPF_CORE_READ(v66, __i_ctime.tv_sec) * 1000000000 +
				       (__u64)BPF_CORE_READ(v66, __i_ctime.tv_nsec);
	else if (bpf_core_field_exists(v6->i_ctime))
		record->exe_ctime_ns = (__u64)BPF_CORE_READ(v6, i_ctime.tv_sec) * 1000000000 +
				       (__u64)BPF_CORE_READ(v6, i_ctime.tv_nsec);
	if (bpf_core_field_exists(v66->__i_mtime))
		record->exe_mtime_ns = (__u64)BPF_CORE_READ(v66, __i_mtime.tv_sec) * 1000000000 +
				       (__u64)BPF_CORE_READ(v66, __i_mtime.tv_nsec);
	else if (bpf_core_field_exists(v6->i_mtime))
		record->exe_mtime_ns = (__u64)BPF_CORE_READ(v6, i_mtime.tv_sec) * 1000000000 +
				       (__u64)BPF_CORE_READ(v6, i_mtime.tv_nsec);
}

static __always_inline void fill_exe(struct scratch *scratch, struct task_struct *task,
				     struct file *file)
{
	struct inode *inode = READ(file, f_inode);
	struct record *record = &scratch->record;

	record->flags |= RECORD_HAS_EXE | overlay_layer(inode, RECORD_EXE_UPPER, RECORD_EXE_LOWER);
	if (READ2(inode, i_sb, s_flags) & SB_NOUSER)
		record->flags |= RECORD_EXE_MEMFD;
	record->exe_ino = READ(inode, i_ino);
	record->exe_mode = READ(inode, i_mode);
	record->exe_uid = READ(inode, i_uid.val);
	record->exe_gid = READ(inode, i_gid.val);
	fill_exe_times(record, inode);
	add_path(scratch, &file->f_path, RECORD_STRING_EXE);
}

/* Opens for reading are few and are those of watched paths: a process's other opens do not count against
 * them. */
static __always_inline __u64 budget_key(const struct record *record)
{
	__u64 kind = record->class;

	if (record->class == RECORD_CLASS_OPEN && (record->args[4] & 3) == 0)
		kind |= PLAN_CLASS_SLOTS;
	return record->tgid | kind << 32;
}

static __always_inline struct plan_losses *losses_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&losses, &zero);
}

/* Of a ring that is filled so far, a process's records of a class; `marks` are beyond which there are fewer. */
struct ring_marks {
	__u64 begin, tight, last;
};

static __always_inline __u64 budget_at(__u64 fill, const struct ring_marks *marks)
{
	return fill < marks->tight ? PLAN_BUDGET : fill < marks->last ? PLAN_BUDGET_TIGHT : PLAN_BUDGET_LAST;
}

/* Two processors may count one of two: a budget need not be exact, the account is. */
static __always_inline bool is_within_budget(const struct record *record, __u64 fill, struct ring_marks marks)
{
	__u64 key, weight = 1 + record->len / PLAN_BUDGET_BYTES, before;
	struct budget fresh = { record->time_ns >> PLAN_BUDGET_SHIFT, weight }, *budget;
	struct plan_losses *losses_of;

	if (fill < marks.begin)
		return true;
	key = budget_key(record);
	budget = bpf_map_lookup_elem(&budgets, &key);
	if (budget == NULL) {
		if (bpf_map_update_elem(&budgets, &key, &fresh, BPF_ANY) != 0 &&
		    (losses_of = losses_here()) != NULL)
			losses_of->budgets_full++;
		return true;
	}
	if (budget->window != fresh.window)
		*budget = (struct budget){ fresh.window, 0 };
	before = budget->taken;
	budget->taken += weight;
	return before < budget_at(fill, &marks);
}

/* A process begins, runs another program or ends: what everything else is told of. One that only tries to run a
 * program that is not there can do so a million times in a second. */
static __always_inline bool is_of_life(const struct record *record)
{
	return record->class == RECORD_CLASS_PROCESS && record->type != RECORD_CALL;
}

/* Privileged calls of one process after the other, or programs that it cannot run, must not keep out what others
 * run. */
static __always_inline bool has_room(const struct record *record)
{
	if ((record->flags & RECORD_KILLED) || is_of_life(record))
		return true;
	if (record->class <= RECORD_CLASS_PRIVILEGE)
		return is_within_budget(record, bpf_ringbuf_query(&urgent, BPF_RB_AVAIL_DATA),
					(struct ring_marks){ PLAN_URGENT_MARK(urgent_bytes), PLAN_URGENT_TIGHT(urgent_bytes),
							     PLAN_URGENT_LAST(urgent_bytes) });
	return is_within_budget(record, bpf_ringbuf_query(&bulk, BPF_RB_AVAIL_DATA),
				(struct ring_marks){ PLAN_BULK_MARK(bulk_bytes), PLAN_BULK_TIGHT(bulk_bytes),
						     bulk_bytes });
}

/* The majority vote of Boyer and Moore: who loses more than all others together stays. */
static __always_inline void note_flood(const struct record *record)
{
	__u64 window = record->time_ns >> 30;
	__u32 zero = 0;
	struct plan_flood *flood = bpf_map_lookup_elem(&floods, &zero);

	if (flood == NULL)
		return;
	if (flood->window != window || flood->votes == 0) {
		flood->window = window;
		flood->votes = 1;
		flood->tgid = record->tgid;
		__builtin_memcpy(flood->comm, record->comm, sizeof(flood->comm));
	} else if (flood->tgid == record->tgid) {
		flood->votes++;
	} else {
		flood->votes--;
	}
}

/* Waking is dear (an interrupt to oneself), hence only a reader that sleeps is woken, once, and not by what
 * only keeps the process table right. A reader that goes to sleep at this very moment may be missed: it looks
 * again after some milliseconds. */
static __always_inline __u64 wake_flags(const struct record *record)
{
	if (reader.asleep == 0 || record->type == RECORD_FORK || record->type == RECORD_EXIT)
		return BPF_RB_NO_WAKEUP;
	reader.asleep = 0;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void note_loss(const struct record *record, bool shed)
{
	__u32 row = record->type == RECORD_EXIT ? PLAN_LOST_EXIT
		    : record->nr < PLAN_CALLS	? record->nr
						: PLAN_LOST_OTHER;
	struct plan_losses *here = losses_here();

	if (here == NULL || row >= PLAN_LOST_ROWS)
		return;
	if (shed)
		here->of[row].budget++;
	else
		here->of[row].ring++;
}

/* Counts and hands over; false: it was lost. A function of its own, for what it needs of the stack. */
__noinline int emit(struct scratch *scratch, struct plan_counters *counters)
{
	bool shed = false;
	long r = -1;
	__u32 len;

	if (scratch == NULL || counters == NULL)
		return false;
	len = scratch->record.len;
	if (len > RECORD_MAX)
		len = RECORD_MAX;
	if (!has_room(&scratch->record))
		shed = true;
	else if (scratch->record.class <= RECORD_CLASS_PRIVILEGE)
		r = bpf_ringbuf_output(&urgent, scratch, len, wake_flags(&scratch->record));
	else
		r = bpf_ringbuf_output(&bulk, scratch, len, wake_flags(&scratch->record));
	if (r == 0) {
		counters->emitted++;
		if (!scratch->only_followed)
			note_candidate(scratch->record.tgid, scratch->record.time_ns);
		return true;
	}
	counters->dropped++;
	counters->shed += shed;
	note_loss(&scratch->record, shed);
	note_flood(&scratch->record);
	return false;
}

#endif
