/* Addresses and networks. */
#include "rules/net.h"

#include <arpa/inet.h>

bool net_addr_parse(struct str text, struct net_addr *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char copy[INET6_ADDRSTRLEN];
	struct net_addr addr = { 0 };

	if (text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	if (strlen(copy) != text.len)
		return false;
	if (inet_pton(AF_INET, copy, addr.bytes) == 1) {
		addr.len = 4;
	} else if (inet_pton(AF_INET6, copy, addr.bytes) == 1) {
		addr.len = 16;
		if (memcmp(addr.bytes, mapped, sizeof(mapped)) == 0) {
			memmove(addr.bytes, addr.bytes + 12, 4);
			memset(addr.bytes + 4, 0, 12);
			addr.len = 4;
		}
	}
	*ret = addr;
	return addr.len > 0;
}

bool net_prefix_parse(struct str text, struct net_prefix *ret)
{
	const char *slash = text.len == 0 ? NULL : memchr(text.at, '/', text.len);
	struct net_prefix prefix;
	uint64_t bits;
	size_t at;

	if (slash == NULL)
		return false;
	at = (size_t)(slash - text.at);
	if (!net_addr_parse(str_cut(text, at), &prefix.addr) ||
	    !str_to_u64(str_from(text, at + 1), &bits) || bits > prefix.addr.len * 8u)
		return false;
	prefix.bits = (uint8_t)bits;
	*ret = prefix;
	return true;
}

bool net_addr_eq(const struct net_addr *a, const struct net_addr *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

bool net_prefix_has(const struct net_prefix *prefix, const struct net_addr *addr)
{
	unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;

	if (addr->len != prefix->addr.len || memcmp(addr->bytes, prefix->addr.bytes, whole) != 0)
		return false;
	return rest == 0 || ((addr->bytes[whole] ^ prefix->addr.bytes[whole]) >> (8 - rest)) == 0;
}
