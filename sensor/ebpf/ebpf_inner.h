/* What the parts of the eBPF probe's user side share. The only files that know libbpf are here. */
#ifndef SENSOR_EBPF_EBPF_INNER_H
#define SENSOR_EBPF_EBPF_INNER_H

#include "sensor/ebpf/ring.h"
#include "sensor/enforce/kills.h"
#include "sensor/enforce/refusals.h"
#include "sensor/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* Generated code, not held to our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wshadow"
#include "tocsin.skel.h"
#pragma GCC diagnostic pop

enum { EBPF_PLACES_TOLD = 256 /* a power of two */ };

struct ebpf {
	struct tocsin_bpf *object;
	struct ring urgent, bulk;
	struct probe_settings settings; /* in force; the interest is the sensor's */
	struct plan_sender killer; /* of the run before */
	uint64_t told[EBPF_PLACES_TOLD]; /* cgroups whose place the programs were told last, by their number */
	struct bpf_link *refusing[4]; /* NULL: nothing is refused */
	int epoll;
	bool busy; /* the last look found something: more will come */
	bool tells_layers, tells_places;
	bool begins[PLAN_CALLS]; /* calls that are looked at before they begin */
	const struct kills *kills; /* in force; NULL: none */
	const struct denials *denials; /* the same */
	uint32_t hooks; /* of BPF LSM, as bits: enum plan_hook */
	bool told_follows; /* ... that not everybody who is followed is known in the kernel */
	size_t restored; /* programs that refuse, found detached and attached again */
	uint64_t invalid; /* records that failed the check: cannot happen, hence counted */
};

/* A call's bit among those that are wanted. */
static inline void ebpf_want(uint64_t bits[PLAN_CALLS / 64], size_t nr)
{
	bits[nr / 64] |= 1ULL << (nr % 64);
}

/* By our numbers or those of i386: the quick look. */
void ebpf_either_bits(const struct tocsin_bpf *object, const uint64_t wanted[PLAN_CALLS / 64],
		      uint64_t either[PLAN_CALLS / 64]);

/* What the programs look at, by the settings and what is killed for. */
void ebpf_set_wanted(struct ebpf *ebpf, const struct probe_settings *settings);

/* respond.c: as struct probe_ops has them. */
int ebpf_refuse(void *state, const struct refusal *refusals, size_t count);
int ebpf_kill(void *state, const struct kills *kills);
void ebpf_killed(const void *state, struct plan_killed *ret);

void ebpf_stop_refusing(struct ebpf *ebpf);

/* Who may can detach what refuses connections: it is attached again. How many there were. */
size_t ebpf_restore_refusing(struct ebpf *ebpf);

/* Whether the programs kill for what they were told to. */
bool ebpf_kills_as_set(const struct ebpf *ebpf);

/* A text into one of two tables, and all out of one. 0 or -errno. */
int ebpf_put_text(const struct bpf_map *paths, const struct bpf_map *comms, const struct fact_text *text);
void ebpf_empty_map(const struct bpf_map *map);

/* deny.c: as struct probe_ops has them. */
uint32_t ebpf_hooks(const void *state);
int ebpf_deny(void *state, const struct denials *denials);
void ebpf_denied(const void *state, struct plan_denied *ret);

/* Before the programs are loaded: those for hooks that the kernel has, as bits. */
uint32_t ebpf_fit_hooks(struct tocsin_bpf *object, const struct btf *btf, bool denies);

/* Whether the kernel asks there at all. */
bool ebpf_lsm_asks(struct ebpf *ebpf);

/* Whether the programs deny what they were told to. */
bool ebpf_denies_as_set(const struct ebpf *ebpf);

/* counts.c */
void ebpf_counts(void *state, struct probe_counts *ret);

#endif
