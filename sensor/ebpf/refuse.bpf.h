/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* Connections and messages that rules deny, refused before they begin, by the far end's address and port.
 * Whose call it was is noted, so that its end is told whatever the rules say of failed calls. */
#ifndef SENSOR_EBPF_REFUSE_BPF_H
#define SENSOR_EBPF_REFUSE_BPF_H

#include "maps.bpf.h"

#include <bpf/bpf_endian.h>

#define SOCK_STREAM 1
#define SOCK_DGRAM  2

/* How long a refusal waits for the end of its call. */
#define REFUSAL_NS 1000000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, PLAN_FAR_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct plan_far);
	__type(value, struct plan_far_ranges);
} far_ends SEC(".maps");

/* When, by thread. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} refusals SEC(".maps");

bool refuses; /* the programs below are attached */

static __always_inline bool was_refused(void)
{
	__u64 thread = bpf_get_current_pid_tgid(), *at;
	bool recently;

	if (!refuses)
		return false;
	at = bpf_map_lookup_elem(&refusals, &thread);
	if (at == NULL)
		return false;
	recently = bpf_ktime_get_ns() - *at < REFUSAL_NS;
	bpf_map_delete_elem(&refusals, &thread);
	return recently;
}

/* 1: it may go on. The sensor itself always may. */
static __always_inline int ask_far(const struct plan_far *far, __u16 port, __u32 what)
{
	__u64 thread = bpf_get_current_pid_tgid(), now;
	const struct plan_far_ranges *ranges;

	if ((__u32)(thread >> 32) == own_tgid)
		return 1;
	ranges = bpf_map_lookup_elem(&far_ends, far);
	if (ranges == NULL)
		return 1;
	for (__u32 i = 0; i < PLAN_FAR_RANGES; i++) {
		if (i >= ranges->count)
			break;
		if (!(ranges->at[i].what & what) || port < ranges->at[i].from || port > ranges->at[i].to)
			continue;
		now = bpf_ktime_get_ns();
		bpf_map_update_elem(&refusals, &thread, &now, BPF_ANY);
		return 0;
	}
	return 1;
}

static __always_inline int ask_v4(struct bpf_sock_addr *ctx, __u32 what)
{
	struct plan_far far = { .bits = 128, .address = { [10] = 0xff, [11] = 0xff } };
	__u32 address = ctx->user_ip4;

	__builtin_memcpy(&far.address[12], &address, 4);
	return ask_far(&far, bpf_ntohs((__u16)ctx->user_port), what);
}

static __always_inline int ask_v6(struct bpf_sock_addr *ctx, __u32 what)
{
	struct plan_far far = { .bits = 128 };
	__u32 address[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };

	__builtin_memcpy(far.address, address, 16);
	return ask_far(&far, bpf_ntohs((__u16)ctx->user_port), what);
}

static __always_inline __u32 connection_of(const struct bpf_sock_addr *ctx)
{
	return ctx->type == SOCK_STREAM ? PLAN_FAR_STREAM : ctx->type == SOCK_DGRAM ? PLAN_FAR_DATAGRAM : 0;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx)
{
	return ask_v4(ctx, connection_of(ctx));
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx)
{
	return ask_v6(ctx, connection_of(ctx));
}

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *ctx)
{
	return ask_v4(ctx, PLAN_FAR_MESSAGE);
}

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *ctx)
{
	return ask_v6(ctx, PLAN_FAR_MESSAGE);
}

#endif
