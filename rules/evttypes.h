/* The event types that system calls and the kernel make, and the sets of them that a condition can
 * be met by: rules are indexed by type, and sensors hook only what some rule can match. */
#ifndef RULES_EVTTYPES_H
#define RULES_EVTTYPES_H

#include "rules/ast.h"

enum {
	EVTTYPE_ABSENT = 0, /* the event does not say */
	EVTTYPE_OTHER,	    /* a name that is not in the table */
	EVTTYPE_FIRST,
	EVTTYPE_WORDS = 8, /* 64 each; the table fits, see evttypes.c */
};

struct type_set {
	uint64_t words[EVTTYPE_WORDS];
};

/* For which types a condition can be true, and for which it can be false. */
struct type_pair {
	struct type_set can, cannot;
};

/* How many ids there are, the special ones included. */
size_t evttypes_count(void);

/* The name of an id from EVTTYPE_FIRST on. */
struct str evttype_name(size_t id);

/* The id of a name; EVTTYPE_ABSENT for none, EVTTYPE_OTHER when it is not in the table. */
size_t evttype_find(struct str name);

static inline bool type_set_has(const struct type_set *set, size_t id)
{
	return (set->words[id / 64] >> (id % 64) & 1) != 0;
}

static inline void type_set_add(struct type_set *set, size_t id)
{
	set->words[id / 64] |= (uint64_t)1 << (id % 64);
}

/* Moves *id on to the set's next one, itself included. False: there is none. */
bool type_set_next(const struct type_set *set, size_t *id);

/* How many types of the table are in the set. */
size_t type_set_count(const struct type_set *set);
bool type_set_is_all(const struct type_set *set);

/* The analysis. Macros must be resolved. False: a check on the event type that cannot be analysed
 * (against a field, or through a transformer); `ret_at` is then where, if given. */
bool evttypes_of(const struct ast *ast, struct type_pair *ret, const struct ast **ret_at);

#endif
