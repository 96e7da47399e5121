/* What is done to the sensor itself: it was stopped for a while, it does not see its own calls any more, it
 * was asked to end. Told in the heartbeat, for the hub's rules. */
#ifndef SENSOR_TAMPER_H
#define SENSOR_TAMPER_H

#include "base/buf.h"
#include "sensor/probe.h"
#include "sensor/procs.h"

enum {
	TAMPER_NOTICES = 8,    /* the newest are told */
	TAMPER_TEXT = 160,
	TAMPER_GAP_S = 10,     /* not having run for so long is a pause even without a signal */
	TAMPER_CANARY_S = 10,  /* how often the sensor makes a call that it must see */
	TAMPER_BLIND = 2,      /* calls in a row that it did not see: blind */
	TAMPER_REPEAT = 60,    /* ... and is told again after so many */
};

struct tamper {
	struct tamper_notice {
		const char *what; /* sensor_paused, sensor_blind, sensor_failed */
		uint64_t seconds;
		char detail[TAMPER_TEXT];
	} notices[TAMPER_NOTICES];
	uint64_t count;	      /* of notices, ever */
	int64_t ran_ns;	      /* when the loop was last seen to run */
	int64_t canary_ns;    /* when the next call is due */
	unsigned unseen;      /* calls in a row */
	bool sees_itself;     /* the probe reports the call */
	uint64_t failures;    /* that were told */
	unsigned ended_by;    /* the signal; 0: none */
	uint32_t ended_from;  /* who sent it; 0: not a process */
	uint32_t woken_from;  /* who sent SIGCONT */
	struct plan_sender killer, stopper; /* who sent SIGKILL to the run before, SIGSTOP to this one */
	size_t detached;      /* of the probe's programs, when last looked at */
};

/* A signal to the sensor, and the process that sent it. */
void tamper_signal(struct tamper *tamper, int number, uint32_t from);

/* How the probe is. */
void tamper_harm(struct tamper *tamper, const struct probe_harm *harm);

/* Each time round the loop. */
void tamper_tick(struct tamper *tamper, const struct procs *procs, int64_t now_ns);

/* Parts of the sensor that failed, as its keepers have it: `count` of them so far, the newest in words; calls that
 * nobody looked at meanwhile. */
void tamper_failures(struct tamper *tamper, uint64_t count, const char *last, uint64_t missed);

/* True: the record is the call that tamper_tick() made, and nothing else. */
bool tamper_take(struct tamper *tamper, const struct record *record);

/* "tamper":{"count":1,"notices":[{"n":1,"what":"sensor_paused","seconds":7,"detail":"…"}]}, and, once a signal
 * has ended the sensor, "farewell":"SIGTERM from bash (4242)". */
void tamper_add_json(const struct tamper *tamper, const struct procs *procs, bool ends, struct buf *out);

/* ,"killed":"SIGKILL from bash (4242), uid 0", if that is known of the run before. */
void tamper_add_killer(const struct tamper *tamper, struct buf *out);

#endif
