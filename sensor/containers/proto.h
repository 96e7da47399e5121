/* Protocol Buffers, as much as CRI wants: a reader of a message's fields, and a writer of texts in a message.
 * Nothing is allocated; what does not parse ends the reading.
 *
 * Source: https://protobuf.dev/programming-guides/encoding/ */
#ifndef SENSOR_CONTAINERS_PROTO_H
#define SENSOR_CONTAINERS_PROTO_H

#include "base/buf.h"

struct proto {
	struct str left;
	uint32_t field;	 /* of the one just read */
	uint64_t number; /* of a varint or fixed field */
	struct str text; /* of a text, bytes or a message; empty for others */
	bool failed;
};

static inline struct proto proto_of(struct str message)
{
	return (struct proto){ .left = message };
}

/* The next field; false at the end, or when there is none that can be read (failed). */
bool proto_next(struct proto *proto);

/* The first text of that number in the message; empty: there is none. */
struct str proto_text(struct str message, uint32_t field);

/* The first number. False: there is none. */
bool proto_number(struct str message, uint32_t field, uint64_t *ret);

/* Appends a text field, numbers below 16 only. */
void proto_add_text(struct buf *out, uint32_t field, struct str text);

#endif
