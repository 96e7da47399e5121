/* Events whose rules delegate their verdict: put aside until the answers are in. See hub/evaluate/opa.h
 * for who asks. All on the pipeline's thread. */
#ifndef HUB_JUDGE_H
#define HUB_JUDGE_H

#include "hub/pipeline_inner.h"

/* Whether any of these rules delegates. Then all of them wait: without match_all the first one that fires
 * is the only one. */
bool judge_concerns(const struct rule *const *hits, size_t count);

/* Puts the pipeline's event aside with the rules it matches that have not been seen to match it before;
 * *ret_fresh of them. Its verdict is added by the caller, and becomes ITEM_ACCEPTED when one fires. 0 or -ENOMEM. */
int judge_event(struct pipeline *line, struct batch *batch, const struct rule *const *hits, size_t count,
                struct hash128 identity, const struct item *item, size_t *ret_fresh);

/* The same for an alert, as which the event stands now. */
int judge_alert(struct pipeline *line, struct batch *batch, const struct rule *const *hits, size_t count,
                const struct compose *alert, struct hash128 identity, const struct item *item);

/* Asks what a batch has to ask. True: it is complete (*ret is 0 or -errno); else it waits, and is handed
 * over by judge_collect(). */
bool judge_submit(struct pipeline *line, struct batch *batch, int *ret);

/* Takes answers, and hands over the batches that waited for nothing else. */
void judge_collect(struct pipeline *line);

/* Whether a batch waits that took numbers of this sensor: the disk must not say yet that they were. */
bool judge_holds(const struct pipeline *line, struct str sensor);

/* What the batch put aside has not been seen. */
void judge_forget(struct pipeline *line, const struct batch *batch);

/* Lets go of what a batch that ends put aside. */
void judge_release(struct batch *batch);

#endif
