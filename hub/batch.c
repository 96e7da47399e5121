/* A batch's memory: everything in its arena, arrays doubled as they fill. */
#include "hub/batch.h"

#include <stdlib.h>

/* Room for one more of `size` bytes; the old array stays in the arena until the batch is done. */
static void *grown(struct batch *batch, void *array, size_t count, size_t *cap, size_t size)
{
	size_t wanted = *cap == 0 ? 4 : *cap * 2;
	void *larger;

	if (count < *cap)
		return array;
	larger = arena_alloc(&batch->arena, wanted * size);
	if (larger == NULL)
		return NULL;
	if (count > 0)
		memcpy(larger, array, count * size);
	*cap = wanted;
	return larger;
}

bool batch_add_alert(struct batch *batch, const struct journal_alert *alert)
{
	struct journal_alert *alerts = grown(batch, batch->alerts, batch->commit.alerts_count,
	                                     &batch->alerts_cap, sizeof(*alerts));

	if (alerts == NULL)
		return false;
	alerts[batch->commit.alerts_count++] = *alert;
	batch->commit.alerts = batch->alerts = alerts;
	return true;
}

bool batch_add_verdict(struct batch *batch, enum item_verdict verdict)
{
	uint8_t *verdicts = grown(batch, batch->verdicts, batch->items, &batch->items_cap, 1);

	if (verdicts == NULL)
		return false;
	verdicts[batch->items++] = (uint8_t)verdict;
	batch->verdicts = verdicts;
	batch->counts[verdict]++;
	return true;
}

void batch_set_verdict(struct batch *batch, size_t item, enum item_verdict verdict)
{
	batch->counts[batch->verdicts[item]]--;
	batch->verdicts[item] = (uint8_t)verdict;
	batch->counts[verdict]++;
}

bool batch_reject(struct batch *batch, size_t offset, const char *reason)
{
	if (batch->errors == NULL)
		batch->errors = arena_alloc(&batch->arena, BATCH_ERRORS_MAX * sizeof(*batch->errors));
	if (batch->errors == NULL)
		return false;
	if (batch->errors_count < BATCH_ERRORS_MAX)
		batch->errors[batch->errors_count++] = (struct item_error){
			.index = (uint32_t)batch->items, .offset = offset, .reason = reason };
	return batch_add_verdict(batch, ITEM_REJECTED);
}

bool batch_add_incident(struct batch *batch, const struct journal_incident *incident)
{
	size_t cap = batch->incidents_count; /* powers of two from 4 on are full */
	struct journal_incident *incidents = batch->incidents;

	if (cap == 0 || (cap >= 4 && (cap & (cap - 1)) == 0)) {
		incidents = arena_alloc(&batch->arena, (cap == 0 ? 4 : cap * 2) * sizeof(*incidents));
		if (incidents == NULL)
			return false;
		if (cap > 0)
			memcpy(incidents, batch->incidents, cap * sizeof(*incidents));
	}
	incidents[batch->incidents_count++] = *incident;
	batch->commit.incidents = batch->incidents = incidents;
	batch->commit.incidents_count = batch->incidents_count;
	return true;
}

struct batch_sensor *batch_mark(struct batch *batch, struct sensor *sensor)
{
	struct batch_sensor *mark;

	for (size_t i = 0; i < batch->marks_count; i++)
		if (batch->marks[i].sensor == sensor && str_eq(batch->marks[i].boot, str_of(sensor->run.boot)))
			return &batch->marks[i];
	if (batch->marks == NULL)
		batch->marks = arena_alloc(&batch->arena, BATCH_MARKS_MAX * sizeof(*batch->marks));
	if (batch->marks == NULL || batch->marks_count == BATCH_MARKS_MAX)
		return NULL;
	mark = &batch->marks[batch->marks_count++];
	*mark = (struct batch_sensor){ .sensor = sensor };
	mark->id = arena_str(&batch->arena, str_of(sensor->id));
	mark->boot = arena_str(&batch->arena, str_of(sensor->run.boot));
	if (mark->id.at == NULL || mark->boot.at == NULL) {
		batch->marks_count--;
		return NULL;
	}
	return mark;
}
