/* What rules say of a connection's far end: for who lets the kernel refuse connections by address and port
 * alone, and must know where a rule surely matches, and not only where it may. */
#ifndef RULES_FAR_H
#define RULES_FAR_H

#include "rules/interest.h"
#include "rules/net.h"

/* The addresses and networks that enabled rules compare the far end, or either end, with; as networks. How many
 * there are; at most `max` are written. Some may come twice. */
size_t rules_far_networks(const struct rules *rules, struct net_prefix *out, size_t max);

/* The numbers that they compare its port with. */
size_t rules_far_ports(const struct rules *rules, int64_t *out, size_t max);

#endif
