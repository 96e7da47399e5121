/* The journal: the durable log of alerts and everything that must commit together with it. One SQLite
 * file in WAL mode; one writer thread owns the only connection that writes. Producers hand it commits;
 * it puts all that wait into one transaction with one fsync and then tells each producer.
 *
 * Readers (one per output, one for the API) have connections of their own and never block the writer. */
#ifndef HUB_JOURNAL_H
#define HUB_JOURNAL_H

#include "base/hash.h"
#include "base/metrics.h"
#include "include/alert.h"

struct journal;

struct journal_settings {
	const char *dir;          /* must exist; the file is dir/journal.db */
	/* Bytes; beyond it the oldest alerts that all outputs have settled go, then the oldest dead
	 * letters, then commits get -ENOSPC. At most three quarters of the disk count. */
	int64_t max_size;
	int64_t retention_ms;     /* of settled alerts, dead letters and closed incidents */
};

/* A row to write. Strings are borrowed until the commit is done. */
struct journal_alert {
	int64_t received_ns, time_ns;
	enum priority priority;
	enum alert_change change;
	uint64_t incident, count;
	struct hash128 identity;  /* for the dedup window after a restart */
	char id[37];
	struct str json;
};

/* How far a sensor has got. */
struct journal_sensor {
	struct str id, boot;
	uint64_t seq;             /* highest sequence taken */
	int64_t seen_ns;
	uint64_t gaps;            /* sequence numbers that never came */
	struct str hostname;
	struct str status;        /* the last heartbeat's JSON, may be empty */
};

/* An incident's state after the commit; written whole, by id. */
struct journal_incident {
	uint64_t id;
	struct str key;           /* the whole canonical fingerprint key */
	int64_t first_ns, last_ns;
	uint64_t count;
	uint64_t announced;       /* count when a change was last written */
	int64_t announced_ns;
	bool open;
	struct str rule;
	enum priority priority;
};

/* What a hub-only rule remembers of one key. */
struct journal_watch {
	struct hash128 id;
	struct str name, by, of;
	uint64_t version;
	int64_t touched_ns;
	struct str state;         /* empty: the row goes */
};

/* One request's worth of work. Owned by the producer; untouched by it between journal_submit() and
 * done(). */
struct journal_commit {
	struct journal_commit *next;
	const struct journal_alert *alerts;
	size_t alerts_count;
	const struct journal_sensor *sensors;
	size_t sensors_count;
	const struct journal_incident *incidents;
	size_t incidents_count;
	const struct journal_watch *watches;
	size_t watches_count;
	size_t bytes;             /* memory it holds, for the bound on what waits */
	/* Called on the writer thread after fsync: 0, or -ENOSPC, -EIO, -E2BIG (a text above 32 MiB), …:
	 * then nothing of it was kept. first_seq is the first alert's position. */
	void (*done)(struct journal_commit *commit, int result, uint64_t first_seq);
};

/* What became of one alert at one output; the numbers are on disk. */
enum journal_outcome {
	JOURNAL_DELIVERED = 1,
	JOURNAL_DEAD = 2,
	JOURNAL_SUPPRESSED_ROUTE = 3,    /* no route leads to this output */
	JOURNAL_SUPPRESSED_PRIORITY = 4, /* below the output's or route's minimum priority */
	JOURNAL_SUPPRESSED_REPEAT = 5,   /* folded into its incident */
	JOURNAL_SUPPRESSED_CHANGE = 6,   /* an incident's note, for an output that gets every alert */
	JOURNAL_SUPPRESSED_SILENCE = 7,
	JOURNAL_OUTCOMES = 8,
};

struct journal_dead {
	uint64_t seq;
	int64_t at_ns;
	uint32_t attempts;
	char note[200];
};

struct journal_done {
	uint64_t seq;
	uint8_t outcome;  /* enum journal_outcome */
	uint8_t attempts; /* 255: that many or more */
};

/* An output's progress since its last one: every position from the old cursor + 1 to `cursor` has an
 * outcome in `prefix`; `ahead` are those done beyond it (replaces the former list). */
struct journal_progress {
	struct journal_progress *next;
	uint32_t output;              /* id from journal_output() */
	uint64_t cursor;
	const struct journal_done *prefix; /* in order, without gaps, cursor - old cursor of them */
	size_t prefix_count;
	const struct journal_done *ahead;  /* ordered by seq */
	size_t ahead_count;
	const struct journal_dead *dead;   /* new dead letters, each also in prefix or ahead */
	size_t dead_count;
	/* Called on the writer thread when it is on disk (0) or not (-errno: submit it again). */
	void (*done)(struct journal_progress *progress, int result);
};

/* An output's durable state. */
struct journal_output {
	uint32_t id;
	uint64_t start;     /* positions after it count for this output */
	uint64_t cursor;
	struct journal_done *ahead; /* malloc'ed, the caller frees */
	size_t ahead_count;
	uint64_t totals[JOURNAL_OUTCOMES]; /* by outcome, ahead not included */
};

/* Opens or makes the file, checks its integrity quickly, starts the writer thread. 0 or -errno, with
 * a text for people in `error` (256 bytes): -EBUSY when another process has it open, -ENOTSUP when a
 * newer version wrote it, -EBADMSG when it is damaged or something else. */
int journal_open(const struct journal_settings *settings, struct journal **ret, char *error);

/* Commits what was submitted, stops the thread, closes. Readers must be closed before; NULL is fine. */
void journal_close(struct journal *journal);

/* Hands over a commit. From any thread; never blocks on the disk. */
void journal_submit(struct journal *journal, struct journal_commit *commit);
void journal_submit_progress(struct journal *journal, struct journal_progress *progress);

/* Bytes of commits that wait: the producer's measure for slowing down. */
uint64_t journal_waiting(const struct journal *journal);

/* 0 when the last transaction worked, else its -errno: readiness. */
int journal_health(const struct journal *journal);


uint64_t journal_last(const struct journal *journal); /* highest position on disk */
uint64_t journal_first(const struct journal *journal); /* lowest position kept */

/* Waits until there is a position beyond `seq`, the time is over, or journal_wake(). */
void journal_wait(struct journal *journal, uint64_t seq, int64_t timeout_ms);
void journal_wake(struct journal *journal);

/* The durable state of the output of this name, made when new: `start` is then the current end, or 0
 * for the oldest kept. From one thread, before the workers start. 0 or -errno. */
int journal_output(struct journal *journal, const char *name, bool from_oldest,
                   struct journal_output *ret);

/* The server's secret keys (hashing, sessions), made at first open and kept in the file. */
const struct hash_key *journal_key(const struct journal *journal);

/* Start-up scans, before the first commit. Callbacks return false to stop. */
int journal_each_identity(struct journal *journal, int64_t since_ns, size_t max,
                          bool (*each)(void *userdata, struct hash128 identity, int64_t received_ns),
                          void *userdata);
int journal_each_sensor(struct journal *journal,
                        bool (*each)(void *userdata, const struct journal_sensor *sensor),
                        void *userdata);
int journal_each_incident(struct journal *journal, /* open ones, and the highest id of all */
                          bool (*each)(void *userdata, const struct journal_incident *incident),
                          void *userdata, uint64_t *ret_highest);

int journal_each_watch(struct journal *journal, /* the one touched longest ago first */
                       bool (*each)(void *userdata, const struct journal_watch *watch), void *userdata);

/* --- readers ------------------------------------------------------------------------------------ */

struct journal_reader;

/* A connection of its own; one thread at a time. 0 or -errno. */
int journal_reader_open(struct journal *journal, struct journal_reader **ret);
void journal_reader_close(struct journal_reader *reader);

/* Up to `max` alerts behind position `after`, in order, but no more than `bytes` of text (at least one).
 * Their text is copied into the arena. Returns how many, or -errno. */
int journal_read(struct journal_reader *reader, uint64_t after, size_t max, size_t bytes,
                 struct arena *arena, struct alert *ret);

/* For the UI and the API: what to look for. Strings that are empty do not restrict. */
struct journal_query {
	uint64_t before;          /* positions below it, newest first; 0: from the end */
	uint64_t after;           /* positions above it only */
	unsigned priority_max;    /* this or more severe; PRIORITY_DEBUG: all */
	struct str rule, hostname, source; /* equal */
	struct str text;          /* anywhere in the alert's text, ASCII case ignored */
	uint64_t incident;        /* 0: any */
	size_t limit;
};

/* Matching alerts, newest first. Stops after a bounded number of rows: ret_more is the position to go
 * on from (`before`), 0 at the end. Returns how many, or -errno. */
int journal_search(struct journal_reader *reader, const struct journal_query *query,
                   struct arena *arena, struct alert *ret, uint64_t *ret_more);

/* By position or by id (36 characters). 0, -ENOENT or -errno. */
int journal_get(struct journal_reader *reader, uint64_t seq, struct str id, struct arena *arena,
                struct alert *ret);

/* What became of one alert at one output. */
struct journal_trace {
	struct str output;        /* in the arena */
	uint8_t outcome;          /* enum journal_outcome, 0: pending */
	uint8_t attempts;
	int64_t at_ns;            /* 0 when pending */
	struct str note;          /* of a dead letter */
};

/* One entry for each output. Returns how many (at most max), or -errno. */
int journal_trace(struct journal_reader *reader, uint64_t seq, struct arena *arena,
                  struct journal_trace *ret, size_t max);

struct journal_letter {
	uint64_t id;
	struct str output;
	struct journal_dead dead;
	struct str json;
};

/* Dead letters, oldest first, of one output (empty: all), behind letter `after`. */
int journal_letters(struct journal_reader *reader, struct str output, uint64_t after, size_t max,
                    struct arena *arena, struct journal_letter *ret);

/* Hands dead letters back to their output: they are pending again and sent before newer ones. Of one
 * output (empty: all) and one letter (0: all). Returns how many, or -errno. Waits for the disk. */
int journal_replay(struct journal *journal, struct str output, uint64_t letter);

/* Replayed letters that an output has to send: up to max, oldest first (their seq is below the
 * cursor). Their outcome goes back with journal_replay_done(). */
int journal_replayed(struct journal_reader *reader, uint32_t output, size_t max, struct arena *arena,
                     struct alert *ret, uint64_t *ret_letters);
int journal_replay_done(struct journal *journal, uint64_t letter, uint8_t outcome,
                        const struct journal_dead *dead);

/* --- the equation ------------------------------------------------------------------------------- */

struct journal_balance {
	char output[128];
	uint64_t accepted;   /* positions since the output's start */
	uint64_t delivered, pending, dead, suppressed;
	uint64_t totals[JOURNAL_OUTCOMES]; /* recounted from the delivery rows */
	bool holds;          /* accepted = delivered + pending + dead + suppressed, nothing counted twice */
	char fault[200];     /* what does not hold */
};

/* Recounts law 1 from the rows of the store at `path` (the file or its directory), read-only, hub running or not. Returns how many
 * balances were written (at most max), or -errno. */
int journal_audit(const char *path, struct journal_balance *ret, size_t max, char *error);

void journal_metrics(const struct journal *journal, struct metrics *metrics);

#endif
