/* An event of a system call on one line, for people: when, what, who, with what, and what came of it. */
#ifndef RULES_LINE_H
#define RULES_LINE_H

#include "base/buf.h"
#include "include/event.h"

enum { LINE_VALUE_MAX = 300 }; /* bytes of one value; what is longer is cut, and shown so */

/* Appends the line and a newline. Values are an attacker's bytes: what could drive a terminal is shown as
 * buf_add_printable() does. Times are local. */
void event_line_add(struct buf *out, const struct event *event, const struct fields *fields, bool color);

#endif
