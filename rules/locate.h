/* From a node of a rules file to what it is there: the steps that lead to it, in Falco's words. */
#ifndef RULES_LOCATE_H
#define RULES_LOCATE_H

#include "rules/document.h"

struct step {
	const char *type; /* "rules content", "rule", "rule condition" … */
	struct str name;  /* empty: none */
	const struct yaml *node;
};

enum { STEPS_MAX = 12 };

/* The steps from the file to the node, outermost first; returns how many. */
size_t locate(const struct yaml *node, struct step steps[STEPS_MAX]);

#endif
