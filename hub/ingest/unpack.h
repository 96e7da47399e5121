/* Content-Encoding of request bodies, with a bound on what comes out. */
#ifndef HUB_UNPACK_H
#define HUB_UNPACK_H

#include "base/buf.h"

/* Unpacks `body` into `out` (cleared first; at most `max` bytes). `encoding` is the header's value:
 * gzip, x-gzip, zstd, identity, or NULL. 0; 1 when nothing was to be done (use body itself); -ENOTSUP:
 * unknown encoding; -EFBIG: more than max; -EBADMSG: not what it claims to be; -ENOMEM. */
int unpack_body(struct str body, const char *encoding, size_t max, struct buf *out);

#endif
