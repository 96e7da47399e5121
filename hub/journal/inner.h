/* What the journal's files share. The writer thread owns everything but what `lock` guards and the
 * atomics. */
#ifndef HUB_JOURNAL_INNER_H
#define HUB_JOURNAL_INNER_H

#include "hub/journal/journal.h"
#include "hub/journal/store.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

enum {
	ROUND_ROWS = 4096,     /* alerts of one transaction, so that its producers wait bounded */
	ROUND_BYTES = 4 << 20, /* the same, of memory; one larger commit goes alone */
	ROUND_OTHERS = 1024,   /* progresses and calls of one transaction */
	ROW_OUTCOMES = 2048,   /* outcomes of one delivery row: it stays inside its page */
	ROW_MARKS = 1024,      /* alerts of one alert_index row */
	AHEAD_ENTRY = 10,      /* bytes in output.ahead: position, outcome, attempts */
	TOTALS_BYTES = JOURNAL_OUTCOMES * 8,
	OUTPUTS_MAX = 4096, /* outputs that are configured at a time */
};

/* Positions and output ids share delivery.place. */
#define PLACE_SEQ_BITS 48
#define PLACE_SEQ_MAX  (((uint64_t)1 << PLACE_SEQ_BITS) - 1)

static inline uint64_t place_of(uint32_t output, uint64_t seq)
{
	return (uint64_t)output << PLACE_SEQ_BITS | seq;
}

/* Something that must run on the writer thread, inside a transaction; its caller waits. `run` may be
 * called again when the transaction had to be repeated. A negative result is the caller's own trouble:
 * `run` then must have changed nothing. */
struct call {
	struct call *next;
	int (*run)(struct journal *journal, void *argument);
	void *argument;
	int result;
	bool answered; /* under the journal's lock */
};

/* One transaction's worth of work. */
struct round {
	struct journal_commit *commits;
	struct journal_progress *progresses;
	struct call *calls;
	size_t rows, bytes;
};

/* The file's limits, derived from its maximum size. */
struct limits {
	uint64_t max_size, low_mark;	      /* bytes in use: refuse commits; begin to delete */
	uint64_t wal_soft, wal_hard, wal_max; /* bytes; see checkpoint.c */
	uint64_t reserve;		      /* bytes set aside for a full disk; see reserve.c */
};

struct journal {
	char path[PATH_MAX], reserve_path[PATH_MAX];
	int64_t retention_ns,
		grace_ns; /* grace: before outputs that are not configured lose their hold */
	struct limits limits;
	struct hash_key key;
	int lock_fd, file_fd; /* file_fd: journal.db once more, see reserve_ground() */
	pthread_t writer, checkpointer;
	bool writer_runs, checkpointer_runs;

	/* the writer's own */
	struct store store;
	uint64_t next_seq, kept_from; /* of the running transaction; published when it is on disk */
	uint64_t wal_bytes;
	uint64_t wal_tried; /* its size when a writer's checkpoint was last tried */
	uint64_t grounded;  /* the file's length up to which the disk has given room; 0: not known */
	int64_t opened_ns, reserve_try_ns, probe_ns, retain_ns; /* monotonic */
	uint64_t incident_swept;	    /* closed incidents are looked at in order of id */
	uint8_t outcomes[ROW_OUTCOMES * 2]; /* one delivery row */
	uint8_t marks[ROW_MARKS * 4];	    /* one alert_index row that is being filled */
	size_t marks_count;

	pthread_mutex_t lock;
	pthread_cond_t work;	   /* the writer waits */
	pthread_cond_t news;	   /* readers wait for positions; callers for answers */
	pthread_cond_t checkpoint; /* the checkpointer waits */
	struct journal_commit *commits, **commits_end;
	struct journal_progress *progresses, **progresses_end;
	struct call *calls, **calls_end;
	int64_t progress_due_ns; /* monotonic, 0: none waits */
	uint32_t configured[OUTPUTS_MAX];
	size_t configured_count;
	bool stop, checkpoint_due;

	_Atomic uint64_t waiting, last, first, wakes;
	_Atomic int health;
	_Atomic bool checkpointing, checkpoint_finish, reserve_held;

	_Atomic uint64_t used_bytes, free_bytes, wal_size;
	counter alerts, transactions, failures, refused, expired, letters_expired, checkpoints,
		reopened;
	struct histogram commit_time;
};

/* An output's row. */
struct output_row {
	uint32_t id;
	uint64_t start, cursor, folded_to, expired; /* expired: dead letters that retention took */
	int64_t at_ns;
	struct journal_done *ahead; /* malloc'ed */
	size_t ahead_count;
	uint64_t totals[JOURNAL_OUTCOMES], folded[JOURNAL_OUTCOMES];
};

/* writer.c: the thread; runs `run` on it and waits for the disk. */
void *writer_main(void *argument);
int writer_call(struct journal *journal, int (*run)(struct journal *journal, void *argument),
		void *argument);

/* rows.c: inside a transaction. -errno fails the transaction or, when the disk is not at fault
 * (rows_is_own_fault), only this piece of work. */
void rows_begin(struct journal *journal);
int rows_commit(struct journal *journal, const struct journal_commit *commit);
int rows_progress(struct journal *journal, const struct journal_progress *progress);
int rows_end(struct journal *journal);
bool rows_is_own_fault(int error);

/* When an alert was received, on any connection; 0 when it is not there. */
int rows_received(struct store *store, uint64_t seq, int64_t *ret);

/* An error after the first change is not only the caller's own any more: the transaction has to go. */
static inline int rows_midway(int r)
{
	return r < 0 && rows_is_own_fault(r) ? -EAGAIN : r;
}

/* outputs.c: reading and writing output rows, on any connection. output_row_done() frees `ahead`. */
int output_find(struct store *store, struct str name, uint64_t *ret_id); /* 0: there is none */
int output_row_get(struct store *store, uint32_t id, struct output_row *ret);
int output_row_from(sqlite3_stmt *statement, struct output_row *ret);
int output_row_set(struct store *store, const struct output_row *row);
void output_row_done(struct output_row *row);
void put_u64(uint8_t *at, uint64_t value);
uint64_t get_u64(const uint8_t *at);

/* retain.c: deletes a bounded number of what may go, inside a transaction that inserts `rows`; does
 * nothing before its time. 1: there may be more, 0, or -errno. */
int retain_step(struct journal *journal, size_t rows);

/* checkpoint.c: keeps the WAL short. */
void *checkpoint_main(void *argument);
void checkpoint_after_commit(struct journal *journal);
void checkpoint_now(struct journal *journal);  /* on the writer, waiting for readers a moment */
void checkpoint_hook(struct journal *journal); /* once the writer's store is open */

/* reserve.c: disk space that is given back when the disk is full. */
void reserve_make(struct journal *journal);
void reserve_drop(struct journal *journal);
bool reserve_has_room(const struct journal *journal); /* whether commits may be taken */
bool reserve_disk_is_low(const struct journal *journal);
bool reserve_is_used_up(const struct journal *journal); /* the disk is full, and so is the file */
/* Takes the disk's room for a file of `pages` pages before a transaction that makes it so long ends:
 * what is in the WAL can then be copied whatever becomes of the disk. 0 or -ENOSPC. */
int reserve_ground(struct journal *journal, uint64_t pages);
/* max_size, or what of the disk a file may take beside its WAL and the reserve. */
uint64_t reserve_size_limit(const char *dir, uint64_t max_size);

/* ids.c */
size_t uuid_pack(const char text[37], uint8_t packed[37]); /* bytes used: 16 for a canonical uuid */
void uuid_unpack(struct str packed, char text[37]);
uint32_t uuid_mark(const uint8_t *packed, size_t len); /* four bytes for alert_index */

#endif
