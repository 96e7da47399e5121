/* Falco's priorities: syslog's severities, 0 the most severe. */
#ifndef INCLUDE_PRIORITY_H
#define INCLUDE_PRIORITY_H

#include "base/str.h"

enum priority {
	PRIORITY_EMERGENCY = 0,
	PRIORITY_ALERT,
	PRIORITY_CRITICAL,
	PRIORITY_ERROR,
	PRIORITY_WARNING,
	PRIORITY_NOTICE,
	PRIORITY_INFORMATIONAL,
	PRIORITY_DEBUG,
};

enum { PRIORITY_COUNT = PRIORITY_DEBUG + 1 };

/* By name in any case; "info" is Informational. False for anything else. */
bool priority_parse(struct str name, enum priority *ret);

/* "Emergency" … "Informational", "Debug". */
const char *priority_name(enum priority priority);

#endif
