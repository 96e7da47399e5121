/* Which files the kernel is to ask about before it opens or runs them: rules that respond, reduced to the places that
 * their conditions pin down. Pure. */
#ifndef SENSOR_ENFORCE_PLACES_H
#define SENSOR_ENFORCE_PLACES_H

#include "base/arena.h"
#include "rules/rules.h"

enum { PLACES_MAX = 1024 /* of all rules that respond; beyond it no file is asked about */ };

/* Files whose path begins so. */
struct place {
	struct str path; /* from the root */
	bool opens, execs; /* what is asked about */
};

/* How much of a rule is asked about before it happens. */
struct places_rule {
	bool opens, execs; /* all of its opens; of the programs that it is about */
	bool unpinned;	   /* the others of them need more than a place */
	bool only_containers; /* execs: of the files of a container's image and its upper layer */
};

struct places {
	struct arena arena;
	struct place *at; /* by path, each once */
	size_t count;
	bool programs;	  /* those of containers' own file systems that are run */
	bool only_upper;  /* ... no others than such that the image does not have */
	struct places_rule *rules; /* by place in the rules; NULL: none responds */
	bool too_many;
};

/* `denials`: where the kernel has all of a rule's opens or programs, it asks nobody; NULL: it has none. 0 or -ENOMEM. */
struct denials;
int places_new(const struct rules *rules, const struct denials *denials, struct places *ret);
void places_done(struct places *places);

/* Nothing is asked about. */
static inline bool places_are_none(const struct places *places)
{
	return places->count == 0 && !places->programs;
}

#endif
