/* Whom the kernel is to kill: rules that kill, as far as it can tell by facts of its own that they match. Pure. */
#ifndef SENSOR_ENFORCE_KILLS_H
#define SENSOR_ENFORCE_KILLS_H

#include "rules/rules.h"
#include "sensor/enforce/facts.h"

/* What becomes of a rule's calls of one name. */
enum kill_when {
	KILL_LATER = 0, /* all or some are user space's */
	KILL_AT_END,	/* the process runs no further instruction */
	KILL_PROGRAM,	/* the program that begins runs none */
	KILL_BEFORE,	/* where the call looks for a deadly signal first, it does nothing else */
};

struct kills {
	struct facts facts; /* of objects, programs and processes' names */
	struct plan_kill calls[PLAN_CALLS]; /* by call number */
	struct plan_clause clauses[PLAN_CLAUSES];
	size_t clauses_count;
	uint8_t (*when)[CALLS_MAX];   /* enum kill_when, by rule and row of calls[] */
	bool begins; /* a call is looked at before it begins */
};

/* 0 or -ENOMEM. */
int kills_new(const struct rules *rules, struct kills **ret);
void kills_free(struct kills *kills);

/* A call that does nothing if its process has been killed before. Some of them not to all kinds of files. */
bool kill_stops(const struct call *call);

#endif
