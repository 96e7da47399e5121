/* Checking rules files, for `check` and `rules check`. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "rules/rules.h"

struct rules_check {
	struct rules_settings settings;
	/* The result: */
	struct rules_report report;
	bool ok;
	size_t count, enabled;
};

/* Loads the files and fills the result in, which rules_check_done() frees. CLI_YES or CLI_NO. */
int rules_check(struct rules_check *check);
void rules_check_done(struct rules_check *check);

#endif
