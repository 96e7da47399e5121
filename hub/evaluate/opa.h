/* Asks Open Policy Agent servers for verdicts, without ever waiting: threads of its own hold the
 * connections, answers are collected on the asker's thread.
 *
 * POST {url}/v1/data/{path} with {"input":{…}}; what comes back as `result` decides: true or a list of
 * messages fires, false, an empty list or nothing does not. All else leaves the question unanswered, and
 * the rule's on_error decides. A question waits for its timeout, at most twice (in the queue, and on the
 * way); a server that fails OPA_FAILURES_MAX times in a row is asked nothing but a probe now and then
 * until it answers again. Verdicts are kept for as long as the rule says, and a question that is under
 * way is not asked a second time. Everything is bounded. */
#ifndef HUB_OPA_H
#define HUB_OPA_H

#include "base/arena.h"
#include "base/metrics.h"
#include "rules/rules.h"

enum {
	OPA_SERVERS_MAX = 16,      /* a server: one URL with one timeout and token; the idlest gives way */
	OPA_THREADS = 4,           /* of each server */
	OPA_ROUND = 16,            /* questions that a thread has under way at a time */
	OPA_QUEUE_MAX = 4096,      /* questions that wait for each server … */
	OPA_QUEUE_BYTES = 32 << 20, /* … and their memory */
	OPA_FAILURES_MAX = 5,
	OPA_MESSAGE_MAX = 4096,    /* bytes of all messages of a verdict */
	OPA_ANSWER_MAX = 64 << 10,
};

enum opa_verdict {
	OPA_NO = 0,
	OPA_YES,
	OPA_UNANSWERED,
};

enum opa_cause {
	OPA_TIMEOUT = 0,
	OPA_UNREACHABLE,
	OPA_STATUS,  /* an HTTP status that is not 200 */
	OPA_ANSWER,  /* what came is no verdict */
	OPA_FULL,    /* too many questions wait */
	OPA_CIRCUIT, /* it has failed again and again and is left alone */
	OPA_TOKEN,   /* its token cannot be read */
	OPA_CAUSES,
};

struct opa;

/* One question of one asker: the asker's memory until it is answered. */
struct opa_ask {
	struct opa_ask *next;
	void (*done)(struct opa_ask *ask); /* by opa_collect() */
	struct arena *arena;               /* for the message */
	/* The answer: */
	enum opa_verdict verdict;
	enum opa_cause cause;              /* OPA_UNANSWERED: why */
	struct str message;                /* OPA_YES: joined, may be empty */
};

/* Writes to `notify_fd`, an eventfd, when opa_collect() has something to do. 0 or -ENOMEM. */
int opa_new(int notify_fd, struct opa **ret);

/* Who still waits is not told. */
void opa_free(struct opa *opa);

/* Asks. `input` is the members of the input but for its time: "\"source\":…,\"fields\":{…}"; with the
 * server and the path it is what a verdict is kept under. True: answered at once, done() is not called. */
bool opa_ask(struct opa *opa, const struct rule_opa *rule, struct str input, int64_t time_ns,
             struct opa_ask *ask);

/* Calls done() of all that has been answered; false: nothing was. */
bool opa_collect(struct opa *opa);

/* "OPA did not answer in time" … */
const char *opa_cause_text(enum opa_cause cause);

void opa_metrics(const struct opa *opa, struct metrics *metrics);

#endif
