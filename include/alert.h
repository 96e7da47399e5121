/* The alert as the journal keeps it and outputs get it. Its text is one line of JSON: Falco's alert
 * (uuid, output, priority, rule, time, source, hostname, tags, output_fields) plus one key of our own,
 * `tocsin` (incident, change, count, sensor …), which others ignore. The text is always valid UTF-8. */
#ifndef INCLUDE_ALERT_H
#define INCLUDE_ALERT_H

#include "base/arena.h"
#include "base/json.h"
#include "include/priority.h"

/* What an alert is to its incident. Routes that deliver `changes` skip repeats. */
enum alert_change {
	ALERT_REPEAT = 0, /* one more of a running incident */
	ALERT_OPENED,     /* the first: it opened the incident */
	ALERT_ONGOING,    /* no event of its own: the incident goes on, with `count` so far */
	ALERT_RESOLVED,   /* no event of its own: nothing came for a while */
};

struct alert_field {
	struct str key;  /* bytes, unescaped */
	struct str text; /* strings unescaped; other values as their JSON text */
	enum json_kind kind;
};

/* One journaled alert. Without alert_read() only the first group is filled. */
struct alert {
	uint64_t seq;        /* position in the journal, from 1, without gaps */
	int64_t received_ns;
	int64_t time_ns;
	enum priority priority;
	enum alert_change change;
	uint64_t incident;   /* id of its incident */
	uint64_t count;      /* alerts in the incident so far, this one included */
	char id[37];         /* uuid text */
	struct str json;     /* the line, without a newline */

	bool is_read;
	struct str rule, source, hostname, output;
	const struct str *tags; /* sorted */
	size_t tags_count;
	const struct alert_field *fields; /* output_fields, in the order of the text */
	size_t fields_count;
};

/* Fills the second group from alert->json; what it points to lives in the arena or in the text. Does
 * nothing when it was read already. 0, -EBADMSG (not an alert) or -ENOMEM. */
int alert_read(struct alert *alert, struct arena *arena);

/* "2026-11-20T12:00:00.123456789Z" of the alert's time. */
void buf_add_alert_time(struct buf *buf, const struct alert *alert);

/* "opened", "repeat", "ongoing", "resolved". */
const char *alert_change_name(enum alert_change change);

#endif
