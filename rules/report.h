/* Adding to the report. */
#ifndef RULES_REPORT_H
#define RULES_REPORT_H

#include "rules/rules.h"
#include "rules/document.h"

/* Where a note belongs: the item it is about and the place in its file. */
struct place {
	const struct yaml *node; /* NULL: no file */
	size_t offset;		 /* into the node's text when it is a scalar */
	const char *item_kind;
	struct str item_name;
};

void report_add(struct rules_report *report, enum rules_code code, const struct place *place,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same where there is no YAML node (yet). */
void report_add_at(struct rules_report *report, enum rules_code code, const struct yaml_file *file,
		   unsigned line, unsigned column, const char *item_kind, const char *text);

#endif
