/* The gate: the kernel asks before it opens or runs a file (fanotify's permission events), and the rules that respond
 * say. What is asked about is bounded: places that rules pin down, and the programs of containers' own file systems.
 *
 * One thread answers, at once where no rule can match; what is left it hands to the sensor's own thread, which alone may
 * ask rules. It waits for that for GATE_WAIT_MS: in doubt, when it is late, when too many wait, when a process is gone,
 * the file is opened, and that is counted. Another thread sets marks, which can take long. When the sensor ends, however it does,
 * the kernel lets go what waits. */
#ifndef SENSOR_GATE_GATE_H
#define SENSOR_GATE_GATE_H

#include "base/buf.h"
#include "sensor/enforce/places.h"
#include "sensor/interest.h"
#include "sensor/record.h"

enum {
	GATE_WAIT_MS = 5000,	/* for the rules' word */
	GATE_STUCK_MS = 10000, /* ... when they are being asked already */
	GATE_WAITING_MAX = 64,	/* files that wait at once; more are opened */
	GATE_MARKS_MAX = 8192,	/* files and folders; more are not asked about */
	GATE_ROOTS_MAX = 1024,	/* containers and other root directories */
};

struct gate;

struct gate_settings {
	/* Of an open file: in which layer of an overlay, as RECORD_EXE_UPPER or _LOWER; 0: in none, or not known. From
	 * any thread. */
	uint32_t (*layer)(void *userdata, int fd);
	void *userdata;
};

struct gate_stats {
	uint64_t asked;	   /* by the kernel */
	uint64_t judged;   /* of them, by rules */
	uint64_t denied;
	uint64_t late;	   /* opened, because no answer came in time */
	uint64_t full;	   /* opened, because too many waited */
	uint64_t unknown;  /* opened, because it was not to be known who asks for what */
	uint64_t marks;	   /* files and folders, now */
	uint64_t roots;	   /* whose files these are, now */
	uint64_t unmarked; /* files and folders that should be marked, and are not: too many, or the kernel refuses */
};

/* 0 or -errno, and why: the kernel has no such events, or grants none. */
int gate_new(const struct gate_settings *settings, struct gate **ret, const char **ret_why);

/* What waits is let go, and no more is asked. */
void gate_free(struct gate *gate);

/* Readable when gate_poll() has something to do. */
int gate_fd(const struct gate *gate);

/* Other rules: asks about these places from now on, in some milliseconds, and of them about what `judged` wants, which is
 * taken over. What the places point to must stay till the next call. 0 or -errno. */
int gate_set(struct gate *gate, const struct places *places, struct interest *judged);

/* 0: it may be opened, or run. The record is that of a call, or of an exec, as if it had worked. With `either` it is
 * not known whether it is opened to read or to write. */
typedef int (*gate_judge_fn)(struct record *record, bool either, void *userdata);

/* The sensor's own thread: judges those that wait. */
void gate_poll(struct gate *gate, gate_judge_fn judge, void *userdata);

/* The thread that answers was stuck in something that it looked at: for good, all that waited was let go, and nothing
 * is asked any more. */
bool gate_is_open(const struct gate *gate);

/* A program began in a container, perhaps a new one. */
void gate_see(struct gate *gate, uint32_t tgid, uint64_t cgroup_id);

struct gate_stats gate_stats(const struct gate *gate);

#endif
