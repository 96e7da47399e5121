/* What the mappers of other engines' JSON share: finding a key, and saying what it means here.
 *
 * A mapper fills the event and writes the fields that people see (an alert's output_fields, an event's
 * fields) as one JSON object of scalars. Every field is also a value of the event for the rules that
 * want it; some are for rules only. Whatever a key holds, a mapper goes on: what has a type without a
 * meaning is left out. The first to name a field has it.
 *
 * Keys are found whatever their case and underscores: `hostPid`, `host_pid` and `HostPid` are one, since
 * engines print the same object in several spellings. */
#ifndef HUB_NORMALISE_MAP_H
#define HUB_NORMALISE_MAP_H

#include "base/json.h"
#include "include/event.h"

enum {
	MAP_FIELDS_MAX = 128,        /* fields that people see; more are for rules only, and counted */
	MAP_FIELDS_BYTES = 48 << 10, /* of all of them */
	MAP_VALUE_MAX = 8 << 10,     /* bytes shown of one value */
	MAP_KEY_MAX = 256,           /* bytes of a field's name */
	MAP_TAGS_MAX = 64,
	MAP_LINE_MAX = 4096,         /* bytes of an output, a rule's name or a tag */
};

/* An array, the object of fields in it (a node that is not 0, which would mean none), keys and values. */
enum { MAP_OBJECT = 1, MAP_FIRST = 2, MAP_NODES = MAP_FIRST + 2 * MAP_FIELDS_MAX };

/* A key that is not there: what is looked up in it is not there either. */
#define MAP_NOWHERE UINT32_MAX

struct map {
	const struct json *json;     /* the original */
	uint32_t root;               /* the object in it that is mapped */
	const struct fields *fields; /* names that rules want */
	struct arena *arena;         /* of this item */
	struct event *event;         /* filled */
	const char *engine;          /* prefix of its own fields, and the source */
	bool finding;                /* an alert, not an event */
	struct str identity;         /* what tells a repeat; empty: all of the original */

	struct buf *out, *line;      /* scratch: the fields' JSON, one output */
	struct str *tags;
	size_t tags_count;
	bool fold;                   /* nested keys begin with a small letter, whatever they came with */
	struct json_node *nodes;     /* MAP_NODES of them: what stands in `out`, as json_read() would say */
	size_t count;                /* fields in it */
	uint32_t left_out;           /* fields, or ends of values */
	bool closing;                /* the last field: how many were left out; there is room for it */
	bool failed;                 /* out of memory */
};

/* Before the mapper and after it: `out` and `nodes` are cleared, then complete. */
void map_begin(struct map *map);
void map_end(struct map *map);

/* --- reading ------------------------------------------------------------------------------------ */

/* The value at a path of keys, "workload.process.pid", from an object; MAP_NOWHERE without one. */
uint32_t map_at(const struct map *map, uint32_t object, const char *path);

bool map_is(const struct map *map, uint32_t node, enum json_kind kind);

/* The first and the next member of an array, MAP_NOWHERE at the end (and of what is no array). */
uint32_t map_first(const struct map *map, uint32_t array);
uint32_t map_next(const struct map *map, uint32_t array, uint32_t member);

/* The text of a scalar, else empty. */
struct str map_text(struct map *map, uint32_t node);

/* The scalars of an array from `member` on, with blanks between. */
struct str map_words(struct map *map, uint32_t array, uint32_t member);

/* A whole number: also a text of digits (64-bit numbers of protobuf) and {"value": 7} (its wrapped ones). */
bool map_number(struct map *map, uint32_t node, int64_t *ret);

/* The same with its fraction. */
bool map_real(struct map *map, uint32_t node, double *ret);

/* --- writing ------------------------------------------------------------------------------------ */

/* Nothing is written for an empty text, or for a node that holds something else or is not there. */
void map_put(struct map *map, struct str field, struct str text);
void map_put_int(struct map *map, struct str field, int64_t number);
void map_put_bool(struct map *map, struct str field, bool truth);
void map_text_of(struct map *map, struct str field, uint32_t node);
void map_int_of(struct map *map, struct str field, uint32_t node);
void map_bool_of(struct map *map, struct str field, uint32_t node);

/* Whatever stands there, under `field`: scalars; arrays of scalars with blanks between; other arrays and
 * objects by member, "field.0.name". `shown`: for people too. */
void map_flat(struct map *map, struct str field, uint32_t node, bool shown);

/* The event's time; what is none is as if it were not there. Takes {"seconds", "nanos"} as well. */
bool map_time(struct map *map, uint32_t node);

void map_tag(struct map *map, struct str tag);
void map_tags(struct map *map, uint32_t array);

/* The alert's rule and output, each in one line: control characters become blanks, what is not UTF-8
 * U+FFFD. map_output() takes what stands in map->line. */
void map_rule(struct map *map, struct str name);
void map_output(struct map *map);

/* --- what several engines say ------------------------------------------------------------------- */

/* container.id: without "runtime://", cut to 12 characters, "host" when empty. */
void map_container(struct map *map, struct str id);

/* "registry/name:tag@digest" into container.image.repository, .tag and .digest. */
void map_image(struct map *map, struct str image);

/* Labels of a pod, an object or ["k=v"]: k8s.pod.labels for people, k8s.pod.label[k] for rules. */
void map_labels(struct map *map, uint32_t node);

/* What stands behind the last / or \. */
struct str map_basename(struct str path);

/* `a`, `between` and `b` in the arena; one of them alone when the other is empty. */
struct str map_join(struct map *map, struct str a, const char *between, struct str b);

/* A name in the arena. */
struct str map_name(struct map *map, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What stands in map->line, in the arena. */
struct str map_line(struct map *map);

/* fd.sip and so on, and the name of a connection of which at least the server's side is known. */
void map_connection(struct map *map, struct str cip, int64_t cport, struct str sip, int64_t sport);

/* The flags of an open as Falco spells them. */
struct str map_open_flags(struct map *map, int64_t flags);

#endif
