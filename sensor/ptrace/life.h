/* Processes under the filter: which are known to those who read records, since when, and how many
 * programs they have run; and their ends, by a pidfd each. Nobody tells of a fork: a process is found when
 * it first does something that is looked at, and then it is told of before that. */
#ifndef SENSOR_PTRACE_LIFE_H
#define SENSOR_PTRACE_LIFE_H

#include "sensor/probe.h"
#include "sensor/proc_read.h"

enum { LIFE_LOOKS = 64, LIFE_MAX = 32768 /* processes; more are told of, but each time anew */ };

struct keeper;
struct life;

/* Called by life_put() and life_end(), on their thread. */
typedef void (*life_emit_fn)(struct record *record, void *userdata);

/* The sensor's own processes are no parents that rules should know. NULL: out of memory. */
struct life *life_new(struct keeper *keeper);
void life_free(struct life *life);

/* The command: known without being told of. */
void life_begin(struct life *life, uint32_t tgid);

/* A process that does something: it is known from here on, and its ancestors; what tells of them is handed
 * over. `nr`: the call that made it, where that is known, and its flags. Any thread. */
void life_meet(struct life *life, uint32_t tgid, uint16_t nr, uint64_t flags, life_emit_fn emit, void *userdata);

/* It makes a call that may give it another user, other capabilities or other namespaces. */
void life_changed(struct life *life, uint32_t tgid);

/* One that something is done to; only below the sensor. */
void life_meet_other(struct life *life, uint32_t tgid, life_emit_fn emit, void *userdata);

/* Of a record with a head: its process is known from here on, and its ancestors; what tells of them is
 * handed over first. Puts in which program it and its parent run. Any thread. */
void life_put(struct life *life, struct record *record, life_emit_fn emit, void *userdata);

/* Puts who its process is into a record, from what is known of it; `facts` has its stat afterwards. False: it has to be
 * looked at anew. */
bool life_fill(struct life *life, struct record *record, uint32_t tid, uint32_t tgid, struct proc_facts *facts);

/* What was last known of a process that is gone, as the head of a record about it. False: nothing was. */
bool life_recall(struct life *life, struct record *record);

/* The process makes a call that may make it another program, and cannot be held: what it runs then is looked for
 * by life_look(), which hands over what tells of it. At most LIFE_LOOKS at once, for a second each. */
void life_suspect(struct life *life, uint32_t tgid);
void life_look(struct life *life, bool with_environment, life_emit_fn emit, void *userdata);

/* The name of a process when it was last heard of; empty: never. */
struct str life_comm(struct life *life, uint32_t tgid, char to[RECORD_COMM]);

/* Readable when a process has ended; life_end() then tells of all that have. */
int life_fd(const struct life *life);
void life_end(struct life *life, life_emit_fn emit, void *userdata);

#endif
