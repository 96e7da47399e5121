/* A rule's condition as clauses: each is a set of facts that must be so and of others that must not, and where one
 * clause holds, the rule does. Who decides about a call before anybody can ask the rules needs this: where facts are
 * wanting that he can tell, there are fewer clauses than the condition has ways to hold, never more. */
#ifndef RULES_CLAUSES_H
#define RULES_CLAUSES_H

#include "rules/interest.h"

enum { RULES_CLAUSES_MAX = 32 };

enum rules_check_kind {
	RULES_CHECK_EXISTS, /* the field has a value */
	RULES_CHECK_IS,	    /* ... which is one of the texts, or begins ... */
	RULES_CHECK_STARTS, /* ... with one of them */
	RULES_CHECK_BELOW,  /* ... with one of them as a path */
	RULES_CHECK_CONTAINS, /* ... or has one of them in it */
	RULES_CHECK_NUMBER, /* it is this number, or this truth value */
};

/* One check of a condition, of a field without an argument or of a parameter by its name. */
struct rules_check {
	field_id field;
	struct str arg; /* of FIELD_EVT_ARG the parameter; else empty */
	enum rules_check_kind kind;
	const struct str *texts; /* live until the next question */
	size_t count;
	int64_t number;
};

/* A fact that tells of a check: it holds where the bit is set, or where it is not. */
struct rules_telling {
	uint64_t bit; /* 0: it always holds, or never does */
	bool holds;   /* if the bit is set (or: always) */
};

/* False: nobody can tell. */
typedef bool (*rules_tell_fn)(void *userdata, const struct rules_check *check, struct rules_telling *ret);

struct rules_clause {
	uint64_t need, lack;
};

struct rules_clauses {
	struct rules_clause at[RULES_CLAUSES_MAX];
	size_t count;
	bool is_partial; /* the rule can match otherwise, too */
};

/* Of one rule, by its place in the rules, and of events of which this is known. */
void rules_clauses(struct rules_interest *interest, size_t rule, const struct rules_known *known, size_t known_count,
		   rules_tell_fn tell, void *userdata, struct rules_clauses *ret);

#endif
