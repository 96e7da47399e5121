/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* The eBPF probe: one program at the end of every system call, three at a process's exec, fork and
 * exit. Nothing is decided here but what is cheap to decide: is the call wanted, is a reading open
 * below a watched path. Facts come from kernel objects, not from user memory, wherever there is
 * one. */
#include "arch.bpf.h"
#include "fill.bpf.h"
#include "refuse.bpf.h"
#include "denied.bpf.h"
#include "given.bpf.h"
#include "place.bpf.h"
#include "lineage.bpf.h"
#include "kill.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define O_ACCMODE 00000003
#define O_CREAT	  00000100
#define O_TRUNC	  00001000
#define O_PATH	  010000000

#define FMODE_CREATED 0x100000

struct open_how_head {
	__u64 flags, mode, resolve;
};

/* What was called and what came of it, before it is known whether anybody wants it. */
static __always_inline void begin_call(struct record *record, struct pt_regs *regs, __u32 nr,
				       long ret, bool compat)
{
	record->nr = (__u16)nr;
	record->ret = compat ? (__s32)ret : ret;
	record->flags = compat ? RECORD_COMPAT : 0;
	if (compat)
		compat_arguments(record->args, regs);
	else
		call_arguments(record->args, regs, false);
}

/* An argument by its place in the plan, from 1. */
static __always_inline __u64 arg(const struct record *record, __u8 place)
{
	__u32 index = (__u32)place - 1;

	return index < 6 ? record->args[index] : 0;
}

/* Where a relative name starts from. */
static __always_inline struct path *directory_of(const struct record *record, struct task_struct *task, __u8 dir_arg)
{
	struct file *file;
	struct fs_struct *fs;

	if (dir_arg != 0 && (__s32)arg(record, dir_arg) >= 0) {
		file = file_of(task, (__s32)arg(record, dir_arg));
		return file == NULL ? NULL : &file->f_path;
	}
	fs = READ(task, fs);
	return fs == NULL ? NULL : &fs->pwd;
}

static __always_inline void add_directory(struct scratch *scratch, struct task_struct *task,
					  __u8 dir_arg, __u16 tag)
{
	struct path *path = directory_of(&scratch->record, task, dir_arg);

	if (path != NULL)
		add_path(scratch, path, tag);
}

static __always_inline bool has_name(const struct record *record, const struct plan *plan)
{
	return !(plan->flags & PLAN_NAME_OF_THREAD) || record->args[0] == PLAN_PR_SET_NAME ||
	       record->args[0] == PLAN_PR_GET_NAME;
}

/* A name argument, and for a relative path where it starts from. */
static __always_inline void add_name(struct scratch *scratch, struct task_struct *task,
				     const struct plan *plan, int which, __u16 tag, __u16 dir_tag)
{
	__u8 place = plan->name_arg[which], dir = plan->dir_arg[which];
	bool text = (plan->flags & PLAN_TEXT) || ((plan->flags & PLAN_TARGET_TEXT) && which == 0);
	__u64 address;
	char first = 0;

	if (place == 0) /* open_by_handle_at has none */
		return;
	address = arg(&scratch->record, place);
	if (address == 0 || !has_name(&scratch->record, plan))
		return;
	add_user_text(scratch, address, tag);
	if (text)
		return;
	bpf_probe_read_user(&first, 1, (void *)address);
	if (first != '/')
		add_directory(scratch, task, dir, dir_tag);
}

#define MESSAGES_MAX 1024 /* of one call, as the kernel has it */
#define MESSAGES_OLD 8	  /* before 5.17 */
#define ADDRESS_MAX 128 /* bytes of a struct sockaddr_storage */

/* A struct msghdr begins so, and a struct mmsghdr with one. */
struct message {
	__u64 name;
	__u32 len;
};

/* Where the address argument is; of a message its msg_name, of which the kernel takes what an address can be long. */
static __always_inline struct message message_of(const struct record *record, const struct plan *plan)
{
	struct message message = { 0 };
	__u32 words[2] = { 0 };

	if (!(plan->flags & PLAN_MESSAGE)) {
		message.name = arg(record, plan->address_arg);
		message.len = (__u32)arg(record, plan->address_len_arg);
		if (plan->flags & PLAN_LENGTH_AT)
			bpf_probe_read_user(&message.len, sizeof(message.len),
					    (void *)arg(record, plan->address_len_arg));
		return message;
	}
	if (record->flags & RECORD_COMPAT) {
		bpf_probe_read_user(words, sizeof(words), (void *)arg(record, plan->address_arg));
		message.name = words[0];
		message.len = words[1];
	} else {
		bpf_probe_read_user(&message, sizeof(message), (void *)arg(record, plan->address_arg));
	}
	if (message.len > ADDRESS_MAX)
		message.len = ADDRESS_MAX;
	return message;
}

/* The socket address argument. */
static __always_inline void add_address(struct scratch *scratch, const struct plan *plan)
{
	struct message message;

	message = message_of(&scratch->record, plan);
	if (message.name != 0 && message.len <= ADDRESS_MAX)
		add_user_bytes(scratch, message.name, message.len, RECORD_STRING_ADDRESS);
}

static __always_inline plan_bits comm_found(struct scratch *scratch, struct task_struct *task, plan_bits kinds)
{
	struct task_struct *leader = task->group_leader;
	const struct plan_comm_kinds *found;

	if (!(comm_kinds & kinds))
		return 0;
	read_16(scratch->comm.text, &leader->comm);
	found = kinds_of_comm(&scratch->comm);
	return found != NULL ? found->own & kinds : 0;
}

/* What the process's name lets pass, or what it descends from. */
static __always_inline plan_bits process_found(struct scratch *scratch, struct task_struct *task, plan_bits kinds)
{
	plan_bits found = comm_found(scratch, task, kinds);

	return ((parent_kinds | ancestor_kinds) & kinds & ~found) ? found | lineage_found(scratch, kinds) : found;
}

/* Puts flags and mode where other opens have them: args[4] and args[5]. */
static __always_inline void read_open_flags(struct record *record, const struct plan *plan)
{
	struct open_how_head how = { 0 };

	if (plan->flags & PLAN_OPEN_HOW) {
		bpf_probe_read_user(&how, sizeof(how), (void *)record->args[2]);
		record->args[3] = how.resolve;
	} else {
		how.flags =
			plan->open_arg == 0 ? (O_CREAT | O_TRUNC | 1) : arg(record, plan->open_arg);
		how.mode = arg(record, plan->mode_arg);
	}
	record->args[4] = (__u32)how.flags;
	record->args[5] = (__u32)how.mode;
}

/* Whether the name is of a link to the file whose path was walked, or through one. */
static __always_inline bool is_linked(struct scratch *scratch, struct task_struct *task, const struct plan *plan)
{
	bool from_root = scratch->prefix.path[0] == '/';

	return !given_is_path(scratch, from_root ? NULL : directory_of(&scratch->record, task, plan->dir_arg[0]));
}

/* False when nobody wants an open of this kind, or at this path, or by the name in scratch->given. The path is
 * walked when there is a file. `at_end`: the program is the one at the end of calls. */
static __always_inline bool open_is_wanted(struct scratch *scratch, struct task_struct *task, const struct plan *plan,
					   struct file *file, __u16 kind, bool at_end)
{
	__u32 version = *(volatile __u32 *)&tables_version;
	plan_bits asked = bits_asked(scratch, kind, kind), found;
	bool passes;

	scratch->linked = false;
	if (asked == 0)
		return false;
	found = asked == PLAN_BITS_ALL ? 0 : process_found(scratch, task, asked);
	passes = asked == PLAN_BITS_ALL || bits_suffice(scratch, asked, found);
	if (file == NULL) /* a descriptor that is closed already: what it was of nobody knows */
		return passes || scratch->record.ret >= 0 ||
		       bits_suffice(scratch, asked, found | given_found(scratch, asked, true));
	if (!passes && !((prefix_kinds | name_kinds | dots_kinds) & asked))
		return false;
	if (at_end && has_loop) { /* without a call */
		scratch->walked = walked_for(asked);
		walk_on(scratch, task, &file->f_path, WALK_AT_ONCE);
	} else {
		walk_path(scratch, &file->f_path, asked);
	}
	scratch->linked = is_linked(scratch, task, plan);
	if (passes)
		return true;
	found |= at_end ? open_path_found(scratch, asked, version) : walk_found(scratch);
	if (found != 0 && bits_suffice(scratch, asked, found))
		return true;
	if (!bits_suffice(scratch, asked, found | given_found(scratch, asked, scratch->linked)))
		return false;
	walk_path(scratch, &file->f_path, 0);
	return true;
}

/* The same, or its process is followed. */
static __always_inline bool open_passes(struct scratch *scratch, struct task_struct *task, const struct plan *plan,
					struct file *file, __u16 kind, bool at_end)
{
	if (open_is_wanted(scratch, task, plan, file, kind, at_end))
		return true;
	if (follow_kinds == 0 || !passes_as_followed(scratch, bits_asked(scratch, kind, kind)))
		return false;
	if (file == NULL)
		return true;
	walk_path(scratch, &file->f_path, 0);
	scratch->linked = is_linked(scratch, task, plan);
	return true;
}

/* False: no rule can match an open of this kind. An O_PATH descriptor gives no access to what is in the
 * file. */
static __always_inline bool open_kind_is_wanted(const struct record *record, const struct plan *plan,
						__u16 *ret_kind)
{
	__u64 flags = record->args[4];

	*ret_kind = plan_open_kind(plan->open_arg == 0, flags, record->args[5], record->ret < 0);
	if (!(interests[record->nr & (PLAN_CALLS - 1)].can & *ret_kind))
		return false;
	return !(flags & O_PATH) || (flags & O_ACCMODE) != 0;
}

/* Of an open that is wanted, by what the decision left behind. */
static __always_inline void fill_open(struct scratch *scratch, const struct plan *plan)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = (struct file *)scratch->file;
	struct record *record = &scratch->record;

	fill_head(record, task, RECORD_CALL, plan->class);
	if (file == NULL) {
		add_name(scratch, task, plan, 0, RECORD_STRING_NAME, RECORD_STRING_DIR);
		return;
	}
	fill_object(scratch, file, (__s32)record->ret);
	if (READ(file, f_mode) & FMODE_CREATED)
		record->flags |= RECORD_CREATED;
	add_walked(scratch, RECORD_STRING_PATH);
	if (plan->name_arg[0] != 0)
		add_given(scratch, arg(record, plan->name_arg[0]));
	if (scratch->linked && scratch->prefix.path[0] != '/')
		add_directory(scratch, task, plan->dir_arg[0], RECORD_STRING_DIR);
}

/* False: filtered, as most are, and then without a call that can be done without. Functions of their own, which the
 * verifier looks at once. */
__noinline int take_open(struct scratch *scratch)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = NULL;
	const struct plan *plan;
	struct record *record;
	__u16 kind;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return false;
	record = &scratch->record;
	plan = &plans[record->nr & (PLAN_CALLS - 1)];
	read_open_flags(record, plan);
	if (!open_kind_is_wanted(record, plan, &kind))
		return false;
	scratch->kind = kind;
	if (record->ret >= 0)
		file = file_of(task, (__s32)record->ret);
	scratch->file = (__u64)file;
	read_given(scratch, arg(record, plan->name_arg[0]));
	return open_passes(scratch, task, plan, file, kind, true);
}

/* Cheap reasons to take no record. */
static __always_inline bool call_is_filtered(const struct record *record, const struct plan *plan)
{
	const struct plan_interest *of = &interests[record->nr & (PLAN_CALLS - 1)];

	if ((plan->flags & PLAN_SUCCESS_ONLY) && record->ret < 0)
		return true;
	return (plan->flags & PLAN_NEEDS_ADDRESS) && of->bare == 0 && arg(record, plan->address_arg) == 0;
}

static __always_inline __s32 object_fd(const struct record *record, const struct plan *plan)
{
	if (plan->flags & PLAN_RETURNS_FD)
		return (__s32)record->ret;
	return plan->object_arg != 0 ? (__s32)arg(record, plan->object_arg) : -1;
}

/* Whether the message's other end is that of the socket's last one; this one is kept in its place, unless nothing came
 * of it: else a message that cannot be sent would hide the one that follows. */
static __always_inline bool peer_is_same(const void *address, __u64 socket, bool failed)
{
	__u64 words[3] = { 0 }, hash = 0, *last;

	__builtin_memcpy(words, address, sizeof(words));
	/* Family, port, address: of IPv4 the first eight bytes, of IPv6 all but the scope. */
	if ((__u16)words[0] != AF_INET6)
		words[1] = words[2] = 0;
	for (int i = 0; i < 3; i++)
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
	last = bpf_map_lookup_elem(&peers, &socket);
	if (last != NULL && *last == hash)
		return true;
	if (!failed)
		bpf_map_update_elem(&peers, &socket, &hash, BPF_ANY);
	return false;
}

/* Of a message without an address; 0: no rule asks for one. */
static __always_inline __u16 bare_kind(const struct record *record, __u16 kind)
{
	return interests[record->nr & (PLAN_CALLS - 1)].bare & kind;
}

/* 0: nobody wants it. */
static __always_inline __u16 socket_kind(struct record *record, struct task_struct *task, const struct plan *plan)
{
	__u16 family = 0;
	__s32 fd = object_fd(record, plan);
	struct file *file = fd < 0 ? NULL : file_of(task, fd);
	struct socket *socket;
	bool is_socket = false;

	if (file != NULL && (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFSOCK) {
		socket = BPF_CORE_READ(file, private_data);
		family = BPF_CORE_READ(socket, sk, __sk_common.skc_family);
		is_socket = true;
	}
	if (plan->flags & PLAN_NEEDS_ADDRESS) {
		const struct message message = message_of(record, plan);
		__u64 address[3] = { 0 };

		if (message.name == 0 || message.len == 0) { /* of a connection, known from its begin */
			record->flags |= RECORD_SAME_PEER;
			return bare_kind(record, plan_socket_kind(is_socket, family, 1, record->ret < 0));
		}
		if (bpf_probe_read_user(address, 8, (void *)message.name) == 0 && (__u16)address[0] == AF_INET6)
			bpf_probe_read_user(&address[1], 16, (void *)(message.name + 8));
		if (is_socket && peer_is_same(address, BPF_CORE_READ(file, f_inode, i_ino), record->ret < 0))
			record->flags |= RECORD_SAME_PEER;
	}
	return plan_socket_kind(is_socket, family, (record->flags & RECORD_SAME_PEER) != 0, record->ret < 0);
}

/* What one of the call's names lets pass. One that is not there is shown as "<NA>". */
static __always_inline plan_bits name_found(struct scratch *scratch, struct task_struct *task,
					    const struct plan *plan, int which, plan_bits kinds)
{
	bool text = (plan->flags & PLAN_TEXT) || ((plan->flags & PLAN_TARGET_TEXT) && which == 0);
	__u8 place = plan->name_arg[which];
	__u64 address = arg(&scratch->record, place);

	if (place == 0)
		return 0;
	if (address == 0 || !has_name(&scratch->record, plan)) {
		give_none(scratch);
		return look_at_name(scratch, kinds, true);
	}
	if (text)
		take_given(scratch, bpf_probe_read_user_str(scratch->prefix.path, PLAN_PREFIX_MAX, (void *)address));
	else
		read_given(scratch, address);
	if (scratch->given.len == 0) /* it cannot be read, or stands for what it starts from */
		return kinds;
	scratch->from = text ? 0 : (__u64)directory_of(&scratch->record, task, plan->dir_arg[which]);
	return look_at_name(scratch, kinds, text);
}

/* What the path of the object lets pass. Of what is neither a file nor a directory it is no name. */
__noinline plan_bits object_found(struct scratch *scratch, plan_bits kinds)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct inode *inode;
	struct file *file;
	__u32 type;
	__s32 fd;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return kinds;
	fd = object_fd(&scratch->record, &plans[scratch->record.nr & (PLAN_CALLS - 1)]);
	file = fd < 0 ? NULL : file_of(task, fd);
	if (file == NULL)
		return 0;
	inode = READ(file, f_inode);
	type = READ(inode, i_mode) & S_IFMT;
	if (type == S_IFIFO)
		return 0;
	if (type == S_IFSOCK || (READ2(inode, i_sb, s_flags) & SB_NOUSER))
		return kinds;
	walk_path(scratch, &file->f_path, kinds);
	return walk_found(scratch);
}

/* A function of its own, which the verifier looks at once. */
__noinline plan_bits names_found(struct scratch *scratch, plan_bits kinds)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct plan *plan;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return kinds;
	plan = &plans[scratch->record.nr & (PLAN_CALLS - 1)];
	return name_found(scratch, task, plan, 0, kinds) | name_found(scratch, task, plan, 1, kinds);
}

/* A struct sockaddr of the internet. */
struct given_end {
	__u16 family, port;
	__u32 v4; /* of IPv6 the flow */
	__u8 v6[16];
};

static __always_inline plan_bits network_found(const struct plan_far *key)
{
	plan_bits *bits = bpf_map_lookup_elem(&watched_addresses, key);

	return bits != NULL ? *bits : 0;
}

/* IPv4 is mapped into IPv6. */
static __always_inline plan_bits v4_found(__u32 address)
{
	struct plan_far key = { .bits = 128 };

	key.address[10] = key.address[11] = 0xff;
	__builtin_memcpy(&key.address[12], &address, sizeof(address));
	return network_found(&key);
}

static __always_inline plan_bits v6_found(const void *address)
{
	struct plan_far key = { .bits = 128 };

	bpf_probe_read_kernel(key.address, sizeof(key.address), address);
	return network_found(&key);
}

/* For messages the kernel takes an IPv4 address without a family, too. */
static __always_inline plan_bits given_address_found(const struct given_end *given)
{
	if (given->family == AF_INET6)
		return v6_found(given->v6);
	return given->family == AF_INET || (given->family == AF_UNSPEC && given->v4 != 0) ? v4_found(given->v4) : 0;
}

/* What the addresses of both ends let pass, and the one that the call was given. */
static __always_inline plan_bits addresses_found(struct sock *sk, __u16 family, const struct given_end *given)
{
	plan_bits found = given_address_found(given);

	if (family == AF_INET)
		return found | v4_found(READ(sk, __sk_common.skc_rcv_saddr)) | v4_found(READ(sk, __sk_common.skc_daddr));
	return found | v6_found(&sk->__sk_common.skc_v6_rcv_saddr) | v6_found(&sk->__sk_common.skc_v6_daddr);
}

/* What the ports and addresses of a socket's ends let pass, and those of an address that the call was given. */
static __always_inline plan_bits ends_found(struct file *file, const struct given_end *given, plan_bits kinds)
{
	__u16 ports[3] = { 0 }, family;
	plan_bits found = 0, *bits;
	struct socket *socket;
	struct sock *sk;

	if (file == NULL || !((port_kinds | address_kinds) & kinds) ||
	    (READ2(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = READ(file, private_data);
	sk = READ(socket, sk);
	family = READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	ports[0] = __builtin_bswap16(READ(sk, __sk_common.skc_num));
	ports[1] = READ(sk, __sk_common.skc_dport);
	ports[2] = given->port;
	if (address_kinds & kinds)
		found |= addresses_found(sk, family, given);
	for (int i = 0; (port_kinds & kinds) && i < 3; i++) {
		bits = bpf_map_lookup_elem(&watched_ports, &ports[i]);
		found |= bits != NULL ? *bits : 0;
	}
	return found & kinds;
}

__noinline plan_bits socket_found(struct scratch *scratch, plan_bits kinds)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct plan *plan;
	struct message message;
	struct given_end given = { 0 };
	__s32 fd;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return kinds;
	plan = &plans[scratch->record.nr & (PLAN_CALLS - 1)];
	if (plan->address_arg != 0) {
		message = message_of(&scratch->record, plan);
		bpf_probe_read_user(&given, __builtin_offsetof(struct given_end, v6), (void *)message.name);
		if (given.family == AF_INET6)
			bpf_probe_read_user(given.v6, sizeof(given.v6), (void *)(message.name + __builtin_offsetof(struct given_end, v6)));
	}
	fd = object_fd(&scratch->record, plan);
	return ends_found(fd < 0 ? NULL : file_of(task, fd), &given, kinds);
}

/* The table of processes has their names from it. */
static __always_inline bool names_its_process(const struct record *record, struct task_struct *task,
					      const struct plan *plan)
{
	return (plan->flags & PLAN_NAME_OF_THREAD) && record->args[0] == PLAN_PR_SET_NAME && task->pid == task->tgid;
}

/* Whether a rule can match a call of this kind, with these names, of this process. */
static __always_inline bool call_is_wanted(struct scratch *scratch, struct task_struct *task, const struct plan *plan,
					   __u16 kind)
{
	plan_bits asked = bits_asked(scratch, kind, PLAN_BIT_OF_GROUP(plan->group & 15)), found;

	if (asked == 0 || asked == PLAN_BITS_ALL || names_its_process(&scratch->record, task, plan))
		return asked != 0;
	found = process_found(scratch, task, asked);
	if (plan->class == RECORD_CLASS_NET)
		found |= ((port_kinds | address_kinds) & asked) ? socket_found(scratch, asked) : 0;
	else if ((prefix_kinds | name_kinds) & asked)
		found |= names_found(scratch, asked) | object_found(scratch, asked);
	return bits_suffice(scratch, asked, found) || passes_as_followed(scratch, asked);
}

/* What is read or written: of many buffers the first, as they follow each other. */
struct vector {
	__u64 address, len;
};

#define VECTORS_MAX 1024 /* as the kernel has it */
#define VECTORS_OLD 8	 /* before 5.17 */

static __always_inline struct vector vector_at(const struct record *record, __u64 at, __u32 i)
{
	struct vector vector = { 0 };
	__u32 words[2] = { 0 };

	if (record->flags & RECORD_COMPAT) {
		bpf_probe_read_user(words, sizeof(words), (void *)(at + i * sizeof(words)));
		vector.address = words[0];
		vector.len = words[1];
	} else {
		bpf_probe_read_user(&vector, sizeof(vector), (void *)(at + i * sizeof(vector)));
	}
	return vector;
}

/* Where the vector of a message is, and how many it has. */
static __always_inline struct vector vectors_of(const struct record *record, const struct plan *plan)
{
	struct vector vectors = { arg(record, plan->data_arg), arg(record, plan->data_len) };

	if (!(plan->flags & PLAN_MESSAGE))
		return vectors;
	return vector_at(record, vectors.address + ((record->flags & RECORD_COMPAT) ? 8 : 16), 0);
}

static __always_inline bool is_of_messages(const struct record *record)
{
	return record->nr == NR_SENDMMSG || record->nr == NR_RECVMMSG;
}

/* Of sendmmsg(2) and recvmmsg(2): a message's length is behind it. */
static __always_inline __u64 data_length(const struct record *record, const struct plan *plan)
{
	__u32 len = 0;

	if (!is_of_messages(record))
		return (__u64)record->ret;
	bpf_probe_read_user(&len, sizeof(len),
			    (void *)(arg(record, plan->data_arg) + ((record->flags & RECORD_COMPAT) ? 28 : 56)));
	return len;
}

struct gather {
	struct scratch *scratch;
	struct record_string *string;
	__u64 from;
	__u32 off, len;
};

static long gather_step(__u32 i, struct gather *gather)
{
	struct vector one = vector_at(&gather->scratch->record, gather->from, i);
	__u32 rest = gather->len - gather->off;

	if (one.len > rest)
		one.len = rest;
	if (one.len > 0 && bpf_probe_read_user(gather->string->text + masked(gather->off, PLAN_DATA_ROOM - 1),
					       masked((__u32)one.len, PLAN_DATA_ROOM - 1), (void *)one.address) != 0)
		return 1;
	gather->off += (__u32)one.len;
	return gather->off >= gather->len;
}

__noinline int add_data(struct scratch *scratch)
{
	struct gather gather = { .scratch = scratch };
	const struct plan *plan;
	struct vector vectors;
	__u64 len;

	if (scratch == NULL || scratch->record.ret <= 0)
		return 0;
	plan = &plans[scratch->record.nr & (PLAN_CALLS - 1)];
	len = data_length(&scratch->record, plan);
	gather.len = len > PLAN_DATA_MAX ? PLAN_DATA_MAX : (__u32)len;
	if (plan->flags & PLAN_DATA_BUFFER) {
		add_user_bytes(scratch, arg(&scratch->record, plan->data_arg), gather.len, RECORD_STRING_DATA);
		return 0;
	}
	gather.string = string_room(scratch);
	if (gather.string == NULL)
		return 0;
	vectors = vectors_of(&scratch->record, plan);
	gather.from = vectors.address;
	LOOP(vectors.len > VECTORS_MAX ? VECTORS_MAX : (__u32)vectors.len, VECTORS_OLD, gather_step, &gather);
	string_take(scratch, gather.string, RECORD_STRING_DATA, masked(gather.off, PLAN_DATA_ROOM - 1));
	return 0;
}

static __always_inline void take_object(struct scratch *scratch, struct task_struct *task,
					const struct plan *plan)
{
	struct record *record = &scratch->record;
	__s32 fd = object_fd(record, plan);
	struct file *file = fd < 0 ? NULL : file_of(task, fd);

	if (file == NULL)
		return;
	fill_object(scratch, file, fd);
	if (object_has_path(record))
		add_path(scratch, &file->f_path, RECORD_STRING_PATH);
}

__noinline int take_call(struct scratch *scratch)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct plan *plan;
	struct fs_struct *fs;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return false;
	plan = &plans[scratch->record.nr & (PLAN_CALLS - 1)];
	if ((__u32)task->tgid != own_tgid && !(scratch->record.flags & (RECORD_REFUSED | RECORD_KILLED))) {
		if (call_is_filtered(&scratch->record, plan))
			return false;
		scratch->kind = plan->class == RECORD_CLASS_NET ? socket_kind(&scratch->record, task, plan)
								: plan_other_kind(plan->flags, scratch->record.ret);
		if (!call_is_wanted(scratch, task, plan, scratch->kind))
			return false;
	}
	fill_head(&scratch->record, task, RECORD_CALL, plan->class);
	take_object(scratch, task, plan);
	add_name(scratch, task, plan, 0, RECORD_STRING_NAME, RECORD_STRING_DIR);
	add_name(scratch, task, plan, 1, RECORD_STRING_NAME2, RECORD_STRING_DIR2);
	if (plan->address_arg != 0)
		add_address(scratch, plan);
	if (plan->text_arg != 0 && arg(&scratch->record, plan->text_arg) != 0)
		add_user_text(scratch, arg(&scratch->record, plan->text_arg), RECORD_STRING_TEXT);
	if ((plan->flags & (PLAN_DATA_BUFFER | PLAN_DATA_VECTOR)) != 0) {
		if (interests[scratch->record.nr & (PLAN_CALLS - 1)].data)
			add_data(scratch);
	} else if (plan->data_arg != 0 && scratch->record.ret >= 0)
		add_user_bytes(scratch, arg(&scratch->record, plan->data_arg), plan->data_len,
			       RECORD_STRING_DATA);
	if (plan->flags & PLAN_CWD) {
		fs = READ(task, fs);
		if (fs != NULL)
			add_path(scratch, &fs->pwd, RECORD_STRING_CWD);
	}
	return true;
}

/* What was begun in scratch is one call, or one message of many. */
static __always_inline void begin_one(struct scratch *scratch, struct plan_counters *counters)
{
	counters->seen++;
	scratch->place_unknown = false;
	scratch->kind = 0;
	scratch->only_followed = false;
}

/* Hands over a record that is complete. */
static __always_inline void tell_one(struct scratch *scratch, struct plan_counters *counters, __u32 killed)
{
	if (killed == 0)
		killed = kill_at_end(scratch);
	if (scratch->place_unknown)
		add_own_cgroup(scratch);
	if (!emit(scratch, counters) && killed != 0)
		kills.untold++;
	if (killed == RECORD_KILLED)
		bpf_send_signal(SIGKILL);
}

static __always_inline void end_one(struct scratch *scratch, struct plan_counters *counters, __u32 killed)
{
	begin_one(scratch, counters);
	if (take_call(scratch))
		tell_one(scratch, counters, killed);
	else
		counters->filtered++;
}

__noinline int tell_open(struct scratch *scratch, __u32 killed)
{
	struct plan_counters *counters;
	const struct plan *plan;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return 0;
	plan = &plans[scratch->record.nr & (PLAN_CALLS - 1)];
	counters = counters_of(SLOT_CALL, plan->class);
	fill_open(scratch, plan);
	if (counters != NULL)
		tell_one(scratch, counters, killed);
	return 0;
}

static __always_inline void end_open(struct scratch *scratch, struct plan_counters *counters, __u32 killed)
{
	begin_one(scratch, counters);
	if (take_open(scratch))
		tell_open(scratch, killed);
	else
		counters->filtered++;
}

/* Whatever it needs is in scratch: there is no room on the stack for what is below a call of many messages. */
static long message_step(__u32 i, void *unused)
{
	struct plan_counters *counters = counters_of(SLOT_CALL, RECORD_CLASS_NET);
	struct scratch *scratch = scratch_of(SLOT_CALL);

	if (scratch == NULL || counters == NULL)
		return 1;
	scratch->record.args[1] += scratch->message_bytes;
	scratch->record.flags = scratch->message_flags;
	end_one(scratch, counters, 0);
	return 0;
}

/* Of sendmmsg(2) and recvmmsg(2) those behind the first: each has an address of its own. */
static __always_inline void end_messages(struct scratch *scratch, bool compat)
{
	__s64 count = scratch->record.ret;

	scratch->message_bytes = compat ? 32 : 64;
	scratch->message_flags = compat ? RECORD_COMPAT : 0;
	if (count > 1)
		LOOP(count > MESSAGES_MAX ? MESSAGES_MAX - 1 : (__u32)count - 1, MESSAGES_OLD, message_step, NULL);
}

static __always_inline int end_call(struct task_struct *task, struct pt_regs *regs, long ret,
				    __u32 nr, bool compat)
{
	struct plan_counters *counters;
	struct scratch *scratch;
	struct plan *plan;
	__u32 killed;

	/* Of the sensor's own calls only the one that it makes to see whether it is seen. */
	if (nr >= PLAN_CALLS || ((__u32)task->tgid == own_tgid && nr != NR_EXECVE))
		return 0;
	plan = &plans[nr];
	if ((plan->flags & PLAN_FAILED_ONLY) && ret >= 0)
		return 0;
	killed = killed_before();
	if (plan->class == RECORD_CLASS_PROCESS && !(plan->flags & PLAN_FAILED_ONLY) && killed == 0)
		return 0; /* a new process is told of by itself, and one that was not to be here */
	counters = counters_of(SLOT_CALL, plan->class);
	scratch = scratch_of(SLOT_CALL);
	if (counters == NULL || scratch == NULL)
		return 0;
	if (was_denied(nr, ret)) {
		counters->seen++;
		counters->filtered++;
		return 0;
	}
	begin_call(&scratch->record, regs, nr, ret, compat);
	scratch->record.flags |= killed;
	if (plan->class == RECORD_CLASS_NET && was_refused())
		scratch->record.flags |= RECORD_REFUSED;
	if (plan->flags & PLAN_OPEN) {
		end_open(scratch, counters, killed);
		return 0;
	}
	end_one(scratch, counters, killed);
	if (is_of_messages(&scratch->record))
		end_messages(scratch, compat);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	__u64 nr = call_number(regs);
	struct task_struct *task;
	bool compat;

	/* Most calls end here, before so much as a call of ours. */
	if (nr >= PLAN_FOREIGN || !(either[nr / 64] & (1ULL << (nr % 64))))
		return 0;
	task = bpf_get_current_task_btf();
	compat = call_is_compat(task);
	if (compat)
		nr = compat_number(regs, nr);
	if (nr >= PLAN_CALLS || !(wanted[nr / 64] & (1ULL << (nr % 64))))
		return 0;
	return end_call(task, regs, ret, (__u32)nr, compat);
}

/* For a record that is not the end of a call. NULL: out of scratch, which cannot be. */
static __always_inline struct scratch *begin_process(__u32 slot,
						     struct plan_counters **ret_counters)
{
	struct scratch *scratch = scratch_of(slot);

	*ret_counters = counters_of(slot, RECORD_CLASS_PROCESS);
	if (scratch == NULL || *ret_counters == NULL)
		return NULL;
	(*ret_counters)->seen++;
	__builtin_memset(&scratch->record, 0, sizeof(scratch->record));
	return scratch;
}

static __always_inline void add_cgroup(struct scratch *scratch, struct task_struct *task)
{
	walk_cgroup(scratch, task);
	add_walked(scratch, RECORD_STRING_CGROUP);
}

static __always_inline __u16 current_call(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u64 nr = call_number(regs);

	if (nr >= PLAN_FOREIGN)
		return PLAN_CALLS;
	return (__u16)(call_is_compat(task) ? compat_number(regs, nr) : nr);
}

/* The registers are the new program's by now, the call number included. But an execveat that named
 * a descriptor left the path that was made up for it. */
static __always_inline __u16 exec_call(struct linux_binprm *binprm)
{
	if (bpf_core_field_exists(binprm->fdpath) && BPF_CORE_READ(binprm, fdpath) != NULL)
		return NR_EXECVEAT;
	return NR_EXECVE;
}

/* Of a standard descriptor of a program that is started: its kind, and a socket's family. */
static __always_inline __u64 standard_kind(struct task_struct *task, __s32 fd)
{
	struct file *file = file_of(task, fd);
	struct socket *socket;
	struct inode *inode;
	__u64 kind;

	if (file == NULL)
		return RECORD_OBJECT_NONE;
	inode = READ(file, f_inode);
	kind = object_kind(inode, READ(inode, i_mode));
	if (kind != RECORD_OBJECT_SOCKET)
		return kind;
	socket = READ(file, private_data);
	return kind | (__u64)BPF_CORE_READ(socket, sk, __sk_common.skc_family) << 8;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *binprm)
{
	struct plan_counters *counters;
	struct scratch *scratch;
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct file *exe, *input;
	bool killed;

	if ((__u32)task->tgid == own_tgid)
		return 0;
	scratch = begin_process(SLOT_EXEC, &counters);
	if (scratch == NULL)
		return 0;
	scratch->record.nr = exec_call(binprm);
	fill_head(&scratch->record, task, RECORD_EXEC, RECORD_CLASS_PROCESS);
	if (BPF_CORE_READ_BITFIELD_PROBED(binprm, secureexec))
		scratch->record.flags |= RECORD_SECURE_EXEC;
	mm = READ(task, mm);
	fs = READ(task, fs);
	exe = READ(mm, exe_file);
	if (exe != NULL)
		fill_exe(scratch, task, exe);
	add_user_bytes(scratch, READ(mm, arg_start),
		       READ(mm, arg_end) - READ(mm, arg_start),
		       RECORD_STRING_ARGS);
	if (fs != NULL)
		add_path(scratch, &fs->pwd, RECORD_STRING_CWD);
	add_cgroup(scratch, task);
	/* A shell whose input is a connection is worth knowing; other inputs are not. */
	input = file_of(task, 0);
	if (input != NULL && (READ2(input, f_inode, i_mode) & S_IFMT) == S_IFSOCK)
		fill_object(scratch, input, 0);
	for (int fd = 0; fd < 3; fd++)
		scratch->record.args[fd] = standard_kind(task, fd);
	if (take_environment)
		add_user_bytes(scratch, READ(mm, env_start),
			       READ(mm, env_end) - READ(mm, env_start),
			       RECORD_STRING_ENV);
	killed = kill_program(scratch);
	if (emit(scratch, counters)) {
		forget_moved(task);
		stray_settle((__u32)task->tgid);
	} else if (killed) {
		kills.untold++;
	}
	if (killed)
		bpf_send_signal(SIGKILL);
	return 0;
}

/* What the new process was to share, and which namespaces are its own. */
static __always_inline __u64 clone_flags(const struct record *record, struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u64 args[6], flags = 0;

	call_arguments(args, regs, false);
	if (record->nr == NR_CLONE)
		return (__u32)args[0];
	if (record->nr == NR_CLONE3)
		bpf_probe_read_user(&flags, sizeof(flags), (void *)args[0]);
	return flags;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct plan_counters *counters;
	struct scratch *scratch;

	if (child->pid != child->tgid)
		return 0; /* a thread */
	scratch = begin_process(SLOT_FORK, &counters);
	if (scratch == NULL)
		return 0;
	scratch->record.nr = current_call(bpf_get_current_task_btf());
	scratch->record.ret = child->tgid;
	fill_head(&scratch->record, child, RECORD_FORK, RECORD_CLASS_PROCESS);
	/* CLONE_PARENT gives the child its parent's parent; the image is still this parent's. */
	scratch->record.args[0] = (__u32)parent->tgid;
	scratch->record.args[1] = parent->group_leader->start_boottime;
	scratch->record.args[2] = clone_flags(&scratch->record, bpf_get_current_task_btf());
	add_cgroup(scratch, child);
	follow_child((__u32)parent->tgid, (__u32)child->tgid, scratch->record.time_ns);
	emit(scratch, counters);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct plan_counters *counters;
	struct scratch *scratch;

	leave_orphans(scratch_of(SLOT_EXIT));
	if (task->signal->live.counter != 0)
		return 0; /* other threads go on */
	scratch = begin_process(SLOT_EXIT, &counters);
	if (scratch == NULL)
		return 0;
	scratch->record.ret = task->exit_code;
	fill_head(&scratch->record, task, RECORD_EXIT, RECORD_CLASS_PROCESS);
	emit(scratch, counters);
	forget_moved(task);
	stray_forget((__u32)task->tgid);
	follow_no_more((__u32)task->tgid);
	return 0;
}

#include "layer.bpf.h"
#include "lsm.bpf.h"
#include "signal.bpf.h"
#include "uring.bpf.h"
