/* A recording: the records that a probe made, and what else of the machine the rest of the sensor
 * looked at, in one file. Played back (replay.h) it gives the same events again, on any machine and
 * without privileges.
 *
 * The file is a header and then frames: 8 bytes that say how long the payload is and what, then the
 * payload, a multiple of 8. All numbers are this machine's; a recording of another byte order or
 * with records of another form is refused. Facts of the host come before the first record; what was
 * looked up in /proc because of a record comes behind it.
 *
 * Bounded by RECORDING_BYTES_MAX; what comes after is counted and not written. */
#ifndef SENSOR_RECORDING_H
#define SENSOR_RECORDING_H

#include "base/str.h"
#include "sensor/identity.h"
#include "sensor/proc_read.h"
#include "sensor/record.h"

#include <stdio.h>

enum {
	RECORDING_VERSION = 1, /* raised when a value of records gets another meaning */
	RECORDING_FRAME_MAX = 512 << 10,
	RECORDING_BYTES_MAX = 1 << 30,
	RECORDING_HOSTNAME = 256,
};

enum recording_kind {
	RECORDING_RECORD = 1,
	RECORDING_PROCESS,   /* ran when the recording began: as a record with the facts of /proc */
	RECORDING_LOOKED_UP, /* the same, read because of the record before */
	RECORDING_USERS,     /* "name:x:id" lines; newlines fill up the last 8 bytes */
	RECORDING_GROUPS,
	RECORDING_CLOCK, /* what boot_offset_ns is from here on */
	RECORDING_KINDS,
};

/* Where it was made. */
struct recording_host {
	int64_t boot_offset_ns; /* wall clock minus time since boot */
	char hostname[RECORDING_HOSTNAME];
	char id[IDENTITY_TEXT], boot[IDENTITY_TEXT]; /* of the sensor */
	char machine[IDENTITY_TEXT];		      /* the kernel's boot id */
	char probe[16];
};

/* How such a file begins. */
void recording_add_header(struct buf *out, const struct recording_host *host);

/* ---- writing ---- */

struct recorder;

struct recorder_stats {
	uint64_t records, bytes;
	uint64_t unwritten; /* records that found no place any more */
	int error;	    /* why: -errno, -EFBIG at the bound; 0: all was written */
};

/* Makes the file, for its owner only. 0 or -errno. */
int recorder_open(const char *path, const struct recording_host *host, struct recorder **ret);

/* After an error these only count. */
void recorder_put(struct recorder *recorder, const struct record *record);
void recorder_put_clock(struct recorder *recorder, int64_t boot_offset_ns);
void recorder_put_text(struct recorder *recorder, enum recording_kind kind, struct str text);
/* `what`: enum proc_read_what, what was read of the process. */
void recorder_put_process(struct recorder *recorder, enum recording_kind kind,
			  const struct proc_facts *facts, unsigned what);

/* What was put so far is in the file after this. */
void recorder_flush(struct recorder *recorder);
struct recorder_stats recorder_stats(const struct recorder *recorder);
void recorder_close(struct recorder *recorder);

/* ---- reading ---- */

struct recording;

struct recording_stats {
	uint64_t records, processes;
	uint64_t invalid;    /* frames whose content is not what they say */
	uint64_t invalid_at; /* offset of the first of them */
	bool cut;	     /* the file ends, or makes no sense any more, at cut_at */
	uint64_t cut_at;
};

/* -EBADMSG: it is not a recording; -EPROTO: of another version of the sensor. Takes over `file`, also when
 * it fails. */
int recording_open(FILE *file, struct recording **ret);
void recording_close(struct recording *recording);

const struct recording_host *recording_host(const struct recording *recording);

/* The next frame, or RECORDING_KINDS at the end. Valid ones only; they stay until the next call of
 * recording_next(): a look ahead does not move. */
enum recording_kind recording_peek(struct recording *recording);
void recording_next(struct recording *recording);

/* What is under the reader: of a record and of a process, of a clock, of users and groups. */
const struct record *recording_record(const struct recording *recording);
int64_t recording_clock(const struct recording *recording);
struct str recording_text(const struct recording *recording);

/* Facts of a process out of such a record. The buffers are reused. Returns what was read of it. */
unsigned recording_facts(const struct record *record, struct proc_facts *ret);

struct recording_stats recording_stats(const struct recording *recording);

#endif
