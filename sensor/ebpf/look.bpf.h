/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* What a path lets pass: its components, its begin and its end are looked up in the tables of what is watched. */
#ifndef SENSOR_EBPF_LOOK_BPF_H
#define SENSOR_EBPF_LOOK_BPF_H

#include "walk.bpf.h"

static __always_inline void walk_take(struct scratch *scratch, const struct plan_name_kinds *kinds, bool is_last)
{
	if (kinds != NULL)
		scratch->walked.hits |= kinds->any | (is_last ? kinds->last : 0);
}

static __always_inline void walk_look_whole(struct scratch *scratch, __u32 at, __u32 len, bool is_last)
{
	struct plan_name *name = &scratch->name;

	__builtin_memset(name, 0, sizeof(*name));
	bpf_probe_read_kernel(name->text, masked(len, PLAN_NAME_MAX - 1), &scratch->path[at]);
	walk_take(scratch, bpf_map_lookup_elem(&watched_names, name), is_last);
}

static __always_inline void walk_look_lead(struct scratch *scratch, __u32 at, __u32 len, bool is_last)
{
	struct plan_affix *affix = &scratch->affix;

	affix->bits = (len > PLAN_NAME_MAX ? PLAN_NAME_MAX : len) * 8;
	bpf_probe_read_kernel(affix->text, PLAN_NAME_MAX, &scratch->path[at]);
	walk_take(scratch, bpf_map_lookup_elem(&watched_leads, affix), is_last);
}

/* Whether the component that begins at `at` lets the call pass. Most do not, and are told by length and first
 * letter alone. */
static __always_inline void walk_look(struct scratch *scratch, __u32 at, __u32 len, bool is_last)
{
	const struct plan_firsts *of = firsts_of(&scratch->walked);
	__u64 bit, whole = of->any[masked(len, PLAN_NAME_MAX - 1)], lead = of->any_lead;

	at = masked(at, PATH_HALF - 1);
	bit = 1ULL << (scratch->path[at] & 63);
	if (is_last) {
		whole |= of->last[masked(len, PLAN_NAME_MAX - 1)];
		lead |= of->last_lead;
	}
	if ((whole & bit) && len < PLAN_NAME_MAX)
		walk_look_whole(scratch, at, len, is_last);
	if (lead & bit)
		walk_look_lead(scratch, at, len, is_last);
}

/* The same of the last walk's components, from its end. */
static long look_step(__u32 i, struct walk *walk)
{
	struct scratch *scratch = walk->scratch;
	__u32 at, end;

	at = scratch->parts[masked(i, PARTS - 1)];
	end = i == 0 ? scratch->walked.parts_end : (__u32)scratch->parts[masked(i - 1, PARTS - 1)] - 1;
	walk_look(scratch, at, end - at, at == scratch->walked.leaf);
	return 0;
}

/* What lets pass that the path just walked begins with a watched prefix; one that is a whole path has a NUL behind it. The
 * key's length goes right in front of the path, so that nothing is copied. */
static __always_inline plan_bits walk_prefix(struct scratch *scratch)
{
	__u32 off = masked(scratch->walked.off, PATH_HALF - 1), len = PATH_HALF - off + 1;
	struct plan_prefix *key = (void *)&scratch->path[off] - sizeof(key->bits);
	plan_bits *kinds;

	scratch->path[PATH_HALF] = 0;
	if (!has_pair(firsts_of(&scratch->walked)->pairs, key->path[1], key->path[2]))
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
static __always_inline plan_bits walk_ending(struct scratch *scratch)
{
	plan_bits *kinds;

	if (!turn_leaf(scratch, scratch->walked.leaf))
		return 0;
	kinds = bpf_map_lookup_elem(&watched_endings, &scratch->affix);
	return kinds != NULL ? *kinds : 0;
}

/* What of `kinds` the tables say of the path that was walked. A function of its own, which the verifier looks at
 * once. */
__noinline plan_bits look_up(struct scratch *scratch, plan_bits kinds)
{
	struct walk walk = { 0 };

	scratch = scratch_again(scratch);
	if (scratch == NULL || scratch->walked.parts > PARTS)
		return kinds;
	walk.scratch = scratch;
	if (name_kinds & kinds)
		LOOP(scratch->walked.parts, WALK_STEPS_OLD, look_step, &walk);
	if (prefix_kinds & kinds)
		scratch->walked.hits |= walk_prefix(scratch);
	if (ending_kinds & kinds)
		scratch->walked.hits |= walk_ending(scratch);
	return scratch->walked.hits & kinds;
}

/* What of that for which it was walked the path lets pass. Of one that was cut nobody knows. */
static __always_inline plan_bits walk_found(struct scratch *scratch)
{
	plan_bits kinds = scratch->walked.kinds;

	return scratch->walked.done ? look_up(scratch, kinds) : kinds;
}

/* ---- the same for opens: what the tables said of a path they say again, until they change ---- */

#define KEPT_WORDS 13 /* of a path: longer ones are looked up each time */
#define KEPTS	   64 /* a power of two */

struct kept {
	__u64 text[KEPT_WORDS]; /* from its end on */
	__u32 len, version;
	plan_bits kinds, found; /* who asked, and the answer */
};

struct kepts {
	struct kept at[KEPTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kepts);
} kept_paths SEC(".maps");

/* The last words of the path that was walked stand where words do; in front of it is a word of zeroes. */
static __always_inline __u64 word_from_end(const struct scratch *scratch, __u32 i)
{
	return *(const __u64 *)&scratch->path[PATH_HALF - 8 * (i + 1)];
}

static __always_inline struct kept *kept_place(const struct scratch *scratch)
{
	__u64 hash = (word_from_end(scratch, 0) ^ word_from_end(scratch, 1) * 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL;
	__u32 zero = 0;
	struct kepts *kepts = bpf_map_lookup_elem(&kept_paths, &zero);

	return kepts == NULL ? NULL : &kepts->at[hash >> 58 & (KEPTS - 1)];
}

static __always_inline bool is_kept(const struct scratch *scratch, const struct kept *kept, __u32 len, plan_bits kinds)
{
	if (kept->len != len || kept->version != tables_version || (kinds & ~kept->kinds) != 0)
		return false;
	for (__u32 i = 0; i < KEPT_WORDS && i * 8 < len; i++)
		if (kept->text[i] != word_from_end(scratch, i))
			return false;
	return true;
}

/* `version`: of the tables, before it was known who asks. Only for the program at the end of calls, which does not
 * interrupt itself. */
static __always_inline plan_bits open_path_found(struct scratch *scratch, plan_bits kinds, __u32 version)
{
	__u32 off = scratch->walked.off, len = PATH_HALF - off;
	struct kept *kept;

	if (!scratch->walked.done)
		return kinds;
	if (len > KEPT_WORDS * 8 )
		return look_up(scratch, kinds);
	*(__u64 *)&scratch->path[masked(off - 8, PATH_HALF - 1)] = 0;
	kept = kept_place(scratch);
	if (kept == NULL)
		return look_up(scratch, kinds);
	if (is_kept(scratch, kept, len, kinds))
		return kept->found & kinds;
	kept->len = 0;
	for (__u32 i = 0; i < KEPT_WORDS; i++)
		kept->text[i] = word_from_end(scratch, i);
	kept->kinds = kinds;
	kept->version = version;
	kept->found = look_up(scratch, kinds);
	kept->len = len;
	return kept->found;
}

#endif
