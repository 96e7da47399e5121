/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* In which layer of an overlay a file is that the sensor itself has open: no call of the kernel's tells. */
#ifndef SENSOR_EBPF_LAYER_BPF_H
#define SENSOR_EBPF_LAYER_BPF_H

#include "fill.bpf.h"

SEC("syscall")
int layer_of(struct plan_layer *of)
{
	struct file *file = file_of(bpf_get_current_task_btf(), of->fd);

	of->flags = file == NULL ? 0 : overlay_layer(READ(file, f_inode), RECORD_EXE_UPPER, RECORD_EXE_LOWER);
	return 0;
}

#endif
