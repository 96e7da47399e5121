/* Hub-only rules: what no single event shows. A rules file has them as items of their own
 * (`threshold`, `sequence`, `distinct`, `first_seen`, `absent`), which Falco ignores with a warning. The
 * library reads and compiles them and says which of them an event feeds; whoever keeps state over many
 * events (hub/watch/) decides when one fires. They are rules as well: rules_at() gives them, rules_match()
 * never does, rules_format() makes their texts. */
#ifndef RULES_WATCH_H
#define RULES_WATCH_H

#include "rules/rules.h"

enum watch_kind {
	WATCH_NONE = 0,	  /* an ordinary rule */
	WATCH_THRESHOLD,  /* `count` matches within a time */
	WATCH_SEQUENCE,	  /* steps in their order within a time */
	WATCH_DISTINCT,	  /* `count` different values of `of` within a time */
	WATCH_FIRST_SEEN, /* a value of `of` that was not seen for a time */
	WATCH_ABSENT,	  /* nothing for a time, where there was something */
	WATCH_KINDS,
};

enum {
	WATCH_STEPS_MAX = 8,	   /* of one sequence */
	WATCH_COUNT_MAX = 1000,	   /* of `count` */
	WATCH_FIELDS_MAX = 8,	   /* of `by`, and of `of` */
	WATCH_KEY_MAX = 16 << 10,  /* bytes of the values of `by`, or of `of` */
	WATCH_TIME_MAX_S = 90 * 24 * 3600,
};

/* "rule", "threshold", …: the key of the item in a file. */
const char *watch_kind_name(enum watch_kind kind);

struct rule_watch {
	enum watch_kind kind;
	int64_t within_ns;
	int64_t learn_ns; /* FIRST_SEEN: nothing fires for so long; 0: none */
	uint32_t count;	  /* THRESHOLD, DISTINCT */
	uint32_t steps;	  /* SEQUENCE */
	uint64_t version; /* of all that state depends on: same name and version, same meaning */
};

/* NULL: an ordinary rule. */
const struct rule_watch *rule_watch(const struct rule *rule);

/* "threshold: 5 within 60s by hostname, user.name", appended. Nothing for an ordinary rule. */
void rule_watch_add(const struct rule *rule, struct buf *out);

struct watch_hit {
	const struct rule *rule;
	uint32_t steps; /* SEQUENCE: bits of the steps that the event can be */
};

/* The hub-only rules that the event feeds, in definition order, at most `max`. Right behind
 * rules_match() (or rules_match_watches()) of the same event on the same scratch, whose work it uses. */
size_t rules_match_watches(const struct rules *rules, struct rules_scratch *scratch,
			   const struct event *event, struct watch_hit *hits, size_t max);

/* The values of `by` and of `of`, each as one JSON object, appended; what is missing is null. False: all
 * of `of` is missing, or there is no `of`. */
bool rules_watch_keys(struct rules_scratch *scratch, const struct rule *rule,
		      const struct event *event, struct buf *by, struct buf *of);

/* What an output may name beside the event's fields: watch.count … A field of this name is set in the
 * event before rules_format(). */
extern const struct conf_strings watch_fields;
bool watch_is_field(struct str name);

#endif
