/* Writes an alert as the journal keeps it: Falco's alert JSON and our `tocsin` member. Pure. */
#ifndef HUB_COMPOSE_H
#define HUB_COMPOSE_H

#include "hub/normalise/normalise.h"
#include "include/alert.h"

struct compose {
	const char *id;            /* uuid */
	int64_t time_ns;
	enum priority priority;
	struct str rule, source, hostname, output;
	const struct str *tags;    /* sorted */
	size_t tags_count;
	struct str output_fields;  /* JSON object, valid; empty: made of the time alone */
	/* tocsin: */
	enum alert_change change;
	uint64_t incident, count;
	const struct event_sensor *sensor; /* NULL or without id: left out */
	int64_t first_ns;          /* of the incident, for changes; 0: left out */
	struct str by;             /* JSON object: of a hub-only rule, what its incident is told by; or empty */
	struct str evidence;       /* JSON object, valid: what it came from; empty: left out */
	struct str raw;            /* JSON object, valid: what another engine sent; empty: left out */
};

/* One line without newline into out. */
void compose_alert(struct buf *out, const struct compose *compose);

/* A uuid (version 8, RFC 9562) made of a 128-bit identity: the same alert has the same id. */
void compose_uuid(char id[37], const uint64_t identity[2]);

#endif
