/* Other engines' JSON: whose it is, and what it means in the event model. What they call a finding
 * becomes an alert, what they merely saw an event of their own source (`tracee`, `tetragon`, `eolh`,
 * `guardduty`) under Falco's field names, their further facts under `tracee.…` and so on. The tables
 * at the head of each mapper give the priorities. */
#ifndef HUB_NORMALISE_ENGINES_H
#define HUB_NORMALISE_ENGINES_H

#include "hub/normalise/map.h"

enum engine {
	ENGINE_NONE = 0, /* ours, Falco's, or nobody's that we know */
	ENGINE_TRACEE,
	ENGINE_TETRAGON,
	ENGINE_EOLH,
	ENGINE_GUARDDUTY,
};

/* By the keys of the outermost object alone. */
enum engine engine_detect(const struct json *json);

/* Fills map->event and the rest of `map`, whose inputs are set. Never refuses anything. */
void engine_map(enum engine engine, struct map *map);

void tracee_map(struct map *map);
void tetragon_map(struct map *map);
void eolh_map(struct map *map);
void guardduty_map(struct map *map);

/* Eolh's and the old Tracee's container{}, containerId and kubernetes{}. */
void tracee_old_place(struct map *map);

/* Of severities from 0 to 4, as Tracee and Eolh give them. */
enum priority tracee_priority(int64_t severity);

#endif
