/* The hub's own troubles as events of source `tocsin`, so that rules decide which of them are alarms:
 * tocsin.event says what (sensor_seen, sensor_gap, sensor_loss, sensor_killed,
 * sensor_stopped, sensor_paused, sensor_blind, sensor_failed, sensor_silent, output_down, output_up,
 * dead_letter, commit_failed, disk_low, rules_reload_failed), tocsin.output or tocsin.sensor about whom, tocsin.count how many,
 * tocsin.seconds for how long, tocsin.detail in words, tocsin.causes
 * of what a sensor lost since its start why and in which calls. Looks once a second; costs nothing when no rule
 * wants that source. */
#ifndef HUB_HEALTH_H
#define HUB_HEALTH_H

#include "hub/deliver/deliver.h"
#include "hub/pipeline.h"

struct health;

enum {
	HEALTH_DOWN_S = 60,         /* an output that fails for so long is down */
	HEALTH_REPEAT_S = 600,      /* what lasts is said again */
	HEALTH_SEEN_S = 30,         /* a sensor is reported as seen at most so often */
	HEALTH_GAP_S = 3,           /* a hub that did not look for so long has not listened either */
	HEALTH_DISK_PERCENT = 5,    /* free space below it is low */
	HEALTH_EVENTS_MAX = 1000,   /* in one look; the rest waits for the next */
};

struct health_settings {
	const struct config *config;
	struct pipeline *pipeline;
	struct sensors *sensors;
	struct deliver *deliver;
};

/* NULL: out of memory. */
struct health *health_new(const struct health_settings *settings);
void health_free(struct health *health);

/* Once a second, on the pipeline's thread. */
void health_tick(struct health *health);

/* Rules did not load; `detail` is the first line of why. */
void health_rules_failed(struct health *health, struct str detail);

#endif
