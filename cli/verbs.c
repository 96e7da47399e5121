/* The verbs of the command, in the order of the help. */
#include "cli/cli.h"

const struct cli_verb *const cli_verbs[] = {
	&verb_check,
	&verb_rules_check,
	&verb_rules_run,
	&verb_rules_test,
	&verb_rules_list,
	&verb_rules_describe,
	&verb_rules_fields,
	&verb_rules_bench,
	&verb_rules_fmt,
	&verb_rules_parse,
	&verb_rules_reload,
	&verb_tail,
	&verb_status,
	&verb_outputs,
	&verb_kick,
	&verb_letters_list,
	&verb_letters_replay,
	&verb_audit,
	&verb_login,
	&verb_completion,
	&verb_version,
	NULL,
};
