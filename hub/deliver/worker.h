/* One output's worker: reads the journal behind its cursor into a window, sends what is due, settles.
 * Everything here belongs to the worker's thread but what `lock` guards. */
#ifndef HUB_WORKER_H
#define HUB_WORKER_H

#include "hub/deliver/deliver.h"

#include <pthread.h>

enum {
	WORKER_WINDOW = 1024,             /* alerts looked at and not yet settled in order */
	WORKER_BYTES = 8 << 20,           /* their text */
	WORKER_OUTCOMES = 16384,          /* settled, not yet handed to the journal */
	WORKER_LETTERS = 64,              /* replayed dead letters at once */
	WORKER_READ = 256,                /* alerts read from the journal at once */
};

/* One alert between the cursor and the last one read. */
struct slot {
	struct alert alert;  /* its text is the slot's own */
	char *text;
	uint64_t order;
	uint8_t outcome;     /* enum journal_outcome, 0: open */
	uint8_t attempts;    /* stops at 255 */
	int64_t next_try_ns; /* monotonic */
};

/* Settled outcomes on their way to the journal: one set is being written while the other fills. */
struct outbox {
	struct journal_progress progress;
	struct worker *worker;
	struct journal_done *prefix; /* WORKER_OUTCOMES */
	struct journal_done *ahead;  /* WORKER_WINDOW */
	struct journal_dead *dead;   /* WORKER_WINDOW */
};

struct worker {
	const struct config *config;
	const struct config_output *output;
	struct journal *journal;
	struct journal_reader *reader;
	struct deliver *deliver;
	void *state;               /* the driver's */
	uint32_t id;
	uint64_t start;
	pthread_t thread;
	bool started;

	struct slot *window;       /* ring of WORKER_WINDOW */
	uint32_t head, count;
	size_t bytes;
	uint64_t cursor;           /* all up to here is in an outbox or on disk */
	uint64_t read_to;          /* the last position in the window */
	struct journal_done *restored; /* settled beyond the cursor by the last run: not sent again */
	size_t restored_count;

	struct outbox boxes[2];
	int filling;               /* the box that takes new outcomes */
	_Atomic int writing;       /* 1 while the other one is with the journal, 2 done, -1 failed */
	bool dirty;                /* there is something to hand over */

	struct arena arena;        /* of one call of the driver */
	struct arena reading;      /* of one reading of the journal */
	struct alert *read_space;  /* WORKER_READ of them */
	struct delivery *deliveries; /* OUTPUT_BATCH_MAX */
	struct slot **picked;

	/* the state of the far side */
	enum deliver_state condition;
	unsigned failures_in_row;
	unsigned concurrency;
	int64_t next_try_ns;       /* nothing is sent before; monotonic */
	int64_t failing_since_ns;
	uint64_t failures_since;
	int64_t replay_check_ns;
	int64_t dead_told_ns;      /* when dead letters were last logged */
	uint64_t dead_untold;
	int64_t read_check_ns;     /* the journal is not read before */
	unsigned random;

	_Atomic bool stop, kick;
	pthread_mutex_t lock;      /* guards status */
	struct deliver_status status; /* lag, age and waiting time are worked out when it is read */
	int64_t oldest_ns;         /* when the oldest unsettled alert came, 0: none */
	int64_t status_next_try_ns;
	counter verdicts[OUTPUT_BROKEN + 1];
	counter suppressed[JOURNAL_OUTCOMES];
	struct histogram latency;
};

/* 0 or -errno with a text in `error` (256 bytes). */
int worker_init(struct worker *worker, char *error);
void worker_done(struct worker *worker);

/* The thread. */
void *worker_main(void *worker);

/* Sends the deliveries of `count` slots through the driver and fills their verdicts in
 * worker->deliveries. */
void worker_send(struct worker *worker, struct slot *const *slots, size_t count);

/* What the verdicts mean for the output as a whole: backoff, hold, recovery. */
void worker_judge(struct worker *worker, size_t count);

#endif
