/* The interest, written into the kernel side's tables. */
#ifndef SENSOR_EBPF_WATCHED_H
#define SENSOR_EBPF_WATCHED_H

#include "sensor/interest.h"

/* Where they are: maps by descriptor, variables mapped. */
struct watched {
	int prefixes, endings, leads, names, comms, ports, addresses;
	struct plan_interest *interests;
	struct plan_firsts *firsts; /* of opens; of other calls */
	__u64 *comm_pairs;
	plan_bits *prefix_kinds, *ending_kinds, *name_kinds, *comm_kinds, *parent_kinds, *ancestor_kinds, *dots_kinds, *port_kinds, *address_kinds, *follow_kinds;
	__u32 *tables_version, *lineage_version;
};

/* Puts another interest in the place of `before` (NULL: of none), which must still be there. Meanwhile
 * every open that either wants passes, so nothing is missed. On an error (-errno) it stays so. */
int watched_put(const struct watched *watched, const struct interest *interest, const struct interest *before);

#endif
