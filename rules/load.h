/* From files to collected items: what the loader knows between reading YAML and compiling. All of
 * it lives in the loader's arena and is gone when the load is done. */
#ifndef RULES_LOAD_H
#define RULES_LOAD_H

#include "rules/ast.h"
#include "rules/evttypes.h"
#include "rules/report.h"
#include "rules/rules.h"
#include "rules/table.h"
#include "rules/document.h"
#include "rules/watch.h"

/* A text that was put together from several places in files: a condition with its appends. */
struct piece {
	struct str text;
	const struct yaml *node; /* where it stands */
	bool exact;		 /* text is part of the node's text; else it was made from the node */
	size_t from;		 /* where in the node's text it begins */
};

struct pieces {
	struct piece *at;
	size_t count, cap;
};

/* The joined text, and for every byte of it the place it came from. */
struct text {
	struct str text;
	const uint32_t *origin; /* offset into the joined pieces, for each byte and the end; NULL: the same */
	struct pieces pieces;
};

struct list {
	struct str name;
	const struct yaml *node;
	struct str *items;
	size_t count, cap;
	struct str *resolved; /* items with the names of other lists filled in */
	size_t resolved_count;
	size_t index, visibility;
	bool used;
};

/* A macro on the way from a rule to what is wrong: where it is used, and what lies further in. */
struct frame {
	struct str macro;
	const struct text *where;
	size_t offset;
	const struct frame *inner;
};

/* What is wrong with a condition, kept so that each rule that meets it can decide what to do. */
struct problem {
	enum rules_code code;
	bool is_unknown_filter; /* skip-if-unknown-filter turns it into a warning */
	const char *text;	/* NULL: none */
	const char *near;	/* what may have been meant; NULL: nothing */
	const struct text *where;
	size_t offset;
	const struct frame *frames; /* the macros that lead to it, outermost first */
	struct told *told;	    /* shared by all who meet it */
	bool is_final;		    /* nothing more can be said of the condition */
	struct problem *more;	    /* found behind it */
};

/* Problems of one condition, in the order in which they are found, so that one run tells of all. */
struct problems {
	struct problem *first, *last;
	size_t count; /* at most PROBLEMS_MAX; more are not told, or macros of macros would multiply them */
};

enum { PROBLEMS_MAX = 32 };

/* Whether a problem has been told, and as which note. */
struct told {
	bool is_told;
	struct rules_note *note; /* NULL: elsewhere, or only counted */
};

enum stage {
	STAGE_NEW = 0,
	STAGE_BUSY, /* being resolved: meeting it again is a loop */
	STAGE_DONE,
};

struct macro {
	struct str name;
	const struct yaml *node;
	struct pieces condition;
	size_t index, visibility;
	bool used;
	enum stage stage;

	struct text text;
	struct ast *ast; /* NULL when it does not parse or resolve: see problem */
	struct problem problem;

	bool is_warned;
	bool is_compiled[2]; /* for system calls; for other sources, whose fields are any */
	uint32_t compiled[2];
	struct problem compile_problem[2];
	unsigned depth;
	bool has_types;
	struct type_pair types;
};

struct exception {
	struct str name;
	const struct yaml *node;
	const struct yaml *fields, *comps; /* NULL: not given */
	const struct yaml **values;
	size_t values_count, values_cap;
};

/* Whom a rule asks. */
struct opa_item {
	struct str url, unix_socket, path, token; /* empty: not given */
	bool on_error_pass;
	int64_t timeout_ms, cache_ms;
	struct pieces input; /* "%field" each; none: all fields */
};

/* What a hub-only rule has beside what all rules have. */
struct watch_item {
	enum watch_kind kind;
	uint32_t count;
	int64_t within_ns, learn_ns;
	struct pieces by, of; /* "%field" each */
	bool by_hostname, of_hostname;
	struct pieces steps[WATCH_STEPS_MAX];
	size_t steps_count;
};

struct rule_item {
	struct str name;
	const struct yaml *node;
	struct pieces condition, output, description;
	enum priority priority;
	struct str source;
	struct str *tags;
	size_t tags_count;
	struct exception *exceptions;
	size_t exceptions_count, exceptions_cap;
	bool enabled, warn_evttypes, skip_unknown, capture;
	uint64_t capture_ms;
	const struct opa_item *opa; /* NULL: nobody */
	struct rule_respond respond;
	const struct yaml *respond_node;
	struct watch_item watch;
	bool source_is_unknown, is_broken;
	const struct ast *ast; /* with its exceptions, once compiled */
};

struct requirement {
	const struct yaml *node;
	struct str names[16], versions[16]; /* the plugin and its alternatives */
	size_t count;
};

struct loader {
	const struct rules_settings *settings;
	struct arena *arena;
	struct rules_report *report;

	struct list *lists;
	struct macro **macros;
	struct rule_item **rules;
	struct requirement *requirements;
	size_t lists_count, macros_count, rules_count, requirements_count;
	size_t lists_cap, macros_cap, rules_cap, requirements_cap;
	struct table list_names, macro_names, rule_names;
	struct table broken; /* names of lists and macros that could not be read */
	struct str engine_version; /* the last that was required */
	size_t index;	     /* grows with every item: first definition and visibility */
	unsigned bind_depth;
	size_t suggestions;	  /* names compared to find what was meant */
	size_t resolved_total;	  /* items of all lists, lists in lists filled in */
	uint64_t *marks;	  /* bits by list: what the text at hand may use; what is always tried */
	size_t filled;		  /* bytes walked over to fill lists in */
	size_t canonical_total;	  /* bytes of canonical spellings */
	size_t total;		  /* bytes of the files so far */
	const struct yaml *at;	  /* what is being loaded: where memory ran out */
	bool out_of_memory;
	bool has_bad_yaml;
};

/* Reads one file's items into the loader. 0, or -ENOMEM; errors go to the report. */
int load_file(struct loader *loader, const struct yaml_file *file);

/* The settings' sources and those that the plugins bring. False: out of memory. */
bool load_add_sources(struct arena *arena, const struct rules_settings *settings,
		      struct conf_strings *ret);

/* Checks the plugin requirements of all files. */
void load_check_plugins(struct loader *loader);

/* One item each. */
void load_engine_version(struct loader *loader, const struct yaml *item);
void load_plugin_versions(struct loader *loader, const struct yaml *item);
void load_list(struct loader *loader, const struct yaml *item);
void load_macro(struct loader *loader, const struct yaml *item);
void load_rule(struct loader *loader, const struct yaml *item);

/* A rule's exceptions: read, appended to what is there, or replacing it. */
enum exceptions_mode {
	EXCEPTIONS_DEFINE = 0,
	EXCEPTIONS_APPEND,
};
bool load_exceptions(struct loader *loader, struct rule_item *rule, const struct yaml *item,
		     enum exceptions_mode mode);

/* A rule's `opa`, which is there. */
bool load_opa(struct loader *loader, const struct place *place, const struct yaml *item,
	      struct rule_item *rule);

/* A rule's `respond`, which is there. */
bool load_respond(struct loader *loader, const struct place *place, const struct yaml *item,
		  struct rule_item *rule);

/* Whether the finished rule may respond as it says; told if not. */
bool load_respond_agrees(struct loader *loader, const struct rule_item *rule);

/* The keys of hub-only rules. A `hostname` in a list of fields is not one of them: *hostname. */
bool load_watch_count(struct loader *loader, const struct place *place, const struct yaml *item,
		      struct rule_item *rule);
bool load_watch_time(struct loader *loader, const struct place *place, const struct yaml *item,
		     struct str key, int64_t *ret_ns);
bool load_watch_fields(struct loader *loader, const struct place *place, const struct yaml *item,
		       struct str key, bool may_be_empty, struct pieces *pieces, bool *hostname);
bool load_watch_steps(struct loader *loader, const struct place *place, const struct yaml *item,
		      struct rule_item *rule);

/* The conditions that the exceptions stand for, each to be negated and joined with `and`. NULL text
 * for an exception without values. */
bool exception_condition(struct loader *loader, const struct rule_item *rule,
			 const struct exception *exception, struct pieces *ret);

/* Values of an item, with an error in the report when they are not what they should be. */
bool item_text(struct loader *loader, const struct place *place, const struct yaml *item,
	       struct str key, bool may_be_empty, const struct yaml **ret);
bool item_bool(struct loader *loader, const struct place *place, const struct yaml *item,
	       struct str key, bool *ret);
bool item_sequence(struct loader *loader, const struct place *place, const struct yaml *item,
		   struct str key, const struct yaml **ret);

/* Warns of keys that are not in `known`, which ends with an empty str. */
void item_unknown_keys(struct loader *loader, const struct place *place, const struct yaml *item,
		       const struct str *known);

/* Memory for one more in an array that lives in the arena. NULL: out of memory, noted. */
void *load_grow(struct loader *loader, void *items, size_t count, size_t *cap, size_t size);

bool pieces_add(struct loader *loader, struct pieces *pieces, struct str text,
		const struct yaml *node, bool exact);

/* An item of a list or an exception's value as a condition has it: one with blanks gets quotes
 * unless it brings its own. */
void item_print(struct buf *out, struct str text);

/* The pieces joined with blanks, lists filled in. */
bool text_expand(struct loader *loader, const struct pieces *pieces, struct text *ret);

/* The same without lists, as outputs are. */
bool text_join(struct loader *loader, const struct pieces *pieces, struct text *ret);
struct str pieces_join(struct loader *loader, const struct pieces *pieces);

/* The place in a file of byte `offset` of the text. */
struct place text_place(const struct text *text, size_t offset);

/* Where a byte of the text, or its end, is in the joined pieces. */
uint32_t text_origin(const struct text *text, size_t offset);

/* Fills `resolved` of all lists. */
bool lists_resolve(struct loader *loader);

/* Parses and resolves all macros; what is wrong is kept in each. */
bool macros_resolve(struct loader *loader);

/* Points the macro references of a condition to their macros. False: see problem. */
bool macros_bind(struct loader *loader, struct ast *ast, const struct text *text,
		 struct problem *problem);

/* Puts what is wrong aside, so that the search can go on; a problem without a text is none. False: it does
 * not go on. */
bool problem_aside(struct loader *loader, struct problem *problem, struct problems *ret);

/* All that was put aside as one. Whether there was any. */
bool problem_gather(const struct problems *problems, struct problem *ret);

/* A copy that can be given frames of its own. */
bool problem_copy(struct loader *loader, const struct problem *from, struct problem *ret);

/* Notes that the macro `name`, used at a place, leads to the problem. */
void problem_inside(struct loader *loader, struct problem *problem, struct str macro,
		    const struct text *where, size_t offset);

/* Says what may have been meant. */
void problem_suggest(struct loader *loader, struct problem *problem, struct str near);

/* Whether so many names may still be compared to find what was meant. */
bool load_may_suggest(struct loader *loader, size_t names);

void problem_set(struct loader *loader, struct problem *problem, enum rules_code code,
		 const struct text *where, size_t offset, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

#endif
