/* The process table: what is known of every process, so that an event can name the one that caused
 * it and its ancestors. Fed by exec, fork and exit records in the order they happened; filled from
 * /proc at the start and, at a bounded rate, for a process that was missed.
 *
 * Bounded by PROCS_MAX and, as programs may have long names and arguments, by PROCS_BYTES; at a bound the
 * processes that were not heard of for longest are forgotten.
 * One thread. */
#ifndef SENSOR_PROCS_H
#define SENSOR_PROCS_H

#include "sensor/container.h"
#include "sensor/record.h"

enum {
	PROCS_MAX = 32768,
	PROCS_BYTES = 24 << 20, /* of all entries and what they point to */
	PROCS_LOOKUPS_PER_S = 50, /* reads of /proc for missed processes */
	PROCS_ANCESTORS_MAX = 32,
	PROCS_HIDDEN_MAX = 3,
	PROCS_DEAD_MAX = 256, /* ended processes that are remembered */
	PROCS_TICK_NS = 10000000, /* /proc/PID/stat counts the start in these */
};

/* What is not known of a program, or not whole. */
enum image_lack {
	IMAGE_EXE_CUT = 1 << 0,
	IMAGE_ARGS_CUT = 1 << 1,
	IMAGE_ENV_CUT = 1 << 2,
	IMAGE_NO_EXE = 1 << 3,
	IMAGE_NO_ARGS = 1 << 4, /* nor argv[0] */
	IMAGE_NO_ENV = 1 << 5,
};

/* A program as it was started; shared by the processes that were forked from it. */
struct image {
	unsigned refs;
	uint32_t bytes; /* all of it, its texts included */
	uint32_t flags; /* RECORD_EXE_*, RECORD_HAS_EXE, RECORD_CUT_ARGS, RECORD_SECURE_EXEC */
	uint64_t exe_ino, exe_ctime_ns, exe_mtime_ns;
	uint32_t exe_mode, exe_uid, exe_gid;
	uint32_t exec_uid;   /* the real user at the exec; (uint32_t)-1: not known */
	struct str exepath;  /* empty: not known */
	struct str argv0;    /* proc.exe */
	struct str args;     /* the other arguments, joined by blanks */
	struct str env;	     /* joined by blanks */
	uint32_t args_count; /* without argv[0] */
	unsigned lacks;	     /* enum image_lack */
};

struct proc {
	uint32_t tgid, ppid;
	uint64_t parent_start_ns; /* 0: not known */
	uint64_t start_ns; /* since boot; from /proc only to 10 ms */
	uint64_t exec_id, parent_exec_id;
	uint32_t sid, pgid, vpid;
	uint64_t cap_permitted, cap_effective, cap_inheritable;
	char comm[RECORD_COMM];
	struct image *image; /* never NULL */
	char *cwd;	     /* NULL: not known */
	bool cwd_cut;	     /* its beginning is missing */
	struct container_id container;
	bool exact; /* start_ns came from the kernel */
	bool dead;  /* kept for a while, for the children's sake */

	struct proc *hash_next;
	struct proc *newer, *older; /* by when it was last heard of */
};

struct procs;

struct procs_stats {
	uint64_t count, bytes, evicted;
	uint64_t missed;    /* asked for, and not in the table */
	uint64_t looked_up; /* of them, asked for in /proc */
	uint64_t unknown;   /* of them, not found there or not asked for, because too many were missed at once */
};

/* NULL: out of memory. `proc_folder` is "/proc" but in tests. */
struct procs *procs_new(const char *proc_folder);
void procs_free(struct procs *procs);

/* A process that is nobody's parent: the sensor itself, when it has started what it observes, and those that
 * keep watch over it. 0: none. */
void procs_hide(struct procs *procs, uint32_t tgid);

/* All processes that run now and are not in the table. To be called after the probe is attached and
 * before its first record is taken: then none falls between. 0 or -errno. */
int procs_scan(struct procs *procs);

struct proc_facts;

/* Facts of processes that no record told of, for who records them, or gives them in place of /proc. */
struct procs_hooks {
	/* Reads in place of /proc, and then without a limit to the rate. NULL: /proc. As proc_read(). */
	int (*read)(void *userdata, uint32_t tgid, unsigned what, struct proc_facts *ret);
	/* What was read, by the scan at the start or because of a record. NULL: nobody is told. */
	void (*was_read)(void *userdata, const struct proc_facts *facts, unsigned what, bool at_start);
	void *userdata;
};

void procs_set_hooks(struct procs *procs, const struct procs_hooks *hooks);

/* A process that runs already, unless it is in the table. */
void procs_add(struct procs *procs, const struct proc_facts *facts);

/* Brings the table up to date with a record (exec, fork, a changed directory, a changed name) and
 * returns the process it is about: never NULL but when out of memory. An exit changes nothing yet.
 */
const struct proc *procs_update(struct procs *procs, const struct record *record);

/* Of a record whose head is from /proc: the facts that only the kernel's own records have, if they came before. */
void procs_complete(const struct procs *procs, struct record *record);

/* What a process was before a record that only presumes that it runs another program. */
struct procs_kept {
	struct image *image; /* NULL: nothing was known of it */
	char comm[RECORD_COMM];
	struct container_id container;
};

/* Before procs_update() with that record, and after its event is done with. */
void procs_keep(struct procs *procs, const struct record *record, struct procs_kept *ret);
void procs_put_back(struct procs *procs, const struct record *record, struct procs_kept *kept);

/* After an exit record's event has been made. The entry stays until PROCS_DEAD_MAX others have ended: a child may
 * speak when its parent has gone and nobody else has taken it in yet. */
void procs_forget(struct procs *procs, const struct record *record);

/* NULL when it is not in the table. */
const struct proc *procs_find(const struct procs *procs, uint32_t tgid);

/* The parent, or NULL; looked up in /proc if need be. */
const struct proc *procs_parent(struct procs *procs, const struct proc *proc);

struct procs_stats procs_stats(const struct procs *procs);

#endif
