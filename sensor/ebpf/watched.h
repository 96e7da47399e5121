/* The interest, written into the kernel side's tables. */
#ifndef SENSOR_EBPF_WATCHED_H
#define SENSOR_EBPF_WATCHED_H

#include "sensor/interest.h"

/* Where they are: maps by descriptor, variables mapped. */
struct watched {
	int prefixes, endings, leads, names, comms;
	struct plan_interest *interests;
	__u64 *any_first, *last_first, *any_lead_first, *last_lead_first;
	__u64 *prefix_pairs, *comm_pairs;
	uint16_t *prefix_kinds, *ending_kinds, *name_kinds, *comm_kinds, *dots_kinds;
};

/* Puts another interest in the place of `before` (NULL: of none), which must still be there. Meanwhile
 * every open that either wants passes, so nothing is missed. On an error (-errno) it stays so. */
int watched_put(const struct watched *watched, const struct interest *interest, const struct interest *before);

#endif
