/* The prefilter: the hub's rules, evaluated here too, decide what is worth sending and which system
 * calls are worth hooking at all. The hub's evaluation remains the truth; an event that no rule can
 * match never leaves the node. */
#ifndef SENSOR_PREFILTER_H
#define SENSOR_PREFILTER_H

#include "include/event.h"
#include "rules/rules.h"
#include "sensor/enrich.h"
#include "sensor/probe.h"

struct prefilter;

/* Loads rules files; interns their fields. With no files every event of a known call is sent. On
 * -EINVAL `ret_report` has the errors as text for people. 0 or -errno. */
int prefilter_new(const char *const *files, size_t files_count, struct fields *fields,
		  struct buf *ret_report, struct prefilter **ret);
/* The same from texts and settings that came from a hub; without any text nothing is sent. */
int prefilter_new_texts(const struct rules_settings *settings, const struct rules_text *texts,
			size_t count, struct fields *fields, struct buf *ret_report,
			struct prefilter **ret);
void prefilter_free(struct prefilter *prefilter);

/* What the rules can match, which the prefilter must outlive. 0 or -ENOMEM. */
int prefilter_interest(const struct prefilter *prefilter, struct interest **ret);

/* The same, where one rule, of this name, matters only when a process is followed; empty: none does. */
int prefilter_interest_following(const struct prefilter *prefilter, struct str of_followed, struct interest **ret);

/* Those of the rules that respond, and only they; NULL: none does. */
const struct rules *prefilter_responders(const struct prefilter *prefilter);

/* The first of them that matches; NULL: none. */
const struct rule *prefilter_judge(struct prefilter *prefilter, const struct event *event);

/* What they can match; there must be one. 0 or -ENOMEM. */
int prefilter_judged(const struct prefilter *prefilter, struct interest **ret);

/* Marks the rows of calls[] that the interest, or the process table, need. */
void prefilter_calls(const struct interest *interest, struct probe_settings *settings);

/* Whether some rule can match events of this type. */
bool prefilter_wants_type(const struct prefilter *prefilter, struct str type);

/* Asks for the fields that rules read. */
void prefilter_fields(const struct prefilter *prefilter, struct enrich *enrich);

/* Gives the names of hosts that rules compare addresses with to the table of hosts. 0 or -errno. */
int prefilter_hosts(const struct prefilter *prefilter, struct hosts *hosts);

/* Whether a rule reads proc.env: it is copied at each exec only then. */
bool prefilter_wants_environment(const struct prefilter *prefilter);
bool prefilter_wants_standard(const struct prefilter *prefilter);

/* Whether any rule matches. */
bool prefilter_match(struct prefilter *prefilter, const struct event *event);

/* Whether it is something that a rule of the hub's, about many events, counts. */
bool prefilter_feeds(struct prefilter *prefilter, const struct event *event);

/* The rules that match, at most `max`: all of them, where the rules were loaded so. */
size_t prefilter_hits(struct prefilter *prefilter, const struct event *event, const struct rule **hits,
		      size_t max);

size_t prefilter_rules_count(const struct prefilter *prefilter);

#endif
