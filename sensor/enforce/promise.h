/* What can be promised of a rule's response, before any call: by probe and by what the rule matches. */
#ifndef SENSOR_ENFORCE_PROMISE_H
#define SENSOR_ENFORCE_PROMISE_H

#include "base/buf.h"
#include "rules/rules.h"
#include "sensor/probe.h"

enum promise {
	PROMISE_NONE = 0, /* it cannot be done */
	PROMISE_SOME,	  /* of some of the rule's calls */
	PROMISE_AFTER,	  /* once the call has happened */
	PROMISE_BEFORE,	  /* before the call has any effect */
};

/* "none", "some", "after", "before": as the heartbeat has it. */
const char *promise_name(enum promise promise);

/* For which of the rule's calls the kernel itself was given the decision. */
struct promise_kernel {
	bool connects, messages; /* all of the rule's */
	bool opens, execs;
	bool of_containers; /* execs: of the files of a container */
	const uint8_t *kills; /* whom it kills by itself: enum kill_when, by row of calls[]; NULL: nobody */
	const char *kills_why;
	const char *connects_why, *opens_why; /* why not; NULL: nothing was asked */
	const uint8_t *denials; /* what it denies where it asks (BPF LSM): enum denial, by row of calls[]; NULL: nothing */
};

/* With a sentence for people. */
enum promise promise_of(const struct rule *rule, const struct probe_ops *probe, const struct promise_kernel *kernel,
			struct buf *ret_text);

#endif
