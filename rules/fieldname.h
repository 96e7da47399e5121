/* A field as rules write it, looked up in the catalogue: "proc.aname[2]" is proc.aname with the
 * argument 2, "evt.arg.flags" is evt.arg with the argument flags. */
#ifndef RULES_FIELDNAME_H
#define RULES_FIELDNAME_H

#include "include/fields.h"
#include "rules/ast.h"

enum fieldname {
	FIELDNAME_OK = 0,
	FIELDNAME_UNKNOWN,
	FIELDNAME_NEEDS_ARGUMENT,
	FIELDNAME_TAKES_NO_ARGUMENT,
	FIELDNAME_NO_PARAMETER, /* evt.arg and evt.rawarg: no event has one of this name */
	FIELDNAME_NOT_BY_NUMBER, /* evt.rawarg: its parameter is told by name */
};

/* The catalogue's id and the argument (empty when there is none), also when no event has such a
 * parameter; either may be NULL. */
enum fieldname fieldname_find(const struct ast_term *term, field_id *ret_base, struct str *ret_arg);

/* Whether the text is a field that exists, argument and all. */
bool fieldname_is_field(struct str text, struct arena *arena);

/* The catalogue's name that is nearest to an unknown one, or an empty str. */
struct str fieldname_nearest(struct str name);

#endif
