/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* The name that an open was given, beside the path that the kernel found for it. They differ where links are
 * on the way, and then rules may know the file by either; of a failed open there is only the name. */
#ifndef SENSOR_EBPF_GIVEN_BPF_H
#define SENSOR_EBPF_GIVEN_BPF_H

#include "fill.bpf.h"
#include "look.bpf.h"

/* Eight bytes at a time: two dots side by side. A function of its own, like all that has a loop: the verifier
 * then looks at it once, and not once for each way that leads here. */
__noinline int has_dots(struct plan_prefix *name, __u32 len)
{
	const __u64 low = 0x7f7f7f7f7f7f7f7fULL, dot = 0x2e2e2e2e2e2e2e2eULL;
	__u64 carry = 0;

	if (name == NULL)
		return 0;
	for (__u32 i = 0; i < PLAN_PREFIX_MAX / 8 && i * 8 < len; i++) {
		__u32 rest = len - i * 8;
		__u64 word = rest < 8 ? ((__u64 *)name->path)[i] & ((1ULL << rest * 8) - 1) : ((__u64 *)name->path)[i];
		__u64 other = word ^ dot; /* 0 where a dot is */
		__u64 dots = (~(((other & low) + low) | other) & ~low) >> 7;

		if ((dots & (dots << 8 | carry)) != 0)
			return 1;
		carry = dots >> 56;
	}
	return 0;
}

/* A name of `len` bytes with its NUL is in scratch->prefix. */
static __always_inline void take_given(struct scratch *scratch, long len)
{
	scratch->given = (struct given){ 0 };
	scratch->base_off = 0;
	scratch->base_dentry = 0;
	if (len <= 1) {
		scratch->prefix.path[0] = 0;
		return;
	}
	scratch->given.len = (__u32)len - 1;
	scratch->given.cut = len >= PLAN_PREFIX_MAX;
	if (scratch->prefix.path[0] != '/')
		scratch->base_off = PATH_HALF - (__u32)len;
}

/* From the program's memory, without a "./" in front: that leads nowhere. */
static __always_inline void read_given(struct scratch *scratch, __u64 address)
{
	char *to = scratch->prefix.path;
	long len = address == 0 ? 0 : bpf_probe_read_user_str(to, PLAN_PREFIX_MAX, (void *)address);

	if (len > 2 && to[0] == '.' && to[1] == '/') {
		take_given(scratch, bpf_probe_read_user_str(to, PLAN_PREFIX_MAX, (void *)(address + 2)));
		return;
	}
	take_given(scratch, len);
	scratch->given.whole = !scratch->given.cut;
}

/* What is shown in the place of a name that is not there. */
static __always_inline void give_none(struct scratch *scratch)
{
	__builtin_memcpy(scratch->prefix.path, "<NA>", 5);
	scratch->given = (struct given){ .len = 4 };
	scratch->from = 0;
}

static __always_inline void add_given(struct scratch *scratch, __u64 address)
{
	struct record_string *string = string_room(scratch);
	__u32 len = masked(scratch->given.len, PLAN_PREFIX_MAX - 1);

	if (!scratch->given.whole || len == 0 || string == NULL) {
		add_user_text(scratch, address, RECORD_STRING_NAME);
		return;
	}
	copy_text(string->text, scratch->prefix.path, len);
	string_take(scratch, string, RECORD_STRING_NAME, len);
}

/* Whether the path that was walked ends with the name. */
static __always_inline bool ends_as_given(const struct scratch *scratch)
{
	__u32 len = scratch->given.len;

	if (len == 0 || len >= PLAN_PREFIX_MAX)
		return false;
	for (__u32 i = 0; i < PLAN_PREFIX_MAX / 8 && i * 8 < len; i++) {
		__u32 rest = len - i * 8, at = masked(PATH_HALF - rest, PATH_HALF - 1);
		__u64 differ = *(__u64 *)&scratch->path[at] ^ ((__u64 *)scratch->prefix.path)[i];

		if (rest < 8)
			differ &= (1ULL << rest * 8) - 1;
		if (differ != 0)
			return false;
	}
	return true;
}

/* Whether the name says what the path that was walked says: then no link was on the way. `dir`: what a relative
 * name starts from. Where "." and ".." lead is beyond doubt. */
static __always_inline bool given_is_path(struct scratch *scratch, struct path *dir)
{
	const char *name = scratch->prefix.path;
	__u32 len = scratch->given.len;
	struct path from = { 0 };

	if (scratch->given.cut)
		return false;
	if (name[0] == '/')
		return PATH_HALF - scratch->walked.off == len && ends_as_given(scratch);
	if (len == 0 || (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))))
		return true;
	if (dir == NULL)
		return false;
	read_16(&from, dir);
	return scratch->base_dentry == (__u64)from.dentry && scratch->base_mnt == (__u64)from.mnt &&
	       ends_as_given(scratch);
}

static __always_inline bool is_dots(const struct scratch *scratch, __u32 slash, __u32 len)
{
	return scratch->path[masked(slash + 1, PATH_HALF - 1)] == '.' &&
	       (len == 1 || (len == 2 && scratch->path[masked(slash + 2, PATH_HALF - 1)] == '.'));
}

/* From its end: each component as a walk finds it. One that is empty or of dots, and the name says its path in
 * more words than it needs: that is left to others. */
static long given_step(__u32 i, struct walk *walk)
{
	struct scratch *scratch = walk->scratch;
	__u32 at = masked(PATH_HALF - 1 - i, PATH_HALF - 1), len;

	if (scratch->path[at] != '/')
		return 0;
	len = scratch->walked.off - at - 1;
	if (!scratch->walked.text && (len == 0 || is_dots(scratch, at, len))) {
		scratch->walked.hits = PLAN_BITS_ALL;
		return 1;
	}
	scratch->walked.off = at;
	if (scratch->walked.leaf == 0)
		scratch->walked.leaf = at + 1;
	walk_look(scratch, at + 1, len, scratch->walked.leaf == at + 1);
	return 0;
}

/* What a name from the root lets pass, as if it were a path. What was walked before is gone. */
__noinline plan_bits look_at_given(struct scratch *scratch, plan_bits kinds)
{
	struct walk walk = { 0 };
	__u32 len;

	scratch = scratch_again(scratch);
	if (scratch == NULL)
		return kinds;
	walk.scratch = scratch;
	len = masked(scratch->given.len, PLAN_PREFIX_MAX - 1);
	bpf_probe_read_kernel(&scratch->path[masked(PATH_HALF - len, PATH_HALF - 1)], len, scratch->prefix.path);
	scratch->walked = (struct walked){ .off = PATH_HALF, .kinds = kinds, .done = true };
	LOOP(len, PLAN_PREFIX_MAX, given_step, &walk);
	return walk_found(scratch);
}

/* What a name of a call other than open lets pass, made absolute by the directory whose struct path is in
 * scratch->from; or a text, as it is. What was walked before is gone. */
__noinline plan_bits look_at_name(struct scratch *scratch, plan_bits kinds, __u32 is_text)
{
	struct walk walk = { 0 };
	__u32 len, off;

	scratch = scratch_again(scratch);
	if (scratch == NULL || scratch->given.cut)
		return kinds;
	walk.scratch = scratch;
	len = masked(scratch->given.len, PLAN_PREFIX_MAX - 1);
	off = PATH_HALF - len;
	bpf_probe_read_kernel(&scratch->path[masked(off, PATH_HALF - 1)], len, scratch->prefix.path);
	if (scratch->prefix.path[0] != '/') {
		scratch->path[masked(off - 1, PATH_HALF - 1)] = '/';
		len++;
	}
	scratch->walked = (struct walked){ .off = PATH_HALF, .kinds = kinds, .other = 1, .text = is_text, .done = true };
	scratch->base_off = 0;
	LOOP(len, PLAN_PREFIX_MAX, given_step, &walk);
	if (!is_text && scratch->prefix.path[0] != '/') {
		scratch->walked.done = false;
		if (scratch->from == 0)
			return kinds;
		walk_more(scratch);
	}
	return walk_found(scratch);
}

/* What the name lets pass of an open that the file's path does not. `other`: it is not that path. A relative one
 * says too little: it passes if any name would. */
static __always_inline plan_bits given_found(struct scratch *scratch, plan_bits kinds, bool other)
{
	plan_bits found = 0;

	if ((dots_kinds & kinds) && (scratch->given.cut || has_dots(&scratch->prefix, scratch->given.len)))
		found = dots_kinds & kinds;
	kinds &= prefix_kinds | name_kinds;
	if (!other || kinds == 0)
		return found;
	if (scratch->given.cut || scratch->prefix.path[0] != '/')
		return found | kinds;
	return found | look_at_given(scratch, kinds);
}

#endif
