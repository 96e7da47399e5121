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

struct account {
	struct probe_counts probe;
	struct procs_stats procs;
	uint64_t taken;	   /* records that came out of the probe */
	uint64_t filtered; /* of them: no rule wanted these, or they only kept the table right */
	uint64_t emitted;  /* events that got a number */
	uint64_t failed;   /* out of memory */
	const struct containers_stats *containers; /* NULL: none */
	struct hold_stats hold;
};

/* Members of the heartbeat's "stats", without braces. */
void account_add_json(const struct account *account, struct buf *out);

/* Prometheus text format. `outbox` may be NULL. */
void account_add_metrics(const struct account *account, struct outbox *outbox, const char *probe,
			 struct buf *out);

#endif
