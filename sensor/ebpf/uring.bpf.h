/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* What is asked for through an io_uring never passes a system call of its name. It is noted when it is
 * submitted, with the names that the kernel has copied by then, and told when it completes, with its result,
 * as the call it stands for. Where nothing tells of the completion (the asker forbade it, or too much is
 * under way), it is told at once, without a result. */
#ifndef SENSOR_EBPF_URING_BPF_H
#define SENSOR_EBPF_URING_BPF_H

#include "fill.bpf.h"

#define URING_NAME    1024 /* bytes of a name; longer is cut and flagged */
#define URING_ADDRESS 128
#define URING_ASKED   4096 /* operations under way */

#define REQ_F_CQE_SKIP (1ULL << 6) /* no completion but of a failure */

/* Of the kernel's interface, and the same everywhere. */
enum uring_op {
	URING_READ_FIXED = 4,
	URING_WRITE_FIXED = 5,
	URING_SENDMSG = 9,
	URING_ACCEPT = 13,
	URING_CONNECT = 16,
	URING_OPENAT = 18,
	URING_READ = 22,
	URING_WRITE = 23,
	URING_SEND = 26,
	URING_RECV = 27,
	URING_OPENAT2 = 28,
	URING_RENAMEAT = 35,
	URING_UNLINKAT = 36,
	URING_MKDIRAT = 37,
	URING_SYMLINKAT = 38,
	URING_LINKAT = 39,
	URING_SOCKET = 45,
	URING_SEND_ZC = 47,
	URING_SENDMSG_ZC = 48,
	URING_LISTEN = 57,
};

/* One operation under way; arguments are where the call of its name has them. */
struct asked {
	__u64 args[6];
	__u16 nr;
	bool direct; /* what is opened goes into the ring's own table: there is no descriptor */
	__u32 name_len[2], address_len;
	char name[2][URING_NAME];
	char address[URING_ADDRESS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, URING_ASKED);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct asked);
} uring_asked SEC(".maps");

/* A completion that finds the ring full is told by what the asker calls it. Two may have one name, and the
 * last one stands for both: an opened file is known by its descriptor even so. */
struct mark {
	__u64 ring, user_data;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, URING_ASKED);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mark);
	__type(value, __u64);
} uring_marks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct asked);
} uring_asking SEC(".maps");

__u16 uring_calls[PLAN_URING]; /* call by operation; PLAN_CALLS: none */
/* What the tracepoint of the completion hands over: the completion, or its parts (before 6.15). */
const volatile bool uring_has_cqe = true;

static __always_inline void asked_name(struct asked *asked, int which, struct filename *filename)
{
	long len = bpf_probe_read_kernel_str(asked->name[which], URING_NAME, READ(filename, name));

	asked->name_len[which] = len > 0 ? (__u32)len - 1 : 0;
}

static __always_inline void asked_open(struct asked *asked, struct io_kiocb *req)
{
	struct io_open *open = (void *)req;

	asked->args[0] = (__u32)BPF_CORE_READ(open, dfd);
	asked->args[3] = BPF_CORE_READ(open, how.resolve);
	asked->args[4] = (__u32)BPF_CORE_READ(open, how.flags);
	asked->args[5] = (__u32)BPF_CORE_READ(open, how.mode);
	asked->direct = BPF_CORE_READ(open, file_slot) != 0;
	asked_name(asked, 0, BPF_CORE_READ(open, filename));
}

static __always_inline void asked_rename(struct asked *asked, struct io_kiocb *req)
{
	struct io_rename *rename = (void *)req;

	asked->args[0] = (__u32)BPF_CORE_READ(rename, old_dfd);
	asked->args[2] = (__u32)BPF_CORE_READ(rename, new_dfd);
	asked->args[4] = (__u32)BPF_CORE_READ(rename, flags);
	asked_name(asked, 0, BPF_CORE_READ(rename, oldpath));
	asked_name(asked, 1, BPF_CORE_READ(rename, newpath));
}

static __always_inline void asked_link(struct asked *asked, struct io_kiocb *req, bool symbolic)
{
	struct io_link *link = (void *)req;

	asked->args[0] = (__u32)BPF_CORE_READ(link, old_dfd);
	asked->args[symbolic ? 1 : 2] = (__u32)BPF_CORE_READ(link, new_dfd);
	asked->args[4] = (__u32)BPF_CORE_READ(link, flags);
	asked_name(asked, 0, BPF_CORE_READ(link, oldpath));
	asked_name(asked, 1, BPF_CORE_READ(link, newpath));
}

static __always_inline void asked_unlink(struct asked *asked, struct io_kiocb *req)
{
	struct io_unlink *unlink = (void *)req;

	asked->args[0] = (__u32)BPF_CORE_READ(unlink, dfd);
	asked->args[2] = (__u32)BPF_CORE_READ(unlink, flags);
	asked_name(asked, 0, BPF_CORE_READ(unlink, filename));
}

static __always_inline void asked_mkdir(struct asked *asked, struct io_kiocb *req)
{
	struct io_mkdir *mkdir = (void *)req;

	asked->args[0] = (__u32)BPF_CORE_READ(mkdir, dfd);
	asked->args[2] = BPF_CORE_READ(mkdir, mode);
	asked_name(asked, 0, BPF_CORE_READ(mkdir, filename));
}

static __always_inline void asked_socket(struct asked *asked, struct io_kiocb *req)
{
	struct io_socket *socket = (void *)req;

	asked->args[0] = (__u32)BPF_CORE_READ(socket, domain);
	asked->args[1] = (__u32)BPF_CORE_READ(socket, type);
	asked->args[2] = (__u32)BPF_CORE_READ(socket, protocol);
	asked->direct = BPF_CORE_READ(socket, file_slot) != 0;
}

static __always_inline void asked_connect(struct asked *asked, struct io_kiocb *req)
{
	struct io_connect *connect = (void *)req;
	__u32 len = (__u32)BPF_CORE_READ(connect, addr_len);

	if (len > URING_ADDRESS - 1)
		len = URING_ADDRESS - 1;
	if (bpf_probe_read_user(asked->address, masked(len, URING_ADDRESS - 1), BPF_CORE_READ(connect, addr)) == 0)
		asked->address_len = len;
}

static __always_inline void asked_send(struct asked *asked, struct io_kiocb *req)
{
	struct io_sr_msg *message = (void *)req;
	struct io_async_msghdr *head = BPF_CORE_READ(req, async_data);
	__u32 len;

	asked->args[2] = (__u32)BPF_CORE_READ(message, len);
	if (head == NULL || BPF_CORE_READ(head, msg.msg_name) == NULL)
		return;
	len = (__u32)BPF_CORE_READ(head, msg.msg_namelen);
	if (len > URING_ADDRESS - 1)
		len = URING_ADDRESS - 1;
	if (bpf_probe_read_kernel(asked->address, masked(len, URING_ADDRESS - 1), BPF_CORE_READ(head, msg.msg_name)) == 0)
		asked->address_len = len;
}

static __always_inline void asked_fill(struct asked *asked, struct io_kiocb *req, __u8 op)
{
	struct io_listen *listen = (void *)req;
	struct io_accept *accept = (void *)req;
	struct io_sr_msg *message = (void *)req;
	struct io_rw *rw = (void *)req;

	__builtin_memset(asked->args, 0, sizeof(asked->args));
	asked->name_len[0] = asked->name_len[1] = asked->address_len = 0;
	asked->direct = false;
	asked->args[0] = (__u32)BPF_CORE_READ(req, cqe.fd);
	switch (op) {
	case URING_OPENAT:
	case URING_OPENAT2: asked_open(asked, req); break;
	case URING_RENAMEAT: asked_rename(asked, req); break;
	case URING_LINKAT: asked_link(asked, req, false); break;
	case URING_SYMLINKAT: asked_link(asked, req, true); break;
	case URING_UNLINKAT: asked_unlink(asked, req); break;
	case URING_MKDIRAT: asked_mkdir(asked, req); break;
	case URING_SOCKET: asked_socket(asked, req); break;
	case URING_CONNECT: asked_connect(asked, req); break;
	case URING_SEND:
	case URING_SENDMSG:
	case URING_SEND_ZC:
	case URING_SENDMSG_ZC: asked_send(asked, req); break;
	case URING_READ:
	case URING_WRITE:
	case URING_READ_FIXED:
	case URING_WRITE_FIXED: asked->args[2] = BPF_CORE_READ(rw, len); break;
	case URING_RECV: asked->args[2] = (__u32)BPF_CORE_READ(message, len); break;
	case URING_LISTEN:
		if (bpf_core_field_exists(listen->backlog)) /* 6.11 and later */
			asked->args[1] = (__u32)BPF_CORE_READ(listen, backlog);
		break;
	case URING_ACCEPT:
		asked->args[3] = (__u32)BPF_CORE_READ(accept, flags);
		asked->direct = BPF_CORE_READ(accept, file_slot) != 0;
		break;
	}
}

/* Bytes that are in this program's own memory. */
static __always_inline void add_own(struct scratch *scratch, const void *from, __u32 len, __u32 max, __u16 tag)
{
	struct record_string *string = string_room(scratch);

	len = masked(len, max - 1);
	if (string == NULL || len == 0)
		return;
	if (len >= URING_NAME - 1) {
		tag |= RECORD_STRING_CUT;
		scratch->record.flags |= RECORD_CUT_ARGS;
	}
	bpf_probe_read_kernel(string->text, len, from);
	string_take(scratch, string, tag, len);
}

static __always_inline void add_asked_name(struct scratch *scratch, const struct asked *asked, struct task_struct *task,
					   const struct plan *plan, int which)
{
	bool text = (plan->flags & PLAN_TARGET_TEXT) && which == 0;

	if (plan->name_arg[which] == 0)
		return;
	add_own(scratch, asked->name[which], asked->name_len[which], URING_NAME,
		which == 0 ? RECORD_STRING_NAME : RECORD_STRING_NAME2);
	if (!text && asked->name[which][0] != '/')
		add_directory(scratch, task, plan->dir_arg[which], which == 0 ? RECORD_STRING_DIR : RECORD_STRING_DIR2);
}

/* 0: nobody wants it. */
static __always_inline __u16 asked_socket_kind(struct record *record, const struct asked *asked,
					       const struct plan *plan, struct file *file)
{
	__u16 family = 0;
	bool is_socket = file != NULL && (READ2(file, f_inode, i_mode) & S_IFMT) == S_IFSOCK;
	struct socket *socket;

	if (is_socket) {
		socket = BPF_CORE_READ(file, private_data);
		family = BPF_CORE_READ(socket, sk, __sk_common.skc_family);
	}
	if (plan->flags & PLAN_NEEDS_ADDRESS) {
		if (asked->address_len == 0) {
			record->flags |= RECORD_SAME_PEER;
			return bare_kind(record, plan_socket_kind(is_socket, family, 1, record->ret < 0));
		}
		if (is_socket && peer_is_same(asked->address, READ2(file, f_inode, i_ino), record->ret < 0))
			record->flags |= RECORD_SAME_PEER;
	}
	return plan_socket_kind(is_socket, family, (record->flags & RECORD_SAME_PEER) != 0, record->ret < 0);
}

/* The same question as of an open by its call. Without a descriptor it passes. */
static __always_inline bool asked_open_is_wanted(struct scratch *scratch, struct task_struct *task,
						 const struct asked *asked, const struct plan *plan,
						 struct file *file)
{
	__u16 kind;

	if (!open_kind_is_wanted(&scratch->record, plan, &kind))
		return false;
	take_given(scratch, bpf_probe_read_kernel_str(scratch->prefix.path, PLAN_PREFIX_MAX, asked->name[0]));
	return file == NULL || open_passes(scratch, task, plan, file, kind, false);
}

static __always_inline plan_bits asked_name_found(struct scratch *scratch, struct task_struct *task,
						  const struct asked *asked, const struct plan *plan, int which,
						  plan_bits kinds)
{
	bool text = (plan->flags & PLAN_TARGET_TEXT) && which == 0;

	if (plan->name_arg[which] == 0)
		return 0;
	take_given(scratch, bpf_probe_read_kernel_str(scratch->prefix.path, PLAN_PREFIX_MAX, asked->name[which]));
	if (scratch->given.len == 0)
		return kinds;
	scratch->from = text ? 0 : (__u64)directory_of(&scratch->record, task, plan->dir_arg[which]);
	return look_at_name(scratch, kinds, text);
}

static __always_inline bool asked_is_wanted(struct scratch *scratch, struct task_struct *task, const struct asked *asked,
					    const struct plan *plan, struct file *file)
{
	__u16 kind = plan->class == RECORD_CLASS_NET ? asked_socket_kind(&scratch->record, asked, plan, file)
						     : plan_other_kind(plan->flags, scratch->record.ret);
	plan_bits bits = bits_asked(scratch, kind, PLAN_BIT_OF_GROUP(plan->group & 15)), found;

	if (bits == 0 || bits == PLAN_BITS_ALL)
		return bits != 0;
	found = process_found(scratch, task, bits);
	if (plan->class == RECORD_CLASS_NET)
		found |= ends_found(file, (const struct given_end *)asked->address, bits);
	else
		found |= asked_name_found(scratch, task, asked, plan, 0, bits) |
			 asked_name_found(scratch, task, asked, plan, 1, bits);
	return bits_suffice(scratch, bits, found) || passes_as_followed(scratch, bits);
}

/* As at the end of the call. `object`: the struct file that the operation was on. False: filtered. */
__noinline int take_asked(struct scratch *scratch, struct asked *asked, __u64 object)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = (struct file *)object;
	const struct plan *plan;
	struct record *record;

	scratch = scratch_again(scratch);
	if (scratch == NULL || asked == NULL)
		return false;
	record = &scratch->record;
	plan = &plans[record->nr & (PLAN_CALLS - 1)];
	if (plan->flags & PLAN_RETURNS_FD)
		file = record->ret < 0 || asked->direct || (record->flags & RECORD_NO_RESULT)
			       ? NULL
			       : file_of(task, (__s32)record->ret);
	if ((plan->flags & PLAN_OPEN) ? !asked_open_is_wanted(scratch, task, asked, plan, file)
				      : !asked_is_wanted(scratch, task, asked, plan, file))
		return false;
	fill_head(record, task, RECORD_CALL, plan->class);
	if (file != NULL) {
		fill_object(scratch, file, (plan->flags & PLAN_RETURNS_FD) ? (__s32)record->ret : (__s32)record->args[0]);
		if ((plan->flags & PLAN_OPEN) && (READ(file, f_mode) & FMODE_CREATED))
			record->flags |= RECORD_CREATED;
		if (plan->flags & PLAN_OPEN)
			add_walked(scratch, RECORD_STRING_PATH);
		else if (object_has_path(record))
			add_path(scratch, &file->f_path, RECORD_STRING_PATH);
	}
	add_asked_name(scratch, asked, task, plan, 0);
	add_asked_name(scratch, asked, task, plan, 1);
	add_own(scratch, asked->address, asked->address_len, URING_ADDRESS, RECORD_STRING_ADDRESS);
	return true;
}

static __always_inline int tell_asked(struct asked *asked, struct file *file, __s32 result, __u32 flags)
{
	struct scratch *scratch = scratch_of(SLOT_URING);
	struct plan_counters *counters = counters_of(SLOT_URING, plans[asked->nr & (PLAN_CALLS - 1)].class);

	if (scratch == NULL || counters == NULL)
		return 0;
	counters->seen++;
	if (uring_was_denied(result)) {
		counters->filtered++;
		return 0;
	}
	scratch->record.nr = asked->nr;
	scratch->record.ret = result;
	scratch->record.flags = RECORD_URING | flags;
	__builtin_memcpy(scratch->record.args, asked->args, sizeof(asked->args));
	scratch->place_unknown = false;
	scratch->only_followed = false;
	if (!take_asked(scratch, asked, (__u64)file)) {
		counters->filtered++;
		return 0;
	}
	if (scratch->place_unknown)
		add_own_cgroup(scratch);
	emit(scratch, counters);
	return 0;
}

static __always_inline struct mark mark_of(struct io_kiocb *req)
{
	return (struct mark){ (__u64)BPF_CORE_READ(req, ctx), BPF_CORE_READ(req, cqe.user_data) };
}

/* Both entries, or none. */
static __always_inline bool remember_asked(const struct asked *asked, struct io_kiocb *req)
{
	struct mark mark = mark_of(req);
	__u64 key = (__u64)req;

	if (bpf_map_update_elem(&uring_marks, &mark, &key, BPF_ANY) != 0)
		return false;
	if (bpf_map_update_elem(&uring_asked, &key, asked, BPF_ANY) == 0)
		return true;
	bpf_map_delete_elem(&uring_marks, &mark);
	return false;
}

static __always_inline int end_asked(struct mark *mark, __u64 key, __s32 result)
{
	struct asked *asked = bpf_map_lookup_elem(&uring_asked, &key);
	struct io_kiocb *req = (void *)key;

	if (asked == NULL)
		return 0;
	tell_asked(asked, BPF_CORE_READ(req, file), result, 0);
	bpf_map_delete_elem(&uring_asked, &key);
	bpf_map_delete_elem(&uring_marks, mark);
	return 0;
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(on_uring_submit, struct io_kiocb *req)
{
	__u32 op = BPF_CORE_READ(req, opcode), zero = 0;
	__u64 flags = BPF_CORE_READ(req, flags);
	struct asked *asked;
	__u16 nr;

	nr = op < PLAN_URING ? uring_calls[op] : PLAN_CALLS;
	if (nr >= PLAN_CALLS || !(wanted[nr / 64] & (1ULL << (nr % 64))) ||
	    (__u32)bpf_get_current_task_btf()->tgid == own_tgid)
		return 0;
	asked = bpf_map_lookup_elem(&uring_asking, &zero);
	if (asked == NULL)
		return 0;
	asked->nr = nr;
	asked_fill(asked, req, (__u8)op);
	if (!(flags & REQ_F_CQE_SKIP) && remember_asked(asked, req))
		return 0;
	return tell_asked(asked, NULL, 0, RECORD_NO_RESULT);
}

SEC("tp_btf/io_uring_complete")
int BPF_PROG(on_uring_complete, void *ring, __u64 key, __u64 what)
{
	struct io_uring_cqe *cqe = (void *)what;
	struct mark mark;

	if (bpf_map_lookup_elem(&uring_asked, &key) == NULL)
		return 0;
	mark = mark_of((struct io_kiocb *)key);
	/* Before 6.15 the third argument is the asker's name for it, and the fourth the result. */
	return end_asked(&mark, key, uring_has_cqe ? BPF_CORE_READ(cqe, res) : (__s32)ctx[3]);
}

SEC("tp_btf/io_uring_cqe_overflow")
int BPF_PROG(on_uring_overflow, void *ring, __u64 user_data, __s32 result)
{
	struct mark mark = { (__u64)ring, user_data };
	__u64 *key = bpf_map_lookup_elem(&uring_marks, &mark);

	return key == NULL ? 0 : end_asked(&mark, *key, result);
}

#endif
