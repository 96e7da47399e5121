/* Which processes are followed: those that were begun with, and all that they begin from then on. By process id;
 * whoever has one never asks the kernel. */
#ifndef SENSOR_FOLLOW_H
#define SENSOR_FOLLOW_H

#include "sensor/probe.h"
#include "sensor/record.h"

struct follow;

/* Nobody yet. NULL: out of memory. */
struct follow *follow_new(void);
void follow_free(struct follow *follow);

/* A process began or ended: told before its event is looked at, or in place of it. */
void follow_birth(struct follow *follow, const struct record *record);
void follow_death(struct follow *follow, const struct record *record);

/* From now on, and whether it is. */
void follow_begin(struct follow *follow, uint64_t tgid);
bool follow_has(const struct follow *follow, uint64_t tgid);

/* What to say to the probe of the record's process, once the record was looked at. */
enum probe_follow follow_verdict(struct follow *follow, const struct record *record);

#endif
