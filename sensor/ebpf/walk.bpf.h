/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* From kernel objects to path names: dentries across mounts up to the process's own root, and
 * cgroup directories. Both write backwards into scratch->path, so that no component is copied
 * twice. */
#ifndef SENSOR_EBPF_WALK_BPF_H
#define SENSOR_EBPF_WALK_BPF_H

#include "maps.bpf.h"

/* Components and mount points of one path. Anybody can make mounts in a namespace of his own, also many at one place,
 * one upon the other; the kernel goes through them at each look-up, and allows 100,000. */
#define WALK_STEPS     (1 << 17)
#define CGROUP_STEPS   (PATH_HALF / 2)
#define WALK_STEPS_OLD	 48 /* before 5.17: a path of more is cut */
#define CGROUP_STEPS_OLD 24
#define NAME_MAX_BYTES 255

struct walk {
	struct scratch *scratch;
	struct vfsmount *mnt;	/* these two, as a struct path has them */
	struct dentry *dentry;
	struct vfsmount *root_mnt; /* and these */
	struct dentry *root_dentry;
	struct dentry *mnt_root; /* of mnt */
	struct kernfs_node *node;
};

/* Eight bytes of a name to before `end`. */
static __always_inline void copy_word(struct scratch *scratch, __u32 end, const void *from)
{
	*(__u64 *)&scratch->path[masked(end - 8, PATH_HALF - 1)] = read_word(from);
}

/* A name of at most 32 bytes to before `end`, by whole words from its end on, always as many: a branch for each
 * would double what the verifier has to go through. What they bring along in front of the name is overwritten by
 * what comes next, or stays in front of the path. */
static __always_inline void copy_short_name(struct scratch *scratch, __u32 end, const void *name, __u32 len)
{
	copy_word(scratch, end, name + len - 8);
	copy_word(scratch, end - 8, name + len - 16);
	copy_word(scratch, end - 16, name + len - 24);
	copy_word(scratch, end - 24, name + len - 32);
}

/* Writes "/name" in front of what is there. */
static __always_inline bool walk_name(struct walk *walk, const void *name, __u32 len)
{
	struct scratch *scratch = walk->scratch;
	__u32 off = scratch->walked.off;

	if (len > NAME_MAX_BYTES)
		len = NAME_MAX_BYTES;
	if (off < len + 1 || off > PATH_HALF)
		return false;
	if (direct_reads && len <= 32 && off >= 32)
		copy_short_name(scratch, off, name, len);
	else
		bpf_probe_read_kernel(&scratch->path[masked(off - len, PATH_HALF - 1)], masked(len, 255), name);
	off -= len + 1;
	scratch->path[masked(off, PATH_HALF - 1)] = '/';
	scratch->walked.off = off;
	return true;
}

/* d_parent and d_name stand side by side in every kernel so far: one read instead of three. */
struct dentry_head {
	struct dentry *parent;
	__u32 hash, len;
	const unsigned char *name;
};

static __always_inline void dentry_head_read(struct dentry_head *head, struct dentry *dentry)
{
	if (direct_reads) {
		struct dentry *at = READ_CAST(struct dentry, dentry);

		head->parent = at->d_parent;
		head->len = at->d_name.len;
		head->name = at->d_name.name;
		return;
	}
	if (bpf_core_field_offset(struct dentry, d_name) ==
		    bpf_core_field_offset(struct dentry, d_parent) + sizeof(void *) &&
	    bpf_core_field_offset(struct qstr, name) == 8 &&
	    bpf_core_field_offset(struct qstr, len) == 4) {
		bpf_probe_read_kernel(head, sizeof(*head), &dentry->d_parent);
		return;
	}
	head->parent = BPF_CORE_READ(dentry, d_parent);
	head->len = BPF_CORE_READ(dentry, d_name.len);
	head->name = BPF_CORE_READ(dentry, d_name.name);
}

static __always_inline struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

static __always_inline void walk_take(struct walk *walk, const struct plan_name_kinds *kinds)
{
	if (kinds != NULL)
		walk->scratch->walked.hits |= kinds->any | (walk->scratch->walked.leaf == 0 ? kinds->last : 0);
}

static __always_inline void walk_look_whole(struct walk *walk, __u32 at, __u32 len)
{
	struct plan_name *name = &walk->scratch->name;

	__builtin_memset(name, 0, sizeof(*name));
	bpf_probe_read_kernel(name->text, masked(len, PLAN_NAME_MAX - 1), &walk->scratch->path[at]);
	walk_take(walk, bpf_map_lookup_elem(&watched_names, name));
}

static __always_inline void walk_look_lead(struct walk *walk, __u32 at, __u32 len)
{
	struct plan_affix *affix = &walk->scratch->affix;

	affix->bits = (len > PLAN_NAME_MAX ? PLAN_NAME_MAX : len) * 8;
	bpf_probe_read_kernel(affix->text, PLAN_NAME_MAX, &walk->scratch->path[at]);
	walk_take(walk, bpf_map_lookup_elem(&watched_leads, affix));
}

/* Whether the component just written lets the open pass. Most do not, and are told by length and first
 * letter alone. */
static __always_inline void walk_look(struct walk *walk, __u32 len)
{
	__u32 at = masked(walk->scratch->walked.off + 1, PATH_HALF - 1);
	const struct plan_firsts *of = firsts_of(&walk->scratch->walked);
	__u64 bit = 1ULL << (walk->scratch->path[at] & 63);
	__u64 whole = of->any[masked(len, PLAN_NAME_MAX - 1)], lead = of->any_lead;

	if (walk->scratch->walked.leaf == 0) {
		whole |= of->last[masked(len, PLAN_NAME_MAX - 1)];
		lead |= of->last_lead;
	}
	if ((whole & bit) && len < PLAN_NAME_MAX)
		walk_look_whole(walk, at, len);
	if (lead & bit)
		walk_look_lead(walk, at, len);
}

/* Of a dentry without a parent: the root of a file system, where a walk arrives that began below none of its process's
 * mounts; others have names, like that of a memfd.
 */
static __always_inline bool is_top_of_files(const struct dentry_head *head)
{
	char first = 0;

	bpf_probe_read_kernel(&first, 1, head->name);
	return head->len == 1 && first == '/';
}

static long walk_step(__u32 step, struct walk *walk)
{
	struct dentry_head head = { 0 };
	struct vfsmount *mnt =
		walk->mnt; /* a local: BPF_CORE_READ would relocate our own struct too */

	(void)step;
	if (walk->scratch->walked.off == walk->scratch->base_off && walk->scratch->base_dentry == 0) {
		walk->scratch->base_dentry = (__u64)walk->dentry;
		walk->scratch->base_mnt = (__u64)mnt;
	}
	if (walk->dentry == walk->root_dentry && mnt == walk->root_mnt) {
		walk->scratch->walked.done = true;
		return 1;
	}
	if (walk->dentry == walk->mnt_root) {
		struct mount *mount = mount_of(mnt);
		struct mount *above = READ(mount, mnt_parent);

		/* One that hangs nowhere, as open_tree(2) makes them, does not hide where in its file system it begins. */
		if (above == mount || above == NULL) {
			walk->mnt_root = NULL;
			return 0;
		}
		walk->dentry = READ(mount, mnt_mountpoint);
		mnt = (void *)above + bpf_core_field_offset(struct mount, mnt);
		walk->mnt_root = READ(mnt, mnt_root);
		walk->mnt = mnt;
		return 0;
	}
	dentry_head_read(&head, walk->dentry);
	if (walk->dentry == head.parent && is_top_of_files(&head)) {
		walk->scratch->walked.done = true;
		return 1;
	}
	if (!walk_name(walk, head.name, head.len))
		return 1;
	if (walk->scratch->walked.kinds != 0)
		walk_look(walk, head.len);
	if (walk->scratch->walked.leaf == 0)
		walk->scratch->walked.leaf = walk->scratch->walked.off + 1;
	if (walk->dentry == head.parent) {
		walk->scratch->walked.done = true; /* a memfd, an eventfd: a name in no directory */
		return 1;
	}
	walk->dentry = head.parent;
	return 0;
}

/* Goes on from where scratch->walked is with the path of `path`, as `task` would name it. */
static __always_inline void walk_on(struct walk *walk, struct scratch *scratch, struct task_struct *task,
				    struct path *path)
{
	struct fs_struct *fs = task->fs;
	struct vfsmount *mnt;

	/* Both are two pointers, side by side, in every kernel: one read each. */
	*walk = (struct walk){ .scratch = scratch };
	read_16(&walk->mnt, path);
	read_16(&walk->root_mnt, &fs->root);
	mnt = walk->mnt;
	walk->mnt_root = READ(mnt, mnt_root);
	LOOP(WALK_STEPS, WALK_STEPS_OLD, walk_step, walk);
	if (walk->scratch->walked.off == PATH_HALF)
		walk_name(walk, "", 0);
}

/* The path of `path` as `task` would name it; in walk->scratch->path from walk->scratch->walked.off on. With `kinds` its
 * components are looked up on the way. */
static __always_inline void walk_path(struct walk *walk, struct scratch *scratch,
				      struct task_struct *task, struct path *path, plan_bits kinds)
{
	scratch->walked = (struct walked){ .off = PATH_HALF, .kinds = kinds, .other = (kinds & ~PLAN_BITS_OF_OPENS) != 0 };
	walk_on(walk, scratch, task, path);
}

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *node)
{
	if (bpf_core_field_exists(node->__parent))
		return READ(node, __parent);
	return BPF_CORE_READ((struct kernfs_node___v614 *)node, parent);
}

static long cgroup_step(__u32 step, struct walk *walk)
{
	struct kernfs_node *node = walk->node, *parent = kernfs_parent(node);
	const char *name = BPF_CORE_READ(node, name);
	char *to = &walk->scratch->path[PATH_HALF];
	long len;

	(void)step;
	if (parent == NULL) {
		walk->scratch->walked.done = true;
		return 1;
	}
	/* kernfs names carry no length: measure the name behind the path, then put it in front. */
	len = bpf_probe_read_kernel_str(to, NAME_MAX_BYTES + 1, name);
	if (len <= 1 || !walk_name(walk, to, (__u32)len - 1))
		return 1;
	walk->node = parent;
	return 0;
}

static __always_inline struct kernfs_node *cgroup_node_of(struct css_set *set, __u64 subsys)
{
	void *at = (void *)set + bpf_core_field_offset(struct css_set, subsys) +
		   subsys * sizeof(void *);
	struct cgroup_subsys_state *css = (void *)read_word(at);

	return css == NULL ? NULL : READ2(css, cgroup, kn);
}

static __always_inline bool is_top(struct kernfs_node *node)
{
	return node == NULL || kernfs_parent(node) == NULL;
}

/* The directory of the task's cgroup: in the unified tree, or where runtimes still use the old
 * hierarchies in the one of pids, else of memory. The number has its hierarchy in the upper bits. */
static __always_inline struct kernfs_node *cgroup_of(struct task_struct *task, __u64 *ret_number)
{
	struct css_set *set = READ(task, cgroups);
	struct kernfs_node *node = READ2(set, dfl_cgrp, kn);
	__u64 tree = 0;

	if (is_top(node) && bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id)) {
		node = cgroup_node_of(set, bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id));
		tree = 1ULL << 62;
	}
	if (is_top(node) && bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id)) {
		node = cgroup_node_of(set, bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id));
		tree = 2ULL << 62;
	}
	*ret_number = node == NULL ? 0 : READ(node, id) ^ tree;
	return node;
}

static __always_inline void walk_cgroup(struct walk *walk, struct scratch *scratch,
					struct task_struct *task)
{
	__u64 number;
	struct kernfs_node *node = cgroup_of(task, &number);

	*walk = (struct walk){ .scratch = scratch };
	scratch->walked = (struct walked){ .off = PATH_HALF };
	walk->node = node;
	walk->scratch->walked.done = node == NULL;
	if (node != NULL)
		LOOP(CGROUP_STEPS, CGROUP_STEPS_OLD, cgroup_step, walk);
	if (walk->scratch->walked.off == PATH_HALF)
		walk_name(walk, "", 0);
}

/* What lets pass that the path just walked begins with a watched prefix; one that is a whole path has a NUL behind it. The
 * key's length goes right in front of the path, so that nothing is copied. */
static __always_inline plan_bits walk_prefix(const struct walk *walk)
{
	__u32 off = masked(walk->scratch->walked.off, PATH_HALF - 1), len = PATH_HALF - off + 1;
	struct plan_prefix *key = (void *)&walk->scratch->path[off] - sizeof(key->bits);
	plan_bits *kinds;

	walk->scratch->path[PATH_HALF] = 0;
	if (!has_pair(firsts_of(&walk->scratch->walked)->pairs, key->path[1], key->path[2]))
		return 0;
	key->bits = (len > PLAN_PREFIX_MAX ? PLAN_PREFIX_MAX : len) * 8;
	kinds = bpf_map_lookup_elem(&watched_prefixes, key);
	return kinds != NULL ? *kinds : 0;
}

/* The last component, which begins at `leaf`, backwards into the key of the table of endings. */
__noinline int turn_leaf(struct scratch *scratch, __u32 leaf)
{
	__u32 len = PATH_HALF - leaf;

	if (scratch == NULL || leaf == 0 || leaf > PATH_HALF)
		return 0;
	if (len > PLAN_NAME_MAX)
		len = PLAN_NAME_MAX;
	for (__u32 i = 0; i < PLAN_NAME_MAX && i < len; i++)
		scratch->affix.text[i] = scratch->path[masked(PATH_HALF - 1 - i, PATH_HALF - 1)];
	scratch->affix.bits = len * 8;
	return len > 0;
}

/* ... that its last component ends with a watched text. */
static __always_inline plan_bits walk_ending(const struct walk *walk)
{
	plan_bits *kinds;

	if (!turn_leaf(walk->scratch, walk->scratch->walked.leaf))
		return 0;
	kinds = bpf_map_lookup_elem(&watched_endings, &walk->scratch->affix);
	return kinds != NULL ? *kinds : 0;
}

/* What of that for which it was walked the path lets pass. Of one that was cut nobody knows. */
static __always_inline plan_bits walk_found(const struct walk *walk)
{
	plan_bits kinds = walk->scratch->walked.kinds, found = walk->scratch->walked.hits;

	if (!walk->scratch->walked.done)
		return kinds;
	if (prefix_kinds & kinds)
		found |= walk_prefix(walk);
	if (ending_kinds & kinds)
		found |= walk_ending(walk);
	return found & kinds;
}

#endif
