/* Events put to rules one after the other as the hub does it: what matches, what hub-only rules make of
 * many events, and what rules of source `alert` say of each alert. Time is the events' own: it goes on
 * with them, never back. OPA is not asked (see rules_unasked()), nothing is repeated or counted into
 * incidents, and an event that comes twice is two. */
#ifndef CLI_RULES_PLAY_H
#define CLI_RULES_PLAY_H

#include "cli/rules_set.h"
#include "hub/watch/watch.h"

enum play_value {
	PLAY_COUNT,
	PLAY_KEY,
	PLAY_VALUE,
	PLAY_FIRST_TIME,
	PLAY_LAST_TIME,
	PLAY_ALERT_RULE,
	PLAY_ALERT_PRIORITY,
	PLAY_ALERT_SOURCE,
	PLAY_ALERT_TAGS,
	PLAY_VALUES,
};

/* A rule fired; set->event is as its output wants it, until the call returns. */
typedef void play_fired(void *userdata, const struct rule *rule);

struct play {
	struct rules_set *set;
	play_fired *fired;
	void *userdata;
	struct watches *watches;
	struct hash_key hash_key;
	struct arena arena; /* of one event */
	struct buf by, of;
	struct event missed; /* one that did not come */
	field_id fields[PLAY_VALUES];
	bool wants_alerts, has_watches;
	bool failed; /* memory was out: what fired is not all */
	uint64_t identity;
	int64_t now_ns, ticked_ns; /* 0: nothing happened yet */
};

/* For rules that are loaded. False: out of memory, told. Must be ended in any case. */
bool play_begin(struct play *play, struct rules_set *set, play_fired *fired, void *userdata);
void play_end(struct play *play);

/* Forgets all events. */
bool play_again(struct play *play);

/* The event in set->event. */
void play_event(struct play *play);

/* Time goes on, in one step. Changes set->event when something fires. */
void play_wait(struct play *play, int64_t ns);

#endif
