/* Where the records went, as the kernel side counts it. */
#include "sensor/ebpf/ebpf_inner.h"

#include "base/cleanup.h"

#include <linux/bpf.h>

enum { SLOTS = 7 /* of counters: maps.bpf.h */ };

/* A tracepoint that hits while its program runs on the same processor is skipped by the kernel;
 * only it knows how often. Seen and dropped, for the equation's sake. */
static void add_misses(struct tocsin_bpf *object, struct probe_counts *ret)
{
	const struct {
		struct bpf_program *program;
		enum record_class class;
	} programs[] = {
		{ object->progs.on_sys_exit, RECORD_CLASS_OTHER },
		{ object->progs.on_exec, RECORD_CLASS_PROCESS },
		{ object->progs.on_fork, RECORD_CLASS_PROCESS },
		{ object->progs.on_exit, RECORD_CLASS_PROCESS },
		{ object->progs.on_named, RECORD_CLASS_PRIVILEGE },
		{ object->progs.on_uring_submit, RECORD_CLASS_OTHER },
		{ object->progs.on_uring_complete, RECORD_CLASS_OTHER },
		{ object->progs.on_uring_overflow, RECORD_CLASS_OTHER },
	};

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(programs[i].program), &info, &len) < 0)
			continue;
		ret->of[programs[i].class].seen += info.recursion_misses;
		ret->of[programs[i].class].dropped += info.recursion_misses;
		ret->skipped += info.recursion_misses;
	}
}

/* By call and cause, of all processors. */
static void add_losses(struct tocsin_bpf *object, int cpus, struct probe_counts *ret)
{
	autofree struct plan_losses *losses = calloc((size_t)cpus, sizeof(*losses));
	uint32_t zero = 0;

	if (losses == NULL || bpf_map__lookup_elem(object->maps.losses, &zero, sizeof(zero), losses,
						   sizeof(*losses) * (size_t)cpus, 0) < 0)
		return;
	for (int cpu = 0; cpu < cpus; cpu++) {
		for (size_t i = 0; i < PLAN_LOST_ROWS; i++) {
			ret->by_call.at[i][PROBE_RING] += losses[cpu].of[i].ring;
			ret->by_call.at[i][PROBE_BUDGET] += losses[cpu].of[i].budget;
		}
		ret->budgets_full += losses[cpu].budgets_full;
	}
}

/* The newest second in which something was lost, and in it the processor that lost most. */
static void add_flood(struct tocsin_bpf *object, int cpus, struct probe_counts *ret)
{
	autofree struct plan_flood *floods = calloc((size_t)cpus, sizeof(*floods));
	uint32_t zero = 0;

	if (floods == NULL || bpf_map__lookup_elem(object->maps.floods, &zero, sizeof(zero), floods,
						   sizeof(*floods) * (size_t)cpus, 0) < 0)
		return;
	for (int cpu = 0; cpu < cpus; cpu++)
		if (floods[cpu].window > ret->flood.window ||
		    (floods[cpu].window == ret->flood.window && floods[cpu].votes > ret->flood.votes))
			ret->flood = floods[cpu];
	ret->flood.comm[sizeof(ret->flood.comm) - 1] = '\0';
}

void ebpf_counts(void *state, struct probe_counts *ret)
{
	struct ebpf *ebpf = state;
	int cpus = libbpf_num_possible_cpus();
	size_t size = sizeof(struct plan_counters) * PLAN_CLASS_SLOTS;
	autofree struct plan_counters *rows = calloc((size_t)(cpus > 0 ? cpus : 1), size);

	*ret = (struct probe_counts){ 0 };
	for (uint32_t slot = 0; rows != NULL && cpus > 0 && slot < SLOTS; slot++) {
		if (bpf_map__lookup_elem(ebpf->object->maps.counts, &slot, sizeof(slot), rows,
					 size * (size_t)cpus, 0) < 0)
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			for (size_t class = 0; class < RECORD_CLASSES; class ++) {
				const struct plan_counters *row =
					&rows[cpu * PLAN_CLASS_SLOTS + (int)class];

				ret->of[class].seen += row->seen;
				ret->of[class].filtered += row->filtered;
				ret->of[class].emitted += row->emitted;
				ret->of[class].dropped += row->dropped;
				ret->of[class].shed += row->shed;
			}
	}
	add_misses(ebpf->object, ret);
	ret->invalid = ebpf->invalid;
	if (cpus <= 0)
		return;
	add_losses(ebpf->object, cpus, ret);
	add_flood(ebpf->object, cpus, ret);
}
