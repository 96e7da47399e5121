/* Interest: what the rules in force can match, as tables that a probe can ask before an event exists.
 * Every call's ends are sorted into kinds (read or written, failed or not, which family); a kind that
 * no rule can match costs nothing further, one that rules match by its path is looked at in the tables
 * below, and only the others always pass. The answer may be yes too often, never no too often: the
 * rules themselves are asked afterwards. */
#ifndef SENSOR_INTEREST_H
#define SENSOR_INTEREST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "rules/interest.h"
#include "sensor/calls.h"
#include "sensor/plan.h"

/* Beyond these the kinds that would need more entries always pass. */
enum {
	INTEREST_PREFIXES_MAX = PLAN_PREFIXES_MAX,
	INTEREST_TEXTS_MAX = PLAN_TEXTS_MAX, /* of each other kind of fact */
	INTEREST_KNOWN_MAX = 96, /* of one kind of call */
};

/* One fact, and what passes by it. */
struct interest_entry {
	enum rules_fact_kind kind; /* never RULES_FACT_WHOLE: that is a path that begins so, and with a NUL behind it */
	plan_bits kinds;
	uint32_t within; /* place + 1 of the longest entry that this one begins with; 0: none */
	struct str text; /* cut to what the probe compares; of endings backwards */
};

struct interest {
	struct plan_interest calls[PLAN_CALLS];	   /* by call number */
	const struct rule *because[PLAN_CALLS][16]; /* by kind: for whom it passes, or the first of those; NULL: not known */
	struct interest_entry *entries;		   /* ordered by kind of fact, then by text, each once */
	size_t count;
	size_t first[RULES_FACT_KINDS + 1]; /* of each kind of fact; the next one's is its end */
	plan_bits kinds[RULES_FACT_KINDS]; /* of all entries of a kind of fact */
	uint64_t letters[RULES_FACT_KINDS]; /* ... with which they begin, a path's behind its slash: & 63, as bits */
	bool execs; /* a rule can match a program that begins */
	bool folders;	 /* opens for reading that ask for a directory (O_DIRECTORY) can match, or fail and always match */
	bool plain_dups; /* so can dups of what is a file, a directory or a pipe, and no socket */
	struct arena arena;
};

/* Of all calls; without rules everything passes. The interest keeps nothing of the rules but `because`,
 * which is valid as long as they are. 0 or -ENOMEM. */
int interest_new(const struct rules *rules, struct interest **ret);

/* The same, of rules of which one matters only when the process is followed; `of_followed` is its name. */
int interest_new_following(const struct rules *rules, struct str of_followed, struct interest **ret);
void interest_free(struct interest *interest);
DEFINE_CLEANUP(struct interest *, interest_free);

/* Whether an open of this kind (a bit) passes: by the path as the kernel resolved it, or by the name as given,
 * which may be that of a link. Of a failed open `path` is the name that was given; a relative one passes. A
 * relative `given` is taken to lead to where `path` says. `comm`: of the process. */
bool interest_wants_open(const struct interest *interest, uint16_t nr, uint16_t kind, struct str path,
			 struct str given, struct str comm);

/* Whether a call of another kind (a bit) passes: by one of its names, made absolute, and the path of what its
 * descriptor is (or, of a text, with a slash in front). `on_host`: the process is in no container. */
bool interest_wants_call(const struct interest *interest, const struct call *call, uint16_t kind, bool on_host,
			 const struct str *paths, size_t count, struct str comm);

/* Whether a network call of a kind that does not always pass does so by this port of either end. */
bool interest_wants_port(const struct interest *interest, const struct call *call, bool on_host, uint16_t port);

/* Whether opens for reading pass, of which every program makes many; and for whom, NULL: not known. */
bool interest_reads(const struct interest *interest, const struct rule **ret_because);

/* The kinds of the entry; 0: there is none. */
plan_bits interest_kinds(const struct interest *interest, enum rules_fact_kind kind, struct str text);

/* What is known of a call that ends as this kind, for asking rules; with room for more. */
struct interest_known {
	struct rules_known at[INTEREST_KNOWN_MAX];
	size_t count;
};

struct call;
struct interest_known interest_know(const struct call *call, unsigned kind);

/* Whether calls can end so. */
bool interest_kind_exists(const struct call *call, unsigned kind);

/* For people: a line a call, and what is looked for in paths. */
void interest_print(const struct interest *interest, struct buf *out);

#endif
