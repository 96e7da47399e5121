/* The rule language as a library: Falco-format rules files in, matches and texts out. rules_load()
 * reads, checks and compiles; the result is immutable and may be shared by threads, each of which
 * brings its own scratch. A reload makes a new struct rules (and a new field registry).
 *
 * Bounds: RULES_*_MAX below; a condition with its lists filled in has at most RULES_TEXT_MAX bytes.
 * What a match needs beyond the event lives in the scratch, RULES_SCRATCH_TEXT bytes an event; a
 * derived value that does not fit counts as missing (rules_scratch_overflows()). */
#ifndef RULES_RULES_H
#define RULES_RULES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "include/conf.h"
#include "include/event.h"

/* What a load takes. Beyond a limit it ends with an error that says which one and where. */
enum {
	RULES_FILE_MAX = 16 << 20,	/* bytes of one file */
	RULES_FILES_MAX = 1024,		/* files of one load, those in folders included */
	RULES_TOTAL_MAX = 64 << 20,	/* bytes of all files of one load */
	RULES_MEMORY_MAX = 512 << 20,	/* bytes while loading, and again for what is loaded */
	RULES_REGEX_MEMORY_MAX = 64 << 20, /* bytes of all compiled regular expressions */
	RULES_YAML_DEPTH_MAX = 64,	/* nesting of YAML */
	RULES_KEYS_MAX = 1000,		/* keys of one mapping */
	RULES_TAGS_MAX = 1000,		/* tags of one rule */
	RULES_ITEMS_MAX = 20000,	/* lists, macros and rules, each */
	RULES_LIST_MAX = 100000,	/* items of one list, those of lists in it included */
	RULES_LISTS_TOTAL_MAX = 1000000, /* the same of all lists */
	RULES_EXCEPTIONS_MAX = 1000,	/* exceptions of one rule */
	RULES_TEXT_MAX = 1 << 20,	/* bytes of a condition or output */
	RULES_FILLED_MAX = 1 << 30,	/* bytes of conditions walked over to fill lists in */
	RULES_SUGGESTIONS_MAX = 200000, /* names compared to say what was meant; then it is not said */
	RULES_CANONICAL_TOTAL_MAX = 64 << 20, /* bytes of all canonical spellings; more are left out */
	RULES_DEPTH_MAX = 1000,		/* nesting of a condition, macros included */
	RULES_LITERAL_MAX = 255,	/* bytes of a literal, as in Falco */
	RULES_ANCESTORS_MAX = 32,	/* generations that proc.aname without an index looks at */
	RULES_NOTES_MAX = 200,		/* errors kept, and as many warnings; the rest is counted */
	RULES_USES_MAX = 32,		/* macros told of the way from a rule to an error */
	RULES_SCHEMA_NOTES_MAX = 50,	/* what is told of a file's keys */
	RULES_SCRATCH_TEXT = 256 << 10, /* bytes of derived values an event */
};

/* Falco's codes; rules_code_name() gives their spelling. */
enum rules_code {
	RULES_ERR_FILE_READ = 0,
	RULES_ERR_YAML_PARSE,
	RULES_ERR_YAML_VALIDATE,
	RULES_ERR_COMPILE_CONDITION,
	RULES_ERR_COMPILE_OUTPUT,
	RULES_ERR_VALIDATE,
	RULES_UNKNOWN_SOURCE, /* from here on: warnings */
	RULES_UNSAFE_NA_CHECK,
	RULES_NO_EVTTYPE,
	RULES_UNKNOWN_FILTER,
	RULES_UNUSED_MACRO,
	RULES_UNUSED_LIST,
	RULES_UNKNOWN_ITEM,
	RULES_DEPRECATED_ITEM,
	RULES_APPEND_NO_VALUES,
	RULES_EXCEPTION_NAME_NOT_UNIQUE,
	RULES_INVALID_MACRO_NAME,
	RULES_INVALID_LIST_NAME,
	RULES_COMPILE_CONDITION,
	RULES_UNKNOWN_KEY,
};

/* "LOAD_ERR_YAML_PARSE", …, and "YAML parse error", … */
const char *rules_code_name(enum rules_code code);
const char *rules_code_text(enum rules_code code);

static inline bool rules_code_is_error(enum rules_code code)
{
	return code < RULES_UNKNOWN_SOURCE;
}

/* A place that leads to an error: the file, the rule, its condition … in Falco's words. line and
 * column count from 1, columns and offset in bytes. */
struct rules_location {
	const char *item_type, *item_name; /* item_name: "" without one */
	const char *file;
	unsigned line, column;
	size_t offset;
};

/* Part of a line of a file. */
struct rules_source {
	const char *text;   /* NULL: none */
	unsigned at;	    /* where in it the place is, in bytes */
	bool before, after; /* it was cut there */
};

/* One error or warning. line and column count from 1, columns in bytes; 0: not known. */
struct rules_note {
	enum rules_code code;
	const char *file;
	size_t file_number; /* in the report's files */
	unsigned line, column;
	size_t offset;
	const char *text;
	struct rules_source source; /* around the place */
	struct rules_source snippet; /* around the last location, which may be the item's begin */
	const char *item_kind;	  /* "rule", "macro", "list", "exception" …; NULL: none */
	const char *item_name;	  /* NULL: none */
	const char *did_you_mean; /* NULL: nothing is near; the text says it too */
	const char *deprecated_field; /* NULL: none */

	/* From the file to the place, outermost first. */
	const struct rules_location *locations;
	size_t locations_count;
	/* For an error in a macro: who uses it, from the rule inwards; item_name is the macro's name,
	 * and the place the one where it is used. */
	const struct rules_location *uses;
	size_t uses_count;
	const char *user; /* that rule's name */
};

/* One file of a load, also when it could not be read. */
struct rules_file {
	const char *name;
	bool has_error, has_warning;
	const char *schema[RULES_SCHEMA_NOTES_MAX]; /* keys and values that no rules file has */
	size_t schema_count;
};

/* Everything that was wrong or odd in one load, in the order it was met. Texts live in the arena.
 */
struct rules_report {
	struct arena arena;
	struct rules_note notes[2 * RULES_NOTES_MAX];
	size_t count;
	size_t errors, warnings; /* all, kept or not */
	bool first_error;	 /* nothing is added behind the first error, as Falco does */
	struct rules_file **files;
	size_t files_count;
};

void rules_report_init(struct rules_report *report);
void rules_report_done(struct rules_report *report);

/* For people: "file:12:9: error LOAD_ERR_…: text", the line, and a caret below the column. */
void rules_report_print(const struct rules_report *report, struct buf *out);
void rules_note_print(const struct rules_note *note, struct buf *out);

/* Whether a text is a version as plugins have it: "1.2.3". */
bool rules_is_version(struct str text);

/* A plugin that rules may require. `container` 0.4.0 and up is always there. Falco's plugins that are a
 * source of events (k8saudit, cloudtrail, github, okta, gcpaudit …) make that source known. */
struct rules_plugin {
	const char *name, *version;
};

/* One entry of Falco's `rules:` setting, applied in order over what the files say. */
struct rules_choice {
	bool enable;
	bool by_tag; /* else by name; `*` stands for any run of characters */
	const char *pattern;
};

/* One entry of Falco's `append_output`, for the rules that match all that is given. */
struct rules_extra {
	const char *source, *rule; /* NULL: any */
	struct conf_strings tags;  /* all of them must be on the rule */
	const char *output;	   /* added to the output after a blank; NULL: nothing */
	bool suggested;		   /* so are container and pod, as Falco does */
	struct conf_map fields;	   /* into output_fields: key and format; value NULL: the field `key` as it is */
};

struct rules_description;
struct rules_text;

struct rules_settings {
	struct conf_strings
		files; /* files and folders (their *.yaml and *.yml by name), in order */
	const struct rules_text *given; /* a name in `files` that is this one's is not read */
	enum priority
		priority_max;  /* keeps rules that are at least this severe; PRIORITY_DEBUG: all */
	bool responding; /* only rules that respond take part */
	bool match_all;	       /* every rule that matches; else the first in definition order */
	bool suggested_output; /* append container and pod to each output, as Falco does */
	struct conf_strings
		sources; /* event sources beside syscall; their fields are taken as text */
	bool first_error; /* stop at the first error */
	const struct rules_plugin *plugins;
	size_t plugins_count;
	const struct rules_choice *choices;
	size_t choices_count;
	const struct rules_extra *extras;
	size_t extras_count;
	struct rules_description *description; /* filled in unless it is NULL: rules/describe.h */
};

/* The sources that the hub knows beside syscall: every alert, the hub's own events, other engines whose
 * events it maps. Whoever shares rules with a hub (sensors, the command) gives these. */
extern const struct conf_strings rules_hub_sources;

/* The sources of Falco's plugins, for who takes their events as they come. */
extern const struct conf_strings rules_plugin_sources;

struct rules;
struct rule;
struct rules_scratch;

/* Loads and compiles. Interns the fields that conditions and outputs want into `fields`, which must
 * outlive nothing: only ids are kept. `report` is filled in any case.
 * 0, -EINVAL (the report holds an error), -ENOMEM. */
int rules_load(const struct rules_settings *settings, struct fields *fields,
	       struct rules_report *report, struct rules **ret);

/* A file that is in memory already. */
struct rules_text {
	const char *name;
	struct str text;
	bool is_entered; /* in the report's files already, as this one: */
	size_t number;
};

/* The same from memory; settings->files is not looked at. */
int rules_load_text(const struct rules_settings *settings, const struct rules_text *files,
		    size_t files_count, struct fields *fields, struct rules_report *report,
		    struct rules **ret);

/* Changes when one of the files does, or what a folder holds: by names, inodes, sizes and times, without
 * reading any. Files and folders as rules_load() takes them. */
uint64_t rules_files_stamp(const struct conf_strings *files);

/* The version of a set: the same names and texts of files give the same one, in hex. */
enum { RULES_VERSION_LEN = 16 };
struct str rules_version(const struct rules *rules);

/* The files as they were loaded; the rules own the texts. */
size_t rules_files_count(const struct rules *rules);
struct rules_text rules_file_at(const struct rules *rules, size_t index);

void rules_free(struct rules *rules);
DEFINE_CLEANUP(struct rules *, rules_free);

/* What one thread needs to match and format. Lives no longer than the rules. NULL: out of memory.
 */
struct rules_scratch *rules_scratch_new(const struct rules *rules);
void rules_scratch_free(struct rules_scratch *scratch);
DEFINE_CLEANUP(struct rules_scratch *, rules_scratch_free);

/* Values that did not fit and regular expressions that hit a limit, since the scratch was made. */
uint64_t rules_scratch_overflows(const struct rules_scratch *scratch);

/* The rules that the event matches, in definition order, at most `max`. Without match_all the first
 * one only, and before it those that delegate their verdict (see rule_opa()): which of them is the
 * first is known when the verdicts are. Of an event with respond.rule that rule comes first, if it responds:
 * a call that was prevented ended otherwise than the rule was asked about. Allocates nothing. The event's registry must be the one the rules were loaded with. */
size_t rules_match(const struct rules *rules, struct rules_scratch *scratch,
		   const struct event *event, const struct rule **hits, size_t max);

/* The alert's text, "HH:MM:SS.nnnnnnnnn: Priority message" in local time with <NA> for what is
 * missing, and its output_fields as one JSON object, valid UTF-8. Either buffer may be NULL; both
 * are appended to. The event's bytes stand in the text as they are: escape on the way out. */
void rules_format(const struct rules *rules, struct rules_scratch *scratch, const struct rule *rule,
		  const struct event *event, struct buf *output, struct buf *output_fields);

/* Whether there is a rule that the choice is about; one that is about none is mistyped, most often. */
bool rules_choice_hits(const struct rules *rules, const struct rules_choice *choice);

/* All rules of known sources in definition order, disabled ones included. */
size_t rules_count(const struct rules *rules);
const struct rule *rules_at(const struct rules *rules, size_t index);
size_t rules_enabled_count(const struct rules *rules);

struct str rule_name(const struct rule *rule);
struct str rule_description(const struct rule *rule);
struct str rule_source(const struct rule *rule);
struct str rule_output(const struct rule *rule);    /* the format, as compiled */
struct str rule_condition(const struct rule *rule); /* as written, appends joined */
enum priority rule_priority(const struct rule *rule);
const struct str *rule_tags(const struct rule *rule, size_t *ret_count); /* sorted */
const char *rule_file(const struct rule *rule);
unsigned rule_line(const struct rule *rule);
bool rule_is_enabled(const struct rule *rule);

/* A rule that delegates its verdict to an Open Policy Agent server: when the condition holds, the
 * answer to a question about the event decides whether it fires. */
struct rule_opa {
	const char *url;	 /* "https://host:8181", without a slash at its end */
	const char *unix_socket; /* NULL: none */
	const char *path;	 /* below v1/data/: "tocsin/exec/deny" */
	const char *token;	 /* where the bearer token is: "file:…", "env:…", "credential:…"; NULL */
	bool on_error_pass;	 /* does not fire when there is no answer; else it does */
	int64_t timeout_ms, cache_ms;
	bool all_fields; /* the question has all of the event's fields; else rules_opa_fields() */
};

/* NULL: the condition alone decides. */
const struct rule_opa *rule_opa(const struct rule *rule);

/* What a sensor that enforces does to the process whose system call the rule matches. */
enum respond_action {
	RESPOND_NONE = 0, /* it only tells */
	RESPOND_DENY,	  /* the call fails with an error and has no effect */
	RESPOND_KILL,	  /* the process ends by SIGKILL */
	RESPOND_FREEZE,	  /* its container stops, until somebody lets it go on */
	RESPOND_ACTIONS,
};

struct rule_respond {
	enum respond_action action;
	int error; /* of DENY: what the call fails with, EPERM by default; positive */
};

struct rule_respond rule_respond(const struct rule *rule);

/* "none", "deny", …: as rules files have them. */
const char *respond_action_name(enum respond_action action);

/* "deny with EPERM", "kill"; nothing for a rule that only tells. */
void respond_add(struct rule_respond respond, struct buf *out);

/* The fields that the rule's question names, as one JSON object; appended to `out`. */
void rules_opa_fields(const struct rules *rules, struct rules_scratch *scratch,
		      const struct rule *rule, const struct event *event, struct buf *out);

bool rules_match_all(const struct rules *rules);

/* How many of `count` hits count for who cannot ask: as if every delegated verdict were true. */
static inline size_t rules_unasked(const struct rules *rules, size_t count)
{
	return count > 1 && !rules_match_all(rules) ? 1 : count;
}

/* The condition after lists and macros, in one canonical spelling. */
void rule_add_canonical(const struct rule *rule, struct buf *out);

/* Whether the rule can match an event of this type. */
bool rule_wants_type(const struct rule *rule, struct str evt_type);

/* Whether any enabled rule on system calls can match such an event. */
bool rules_wants_type(const struct rules *rules, struct str evt_type);

/* Whether any enabled rule looks at events of this source. */
bool rules_wants_source(const struct rules *rules, struct str source);

/* Walks the event types that enabled rules on system calls can match: start with *cursor = 0; false
 * at the end. rules_wants_all_types() says that some rule is not limited to any. */
bool rules_next_type(const struct rules *rules, size_t *cursor, struct str *ret);
bool rules_wants_all_types(const struct rules *rules);

/* The texts that rules compare a field of the catalogue with, by = and in; some may come twice. The cursor begins
 * with 0. */
bool rules_next_text(const struct rules *rules, field_id field, uint64_t *cursor, struct str *ret);

/* Walks the ids of the fields that enabled rules read, in conditions or in outputs, with those from
 * which they are derived: start with *cursor = 0; false at the end. */
bool rules_next_field(const struct rules *rules, size_t *cursor, field_id *ret);

/* Whether any enabled rule wants what a call reads or writes (evt.buffer, evt.arg.data); the environment of a process
 * or of its ancestors. */
bool rules_wants_data(const struct rules *rules);
bool rules_wants_environment(const struct rules *rules);
/* ... what programs have for their input and outputs (proc.stdout.type). */
bool rules_wants_standard(const struct rules *rules);

/* Whether the evaluator can make a field of the catalogue from others. */
bool rules_field_is_derived(field_id base);

#endif
