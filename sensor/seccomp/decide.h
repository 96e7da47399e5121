/* What a profile says of a call while the command runs: decided in user space, so that it can be told, and change.
 * In memory that the worker and its keepers share: whoever is left of them decides the same. No allocation and
 * no library calls after decider_new(). */
#ifndef SENSOR_SECCOMP_DECIDE_H
#define SENSOR_SECCOMP_DECIDE_H

#include "sensor/seccomp/program.h"

#include <stdatomic.h>
#include <stdbool.h>

enum decide_mode {
	DECIDE_ENFORCE = 0, /* what the profile says is told, and done */
	DECIDE_AUDIT,	    /* it is told, and every call goes on */
	DECIDE_STRICT,	    /* the kernel itself refuses, untold and for good; what is logged is told */
};

struct decider {
	_Atomic uint32_t turn; /* programs[turn % 2] is in force; 0: none is, and all calls go on */
	_Atomic uint32_t mode; /* enum decide_mode */
	struct seccomp_program programs[2];
	struct seccomp_program told; /* as the command's own filter has it: what it allows never comes here */
};

struct decided {
	uint32_t said; /* SECCOMP_RET_* with its data */
	bool goes_on;  /* the call does, whatever was said */
};

/* Shared by all processes that are forked from here on; NULL: out of memory. One without a program. */
struct decider *decider_new(void);
void decider_free(struct decider *decider);

/* Puts another program, which was checked, into force; one process does this. */
void decider_change(struct decider *decider, const struct seccomp_program *program, enum decide_mode mode);

struct decided decider_ask(const struct decider *decider, const struct seccomp_data *data);

/* Those that the kernel keeps to itself in strict mode. */
bool decider_is_refusal(uint32_t action);

/* How a call that was asked about ends. */
struct decide_answer {
	int signal; /* to the whole process, before the answer; 0: none */
	bool traps; /* ... with the facts of the call, which only a tracer can give: it is SIGSYS, and caught */
	bool goes_on;
	int error;  /* 0 or -errno */
	int64_t value;
};

/* `tid` is held by its call. */
struct decide_answer decider_answer(const struct decided *decision, const struct seccomp_data *data, uint32_t tid);

/* All of it for who has no tracer: the signal, the answer. False: somebody else was quicker, or it died. */
bool decider_settle(const struct decider *decider, int listener, const struct seccomp_notif *asked);

#endif
