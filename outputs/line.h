/* One alert as one line, for outputs that write lines. */
#ifndef OUTPUTS_LINE_H
#define OUTPUTS_LINE_H

#include "include/alert.h"
#include "base/buf.h"

enum line_format { LINE_JSON = 0, LINE_TEXT };

/* The choices of a `format:` setting, in the order of the enum; ends with NULL. */
extern const char *const line_formats[];

/* Adds the alert and a newline: its JSON, or "TIME PRIORITY RULE: OUTPUT" with whatever could drive a
 * terminal escaped. False: it cannot be read as an alert (nothing added). The arena is for reading. */
bool line_add(struct buf *out, enum line_format format, struct alert *alert, struct arena *arena);

/* Writes all of it, waiting at most `timeout_ms` for a descriptor that would block. 0 or -errno;
 * ret_written tells how far it got either way. */
int line_write(int fd, struct str bytes, int timeout_ms, size_t *ret_written);

#endif
