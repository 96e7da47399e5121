/* Priorities by name and number. */
#include "include/priority.h"

static const char *const names[PRIORITY_COUNT] = {
	"Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug",
};

bool priority_parse(struct str name, enum priority *ret)
{
	if (str_eq_nocase(name, STR("info"))) {
		*ret = PRIORITY_INFORMATIONAL;
		return true;
	}
	for (int i = 0; i < PRIORITY_COUNT; i++) {
		if (str_eq_nocase(name, str_of(names[i]))) {
			*ret = (enum priority)i;
			return true;
		}
	}
	return false;
}

const char *priority_name(enum priority priority)
{
	return names[priority];
}
