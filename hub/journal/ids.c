/* Alert ids: 36 characters of uuid text outside, 16 bytes on disk. Text that is not a canonical uuid is
 * kept as it is. */
#include "hub/journal/inner.h"

static const uint8_t group_ends[] = { 8, 13, 18, 23 };

static bool is_dash(size_t at)
{
	for (size_t i = 0; i < sizeof(group_ends); i++)
		if (at == group_ends[i])
			return true;
	return false;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool pack_hex(const char *text, uint8_t packed[16])
{
	size_t digits = 0;

	memset(packed, 0, 16);
	for (size_t i = 0; i < 36; i++) {
		int value = nibble(text[i]);

		if (is_dash(i)) {
			if (text[i] != '-')
				return false;
			continue;
		}
		if (value < 0)
			return false;
		packed[digits / 2] = (uint8_t)(packed[digits / 2] << 4 | value);
		digits++;
	}
	return true;
}

size_t uuid_pack(const char text[37], uint8_t packed[37])
{
	size_t len = strnlen(text, 36);

	if (len == 36 && pack_hex(text, packed))
		return 16;
	memcpy(packed, text, len);
	/* 16 bytes always mean a uuid */
	if (len == 16)
		packed[len++] = ' ';
	return len;
}

void uuid_unpack(struct str packed, char text[37])
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	memset(text, 0, 37);
	if (packed.len != 16) {
		memcpy(text, packed.at, packed.len < 36 ? packed.len : 36);
		return;
	}
	for (size_t i = 0; i < 16; i++) {
		if (is_dash(at))
			text[at++] = '-';
		text[at++] = digits[(uint8_t)packed.at[i] >> 4];
		text[at++] = digits[(uint8_t)packed.at[i] & 15];
	}
}

/* FNV-1a: an id that a sender chose may meet others here, which costs a look at one more row. */
uint32_t uuid_mark(const uint8_t *packed, size_t len)
{
	return hash_fnv(FNV_START, (struct str){ (const char *)packed, len });
}
