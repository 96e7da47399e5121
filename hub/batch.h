/* The inner side of a batch: its memory and lists, for hub/batch.c and hub/pipeline.c. */
#ifndef HUB_BATCH_H
#define HUB_BATCH_H

#include "hub/pipeline.h"

enum { BATCH_MARKS_MAX = 64, BATCH_CHANGES_MAX = 256 };

/* What a batch took of one boot of a sensor. */
struct batch_sensor {
	struct str id, boot;
	uint64_t first_seq; /* the lowest number taken; 0: none */
	struct sensor *sensor; /* valid until the batch is submitted */
};

/* All return false when out of memory or at the bound. */
bool batch_add_alert(struct batch *batch, const struct journal_alert *alert);
bool batch_add_verdict(struct batch *batch, enum item_verdict verdict);
void batch_set_verdict(struct batch *batch, size_t item, enum item_verdict verdict);
bool batch_reject(struct batch *batch, size_t offset, const char *reason);
bool batch_add_incident(struct batch *batch, const struct journal_incident *incident);

/* The mark of this sensor's present boot in the batch, added if need be. NULL at BATCH_MARKS_MAX or out of memory. */
struct batch_sensor *batch_mark(struct batch *batch, struct sensor *sensor);

#endif
