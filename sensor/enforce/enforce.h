/* Enforcing: what the sensor does about calls that rules respond to, and what it can promise of that with
 * this probe on this kernel. Off unless asked for; in a dry run everything is decided and told, and nothing
 * done. Whatever is done is an event with the fields respond.*, which the hub makes an alert of the rule. */
#ifndef SENSOR_ENFORCE_ENFORCE_H
#define SENSOR_ENFORCE_ENFORCE_H

#include "base/buf.h"
#include "include/event.h"
#include "sensor/options.h"
#include "sensor/prefilter.h"

struct enforce;

struct enforce_settings {
	enum enforce_mode mode;
	const struct probe_ops *probe;
};

/* The probe is open: from now on it is told what to refuse, and the kernel what to ask about. */
void enforce_probe(struct enforce *enforce, void *probe_state);

/* The gate, if the kernel asks before it opens or runs files; else NULL. */
struct gate;
struct gate *enforce_gate(const struct enforce *enforce);

enum { ENFORCE_RULES_SHOWN = 64 /* in the heartbeat; the log has all */ };

/* 0 or -ENOMEM. */
int enforce_new(const struct enforce_settings *settings, struct enforce **ret);
void enforce_free(struct enforce *enforce);

/* While the probe is still open: files that wait are let go, and no more are asked about. */
void enforce_end(struct enforce *enforce);

/* Other rules are in force; the prefilter must outlive them. Says for each that responds what can be promised. */
void enforce_rules(struct enforce *enforce, struct prefilter *prefilter);

/* Responds to a call that has happened, if a rule says so: does what can still be done, and puts respond.*
 * into the event, valid until the next call. `called_ns` is when it happened, since boot. */
void enforce_after(struct enforce *enforce, struct event *event, uint64_t called_ns);

/* Before the call: the event is as if it had worked. 0: it is to be let go; else the -errno that it is to end
 * with. The event made of it then gets its fields by enforce_put(). */
int enforce_before(struct enforce *enforce, const struct event *event, uint64_t called_ns);

/* The same where the kernel knows one error only. */
int enforce_at_gate(struct enforce *enforce, const struct event *event, uint64_t called_ns);

/* Whether a rule responds to it, and nothing else. */
bool enforce_would(const struct enforce *enforce, const struct event *event);

/* Puts respond.* of the last decision into an event. */
void enforce_put(const struct enforce *enforce, struct event *event);

/* A call that the kernel refused in the name of a rule, with this error: the event is as if it had worked. False: no
 * rule in force refuses it. */
bool enforce_refused(struct enforce *enforce, const struct event *event, int error);

/* A call for which the kernel killed the process: the event is as if it had worked, if it did not. `prevented`: it
 * had no effect; `error`: what it ended with, 0: nothing. False: no rule in force kills for it. */
bool enforce_killed(struct enforce *enforce, const struct event *event, bool prevented, int error);

/* ... then it is counted, and logged. */
void enforce_unclaimed(struct enforce *enforce, uint32_t tgid);

/* "enforce":{…}, for the heartbeat. */
void enforce_add_json(const struct enforce *enforce, struct buf *out);

/* For people, without any probe: a line a rule of what could be promised with this one here. 0 or -ENOMEM. */
int enforce_explain(const struct probe_ops *probe, struct prefilter *prefilter, struct buf *out);

/* For people: a line a rule. */
void enforce_print(const struct enforce *enforce, struct buf *out);

#endif
