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
#define WALK_AT_ONCE   12 /* of the former, in line */
#define WALK_STEPS_OLD	 48 /* before 5.17: a path of more is cut */
#define CGROUP_STEPS_OLD 24
#define NAME_MAX_BYTES 255

struct walk {
	struct scratch *scratch;
	struct kernfs_node *node;    /* of a cgroup */
};

/* Eight bytes of a name to before `end`. */
static __always_inline void copy_word(struct scratch *scratch, __u32 end, const void *from)
{
	*(__u64 *)&scratch->path[masked(end - 8, PATH_HALF - 1)] = read_word(from);
}

/* A name of at most 32 bytes to before `end`, by whole words from its end on. What they bring along in front of
 * the name is overwritten by what comes next, or stays in front of the path. */
static __always_inline void copy_short_name(struct scratch *scratch, __u32 end, const void *name, __u32 len)
{
	copy_word(scratch, end, name + len - 8);
	copy_word(scratch, end - 8, name + len - 16);
	if (len <= 16)
		return;
	copy_word(scratch, end - 16, name + len - 24);
	copy_word(scratch, end - 24, name + len - 32);
}

/* Writes "/name" in front of what is there. Where that begins is known before anything branches by the name's length:
 * so the verifier finds all ways alike after it. */
static __always_inline bool walk_name(struct scratch *scratch, const void *name, __u32 len)
{
	__u32 off = scratch->walked.off, slash;

	if (len > NAME_MAX_BYTES)
		len = NAME_MAX_BYTES;
	slash = off - len - 1;
	if (slash >= PATH_HALF)
		return false;
	scratch->walked.off = slash;
	if (direct_reads && len <= 32 && off >= 32)
		copy_short_name(scratch, off, name, len);
	else
		bpf_probe_read_kernel(&scratch->path[masked(slash + 1, PATH_HALF - 1)], masked(len, 255), name);
	scratch->path[masked(slash, PATH_HALF - 1)] = '/';
	return true;
}

/* What a step needs of a dentry. */
struct step {
	__u64 parent;
	__u32 len;
	const unsigned char *name;
};

static __always_inline struct step step_of(struct walked *walked)
{
	struct dentry *dentry = (struct dentry *)walked->dentry;

	if (direct_reads) {
		struct dentry *at = READ_CAST(struct dentry, dentry);

		return (struct step){ (__u64)at->d_parent, at->d_name.len, at->d_name.name };
	}
	/* Both stand side by side in every kernel so far: one read instead of three. */
	if (bpf_core_field_offset(struct dentry, d_name) ==
		    bpf_core_field_offset(struct dentry, d_parent) + sizeof(void *) &&
	    bpf_core_field_offset(struct qstr, name) == 8 &&
	    bpf_core_field_offset(struct qstr, len) == 4) {
		bpf_probe_read_kernel(&walked->head, sizeof(walked->head), &dentry->d_parent);
	} else {
		bpf_core_read(&walked->head.parent, sizeof(walked->head.parent), &dentry->d_parent);
		bpf_core_read(&walked->head.len, sizeof(walked->head.len), &dentry->d_name.len);
		bpf_core_read(&walked->head.name, sizeof(walked->head.name), &dentry->d_name.name);
	}
	return (struct step){ walked->head.parent, walked->head.len, (const unsigned char *)walked->head.name };
}

static __always_inline struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

/* Of a dentry without a parent: the root of a file system, where a walk arrives that began below none of its process's
 * mounts; others have names, like that of a memfd.
 */
static __always_inline bool is_top_of_files(const struct step *step)
{
	return step->len == 1 && (char)read_word(step->name) == '/';
}

/* From the root of what is mounted to where it is mounted. One that hangs nowhere, as open_tree(2) makes them, does not
 * hide where in its file system it begins. */
static __always_inline void leave_mount(struct walked *walked)
{
	struct mount *mount = mount_of((struct vfsmount *)walked->mnt);
	struct vfsmount *mnt;

	READ_TO(&walked->above, mount, mnt_parent);
	if (walked->above == (__u64)mount || walked->above == 0) {
		walked->mnt_root = 0;
		return;
	}
	mnt = (void *)walked->above + bpf_core_field_offset(struct mount, mnt);
	READ_TO(&walked->dentry, mount, mnt_mountpoint);
	READ_TO(&walked->mnt_root, mnt, mnt_root);
	walked->mnt = (__u64)mnt;
}

/* One step towards the root. False: it was the last one. */
static __always_inline bool walk_step(struct scratch *scratch)
{
	struct walked *walked = &scratch->walked;
	struct step step;

	if (walked->off == scratch->base_off && scratch->base_dentry == 0) {
		scratch->base_dentry = walked->dentry;
		scratch->base_mnt = walked->mnt;
	}
	if (walked->dentry == walked->root_dentry && walked->mnt == walked->root_mnt) {
		walked->done = true;
		return false;
	}
	if (walked->dentry == walked->mnt_root) {
		leave_mount(walked);
		return true;
	}
	step = step_of(walked);
	walked->done = walked->dentry == step.parent; /* a memfd, an eventfd: a name in no directory */
	if (walked->done && is_top_of_files(&step))
		return false;
	walked->dentry = step.parent;
	if (!walk_name(scratch, step.name, step.len)) {
		walked->done = false;
		return false;
	}
	scratch->parts[masked(walked->parts++, PARTS - 1)] = (__u16)(walked->off + 1);
	return !walked->done;
}

static long walk_later_step(__u32 i, struct walk *walk)
{
	(void)i;
	return masked(!walk_step(walk->scratch), 1);
}

/* Goes on from where scratch->walked is with the path of `path`, as `task` would name it. The first `at_once` steps
 * without calls: on machines with mitigations each costs as much as a step. What changes is in `walked`, where the verifier
 * does not follow its values. */
static __always_inline void walk_on(struct scratch *scratch, struct task_struct *task, struct path *path, __u32 at_once)
{
	struct walked *walked = &scratch->walked;
	struct fs_struct *fs = task->fs;
	struct walk walk = { .scratch = scratch };
	struct vfsmount *mnt;
	__u32 left = at_once;
	bool more = true;

	/* Both are two pointers, side by side, in every kernel: one read each. */
	read_16(&walked->mnt, path);
	read_16(&walked->root_mnt, &fs->root);
	mnt = (struct vfsmount *)walked->mnt;
	READ_TO(&walked->mnt_root, mnt, mnt_root);
	walked->parts_end = walked->off;
	/* Kernels before 6.3 take a loop only if a jump leads back to its beginning: it is counted there, and not at the
	 * end of a turn. */
	while (more && left != 0) {
		left--;
		asm volatile("" : "+r"(left));
		more = walk_step(scratch);
	}
	if (more)
		LOOP(WALK_STEPS - at_once, WALK_STEPS_OLD - at_once, walk_later_step, &walk);
	if (walked->leaf == 0 && walked->parts != 0)
		walked->leaf = scratch->parts[0];
	if (walked->off == PATH_HALF)
		walk_name(scratch, "", 0);
}

static __always_inline struct walked walked_for(plan_bits kinds)
{
	return (struct walked){ .off = PATH_HALF, .kinds = kinds, .other = (kinds & ~PLAN_BITS_OF_OPENS) != 0 };
}

/* Goes on with the path of scratch->from, as the current process names it: a kernel pointer cannot be handed to a
 * function of its own, which the verifier looks at once. */
__noinline int walk_more(struct scratch *scratch)
{
	scratch = scratch_again(scratch);
	if (scratch != NULL)
		walk_on(scratch, bpf_get_current_task_btf(), (struct path *)scratch->from, 0);
	return 0;
}

/* The path of `path` as the current process would name it; in scratch->path from scratch->walked.off on. `kinds`: for
 * whom. What was walked before is gone. */
static __always_inline void walk_path(struct scratch *scratch, struct path *path, plan_bits kinds)
{
	scratch->walked = walked_for(kinds);
	scratch->from = (__u64)path;
	walk_more(scratch);
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
	if (len <= 1 || !walk_name(walk->scratch, to, (__u32)len - 1))
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

static __always_inline void walk_cgroup(struct scratch *scratch, struct task_struct *task)
{
	__u64 number;
	struct walk walk = { .scratch = scratch, .node = cgroup_of(task, &number) };

	scratch->walked = (struct walked){ .off = PATH_HALF, .done = walk.node == NULL };
	if (walk.node != NULL)
		LOOP(CGROUP_STEPS, CGROUP_STEPS_OLD, cgroup_step, &walk);
	if (scratch->walked.off == PATH_HALF)
		walk_name(scratch, "", 0);
}

#endif
