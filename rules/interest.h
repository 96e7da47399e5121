/* What a set of rules can want of an event before the event exists: the sensor asks so that the kernel
 * can tell from a path, a name and a few flags that no rule matches.
 *
 * The answer may be too wide, never too narrow: an event that some rule matches has one of the facts. */
#ifndef RULES_INTEREST_H
#define RULES_INTEREST_H

#include "rules/net.h"
#include "rules/rules.h"

enum {
	RULES_FACTS_MAX = 65536, /* of one answer; beyond it the answer is RULES_ALWAYS */
};

/* One thing that must be so. The path is fd.name, or one of the parameters that were said to be paths. */
enum rules_fact_kind {
	RULES_FACT_PREFIX = 0, /* the path begins so */
	RULES_FACT_WHOLE,      /* it is this */
	RULES_FACT_LAST,       /* its last component is this */
	RULES_FACT_COMPONENT,  /* one of its components is this */
	RULES_FACT_LEAD,       /* its last component begins so */
	RULES_FACT_ANY_LEAD,   /* one of its components begins so */
	RULES_FACT_ENDING,     /* its last component ends so */
	RULES_FACT_COMM,       /* proc.name is this */
	RULES_FACT_PARENT,     /* proc.pname is this */
	RULES_FACT_ANCESTOR,   /* proc.aname of some generation, the parent's included, is this */
	RULES_FACT_DOTS,       /* the name as given has two dots side by side; the text is ".." */
	RULES_FACT_PORT,       /* one of the connection's ends has this port; the text is two bytes, as on the wire */
	RULES_FACT_ADDRESS,    /* ... has an address in this network; the text is 16 bytes, IPv4 mapped, and one of its bits */
	RULES_FACT_FOLLOWED,   /* its process is followed: no rule says so, only who asks */
	RULES_FACT_KINDS,

	RULES_FACTS_OF_PATHS = 1 << RULES_FACT_PREFIX | 1 << RULES_FACT_WHOLE | 1 << RULES_FACT_LAST |
			       1 << RULES_FACT_COMPONENT | 1 << RULES_FACT_LEAD | 1 << RULES_FACT_ANY_LEAD |
			       1 << RULES_FACT_ENDING,
	RULES_FACTS_OF_PROCESSES = 1 << RULES_FACT_COMM | 1 << RULES_FACT_PARENT | 1 << RULES_FACT_ANCESTOR,
};

struct rules_fact {
	enum rules_fact_kind kind;
	struct str text; /* never empty */
};

/* A field of which something is known: it is a number or truth value between min and max, or one of the
 * texts, or not the text `isnt`. */
struct rules_known {
	field_id field; /* of the catalogue */
	int64_t min, max;
	const char *texts[2], *isnt; /* all NULL: it is a number, or: */
	const struct net_prefix *within; /* an address in this network, and in none within it that rules name */
	bool absent; /* it has no value: no check of it holds */
};

enum rules_verdict {
	RULES_NEVER = 0, /* no rule matches such an event */
	RULES_IF,	 /* a rule can match only when one of the facts is so */
	RULES_ALWAYS,	 /* a rule may match, whatever the path */
};

/* Who asks; lives no longer than the rules. NULL: out of memory. */
struct rules_interest;
struct rules_interest *rules_interest_new(const struct rules *rules);
void rules_interest_free(struct rules_interest *interest);
DEFINE_CLEANUP(struct rules_interest *, rules_interest_free);

/* A parameter: NAME of evt.arg.NAME. */
struct rules_param {
	const char *name;
	bool is_path; /* the facts of paths can be told of it */
};

/* Events of source syscall and this type, and what who asks could tell of them. */
struct rules_asked {
	struct str evt_type;
	const struct rules_known *known; /* is so of all of them */
	size_t known_count;
	unsigned facts; /* that can be told, as bits by kind: no others are given */
	const struct rules_param *params; /* there are no others; NULL: they are not known */
	size_t params_count;
	field_id path; /* what the facts of paths are about; FIELD_NONE: fd.name, what is derived of it, and parameters */
};

/* Asks about such events. The facts, in no order and perhaps twice, live until the next question.
 * *ret_because is the rule that makes it RULES_ALWAYS (NULL when memory or RULES_FACTS_MAX did), or the first
 * of those that make it RULES_IF. */
enum rules_verdict rules_interest_ask(struct rules_interest *interest, const struct rules_asked *asked,
				      const struct rules_fact **ret_facts, size_t *ret_count,
				      const struct rule **ret_because);

/* The same of one rule, by its place in the rules. */
enum rules_verdict rules_interest_ask_one(struct rules_interest *interest, size_t rule, const struct rules_asked *asked,
					  const struct rules_fact **ret_facts, size_t *ret_count);

/* Asks of one rule, by its place in the rules: RULES_ALWAYS only when it surely matches such an event, whatever
 * else there is in it. */
enum rules_verdict rules_interest_surely(struct rules_interest *interest, size_t rule,
					 const struct rules_known *known, size_t known_count);

#endif
