/* A token bucket per sender's address. Bounded: when full the bucket used longest ago is given away,
 * which can only be generous to its former owner. One thread. */
#ifndef HUB_SENDERS_H
#define HUB_SENDERS_H

#include "base/str.h"

struct senders;

/* `rate` events a second each, saved up to `burst`. NULL when out of memory. */
struct senders *senders_new(int64_t rate, int64_t burst);
void senders_free(struct senders *senders);

/* Whether this address may send now; else how long until it may, in ms. */
bool senders_may(struct senders *senders, const char *address, int64_t now_ns, int64_t *ret_wait_ms);

/* Takes `events` from its bucket, which may go below zero: then it waits longer. */
void senders_charge(struct senders *senders, const char *address, size_t events, int64_t now_ns);

#endif
