/* The sensor's account of itself: where every record went. One struct, two forms: the heartbeat's
 * JSON and /metrics. At every moment when nothing moves
 *
 *   seen = filtered + emitted + lost + in the ring */
#ifndef SENSOR_ACCOUNT_H
#define SENSOR_ACCOUNT_H

#include "base/buf.h"
#include "sensor/containers/containers.h"
#include "sensor/hold.h"
#include "sensor/outbox.h"
#include "sensor/probe.h"
#include "sensor/procs.h"
#include "sensor/push.h"

/* What a record may lack. The event says which of its fields are concerned. */
enum account_missing { ACCOUNT_PATH_CUT, ACCOUNT_TEXT_CUT, ACCOUNT_UNREAD };

/* Notes what a record lacks. */
void account_note_missing(struct by_call *missing, const struct record *record);

struct account {
	struct probe_counts probe;
	struct procs_stats procs;
	uint64_t taken;	   /* records that came out of the probe */
	uint64_t filtered; /* of them: no rule wanted these, or they only kept the table right */
	uint64_t emitted;  /* events that got a number */
	uint64_t failed;   /* out of memory */
	const struct by_call *missing;	      /* facts that records lack: enum account_missing */
	const struct push_stats *push;	      /* NULL: nothing is sent */
	const struct containers_stats *containers; /* NULL: none */
	struct hold_stats hold;
};

/* Members of the heartbeat's "stats", without braces. */
void account_add_json(const struct account *account, struct buf *out);

/* Prometheus text format. `outbox` may be NULL. */
void account_add_metrics(const struct account *account, struct outbox *outbox, const char *probe,
			 struct buf *out);

#endif
