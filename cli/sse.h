/* Server-sent events, read piece by piece as they come (WHATWG HTML, 9.2.6). */
#ifndef CLI_SSE_H
#define CLI_SSE_H

#include "base/buf.h"

enum { SSE_LINE_MAX = 4 << 20, SSE_ID_MAX = 64 };

struct sse_event {
	struct str type; /* "message" when not given */
	struct str data;
};

/* Zeroed to begin with, but for the callback. */
struct sse {
	bool (*event)(void *userdata, const struct sse_event *event); /* false: stop */
	void *userdata;
	struct buf line, data, type;
	char last_id[SSE_ID_MAX]; /* of the last whole event that had one; kept over connections */
	char id[SSE_ID_MAX];
	bool after_cr;
};

/* Takes bytes. False when the callback wants no more, or a line or an event is too long. */
bool sse_feed(struct sse *sse, struct str bytes);

/* A new connection: what was half read is dropped. */
void sse_restart(struct sse *sse);
void sse_done(struct sse *sse);

#endif
