/* Compiled rules: what the evaluator runs on. Three tables, each with every distinct thing once:
 * terms (a field or a transformer, extracted at most once an event), predicates (a term against
 * literals, tested at most once an event) and nodes (and, or, not over them). A rule is a node. */
#ifndef RULES_COMPILED_H
#define RULES_COMPILED_H

#define PCRE2_CODE_UNIT_WIDTH 8

#include "rules/evttypes.h"
#include "rules/net.h"
#include "rules/rules.h"
#include "rules/table.h"
#include "rules/watch.h"

#include <pcre2.h>

enum { NONE = UINT32_MAX };

/* How a term's values compare. */
enum class {
	CLASS_TEXT = 0,
	CLASS_BYTES,
	CLASS_BOOL,
	CLASS_NUMBER,
	CLASS_REAL,
	CLASS_ADDRESS,
	CLASS_NETWORK,
	CLASS_ANY, /* as the event has it */
};

enum {
	WORD_UNKNOWN = UINT32_MAX,  /* not looked up yet */
	WORD_NONE = UINT32_MAX - 1, /* none of them */
};

/* Lists of numbers, one behind the other: list i is at[first[i]] … at[first[i + 1] - 1]. */
struct postings {
	uint32_t *first, *at; /* NULL: none */
};

/* What a value is looked along for. */
enum affix {
	AFFIX_PREFIX = 0, /* startswith */
	AFFIX_SUFFIX,	  /* endswith: of the value backwards */
	AFFIX_PATH,	  /* pmatch without wildcards: of its components, each with a slash around */
	AFFIX_INSIDE,	  /* contains, icontains, glob: of three bytes wherever they stand, see fragments.h */
	AFFIX_KINDS,
	AFFIX_TRIES = AFFIX_INSIDE,
};

/* How guards look at an event: along a term's value for each kind of affix, or these ways. */
enum look {
	LOOK_WORD = AFFIX_KINDS, /* the term's value among its words */
	LOOK_TEST,		 /* a predicate is tested */
	LOOKS,
};

/* One step of a trie: its children lie one behind the other. */
struct branch {
	uint32_t first; /* child */
	uint32_t number_plus_1; /* of the literal that ends here; 0: none does */
	uint16_t count;
	uint8_t byte;
};

/* The literals of one kind that a term is compared to, as a trie, each with a number. */
struct affixes {
	struct branch *trie; /* NULL: there are none */
	uint16_t *begins; /* by byte: which child of the trie's root, plus 1; 0: none */
	uint32_t count;
	struct postings predicates; /* by number: those that hold then */
};

/* Three bytes of a predicate's literal. */
struct fragment {
	uint32_t predicate, literal;
	uint32_t offset; /* of the three bytes in the literal */
};

/* What a value may have anywhere, by three bytes of it. */
struct fragments {
	uint64_t *has; /* bits by hash: there is a fragment of that hash; NULL: there are none */
	unsigned shift; /* of the product that the hash is taken from */
	struct fragment *all;
	uint32_t count;
	struct postings by_hash; /* numbers of fragments */
};

struct term {
	enum ast_term_kind kind;
	enum class class;
	enum field_type type;
	enum field_format format; /* how a number is printed */
	bool is_list;	/* its value is a list */
	bool is_many;	/* several values, for each of which an operator may hold: ancestors */
	bool two_sided; /* client and server: != must hold for both */
	bool is_unsigned;
	field_id id;	 /* FIELD: the full name's, in the registry */
	field_id base;	 /* FIELD: the catalogue's, 0 for another source's field */
	struct str name; /* canonical */
	struct str arg;
	int64_t index; /* arg as a number, -1: it is none */
	enum transformer call;
	const uint32_t *items; /* of a call or a list */
	uint32_t count;
	struct value literal;
	/* The literals that = and in compare this term to, each with a number. */
	struct table words;
	size_t words_len_max;
	struct postings by_word; /* the guards that hold when the value is this word */
	struct affixes affixes[AFFIX_TRIES];
	struct fragments inside;
};

struct literal {
	struct str text; /* as the operator wants it: hex resolved */
	union {
		__int128 number;
		double real;
		struct net_addr addr;
		struct net_prefix net;
		bool truth;
		pcre2_code *regex;
	};
};

struct predicate {
	uint32_t term, right; /* right: a term, or NONE */
	enum op op;
	enum modifier modifier;
	enum class class;
	uint32_t count;
	const struct literal *literals;
	/* For = and in on text: the literals' numbers among the term's words, ascending, or the only one's. */
	const uint32_t *words;
	const uint64_t *word_bits; /* the same as bits; NULL when the term has too many for that */
	uint32_t word; /* of the only literal; WORD_NONE: see words */
	uint32_t node_plus_1; /* that is this check alone; 0: there is none yet */
	bool has_words;
	uint8_t affix_plus_1; /* of which kind its literals are: scratch->hit knows it; 0: none */
};

struct node {
	enum ast_kind kind; /* AND, OR, NOT, CHECK */
	uint32_t count;
	uint32_t first; /* CHECK: predicate; else the first of `count` in rules->children */
	uint32_t cost;	/* expected, roughly in nanoseconds */
	float chance;	/* roughly, that it holds: what decides soonest for its cost is tried first */
};

struct token {
	struct str text;  /* literal text, or the key in output_fields */
	uint32_t term;	  /* NONE: literal text */
	uint32_t width;	  /* pad or cut to; 0: as it is */
	bool in_fields;	  /* stands in output_fields */
	bool only_fields; /* a field inside a transformer: in output_fields, not in the text */
};

struct format {
	const struct token *tokens;
	size_t count;
	bool partial; /* began with `*`: a missing value is printed <NA> and does not end the text
		       */
};

/* One of append_output's fields. */
struct extra_field {
	struct str key;
	bool is_raw; /* the value of the format's one token, in its JSON type; else the format's text */
	struct format format;
};

/* A hub-only rule's own part. Its node holds when any step does. */
struct watch_code {
	struct rule_watch said;
	bool by_hostname, of_hostname;
	struct format by, of;
	uint32_t steps[WATCH_STEPS_MAX]; /* nodes */
};

struct rule {
	struct str name, description, source, output, condition, canonical;
	enum priority priority;
	struct str *tags;
	size_t tags_count;
	const char *file;
	unsigned line;
	bool enabled; /* by its own word, the selection and the least priority */
	bool capture;
	uint32_t capture_ms;
	uint32_t node;
	struct type_set types;
	struct format format;
	struct extra_field *extras;
	size_t extras_count;
	const struct rule_opa *opa; /* NULL: the condition alone decides */
	struct format opa_input;
	struct rule_respond respond;
	const struct watch_code *watch; /* NULL: an ordinary rule */
	uint32_t source_number;
};

/* Rules by event type: their numbers, type after type. */
struct by_type {
	uint32_t *rules;
	uint32_t first[EVTTYPE_WORDS * 64 + 1];
};

/* Numbers by event type and whether the type's split holds, case after case. */
struct by_case {
	uint32_t *numbers;
	uint32_t first[EVTTYPE_WORDS * 64 * 2 + 1];
};

/* The enabled rules of one source. */
struct source {
	struct str name;
	struct by_type *watches; /* the hub-only ones; NULL: there are none */
	uint32_t *by_type; /* rule numbers, type after type */
	uint32_t first[EVTTYPE_WORDS * 64 + 1];
	/* See guards.h. Of each type a predicate that many of its rules need, or NONE; of each case the rules
	 * without a guard, and what guards look at: a term's number or a predicate's, times LOOKS, plus how it
	 * is looked at. */
	uint32_t split[EVTTYPE_WORDS * 64];
	struct by_case unguarded, looks;
};

/* Generations of the fields about ancestors. */
enum ancestor {
	ANCESTOR_NAME = 0,
	ANCESTOR_EXE,
	ANCESTOR_EXEPATH,
	ANCESTOR_CMDLINE,
	ANCESTOR_PID,
	ANCESTOR_ARGS,
	ANCESTOR_ENV,
	ANCESTOR_KINDS,
};

struct rules {
	struct arena arena;
	char version[RULES_VERSION_LEN + 1];
	struct rules_text *files;
	size_t files_loaded;
	bool match_all;

	struct term *terms;
	struct predicate *predicates;
	struct node *nodes;
	uint32_t *children;
	uint32_t terms_count, predicates_count, nodes_count, children_count;

	struct rule *rules;
	size_t rules_count, enabled_count;
	struct source *sources;
	size_t sources_count;
	struct postings guarded; /* by predicate: the rules that it guards */
	struct table types; /* numbers of event types by name */

	field_id ancestors[ANCESTOR_KINDS]
			  [RULES_ANCESTORS_MAX + 1]; /* [kind][generation], 0: not wanted */
	field_id arg_flags, arg_mode, arg_uid;
	struct type_set wanted_types;
	uint64_t *wanted_fields; /* bits by id */
	size_t fields_count;
};

struct slot {
	struct value value;	    /* of one value */
	const struct value *values; /* all of them */
	uint32_t count;		    /* 0: missing */
	uint32_t word;		    /* number among the term's words, see below */
};


struct rules_scratch {
	const struct rules *rules;
	const struct event *event;
	bool plain; /* no sharing between rules: the baseline, and a check on the rest */
	struct slot *slots;
	uint64_t *filled;	 /* bits by term */
	uint64_t *known, *truth; /* bits by node */
	uint32_t *touched;	 /* words of `known` that are not 0 */
	size_t touched_count;
	uint64_t *looked;	 /* bits by term and kind: affixes_look() has been there */
	uint64_t *hit;		 /* bits by predicate */
	uint32_t *hits;		 /* those that are set */
	size_t hits_count;
	uint64_t *is_chosen;	 /* bits by rule */
	uint32_t *chosen;
	uint32_t chosen_count;
	char *text;		 /* derived values */
	size_t text_used;
	uint64_t overflows;
	pcre2_match_data *match;
	pcre2_match_context *limits;
	int *workspace;
};

/* The values of a term for the scratch's event. */
const struct slot *term_values(struct rules_scratch *scratch, uint32_t term);

/* Derives a field that the event does not carry. False: no value. */
bool derive_field(struct rules_scratch *scratch, const struct term *term, struct value *ret);

/* All generations of an ancestor field. */
void derive_ancestors(struct rules_scratch *scratch, const struct term *term, struct slot *slot);

/* Client's and server's values of fd.ip, fd.port, fd.net, fd.proto. */
void derive_two_sides(struct rules_scratch *scratch, const struct term *term, struct slot *slot);

/* Calls want() for each field that the field may be derived from. */
void derive_inputs(field_id base, void (*want)(void *arg, field_id id), void *arg);

/* Which kind of ancestor field it is, or -1. */
int ancestor_kind(field_id base);

/* A transformer's value. False: none. */
bool transform(struct rules_scratch *scratch, const struct term *term, struct value *ret);

/* Memory for derived values, until the next event. NULL when it is used up, which is counted. */
void *scratch_take(struct rules_scratch *scratch, size_t size);

/* Begins an event: nothing is known of it. */
void scratch_begin(struct rules_scratch *scratch, const struct event *event);

/* The value's number among the term's words, or WORD_NONE. */
uint32_t word_of(const struct term *term, const struct value *value);

bool predicate_holds(struct rules_scratch *scratch, const struct predicate *predicate);

/* Value conversions; false when it cannot be one. */
bool value_to_number(const struct value *value, __int128 *ret);
bool value_to_real(const struct value *value, double *ret);
bool value_to_bool(const struct value *value, bool *ret);
bool value_to_text(struct rules_scratch *scratch, const struct value *value, struct str *ret);

/* One format's text; false when a value was missing and the format does not bridge that. */
bool format_text(struct rules_scratch *scratch, const struct format *format, struct buf *out);

/* Its fields, as members of a JSON object without the braces; *first says whether a comma is due.
 */
bool format_fields(struct rules_scratch *scratch, const struct format *format, struct buf *out,
		   bool *first);

#endif
