/* Adding to the report. */
#ifndef RULES_REPORT_H
#define RULES_REPORT_H

#include "rules/rules.h"
#include "rules/document.h"

/* Where a note belongs: the item it is about and the place in its file. */
struct place {
	const struct yaml *node; /* NULL: no file */
	size_t offset;		 /* into the node's text when it is a scalar */
	bool is_inside;		 /* what stands at the offset is meant, not the whole text */
	const char *item_kind;
	struct str item_name;
};

/* The note, for more to be said of it; NULL when it is only counted. */
struct rules_note *report_add(struct rules_report *report, enum rules_code code,
			      const struct place *place, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The same where there is no YAML node (yet); line 0: none. */
struct rules_note *report_add_at(struct rules_report *report, enum rules_code code,
				 const struct yaml_file *file, struct yaml_place at,
				 const char *item_kind, const char *text);

/* Says what may have been meant; an empty str: nothing. `note` may be NULL. */
void report_suggest(struct rules_report *report, struct rules_note *note, struct str near);

void report_deprecated(struct rules_report *report, struct rules_note *note, struct str field);

/* A macro that is used: the place is in what uses it. */
struct use {
	struct place place;
	struct str macro;
};

/* Says how a rule leads to the note: uses from the rule's condition inwards, at most
 * RULES_USES_MAX. The first such way counts. */
void report_uses(struct rules_report *report, struct rules_note *note, struct str rule,
		 const struct use *uses, size_t count);

/* Enters a file. Its number; 0 when memory is out. */
size_t report_file(struct rules_report *report, const char *name);

/* What the file's schema has against it. */
void report_schema(struct rules_report *report, size_t file, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

bool report_schema_is_full(const struct rules_report *report, size_t file);

/* Whether nothing more is to be looked for. */
static inline bool report_is_over(const struct rules_report *report)
{
	return report->first_error && report->errors > 0;
}

#endif
