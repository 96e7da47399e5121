/* A load's report as JSON: as Falco's validation prints it, and flat, for editors. */
#ifndef RULES_VALIDATION_H
#define RULES_VALIDATION_H

#include "rules/rules.h"

/* The elements of Falco's `falco_load_results`, one for each file, commas between. */
void validation_files(const struct rules_report *report, struct buf *out);

/* The errors, or the warnings, as flat objects with commas between: file, line and column from 1,
 * severity, code, text, the item, did_you_mean, and `uses`, the macros on the way to an error. */
void validation_notes(const struct rules_report *report, bool errors, struct buf *out);

/* What a file is: "Ok", "Ok, with warnings" or "Invalid". */
const char *validation_word(const struct rules_file *file);

#endif
