/* The table of tracees. */
#include "sensor/ptrace/attach_inner.h"

struct tracee *attach_find(struct attach *attach, uint32_t tid)
{
	struct tracee *tracee = attach->buckets[tid % ATTACH_BUCKETS];

	while (tracee != NULL && tracee->tid != tid)
		tracee = tracee->next;
	return tracee;
}

struct tracee *attach_add(struct attach *attach, uint32_t tid)
{
	struct tracee *tracee = calloc(1, sizeof(*tracee));

	if (tracee == NULL)
		return NULL;
	tracee->tid = tracee->tgid = tid;
	tracee->next = attach->buckets[tid % ATTACH_BUCKETS];
	attach->buckets[tid % ATTACH_BUCKETS] = tracee;
	attach->count++;
	return tracee;
}

void attach_remove(struct attach *attach, uint32_t tid)
{
	struct tracee **at = &attach->buckets[tid % ATTACH_BUCKETS], *tracee;

	while (*at != NULL && (*at)->tid != tid)
		at = &(*at)->next;
	tracee = *at;
	if (tracee == NULL)
		return;
	*at = tracee->next;
	attach->count--;
	attach->held -= tracee->held;
	free(tracee->call);
	free(tracee);
}

void attach_clear(struct attach *attach)
{
	for (size_t i = 0; i < ATTACH_BUCKETS; i++)
		while (attach->buckets[i] != NULL)
			attach_remove(attach, attach->buckets[i]->tid);
}
