/* The push: one thread that carries batches from the outbox to the hub, in order and one at a time,
 * and a heartbeat every ten seconds. Anything but a 2xx keeps the batch and backs off:
 * exponentially with full jitter, 0.5 to 30 s, never sooner than the hub's Retry-After. */
#ifndef SENSOR_PUSH_H
#define SENSOR_PUSH_H

#include "base/http.h"
#include "base/metrics.h"
#include "sensor/outbox.h"
#include "sensor/wire.h"

enum {
	PUSH_GZIP_BYTES = 1024, /* smaller bodies are sent plain */
	PUSH_BACKOFF_MIN_MS = 500,
	PUSH_BACKOFF_MAX_MS = 30000,
	PUSH_RETRY_AFTER_MAX_MS = 600000, /* a longer wish is not granted */
	PUSH_HEARTBEAT_MS = 10000,
	PUSH_REFUSED_MAX =
		5, /* tries of a batch that the hub calls malformed before it is set aside */
	PUSH_STOP_MS = 3000, /* for what is left at the end */
};

struct push;

struct push_settings {
	const char *hub;   /* "http://host:port", without a path */
	const char *token; /* NULL: none */
	const struct http_settings *http;
	struct wire_sensor sensor;
	struct str hostname;
	struct outbox *outbox; /* outlives the push */
};

struct push_stats {
	counter requests, failures, events, bytes, refused_events, heartbeats;
};

/* Starts the thread. All strings must outlive it. 0 or -errno. */
int push_start(const struct push_settings *settings, struct push **ret);

/* Sends what it can in PUSH_STOP_MS, leaves the rest to the outbox, ends the thread and frees. */
void push_stop(struct push *push);

/* What the heartbeat says beside the push's own: members of "stats" as JSON text without braces,
 * and the newest sequence number. Copied. */
void push_report(struct push *push, struct str stats_members, uint64_t last_seq);

/* Further members of the heartbeat as JSON text without braces ("\"policy\":{…}"); a change is told at
 * once. Copied. */
void push_tell(struct push *push, struct str members);

/* What is done to the sensor, in the same form; a change is told at once. Copied. */
void push_warn(struct push *push, struct str members);

const struct push_stats *push_stats(const struct push *push);

#endif
