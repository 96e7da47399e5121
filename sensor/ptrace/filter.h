/* The seccomp filter of `tocsin-sensor run`, compiled from what the rules want: calls that no rule can
 * match run at native speed, those that one can are told to the listener. Numbers are found by binary
 * search, and where an argument tells (how a file is opened, which descriptor is replaced, which family a
 * socket has) it is looked at in the kernel. Calls by the 32-bit entry and x32 are found by numbers of
 * their own. Nothing is ever refused. */
#ifndef SENSOR_PTRACE_FILTER_H
#define SENSOR_PTRACE_FILTER_H

#include "sensor/probe.h"
#include "sensor/seccomp/decide.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

enum {
	FILTER_MAX = 4096, /* instructions: the kernel takes no more */
	FILTER_X32 = 0x40000000, /* a bit in the numbers of x32 */
};

struct filter {
	struct sock_filter code[FILTER_MAX];
	unsigned short count;
	bool failed; /* it became too long */
};

/* What of a call reaches the listener. */
struct filter_condition {
	bool taken;			/* at all */
	bool reads, writes, executables; /* of an open: opened so; made with a mode that allows execution */
	bool folders;			/* of opens for reading also those that ask for a directory */
	bool ip, local, other;		/* of socket(2): families */
	bool bare;			/* messages without an address, too */
	bool others;			/* descriptors beyond 2 become others, too */
};

struct filter_cover {
	struct filter_condition of[CALLS_MAX]; /* by row */
};

/* What the settings want; and, so that rules which come later find them, every rare call that gives
 * privileges. */
void filter_cover_of(const struct probe_settings *settings, struct filter_cover *ret);

/* Of the wanted calls those that `have` does not let through, or not in every wanted way. */
size_t filter_missing(const struct filter_cover *have, const struct filter_cover *want);

/* Whether opens for reading are among them, which every program makes all the time. */
bool filter_is_full(const struct filter_cover *cover);

/* False: it would be longer than the kernel takes. */
bool filter_make(const struct filter_cover *cover, struct filter *ret);

/* Puts the command's profile before it: what that allows goes on to the filter, and what it does not is told, or in
 * strict mode refused by the kernel. 0, -ENOMEM or -E2BIG. */
int filter_join(struct filter *filter, const struct decider *profile);

/* Puts it on the calling thread for good and returns the descriptor of its listener, or -errno. Without
 * CAP_SYS_ADMIN this needs no_new_privs, which is set then: set-user-ID programs no longer gain anything. */
int filter_install(const struct filter *filter);

/* Whether the kernel can ask a listener, and lets calls go on then (Linux 5.6). */
bool filter_works(void);

/* Whether, while a call is looked at, only what kills its thread can end it (Linux 5.19). Without that no
 * thread can be held for its call's result. */
bool filter_is_killable(void);

#endif
