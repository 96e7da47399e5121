/* Addresses and networks in text form, compared as numbers. */
#ifndef RULES_NET_H
#define RULES_NET_H

#include "base/str.h"

struct net_addr {
	uint8_t bytes[16];
	uint8_t len; /* 4 or 16; a v6 address that maps a v4 one is kept as v4 */
};

struct net_prefix {
	struct net_addr addr;
	uint8_t bits;
};

bool net_addr_parse(struct str text, struct net_addr *ret);
bool net_prefix_parse(struct str text, struct net_prefix *ret);
bool net_addr_eq(const struct net_addr *a, const struct net_addr *b);
bool net_prefix_has(const struct net_prefix *prefix, const struct net_addr *addr);

#endif
