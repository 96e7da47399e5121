/* Varints, and what stands behind them. */
#include "sensor/containers/proto.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static bool take_varint(struct proto *proto, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < proto->left.len && i < 10; i++) {
		uint64_t byte = (unsigned char)proto->left.at[i];

		*ret |= (byte & 0x7f) << (7 * i);
		if ((byte & 0x80) == 0) {
			proto->left = str_from(proto->left, i + 1);
			return true;
		}
	}
	return false;
}

static bool take_bytes(struct proto *proto, uint64_t len, struct str *ret)
{
	if (len > proto->left.len)
		return false;
	*ret = str_cut(proto->left, (size_t)len);
	proto->left = str_from(proto->left, (size_t)len);
	return true;
}

static bool take_value(struct proto *proto, unsigned wire)
{
	struct str fixed;
	uint64_t len;

	switch (wire) {
	case WIRE_VARINT: return take_varint(proto, &proto->number);
	case WIRE_BYTES: return take_varint(proto, &len) && take_bytes(proto, len, &proto->text);
	case WIRE_64:
	case WIRE_32:
		if (!take_bytes(proto, wire == WIRE_64 ? 8 : 4, &fixed))
			return false;
		for (size_t i = 0; i < fixed.len; i++)
			proto->number |= (uint64_t)(unsigned char)fixed.at[i] << (8 * i);
		return true;
	default: return false;
	}
}

bool proto_next(struct proto *proto)
{
	uint64_t key;

	proto->number = 0;
	proto->text = STR("");
	if (proto->left.len == 0 || proto->failed)
		return false;
	proto->failed = !take_varint(proto, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX ||
			!take_value(proto, key & 7);
	proto->field = proto->failed ? 0 : (uint32_t)(key >> 3);
	return !proto->failed;
}

struct str proto_text(struct str message, uint32_t field)
{
	struct proto proto = proto_of(message);

	while (proto_next(&proto))
		if (proto.field == field && proto.text.at != NULL && proto.text.len > 0)
			return proto.text;
	return STR("");
}

bool proto_number(struct str message, uint32_t field, uint64_t *ret)
{
	struct proto proto = proto_of(message);

	while (proto_next(&proto))
		if (proto.field == field) {
			*ret = proto.number;
			return true;
		}
	return false;
}

void proto_add_text(struct buf *out, uint32_t field, struct str text)
{
	size_t len = text.len;

	buf_add_char(out, (char)(field << 3 | WIRE_BYTES));
	for (; len >= 0x80; len >>= 7)
		buf_add_char(out, (char)(len | 0x80));
	buf_add_char(out, (char)len);
	buf_add(out, text);
}
