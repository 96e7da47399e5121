/* The sensors that report: how far each has got (so that what is sent again is known), what never came,
 * and its last heartbeat. Bounded: beyond the limit the one silent for longest is forgotten. Owned by
 * one thread; sensors_report() may be called from any. */
#ifndef HUB_DEDUP_SENSORS_H
#define HUB_DEDUP_SENSORS_H

#include "base/buf.h"
#include "base/metrics.h"
#include "include/event.h"

struct sensors;

enum { SENSORS_MAX = 10000, SENSOR_STATUS_MAX = 8192, SENSOR_ID_MAX = 128, SENSOR_FLOOD_MAX = 160, SENSOR_CAUSES_MAX = 400,
       SENSOR_DETAIL_MAX = 240, SENSOR_NOTICES_MAX = 8 };

/* One run of a sensor, from a start to the next. */
struct sensor_run {
	char boot[SENSOR_ID_MAX];
	uint64_t seq;             /* highest taken */
	uint64_t lost, told_lost; /* what it says it lost on its node, and what was said of it */
	uint64_t notices;         /* of its tamper notices, the newest that was taken */
	bool beats, left;         /* it was heard itself; it said farewell */
};

/* What a sensor says was done to it, or what its run's end shows. */
struct sensor_notice {
	char what[24];
	uint64_t seconds;
	char detail[SENSOR_DETAIL_MAX];
};

struct sensor {
	struct sensor *next;           /* in its bucket */
	struct sensor *older, *newer;  /* by seen_ns */
	char id[SENSOR_ID_MAX], hostname[256];
	struct sensor_run run, before; /* what a run left in its spool comes after the next one's begin */
	struct sensor_notice notices[SENSOR_NOTICES_MAX]; /* not yet told */
	size_t notices_count;
	uint64_t gaps;                 /* sequence numbers that never came, all boots */
	int64_t seen_ns;
	int64_t told_ns;               /* when the hub's own events last said that it was seen */
	int64_t silent_ns;             /* the seen_ns after which it was told to be silent */
	uint64_t told_gaps;            /* of gaps, how many they have said */
	char flood[SENSOR_FLOOD_MAX];  /* through which process: "name (pid)", or "" */
	char causes[SENSOR_CAUSES_MAX]; /* of lost: "ring 3, budget 40 (mkdir, openat)" */
	char *status;                  /* the last heartbeat's JSON, or NULL */
};

int sensors_new(struct sensors **ret);
void sensors_free(struct sensors *sensors);

/* The sensor of this id and boot, made when new; another boot starts its sequence afresh. NULL: out of
 * memory, or an id or boot that is empty or longer than SENSOR_ID_MAX - 1. */
struct sensor *sensors_see(struct sensors *sensors, struct str id, struct str boot,
                           struct str hostname, int64_t now_ns);

/* Takes sequence number `seq`: false when it was taken before. */
bool sensor_take(struct sensors *sensors, struct sensor *sensor, uint64_t seq);

/* A commit that held numbers from `seq` on failed: they are expected again. */
void sensors_untake(struct sensors *sensors, struct str id, struct str boot, uint64_t seq);

/* Keeps a heartbeat (JSON text, at most SENSOR_STATUS_MAX bytes). */
void sensor_heartbeat(struct sensors *sensors, struct sensor *sensor, struct str status);

/* Puts back what the journal kept. */
void sensor_restore(struct sensors *sensors, struct str id, struct str boot, struct str hostname,
                    struct str status, uint64_t seq, uint64_t gaps, int64_t seen_ns);

/* [{"id":…,"boot":…,"hostname":…,"seq":…,"gaps":…,"seen":…,"status":{…}},…], newest first. Any thread. */
void sensors_report(struct sensors *sensors, struct buf *out);

/* Visits all, the one seen last first, on the owner's thread. */
void sensors_each(struct sensors *sensors, void (*visit)(void *userdata, struct sensor *sensor),
                  void *userdata);

size_t sensors_count(struct sensors *sensors);

void sensors_metrics(struct sensors *sensors, struct metrics *metrics);

#endif
