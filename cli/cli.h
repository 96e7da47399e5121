/* The frame of the `tocsin` command: verbs as a table, options as tables, results on stdout, all else
 * on stderr. What is printed of an alert or of a hub's answer is escaped for the terminal. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/buf.h"

enum cli_exit {
	CLI_YES = 0,
	CLI_NO = 1,          /* a check failed, something was not found */
	CLI_USAGE = 2,
	CLI_UNREACHABLE = 3, /* no hub answers */
	CLI_FORBIDDEN = 4,   /* the hub wants another token */
	CLI_DONE = -1,       /* of cli_parse(): go on */
};

enum { CLI_WORDS_MAX = 256 };

/* One option of a verb; a table ends with an empty row. Either `value` (with `argument`, its name in
 * the help) or `flag` is set. With both the option may be repeated: `value` is an array of
 * CLI_WORDS_MAX + 1 whose end is NULL, and `flag` says whether it was given at all. */
struct cli_option {
	const char *name;
	char letter;          /* 0: none */
	const char *argument;
	const char *fallback; /* shown in the help */
	const char *help;
	const char **value;
	bool *flag;
};

enum cli_needs {
	CLI_HUB = 1 << 0,    /* talks to a hub: --url, --token-file, --config */
	CLI_FORMAT = 1 << 1, /* -o text|json */
	CLI_COLOR = 1 << 2,  /* --color */
	CLI_CONFIG = 1 << 3, /* --config without the rest of CLI_HUB */
	CLI_RULES = 1 << 4,  /* which rules: --rules, --disable … of cli/rules_set.h */
};

struct cli_verb {
	const char *name;      /* one word or two: "tail", "rules check" */
	const char *arguments; /* behind the options in the usage line: "[FILE]" */
	const char *summary;   /* one line */
	const char *examples;  /* whole lines, each indented */
	unsigned needs;        /* enum cli_needs */
	const struct cli_option *options; /* of its own; NULL: none */
	int (*run)(int argc, char **argv); /* with what is left behind the options; enum cli_exit */
};

extern const struct cli_verb *const cli_verbs[]; /* ends with NULL */

/* What the options that many verbs share say. */
struct cli_shared {
	const char *url, *token_file, *ca_file, *config;
	bool json;
	bool color;
};

extern struct cli_shared cli;

/* Runs the verb that argv names. The exit status. */
int cli_main(int argc, char **argv);

/* Prints "tocsin VERB: …" and "try tocsin VERB --help"; CLI_USAGE. */
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line on stderr, escaped. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes a buffer to stderr as it is, and frees it. */
void cli_tell(struct buf *out);

/* Writes a buffer to stdout and empties it; CLI_NO when that failed. */
int cli_print(struct buf *out);

/* Terminal colours; empty when colour is off. */
enum cli_color { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_RED, CLI_YELLOW, CLI_GREEN, CLI_CYAN, CLI_MAGENTA };
void cli_add_color(struct buf *out, enum cli_color color);

/* A number of an option; false with a complaint when it is none or out of range. */
bool cli_number(const char *option, const char *text, uint64_t max, uint64_t *ret);

/* A file's bytes ("-": standard input), at most out->max of them, into out; false with a complaint. */
bool cli_read(const char *path, struct buf *out);

extern const struct cli_option cli_rules_options[];

extern const struct cli_verb verb_audit, verb_check, verb_completion, verb_kick, verb_letters_list,
	verb_letters_replay, verb_login, verb_outputs, verb_rules_check, verb_rules_describe, verb_rules_fields,
	verb_rules_bench, verb_rules_fmt, verb_rules_list, verb_rules_parse, verb_rules_reload, verb_rules_run, verb_rules_test,
	verb_seccomp_check, verb_seccomp_diff, verb_seccomp_record, verb_status, verb_tail, verb_version;

#endif
