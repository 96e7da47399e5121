/* From a record to an event: facts are looked up in the process table, numbers get their names, and
 * everything is put under Falco's field names. Deterministic: a recorded stream of records gives
 * the same events again. */
#ifndef SENSOR_ENRICH_H
#define SENSOR_ENRICH_H

#include "include/event.h"
#include "sensor/containers/containers.h"
#include "sensor/hosts.h"
#include "sensor/names.h"
#include "sensor/procs.h"
#include "sensor/record.h"

struct enrich;

struct enrich_settings {
	struct fields *fields; /* rules have already interned theirs */
	struct procs *procs;
	const struct names *users, *groups;
	struct str hostname; /* outlives the enrich */
	struct str machine;	/* the kernel's boot id: part of what a process is told by */
	struct hosts *hosts;	       /* NULL: no addresses have names */
	struct containers *containers; /* NULL: of a container only what its cgroup tells */
	const char *proc_folder;       /* "/proc"; NULL: what it alone tells of a running process is not known */
};

/* 0 or -ENOMEM. Interns the fields of its own into settings->fields; no more may be added after. */
int enrich_new(const struct enrich_settings *settings, struct enrich **ret);
void enrich_free(struct enrich *enrich);

/* Asks for a field that is only filled when somebody wants it (capabilities, the environment, the
 * whole list of arguments, distant ancestors): the rest is always there. */
void enrich_want(struct enrich *enrich, field_id id);

/* The container whose metadata the last event lacks, some rule reads, and may come soon; else NULL. */
const struct container_id *enrich_waits(const struct enrich *enrich);

/* Adds what is known of a container to an event of it. Borrows from the box. */
void enrich_put_box(const struct enrich *enrich, struct event *event, const struct box *box,
		    int64_t boot_offset_ns);

/* `boot_offset_ns` is wall clock minus time since boot. The event lives until the next call
 * and borrows from the record and the process table. NULL when out of memory. Updates the process
 * table. Fields that were asked for by name are found out when event_read() reads them. */
struct event *enrich_record(struct enrich *enrich, const struct record *record, int64_t boot_offset_ns);

/* Before it is shown or kept: fills what nobody has read yet into the event that enrich_record() gave last; nothing
 * into others. */
void enrich_late(struct enrich *enrich, const struct event *event);

/* Where a link led from the name that a file was opened by to another: gives the event that name, for rules
 * that know the file by it (/var/run/secrets, /proc/self/fd). False: it has no other name. */
bool enrich_by_asked_name(const struct enrich *enrich, struct event *event);

#endif
