/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* Reading kernel memory. A pointer that the kernel is told the type of is read by a plain load, which costs
 * next to nothing; bpf_probe_read_kernel() is a call, and on machines with mitigations its return alone
 * costs as much as ten loads. Kernels before 6.2 have only the call. Either way a bad address reads as
 * zero. */
#ifndef SENSOR_EBPF_READ_BPF_H
#define SENSOR_EBPF_READ_BPF_H

#include "vmlinux_min.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/* Set before the programs are loaded: the verifier then keeps one way only. */
const volatile bool direct_reads = false;

/* Whether there is bpf_loop(), since 5.17. */
const volatile bool has_loop = true;

/* Calls step(i, data) for each i below `count` until one says 1. Without bpf_loop() the verifier goes through every
 * turn, and they are at most `old`. */
#define LOOP(count, old, step, data)                                                               \
	do {                                                                                       \
		__u32 count_ = (count);                                                            \
		if (has_loop) {                                                                    \
			bpf_loop(count_, step, data, 0);                                           \
		} else {                                                                           \
			for (__u32 i_ = 0; i_ < (old) && i_ < count_; i_++)                        \
				if (step(i_, data) != 0)                                           \
					break;                                                     \
		}                                                                                  \
	} while (0)

#define READ_CAST(type, pointer) ((type *)bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(type)))

/* pointer->field, and pointer->a->b: READ2(inode, i_sb, s_flags). Of structures of the kernel itself, not
 * of a module's. */
#define READ(pointer, field)                                                                       \
	({                                                                                         \
		typeof(pointer) from_ = (pointer);                                                 \
		typeof(from_->field) got_;                                                         \
		if (direct_reads)                                                                  \
			got_ = READ_CAST(typeof(*from_), from_)->field;                            \
		else                                                                               \
			got_ = BPF_CORE_READ(from_, field);                                        \
		got_;                                                                              \
	})
#define READ2(pointer, a, b)                                                                       \
	({                                                                                         \
		typeof(pointer) outer_ = (pointer);                                                \
		typeof(outer_->a->b) inner_;                                                       \
		if (direct_reads)                                                                  \
			inner_ = READ_CAST(typeof(*outer_), outer_)->a->b;                         \
		else                                                                               \
			inner_ = BPF_CORE_READ(outer_, a, b);                                      \
		inner_;                                                                            \
	})

/* A field that is a pointer, to where it is to be kept: without room on the stack, of which there is little. */
#define READ_TO(to, pointer, field)                                                                \
	do {                                                                                       \
		typeof(pointer) from_ = (pointer);                                                 \
		if (direct_reads)                                                                  \
			*(to) = (__u64)READ_CAST(typeof(*from_), from_)->field;                    \
		else                                                                               \
			bpf_core_read(to, sizeof(*(to)), &from_->field);                           \
	} while (0)

/* What is at an address of any kind. These types stand for their first word, or for both: every kernel has
 * them as 8 and 8 bytes, and as 4. */
static __always_inline __u64 read_word(const void *at)
{
	__u64 word = 0;

	if (direct_reads)
		return (__u64)READ_CAST(struct timespec64, at)->tv_sec;
	bpf_probe_read_kernel(&word, sizeof(word), at);
	return word;
}

static __always_inline __u32 read_half(const void *at)
{
	__u32 half = 0;

	if (direct_reads)
		return READ_CAST(struct upid, at)->nr;
	bpf_probe_read_kernel(&half, sizeof(half), at);
	return half;
}

/* 16 bytes, to an address that is a multiple of 8. */
static __always_inline void read_16(void *to, const void *at)
{
	__u64 *words = to;

	if (direct_reads) {
		words[0] = read_word(at);
		words[1] = read_word(at + 8);
	} else {
		bpf_probe_read_kernel(to, 16, at);
	}
}

#endif
