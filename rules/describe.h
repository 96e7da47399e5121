/* What a load knows of its items beyond what matching needs: for people who ask why a rule is as it
 * is. Filled in by a load whose settings have a `description`; lives by itself. */
#ifndef RULES_DESCRIBE_H
#define RULES_DESCRIBE_H

#include "rules/evttypes.h"
#include "rules/rules.h"

struct words {
	struct str *at; /* sorted, each once; of lists' items: in their order, as often as they stand */
	size_t count, cap;
};

/* A rule, macro or list. What does not apply is empty. */
struct described {
	struct str name;
	const char *file;
	unsigned line;
	struct str condition; /* as written, appends joined */
	struct str canonical; /* lists and macros filled in; of a rule that was skipped: empty */
	struct words macros, lists; /* that its own text names */
	struct words operators, fields; /* of the condition with its macros and exceptions */
	bool has_types;
	struct type_set types; /* event types that it can match */

	/* Rules: */
	size_t index; /* for rules_at(); SIZE_MAX: skipped, or of an unknown source */
	struct str source, output, description;
	enum priority priority;
	bool enabled; /* by its own word */
	bool source_is_unknown;
	bool capture;
	uint64_t capture_ms;
	struct words tags, output_fields;
	struct words exception_names, exception_operators, exception_fields;

	/* Macros and lists: */
	bool used;
	struct words items, resolved; /* of a list: as written; with the lists in it filled in */
};

struct rules_description {
	struct arena arena;
	struct described *rules, *macros, *lists; /* in definition order */
	size_t rules_count, macros_count, lists_count;
	struct str engine_version; /* that the files require; empty: none */
	struct words plugins;	   /* "name version", alternatives behind with " or " between */
};

void rules_description_init(struct rules_description *description);
void rules_description_done(struct rules_description *description);

#endif
