/* Reading a record's strings, and adding them where a probe in user space writes one. */
#ifndef SENSOR_RECORD_TEXT_H
#define SENSOR_RECORD_TEXT_H

#include "base/str.h"
#include "sensor/record.h"

/* Whether `len` bytes at `data` are a whole record: lengths agree, strings lie within. What a probe
 * hands over is checked once, here, and trusted after. */
bool record_is_valid(const void *data, size_t len);

/* The text under a tag, `at` NULL when the record has none. */
struct str record_text(const struct record *record, enum record_string_tag tag);

/* Whether that text is there and not whole. */
bool record_is_cut(const struct record *record, enum record_string_tag tag);

/* Appends a string, cut at RECORD_STRING_MAX, to a record in a buffer of RECORD_MAX bytes; when
 * there is no room it is left out and RECORD_CUT_PATH is set. */
void record_add(struct record *record, enum record_string_tag tag, struct str text);

#endif
