/* Loading rules for the verbs that work with them: which files, which rules of them, for which
 * sources; and reading events as the hub reads them. */
#ifndef CLI_RULES_SET_H
#define CLI_RULES_SET_H

#include "cli/cli.h"
#include "hub/normalise/normalise.h"
#include "rules/rules.h"

enum {
	SET_FILES_MAX = RULES_FILES_MAX,
	SET_SOURCES_MAX = CLI_WORDS_MAX + 16,
	SET_HITS_MAX = 512,      /* rules that one event may match */
	SET_EVENT_MAX = 8 << 20, /* bytes of one event */
};

/* The rules with all that matching needs. */
struct rules_set {
	struct fields *fields;
	struct rules_report report;
	struct rules *rules; /* NULL: they did not load, see report */
	struct rules_scratch *scratch;
	struct event event;
	struct normalise normalise;
	struct arena arena;  /* of one event */
};

/* What the options of CLI_RULES say. Points to static memory: once a run. False with a complaint. */
bool set_settings(struct rules_settings *ret);

/* The same, and the sources of Falco's plugins are known without naming the plugins: for verbs that look at
 * rules and run them, rather than say what Falco would. */
bool set_all_settings(struct rules_settings *ret);

/* Whether --match was given: its default is the verb's. */
bool set_match_given(void);

/* Adds `more` sources to those that the hub and --source know. What was added by another call to a
 * copy of the same settings is gone. */
void set_add_sources(struct rules_settings *settings, const struct conf_strings *more);

/* Adds a verb's operands, rules files, to settings->files; the last one, unless ret_events is NULL, is the
 * file of events when it follows "--", is "-", or is no rules file by its
 * name (.yaml, .yml, a folder). *ret_events is NULL without one. False with a complaint. */
bool set_operands(struct rules_settings *settings, int argc, char **argv, const char **ret_events);

/* Whether a name looks like rules: *.yaml, *.yml, or a folder. */
bool set_is_rules_file(const char *name);

/* Loads settings->files. CLI_NO when they are bad or memory is out; the set must be freed in any case. */
int set_load(const struct rules_settings *settings, struct rules_set *ret);
void set_free(struct rules_set *set);

/* Tells of options that choose rules and choose none: they do nothing. */
void set_tell_idle(const struct rules_settings *settings, const struct rules *rules);

/* Tells of errors, or of all notes, on stderr. */
void set_tell(const struct rules_set *set, bool warnings);

/* Reads the event that begins at text[from] into set->event: 0, or -EBADMSG, or -ENOMEM. */
int set_read(struct rules_set *set, struct str text, size_t from, size_t *ret_end, struct reject *ret);

/* What a hub-only rule is, in words ("threshold: 5 within 60s by hostname"); nothing for other rules, and
 * for one that was not loaded. */
void set_add_kind(const struct rules_set *set, struct str name, struct buf *out);

#endif
