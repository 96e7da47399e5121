/* Budgets on the way to the hub: while more events come than the hub takes, each program has so many in a second by
 * which it fires the same rules with the same call. The first few are its own; of more all programs of a container have
 * so many together, because a flood can give itself thousands of names. What is shed is the flood, and not those beside
 * it, which would wait behind it. The kernel side does the same for its ring (plan.h), where programs are not known
 * yet. */
#ifndef SENSOR_BUDGET_H
#define SENSOR_BUDGET_H

#include "rules/rules.h"
#include "sensor/probe.h"
#include "sensor/procs.h"

enum {
	BUDGET_EVENTS = 128, /* in a second */
	BUDGET_OWN = 8,	     /* ... of them surely */
	BUDGET_SHARED = 512, /* of all programs, beyond those */
	BUDGET_RULES = 8, /* that are looked at */
	BUDGET_ROWS = 4096, /* of the table; who loses a place begins anew */
	BUDGET_SHARED_ROWS = 256,
};

/* 68 KiB, and what was shed. */
struct budgets {
	struct budget {
		uint32_t key, taken;
		int64_t second;
	} rows[BUDGET_ROWS], shared[BUDGET_SHARED_ROWS];
	uint64_t shed[RECORD_CLASSES], all;
	struct by_call by_call;
	struct plan_flood flood; /* who loses most, by majority vote */
};

/* Whether an event of this record is within the budget; if not it counts as shed. `proc`: who did it, NULL: not known;
 * `rules`: that it fires. */
bool budget_takes(struct budgets *budgets, const struct record *record, const struct proc *proc,
		  const struct rule *const *rules, size_t count);

/* Adds what was shed to the probe's account, where it is among what came out of the ring. */
void budget_counts(const struct budgets *budgets, struct probe_counts *counts);

#endif
