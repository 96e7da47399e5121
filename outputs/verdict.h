/* Saying what became of deliveries, with a text for people. */
#ifndef OUTPUTS_VERDICT_H
#define OUTPUTS_VERDICT_H

#include "include/output.h"

/* Sets one delivery's verdict and note. The note is cut to its size. */
void delivery_settle(struct delivery *delivery, enum output_verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for all deliveries of the call from index `from` on that have no verdict yet. */
void call_settle(struct output_call *call, size_t from, enum output_verdict verdict,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
