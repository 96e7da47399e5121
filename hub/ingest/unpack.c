/* gzip (zlib) and zstd bodies. */
#include "hub/ingest/unpack.h"

#include <errno.h>
#include <zlib.h>
#include <zstd.h>

enum { UNPACK_STEP = 64 << 10, UNPACK_WINDOW_LOG = 23 };

/* Room for the next step, never beyond max + 1: the byte that proves the bound broken. */
static int make_room(struct buf *out, size_t max)
{
	size_t room = max + 1 - out->len;

	if (out->len > max)
		return -EFBIG;
	out->max = max + 2;
	return buf_reserve(out, room < UNPACK_STEP ? room : UNPACK_STEP) ? 0 : -ENOMEM;
}

static int unpack_gzip(struct str body, size_t max, struct buf *out)
{
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)body.at, .avail_in = (uInt)body.len };
	int r = 0, z;

	if (inflateInit2(&stream, 15 + 16) != Z_OK)
		return -ENOMEM;
	do {
		r = make_room(out, max);
		if (r < 0)
			break;
		stream.next_out = (Bytef *)out->at + out->len;
		stream.avail_out = (uInt)(out->cap - out->len - 1);
		z = inflate(&stream, Z_NO_FLUSH);
		out->len = (size_t)((char *)stream.next_out - out->at);
		if (z != Z_OK && z != Z_STREAM_END) /* Z_BUF_ERROR: the body ends too early */
			r = z == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
		/* several members one after the other are one body (RFC 1952) */
		if (z == Z_STREAM_END && stream.avail_in > 0 && inflateReset(&stream) == Z_OK)
			z = Z_OK;
	} while (r == 0 && z == Z_OK);
	inflateEnd(&stream);
	return r == 0 && out->len > max ? -EFBIG : r;
}

static int unpack_zstd(struct str body, size_t max, struct buf *out)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	ZSTD_inBuffer in = { .src = body.at, .size = body.len };
	size_t left = 1;
	int r = 0;

	if (context == NULL)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, UNPACK_WINDOW_LOG); /* 8 MiB */
	while (r == 0 && (in.pos < in.size || left != 0)) {
		ZSTD_outBuffer to;

		r = make_room(out, max);
		if (r < 0)
			break;
		to = (ZSTD_outBuffer){ .dst = out->at, .size = out->cap - 1, .pos = out->len };
		left = ZSTD_decompressStream(context, &to, &in);
		if (ZSTD_isError(left) || (to.pos == out->len && in.pos == in.size && left != 0))
			r = -EBADMSG;
		out->len = to.pos;
	}
	ZSTD_freeDCtx(context);
	return r == 0 && out->len > max ? -EFBIG : r;
}

int unpack_body(struct str body, const char *encoding, size_t max, struct buf *out)
{
	struct str name = str_trim(str_of(encoding));

	if (name.len == 0 || str_eq_nocase(name, STR("identity")))
		return 1;
	buf_clear(out);
	if (str_eq_nocase(name, STR("gzip")) || str_eq_nocase(name, STR("x-gzip")))
		return unpack_gzip(body, max, out);
	if (str_eq_nocase(name, STR("zstd")))
		return unpack_zstd(body, max, out);
	return -ENOTSUP;
}
