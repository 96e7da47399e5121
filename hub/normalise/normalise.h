/* Bytes into events: reads one JSON value, an alert (Falco's alert JSON: `rule`, `priority`,
 * `output_fields`), a sensor's event (`fields`) or another engine's (hub/normalise/engines.h), and says
 * precisely what is wrong with one that is none. Pure: knows no network and no disk. Wrong types where the meaning is clear are taken, not
 * refused: a number as time, null or missing output, a non-string hostname, members of tags. */
#ifndef HUB_NORMALISE_H
#define HUB_NORMALISE_H

#include "hub/normalise/value.h"

struct normalise {
	const struct fields *fields; /* names that rules want; other keys of an event are skipped */
	uint32_t nodes_max;          /* keys and values in one item */
	uint32_t depth_max;
	size_t item_max;             /* bytes of one item */
	struct json_node *nodes;     /* nodes_max of them, owned */
	struct json_node *mapped;    /* of what was mapped, owned */
	struct arena arena;          /* of the item that was mapped last */
	struct buf out, line;        /* scratch of the mappers */
	struct str sender;           /* hostname of another engine's events that name none; borrowed */
	bool as_events;              /* an alert counts as an event: its output_fields are the fields */
};

enum item_kind { ITEM_EVENT, ITEM_ALERT };

/* One item: its event, and where in the text what an alert passes on verbatim stands. Of another
 * engine's, `json` is what it was mapped to. */
struct item {
	enum item_kind kind;
	struct json json;       /* nodes are the normalise's: valid until the next item */
	struct json original;   /* another engine's, as it came; text empty: none */
	struct str identity;    /* of another engine's: what tells a repeat */
	uint32_t output_fields; /* node, 0: none */
	uint32_t raw_fields;    /* node of an event's `fields` */
};

struct reject {
	size_t offset;      /* into the text */
	const char *reason; /* a literal */
};

/* 0 or -ENOMEM. */
int normalise_init(struct normalise *normalise, const struct fields *fields, uint32_t nodes_max,
                   uint32_t depth_max, size_t item_max);
void normalise_done(struct normalise *normalise);

/* Reads the item at text[from…]. `event` must be clear and is filled; what it points to lives in the
 * text and the arena, of another engine's item only until the next one. ret_end is set in every case: behind the item, or where the reader can go on
 * after a bad one (`list` says whether that is the next ',' of an array or the next line). 0, or
 * -EBADMSG with `reject` set, or -ENOMEM. */
int normalise_item(struct normalise *normalise, struct str text, size_t from, bool list,
                   int64_t received_ns, struct arena *arena, struct event *event, struct item *ret,
                   size_t *ret_end, struct reject *reject);

#endif
