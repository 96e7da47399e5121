/* Checking rules files, for `check` and `rules check`. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "rules/rules.h"

struct rules_check {
	struct conf_strings files;
	enum priority priority_max;
	bool match_all;
	/* The result: */
	bool ok;
	size_t count, enabled, warnings;
	struct buf json; /* the notes as JSON objects with commas between, with -o json; the caller frees */
};

/* Loads the files; unless -o json what is wrong or odd goes to stderr. CLI_YES or CLI_NO. */
int rules_check(struct rules_check *check);

#endif
