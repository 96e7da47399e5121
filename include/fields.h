/* Field names and their ids. The catalogue of Falco's fields comes first, with fixed ids (enum
 * field); names beyond it — a field with an argument such as proc.aname[2] or evt.arg.flags, another
 * engine's field — get theirs when rules, routes or outputs that want them are loaded. A registry
 * only grows while it is being built by one thread, then is shared read-only.
 *
 * The full text, argument included, is the name: "proc.aname[2]" and "proc.aname" are two fields. */
#ifndef INCLUDE_FIELDS_H
#define INCLUDE_FIELDS_H

#include "base/str.h"

typedef uint16_t field_id;

enum field_type {
	FIELD_TYPE_STR = 0,
	FIELD_TYPE_BYTES,
	FIELD_TYPE_BOOL,
	FIELD_TYPE_INT,
	FIELD_TYPE_INT16,
	FIELD_TYPE_INT32,
	FIELD_TYPE_UINT,
	FIELD_TYPE_UINT32,
	FIELD_TYPE_PORT,
	FIELD_TYPE_RELTIME, /* ns, unsigned */
	FIELD_TYPE_ABSTIME, /* ns since the epoch, unsigned */
	FIELD_TYPE_DOUBLE,
	FIELD_TYPE_IPADDR,
	FIELD_TYPE_IPNET,
	FIELD_TYPE_DYN, /* the type of the event's parameter: evt.rawarg */
	FIELD_TYPE_OPAQUE, /* of a parameter that cannot be compared: an address as the kernel has it */
};

enum field_format {
	FIELD_FORMAT_NA = 0,
	FIELD_FORMAT_DEC,
	FIELD_FORMAT_HEX,
	FIELD_FORMAT_OCT,
	FIELD_FORMAT_PADDED_DEC,
	FIELD_FORMAT_ID,
	FIELD_FORMAT_DIR,
};

enum field_flag {
	FIELD_ARG_REQUIRED = 1 << 0,
	FIELD_ARG_ALLOWED = 1 << 1,
	FIELD_ARG_INDEX = 1 << 2,
	FIELD_ARG_KEY = 1 << 3,
	FIELD_IS_LIST = 1 << 4,
	FIELD_TABLE_ONLY = 1 << 5,
	FIELD_PRINT_ONLY = 1 << 6,
	FIELD_FILTER_ONLY = 1 << 7,
	FIELD_DEPRECATED = 1 << 8,
	FIELD_NO_RHS = 1 << 9,
	FIELD_NO_TRANSFORMER = 1 << 10,
	FIELD_NO_PTR_STABILITY = 1 << 11,
	FIELD_FORMAT_SUGGESTED = 1 << 12,
};

/* FIELD_EVT_NUM and so on; 0 is no field. */
enum field {
	FIELD_NONE = 0,
#define FIELD(id, name, type, format, flags) FIELD_##id,
#include "include/fields.def"
#undef FIELD
	FIELD_CATALOGUE_END,
};

struct field_info {
	struct str name;
	enum field_type type;
	enum field_format format;
	unsigned flags;
};

enum { FIELDS_MAX = 4096 };

struct fields;

/* A registry that holds the catalogue. NULL when out of memory. */
struct fields *fields_new(void);
void fields_free(struct fields *fields);

/* The id of a name, given one if it has none yet. FIELD_NONE at FIELDS_MAX or out of memory. */
field_id fields_intern(struct fields *fields, struct str name);

/* The id of a name, or FIELD_NONE. */
field_id fields_find(const struct fields *fields, struct str name);

/* The name of an id; the registry's. */
struct str fields_name(const struct fields *fields, field_id id);

/* One more than the largest id: the length of an event's array of values. */
size_t fields_count(const struct fields *fields);

/* Catalogue entry of a field without its argument, or NULL. */
const struct field_info *field_info(struct str name);
const struct field_info *field_info_at(field_id id);

#endif
