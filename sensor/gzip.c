/* zlib behind a wall of two functions. */
#define ZLIB_CONST
#include "sensor/gzip.h"

#include <stdlib.h>
#include <zlib.h>

enum { LEVEL = 1, WINDOW_BITS_GZIP = 15 + 16, MEMORY_LEVEL = 8 };

struct gzip {
	z_stream stream;
};

struct gzip *gzip_new(void)
{
	struct gzip *gzip = calloc(1, sizeof(*gzip));

	if (gzip == NULL)
		return NULL;
	if (deflateInit2(&gzip->stream, LEVEL, Z_DEFLATED, WINDOW_BITS_GZIP, MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		free(gzip);
		return NULL;
	}
	return gzip;
}

void gzip_free(struct gzip *gzip)
{
	if (gzip == NULL)
		return;
	deflateEnd(&gzip->stream);
	free(gzip);
}

bool gzip_pack(struct gzip *gzip, struct str body, struct buf *out)
{
	buf_clear(out);
	deflateReset(&gzip->stream);
	if (!buf_reserve(out, deflateBound(&gzip->stream, body.len)))
		return false;
	gzip->stream.next_in = (const Bytef *)body.at;
	gzip->stream.avail_in = (uInt)body.len;
	gzip->stream.next_out = (Bytef *)out->at;
	gzip->stream.avail_out = (uInt)out->cap;
	if (deflate(&gzip->stream, Z_FINISH) != Z_STREAM_END)
		return false;
	out->len = out->cap - gzip->stream.avail_out;
	return true;
}
