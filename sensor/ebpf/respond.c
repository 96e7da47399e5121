/* What the kernel does about calls by itself: refuses connections, and kills. */
#include "sensor/ebpf/ebpf_inner.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "sensor/ebpf/guard.h"
#include "sensor/enforce/act.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

/* ---- refusing connections ---- */

void ebpf_stop_refusing(struct ebpf *ebpf)
{
	for (size_t i = 0; i < ARRAY_LEN(ebpf->refusing); i++)
		bpf_link__destroy(TAKE(ebpf->refusing[i]));
	__atomic_store_n(&ebpf->object->bss->refuses, false, __ATOMIC_RELAXED);
}

/* On the root of the v2 tree: for every process, whatever its container. */
static int start_refusing(struct ebpf *ebpf)
{
	struct bpf_program *const programs[] = { ebpf->object->progs.on_connect4, ebpf->object->progs.on_connect6,
						 ebpf->object->progs.on_sendmsg4, ebpf->object->progs.on_sendmsg6 };
	char mount[PATH_MAX];
	autoclose int root = cgroup_mount("cgroup2", NULL, mount, sizeof(mount))
				     ? open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
				     : -1;

	if (root < 0)
		return -ENOENT;
	__atomic_store_n(&ebpf->object->bss->refuses, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		ebpf->refusing[i] = bpf_program__attach_cgroup(programs[i], root);
		if (ebpf->refusing[i] == NULL) {
			int r = -errno;

			ebpf_stop_refusing(ebpf);
			return r;
		}
	}
	return 0;
}

static bool is_among(const struct refusal *refusals, size_t count, const struct plan_far *far)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(&refusals[i].far, far, sizeof(*far)) == 0)
			return true;
	return false;
}

/* What is no longer refused goes last, so that nothing is let through in between. */
static void forget_others(int map, const struct refusal *refusals, size_t count)
{
	struct plan_far far, *before = NULL, next;

	while (bpf_map_get_next_key(map, before, &next) == 0) {
		if (before != NULL && !is_among(refusals, count, before))
			bpf_map_delete_elem(map, before);
		far = next;
		before = &far;
	}
	if (before != NULL && !is_among(refusals, count, before))
		bpf_map_delete_elem(map, before);
}

int ebpf_refuse(void *state, const struct refusal *refusals, size_t count)
{
	struct ebpf *ebpf = state;
	int map = bpf_map__fd(ebpf->object->maps.far_ends), r;

	if (count == 0) {
		ebpf_stop_refusing(ebpf);
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		if (bpf_map_update_elem(map, &refusals[i].far, &refusals[i].ranges, BPF_ANY) < 0)
			return -errno;
	forget_others(map, refusals, count);
	r = ebpf->refusing[0] != NULL ? 0 : start_refusing(ebpf);
	return r;
}

size_t ebpf_restore_refusing(struct ebpf *ebpf)
{
	size_t lost = 0;

	for (size_t i = 0; i < ARRAY_LEN(ebpf->refusing); i++)
		lost += ebpf->refusing[i] != NULL && !guard_refuses(ebpf->refusing[i]);
	if (lost == 0)
		return 0;
	ebpf_stop_refusing(ebpf);
	if (start_refusing(ebpf) < 0)
		log_err("probe: what refuses connections was detached, and cannot be attached again");
	return lost;
}

/* ---- killing ---- */

int ebpf_put_text(const struct bpf_map *paths, const struct bpf_map *comms, const struct fact_text *text)
{
	struct plan_prefix prefix = { .bits = (uint32_t)text->text.len * 8 };
	struct plan_comm comm = { .text = "" };
	int r;

	if (!text->is_comm) {
		memcpy(prefix.path, text->text.at, text->text.len);
		r = bpf_map_update_elem(bpf_map__fd(paths), &prefix, &text->bits, BPF_ANY);
	} else {
		memcpy(comm.text, text->text.at, text->text.len);
		r = bpf_map_update_elem(bpf_map__fd(comms), &comm, &text->bits, BPF_ANY);
	}
	return r < 0 ? -errno : 0;
}

/* Of any map whose keys are no longer than a prefix's. */
void ebpf_empty_map(const struct bpf_map *map)
{
	struct plan_prefix key;

	while (bpf_map_get_next_key(bpf_map__fd(map), NULL, &key) == 0)
		if (bpf_map_delete_elem(bpf_map__fd(map), &key) < 0)
			return;
}

/* What the bits mean changes: nobody begins to look at clauses meanwhile, and who has begun finds another version. */
static void kill_nobody(struct ebpf *ebpf)
{
	struct tocsin_bpf__bss *bss = ebpf->object->bss;

	memset(bss->kill_begins, 0, sizeof(bss->kill_begins));
	memset(bss->kill_calls, 0, sizeof(bss->kill_calls));
	memset(ebpf->begins, 0, sizeof(ebpf->begins));
	__atomic_add_fetch(&bss->kill_version, 1, __ATOMIC_SEQ_CST);
	bss->kill_path_bits = bss->kill_exe_bits = bss->kill_comm_bits = 0;
	ebpf_empty_map(ebpf->object->maps.kill_paths);
	ebpf_empty_map(ebpf->object->maps.kill_comms);
}

/* Before calls a program of its own looks at each, which is not there for nothing. */
static int look_before(struct ebpf *ebpf, bool begins)
{
	struct bpf_link **link = &ebpf->object->links.on_sys_enter;

	__atomic_store_n(&ebpf->object->bss->kills_begin, begins, __ATOMIC_RELAXED);
	if (!begins)
		bpf_link__destroy(TAKE(*link));
	else if (*link == NULL)
		*link = bpf_program__attach(ebpf->object->progs.on_sys_enter);
	return begins && *link == NULL ? -errno : 0;
}

static void set_calls(struct ebpf *ebpf, const struct kills *kills)
{
	struct tocsin_bpf__bss *bss = ebpf->object->bss;
	uint64_t begins[PLAN_CALLS / 64] = { 0 }, either[PLAN_CALLS / 64];

	for (size_t i = 0; i < calls_count; i++)
		if (kills->calls[calls[i].nr].begin != 0) {
			ebpf->begins[calls[i].nr] = true;
			ebpf_want(begins, calls[i].nr);
		}
	memcpy(bss->kill_clauses, kills->clauses, sizeof(bss->kill_clauses));
	bss->kill_path_bits = kills->facts.of[FACT_OBJECT];
	bss->kill_exe_bits = kills->facts.of[FACT_EXE];
	bss->kill_comm_bits = kills->facts.of[FACT_COMM];
	__sync_synchronize(); /* what calls point to is there before they do */
	memcpy(bss->kill_calls, kills->calls, sizeof(bss->kill_calls));
	ebpf_either_bits(ebpf->object, begins, either);
	memcpy(bss->kill_begins, either, sizeof(bss->kill_begins));
}

int ebpf_kill(void *state, const struct kills *kills)
{
	struct ebpf *ebpf = state;
	int r = 0;

	if (!ebpf->object->rodata->kills_here)
		return -EOPNOTSUPP;
	kill_nobody(ebpf);
	ebpf->kills = NULL;
	for (size_t i = 0; kills != NULL && i < kills->facts.texts_count && r == 0; i++)
		r = ebpf_put_text(ebpf->object->maps.kill_paths, ebpf->object->maps.kill_comms, &kills->facts.texts[i]);
	if (r == 0)
		r = look_before(ebpf, kills != NULL && kills->begins);
	if (r == 0 && kills != NULL) {
		set_calls(ebpf, kills);
		ebpf->kills = kills;
	}
	ebpf_set_wanted(ebpf, &ebpf->settings);
	return r;
}

bool ebpf_kills_as_set(const struct ebpf *ebpf)
{
	const struct tocsin_bpf__bss *bss = ebpf->object->bss;

	return ebpf->kills == NULL || (memcmp(bss->kill_calls, ebpf->kills->calls, sizeof(bss->kill_calls)) == 0 &&
				       memcmp(bss->kill_clauses, ebpf->kills->clauses, sizeof(bss->kill_clauses)) == 0);
}

void ebpf_killed(const void *state, struct plan_killed *ret)
{
	const struct ebpf *ebpf = state;

	*ret = ebpf->object->bss->kills;
}
