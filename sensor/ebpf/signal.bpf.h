/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* Who sends the sensor a signal that it cannot see come: the last SIGKILL and the last SIGSTOP. The map is pinned,
 * so that the next start can read what the one before did not live to tell. */
#ifndef SENSOR_EBPF_SIGNAL_BPF_H
#define SENSOR_EBPF_SIGNAL_BPF_H

#include "maps.bpf.h"

#define SIGSTOP 19

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PLAN_SENDERS);
	__type(key, __u32);
	__type(value, struct plan_sender);
} senders SEC(".maps");

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int number, void *info, struct task_struct *to)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 slot = number == SIGKILL ? PLAN_SENDER_KILL : PLAN_SENDER_STOP;
	struct plan_sender *sender;

	if ((__u32)to->tgid != own_tgid || (number != SIGKILL && number != SIGSTOP))
		return 0;
	sender = bpf_map_lookup_elem(&senders, &slot);
	if (sender == NULL)
		return 0;
	sender->number = (__u32)number;
	sender->pid = (__u32)task->tgid;
	sender->uid = task->cred->uid.val;
	read_16(sender->comm, &task->group_leader->comm);
	sender->time_ns = bpf_ktime_get_boot_ns();
	return 0;
}

#endif
