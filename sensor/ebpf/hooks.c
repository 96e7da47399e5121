/* An empty program of each kind, loaded and attached for a moment. */
#include "sensor/ebpf/hooks.h"

#include "base/cleanup.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>

static const struct {
	enum bpf_prog_type type;
	enum bpf_attach_type attach;
	const char *name; /* of what it is attached to */
} kinds[HOOKS] = {
	[HOOK_TRACEPOINT] = { BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "sched_process_exit" },
	[HOOK_FENTRY] = { BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, "do_exit" },
	[HOOK_LSM] = { BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "file_open" },
	[HOOK_KPROBE] = { BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_MULTI, "do_exit" },
};

static int attach(enum hook hook, int program)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .kprobe_multi.cnt = 1, .kprobe_multi.syms = (const char *[1]){ kinds[hook].name });

	if (hook == HOOK_KPROBE)
		return bpf_link_create(program, 0, BPF_TRACE_KPROBE_MULTI, &options);
	return bpf_raw_tracepoint_open(NULL, program);
}

int hook_try(enum hook hook)
{
	static const struct bpf_insn nothing[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
						   { .code = BPF_JMP | BPF_EXIT } };
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = kinds[hook].attach);
	autoclose int program = -1, link = -1;

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(NULL);
	if (hook != HOOK_KPROBE) {
		int id = libbpf_find_vmlinux_btf_id(kinds[hook].name, kinds[hook].attach);

		if (id < 0)
			return id;
		options.attach_btf_id = (uint32_t)id;
	}
	program = bpf_prog_load(kinds[hook].type, "tocsin_try", "Dual BSD/GPL", nothing, ARRAY_LEN(nothing), &options);
	if (program < 0)
		return -errno;
	link = attach(hook, program);
	return link < 0 ? -errno : 0;
}
