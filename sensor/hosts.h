/* Names of hosts that rules compare addresses with (fd.sip.name and the like): resolved on a thread of its own and
 * asked again, at first after ten seconds, then more and more seldom while nothing changes. Who makes events only looks
 * into a table, and knows no names but those. All functions are for that one thread. */
#ifndef SENSOR_HOSTS_H
#define SENSOR_HOSTS_H

#include "base/str.h"

enum {
	HOSTS_NAMES_MAX = 256,	    /* of the rules; others are never known */
	HOSTS_ADDRESSES_MAX = 4096, /* of all names together */
	HOSTS_FIRST_S = 10,
	HOSTS_LAST_S = 320,
};

struct hosts;

/* 0 or -ENOMEM. */
int hosts_new(struct hosts **ret);
/* Does not wait for an answer that is under way. */
void hosts_free(struct hosts *hosts);

/* Takes these names in the place of all before; the thread is started by the first. 0 or -errno. */
int hosts_set(struct hosts *hosts, const struct str *names, size_t count);

/* The name of an address as inet_ntop() writes it; of several the one that was set first. Empty: none. Valid until
 * hosts_set(). */
struct str hosts_find(struct hosts *hosts, struct str ip);

#endif
