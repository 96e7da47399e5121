/* Rules that change while the hub runs. A thread of its own watches the rules files (by polling, which
 * also works over NFS, bind mounts and Kubernetes' swapped links), compiles what changed aside, and hands
 * the finished set to the thread that evaluates. What does not load changes nothing but the state shown:
 * log, metrics, readiness, status. */
#ifndef HUB_RELOAD_H
#define HUB_RELOAD_H

#include "base/metrics.h"
#include "hub/evaluate/ruleset.h"

struct reload;

enum {
	RELOAD_POLL_MS = 250,	       /* a change is loaded when it was the same in two looks */
	RELOAD_REPORT_MAX = 16 << 10,  /* bytes of errors that are shown */
};

/* Loads the rules for the first time and begins to watch. Errors and warnings go to stderr with their
 * place. The configuration must outlive it. 0, -EINVAL (rules that do not load), or -errno. */
int reload_new(const struct config *config, struct reload **ret, struct ruleset **ret_set);

/* Stops the thread. Accepts NULL. */
void reload_free(struct reload *reload);

/* Reads rules files and the configuration's settings for rules again, changed or not. Any thread. The
 * number of the attempt that will have seen it. */
uint64_t reload_ask(struct reload *reload);

/* Readable when reload_collect() has something. */
int reload_fd(const struct reload *reload);

/* What became of an attempt: a new set, which is the caller's from now on, or NULL with *ret_failed
 * saying that the rules did not load. */
struct ruleset *reload_collect(struct reload *reload, bool *ret_failed);

/* Whether the files as they are now are what is in force. Any thread; so are the following. */
bool reload_is_current(struct reload *reload);

/* {"loaded":N,"enabled":N,"version":…,"current":true,"attempts":N,…,"errors":[…lines]} */
void reload_status(struct reload *reload, struct buf *out);

/* The first line of why the last attempt failed; nothing when it did not. */
void reload_reason(struct reload *reload, struct buf *out);

/* The rules in force as a JSON array. */
void reload_list(struct reload *reload, struct buf *out);

/* What sensors load (see rules_file_bundle()), and its version, which changes with it. `out` may be NULL. */
void reload_bundle(struct reload *reload, char version[RULES_VERSION_LEN + 1], struct buf *out);

void reload_metrics(struct reload *reload, struct metrics *metrics);

#endif
