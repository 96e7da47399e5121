/* The parameters of events, which rules name as evt.arg.NAME and evt.rawarg.NAME. */
#ifndef RULES_PARAMS_H
#define RULES_PARAMS_H

#include "include/fields.h"

struct param_info {
	struct str name;
	enum field_type type; /* evt.rawarg's; evt.arg is text always */
	enum field_format format;
};

/* The parameter of this name, NULL without one. */
const struct param_info *param_find(struct str name);

/* Whether the text begins with a parameter's name, as Falco looks it up. */
bool param_begins(struct str text);

/* The name that is nearest to an unknown one, or an empty str. */
struct str param_nearest(struct str name);

#endif
