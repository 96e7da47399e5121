/* The layout of a rules file: keys in one order, conditions and lists wrapped at a width. Comments
 * stay where they are; what holds one, or what is not understood, stays as it was written. */
#ifndef CLI_RULES_LAYOUT_H
#define CLI_RULES_LAYOUT_H

#include "rules/document.h"

#include "base/buf.h"

enum { LAYOUT_WIDTH = 100 };

/* Lays a file out anew. 0, or -EBADMSG: it is no YAML, or laid out it would not mean the same or not
 * stay as it is, which is told in `reterr`; or -ENOMEM. */
int layout_file(const struct yaml_file *file, unsigned width, struct arena *arena, struct buf *out,
                struct yaml_error *reterr);

#endif
