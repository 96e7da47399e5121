/* Rows by a hash of who and what; one that another takes loses what it knew. */
#include "sensor/budget.h"

#include "base/clock.h"
#include "base/hash.h"

#include <string.h>

/* Of all programs of a container. */
static uint32_t shared_key_of(const struct record *record, const struct proc *proc, const struct rule *const *rules,
			      size_t count)
{
	const char what[] = { (char)record->type, (char)record->nr, (char)(record->nr >> 8) };
	uint32_t key = hash_fnv(FNV_START, (struct str){ what, sizeof(what) });

	for (size_t i = 0; i < count; i++)
		key = hash_fnv(key, rule_name(rules[i]));
	return proc == NULL ? key : hash_fnv(key, (struct str){ proc->container.text, proc->container.len });
}

static uint32_t key_of(uint32_t shared, const struct record *record, const struct proc *proc)
{
	return hash_fnv(shared, proc == NULL ? str_of(record->comm) : proc->image->exepath);
}

static struct budget *row_of(struct budget *rows, size_t count, uint32_t key, int64_t second)
{
	struct budget *row = &rows[key % count];

	if (row->key != key || row->second != second)
		*row = (struct budget){ .key = key, .second = second };
	return row;
}

static void note_shed(struct budgets *budgets, const struct record *record)
{
	struct plan_flood *flood = &budgets->flood;

	budgets->all++;
	if (record->class < RECORD_CLASSES)
		budgets->shed[record->class]++;
	by_call_note(&budgets->by_call, record, PROBE_BUDGET);
	if (strncmp(flood->comm, record->comm, sizeof(flood->comm)) == 0) {
		flood->votes++;
	} else if (flood->votes > 0) {
		flood->votes--;
		return;
	} else {
		memcpy(flood->comm, record->comm, sizeof(flood->comm));
		flood->votes = 1;
	}
	flood->tgid = record->tgid;
}

bool budget_takes(struct budgets *budgets, const struct record *record, const struct proc *proc,
		  const struct rule *const *rules, size_t count)
{
	const uint32_t shared_key = shared_key_of(record, proc, rules, count);
	const int64_t second = clock_mono() / NS_PER_S;
	struct budget *own = row_of(budgets->rows, BUDGET_ROWS, key_of(shared_key, record, proc), second);
	struct budget *shared = row_of(budgets->shared, BUDGET_SHARED_ROWS, shared_key, second);

	if (own->taken < BUDGET_OWN || (own->taken < BUDGET_EVENTS && shared->taken < BUDGET_SHARED)) {
		shared->taken += own->taken >= BUDGET_OWN;
		own->taken++;
		return true;
	}
	note_shed(budgets, record);
	return false;
}

void budget_counts(const struct budgets *budgets, struct probe_counts *counts)
{
	if (budgets->all == 0)
		return;
	for (size_t i = 0; i < RECORD_CLASSES; i++) {
		counts->of[i].emitted -= budgets->shed[i];
		counts->of[i].dropped += budgets->shed[i];
		counts->of[i].shed += budgets->shed[i];
	}
	for (size_t i = 0; i < PLAN_LOST_ROWS; i++)
		counts->by_call.at[i][PROBE_BUDGET] += budgets->by_call.at[i][PROBE_BUDGET];
	if (counts->flood.tgid == 0)
		counts->flood = budgets->flood;
}
