/* What the kernel can tell of a call by itself, as bits: the texts that it looks up for that, and clauses over the bits.
 * Shared by all that it does in the name of rules. Pure. */
#ifndef SENSOR_ENFORCE_FACTS_H
#define SENSOR_ENFORCE_FACTS_H

#include "base/arena.h"
#include "rules/clauses.h"
#include "sensor/calls.h"
#include "sensor/plan.h"

enum { FACTS_BITS = 64, FACTS_TEXTS_MAX = PLAN_KILL_COMMS };

/* What a text is looked up of. */
enum fact_of {
	FACT_OBJECT = 0, /* the path of what a descriptor is */
	FACT_EXE,	 /* of a program */
	FACT_COMM,	 /* a process's name */
	FACT_NAME,	 /* the call's first name */
	FACT_NAME2,
	FACT_TEXT, /* a third text */
	FACT_KINDS,
};

/* A path that is one or begins so (then without a NUL at its end), or a process's name. */
struct fact_text {
	struct str text;
	plan_bits bits; /* of the shorter ones, too, that it begins with */
	bool is_comm;
};

/* A check of texts that has a bit. The same check has the same one. */
struct fact_told {
	enum fact_of of;
	enum rules_check_kind kind;
	const struct str *texts; /* the arena's */
	size_t count;
};

struct facts {
	struct arena arena;
	struct fact_text *texts;
	size_t texts_count;
	plan_bits of[FACT_KINDS]; /* bits about each */
	struct fact_told told[FACTS_BITS]; /* by bit */
	unsigned bits;			   /* the next one */
};

/* 0 or -ENOMEM. */
int facts_init(struct facts *facts);
void facts_done(struct facts *facts);

/* The bit of a check of texts; false: there are too many, too long ones, or the kernel cannot tell. */
bool facts_tell_texts(struct facts *facts, enum fact_of of, const struct rules_check *check, struct rules_telling *ret);

/* A bit for something else; 0: there are too many. */
plan_bits facts_take_bit(struct facts *facts);

/* What needs no call: who it is. True: *ret is it. */
bool facts_tell_process(struct facts *facts, const struct rules_check *check, struct rules_telling *ret);

/* The path and the type of what a descriptor is. */
bool facts_tell_object(struct facts *facts, const struct rules_check *check, struct rules_telling *ret);

/* Of the program that begins. */
bool facts_tell_program(struct facts *facts, const struct rules_check *check, struct rules_telling *ret);

/* It is this text and no other. */
bool facts_is_text(const struct rules_check *check, const char *text);

static inline bool facts_tell_bit(plan_bits bit, bool holds, struct rules_telling *ret)
{
	*ret = (struct rules_telling){ .bit = bit, .holds = holds };
	return true;
}

/* All are there: puts them in the order in which the kernel's table wants them. */
void facts_finish(struct facts *facts);

#endif
