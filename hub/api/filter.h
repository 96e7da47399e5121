/* Which alerts a client wants: read from query arguments, used to search the journal and to sift the
 * live stream, so that both mean the same. */
#ifndef HUB_API_FILTER_H
#define HUB_API_FILTER_H

#include "hub/journal/journal.h"

enum { FILTER_VALUE_MAX = 512 };

struct filter {
	unsigned priority_max;
	uint64_t incident;
	char rule[FILTER_VALUE_MAX], hostname[FILTER_VALUE_MAX], source[FILTER_VALUE_MAX];
	char text[FILTER_VALUE_MAX]; /* as it would stand inside a JSON string */
};

/* Reads priority, rule, hostname, source, q and incident; `get` answers one argument or NULL. Returns
 * NULL, or what is wrong, as a literal. */
const char *filter_read(struct filter *ret, const char *(*get)(const void *userdata, const char *name),
                        const void *userdata);

/* The same as the journal's query; its strings point into the filter. */
void filter_query(const struct filter *filter, struct journal_query *ret);

/* Whether an alert passes; reads it (alert_read) only when that is needed. */
bool filter_matches(const struct filter *filter, struct alert *alert, struct arena *arena);

#endif
