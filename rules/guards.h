/* Which rules an event can match at all, told from a few of its values.
 *
 * A guard of a condition is a set of predicates of which one must hold for the condition to hold: of an
 * `and` that of any one child will do, of an `or` all children need one. Predicates that qualify compare
 * a text with literals (=, in, startswith, endswith, pmatch, contains, glob), so that one look at the value — a
 * hash for whole words, a walk along it for what it begins and ends with and has inside — says which of all
 * rules' predicates hold; or they are numbers and flags that many rules have in common, tested once. Rules whose
 * guard is not among them are not looked at: ten thousand rules about ten thousand paths cost little more than
 * one.
 *
 * The frequent types are split in two: most rules about opens want them for writing, so that an event that
 * was opened for reading is looked at for the fewer rules only that do not need the flag. */
#ifndef RULES_GUARDS_H
#define RULES_GUARDS_H

#include "rules/compiler.h"

enum {
	GUARD_PREDICATES_MAX = 256,   /* of one rule */
	GUARD_TESTS_MAX = 4,	      /* of them that are tested each by itself */
	TEST_LITERALS_MAX = 32,	      /* of one of these */
	GUARDS_MEMORY_MAX = 64 << 20, /* bytes while loading; then rules go without */
	GUARDED_MIN = 4,	      /* fewer rules of a type are faster looked at one by one */
};

/* Fills terms' postings, predicates' rules, and each source's lists by type. False: out of memory. */
bool guards_make(struct compiler *c);

/* The guarded rules of the source that an event of this type can match, in definition order, into
 * scratch->chosen; the unguarded ones stand in the source's list of the case. False: look at all rules. */
bool guards_choose(struct rules_scratch *scratch, const struct source *source, size_t type, size_t *ret_case);

#endif
