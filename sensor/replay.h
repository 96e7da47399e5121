/* A recording in place of the machine: the records are a probe's, and what was looked up in /proc,
 * /etc/passwd and /etc/group comes out of the file, too. Nothing depends on when or where. */
#ifndef SENSOR_REPLAY_H
#define SENSOR_REPLAY_H

#include "sensor/names.h"
#include "sensor/probe.h"
#include "sensor/procs.h"
#include "sensor/recording.h"

struct replay;

/* Reads the facts that stand before the first record. 0, or -errno as recording_open(). Takes over `file`. */
int replay_open(FILE *file, struct replay **ret);
void replay_close(struct replay *replay);

const struct recording_host *replay_host(const struct replay *replay);

/* Wall clock minus time since boot, of the record at hand. */
int64_t replay_boot_offset(const struct replay *replay);

/* Users and groups as they were. NULL: out of memory. */
struct names *replay_users(const struct replay *replay);
struct names *replay_groups(const struct replay *replay);

/* The processes that ran at the start, and from now on what was looked up. The replay has to outlive the
 * table's use. */
void replay_fill(struct replay *replay, struct procs *procs);

struct recording_stats replay_stats(const struct replay *replay);

/* Its state is the replay of the settings, which stays the caller's. */
extern const struct probe_ops probe_replay;

#endif
