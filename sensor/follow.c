/* Two bits for each process id. */
#include "sensor/follow.h"

#include <stdlib.h>

enum { PIDS = 1 << 22 }; /* no kernel has higher process ids */

struct follow {
	uint64_t followed[PIDS / 64]; /* by process id */
	uint64_t told[PIDS / 64];     /* of them, those that the probe knows of */
};

struct follow *follow_new(void)
{
	return calloc(1, sizeof(struct follow));
}

void follow_free(struct follow *follow)
{
	free(follow);
}

static void set(uint64_t *bits, uint64_t tgid, bool on)
{
	uint64_t bit = 1ULL << (tgid % 64), *word = &bits[tgid % PIDS / 64];

	*word = on ? *word | bit : *word & ~bit;
}

static bool is_set(const uint64_t *bits, uint64_t tgid)
{
	return (bits[tgid % PIDS / 64] >> (tgid % 64)) & 1;
}

/* Also when the one before of this id ended unheard. */
void follow_birth(struct follow *follow, const struct record *record)
{
	set(follow->followed, record->tgid, is_set(follow->followed, record->args[0]));
	set(follow->told, record->tgid, false);
}

void follow_death(struct follow *follow, const struct record *record)
{
	set(follow->followed, record->tgid, false);
	set(follow->told, record->tgid, false);
}

void follow_begin(struct follow *follow, uint64_t tgid)
{
	set(follow->followed, tgid, true);
}

bool follow_has(const struct follow *follow, uint64_t tgid)
{
	return is_set(follow->followed, tgid);
}

enum probe_follow follow_verdict(struct follow *follow, const struct record *record)
{
	if (record->type == RECORD_EXIT)
		return PROBE_FOLLOW_ENDED;
	if (!is_set(follow->followed, record->tgid))
		return PROBE_FOLLOW_NOT;
	if (is_set(follow->told, record->tgid))
		return PROBE_FOLLOW_AS_BEFORE;
	set(follow->told, record->tgid, true);
	return PROBE_FOLLOW;
}
