/* What the rooms of the sensor as a whole share: start, events, rules, loop. */
#ifndef SENSOR_SENSOR_INNER_H
#define SENSOR_SENSOR_INNER_H

#include "base/buf.h"
#include "base/clock.h"
#include "sensor/budget.h"
#include "sensor/enforce/enforce.h"
#include "sensor/enrich.h"
#include "sensor/exporter.h"
#include "sensor/hold.h"
#include "sensor/identity.h"
#include "sensor/observe.h"
#include "sensor/policy.h"
#include "sensor/prefilter.h"
#include "sensor/push.h"
#include "sensor/sensor.h"
#include "sensor/tail.h"
#include "sensor/tamper.h"
#include "sensor/tape.h"
#include "sensor/wire.h"

/* Below it each sensor's own, by its id. */
#define SENSOR_PINS "/sys/fs/bpf/tocsin/"

enum { SENSOR_REFUSED_MAX = 256 /* calls that were refused at the gate, and whose ends are awaited */ };

/* A call that was refused at the gate, and told. */
struct sensor_refused {
	uint32_t tid; /* 0: none */
	uint16_t nr;
};

/* The profile's file as it was read. */
struct sensor_seccomp {
	uint64_t ino;
	int64_t size;
	struct timespec changed;
};

struct sensor {
	const struct options *options;
	const struct probe_ops *probe;
	struct keeper *keeper; /* NULL: no command */
	void *probe_state;
	struct policy *policy; /* NULL: rules come from files */
	char version[POLICY_VERSION_LEN + 1]; /* of the hub's rules in force */
	struct fields *fields;
	struct prefilter *prefilter;
	struct enforce *enforce;   /* NULL: off */
	struct interest *judged;   /* of the rules that respond; NULL: none does, or no call waits for an answer */
	union {
		struct record record;
		char room[RECORD_MAX];
	} told; /* a call that was refused, as it ended */
	struct sensor_refused refused[SENSOR_REFUSED_MAX]; /* a ring */
	size_t refused_count;
	uint64_t told_at_gate[RECORD_CLASSES];
	struct interest *interest; /* of the prefilter's rules; the probe's, too */
	struct procs *procs;
	struct names *users, *groups;
	struct enrich *enrich;
	struct containers *containers;
	struct hosts *hosts; /* NULL: in a replay */
	struct hold *hold;
	struct event held; /* one of hold's, while it is looked at */
	struct outbox *outbox; /* NULL with --print */
	struct budgets *budgets;
	bool behind; /* budgets are in force */
	struct push *push;
	struct tape tape;
	struct sensor_seccomp seccomp;
	struct observe *observe; /* NULL: rules decide */
	struct follow *follow;	 /* NULL: nobody is followed */
	struct tail *tail;	 /* NULL: nobody looks on */
	bool has_filter;	 /* observe's rules are among the hub's */
	bool tailed;		 /* the event at hand is to be seen by who looks on */
	bool unheard;		 /* nobody reads standard output any more */
	struct exporter *exporter; /* NULL: nobody asked for metrics */
	struct buf report;
	struct http_settings http;
	const char *hostname;
	char id[IDENTITY_TEXT], boot[IDENTITY_TEXT];
	char machine[IDENTITY_TEXT]; /* the kernel's boot id */
	struct wire_sensor wire;
	bool wanted[PLAN_CALLS], wants_exit; /* by call number: what becomes an event */

	struct buf batch;
	uint32_t batch_events;
	int64_t batch_since, at_once_from; /* of the oldest event; when sending at once is within its rate */
	uint64_t seq;
	int64_t boot_offset_ns, next_tick, next_policy;
	struct tamper tamper;
	char pin[sizeof(SENSOR_PINS) + IDENTITY_TEXT]; /* what the probe keeps for the next run; "": nothing */
	bool ends;
	char ended[IDENTITY_TEXT]; /* the run before this one, if it came to an orderly end */
	struct by_call missing; /* facts that records lacked */
	uint64_t taken, filtered, failed; /* records; those that no rule wanted; out of memory */
};

/* sensor_start.c: everything up to the first record, in the order in which the parts need each other. 0 or
 * -errno, said; sensor_run() frees what there is by then. */
int sensor_start(struct sensor *sensor);

/* What has to be added to a time since boot. */
int64_t sensor_boot_offset(void);

/* sensor_events.c: from a record to an event in the batch; a probe_take_fn, `userdata` is the sensor. */
void sensor_take(const struct record *record, void *userdata);

/* What is to become of a call, or of a program, that waits: 0, or -errno, and then it has been told. At the gate: the
 * kernel knows one error only, and what is not known yet is no reason to refuse. */
int sensor_ask(struct sensor *sensor, const struct record *record, bool at_gate);

/* sensor_gate.c: files that the kernel asks about. */
void sensor_poll_gate(struct sensor *sensor);

/* Of each record, before its event is made: it is of a call that was refused at the gate, and told. A program that began in a
 * container is noted. */
bool sensor_gate_knows(struct sensor *sensor, const struct record *record);

/* What was told without a record of the probe, into its account. */
void sensor_gate_counts(const struct sensor *sensor, struct probe_counts *counts);

/* A probe_judge_fn, `userdata` is the sensor. */
int sensor_judge(const struct record *record, void *userdata);

/* Gives the batch away, full or not. */
void sensor_seal(struct sensor *sensor);

/* Looks again at the events that waited for their container, once that is known or, with `all`, now. */
void sensor_release(struct sensor *sensor, bool all);

/* sensor_seccomp.c: the command's profile, if it has one. 0 or -errno, said; and a look whether its file is
 * another one now. */
int sensor_start_seccomp(struct sensor *sensor);
void sensor_look_at_seccomp(struct sensor *sensor);

/* sensor_rules.c: what the rules in force want of the kernel, and of the records that come. */
/* After the prefilter changed. */
void sensor_set_judged(struct sensor *sensor);
struct probe_settings sensor_settings(struct sensor *sensor, const struct interest *interest);

/* 0 or -errno. */
int sensor_new_enrich(const struct sensor *sensor, struct fields *fields, const struct prefilter *prefilter,
		      struct enrich **ret);

/* Other rules from the hub, if there are any: from the next record on. */
void sensor_take_policy(struct sensor *sensor);

#endif
