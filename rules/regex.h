/* Regular expressions as RE2 reads them in its POSIX syntax, which is Falco's: no \d, \w or \b, no (?…), no
 * back references. */
#ifndef RULES_REGEX_H
#define RULES_REGEX_H

#include "base/buf.h"

#define PCRE2_CODE_UNIT_WIDTH 8

#include <pcre2.h>

enum { REGEX_ERROR_MAX = 200 };

/* Compiles an expression that matches a whole text. NULL: `reterr`, of REGEX_ERROR_MAX bytes, says why. */
pcre2_code *regex_compile(struct str text, char *reterr);

#endif
