// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/pack.h"

#include <errno.h>

#define ZSTD_STATIC_LINKING_ONLY /* for one parameter, which may be refused */
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

int pack_gzip(const struct buf *lines, struct buf *out)
{
	z_stream z = { .next_in = (Bytef *)lines->data, .avail_in = (uInt)lines->len };
	size_t room;
	int result;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	room = deflateBound(&z, lines->len);
	if (!buf_reserve(out, room)) {
		deflateEnd(&z);
		return -ENOMEM;
	}
	z.next_out = (Bytef *)out->data + out->len;
	z.avail_out = (uInt)room;
	result = deflate(&z, Z_FINISH);
	out->len += room - z.avail_out;
	deflateEnd(&z);
	return result == Z_STREAM_END ? 0 : -EIO;
}

/*
 * Records are so much alike that the default level takes twice as long and more room. The third parameter is what a level
 * of -3 has; but its literals are compressed, too. A library that refuses that has level 1.
 */
static ZSTD_CCtx *new_context(void)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();

	if (!context || ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, 7)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_literalCompressionMode, ZSTD_ps_enable)))
		return context;
	ZSTD_CCtx_setParameter(context, ZSTD_c_targetLength, 3);
	return context;
}

int pack_zstd(const struct buf *lines, struct buf *out)
{
	static ZSTD_CCtx *context; /* for each frame of the program: its tables are cleared, not made anew */
	size_t room = ZSTD_compressBound(lines->len), n;

	if (!context)
		context = new_context();
	if (!context || !buf_reserve(out, room))
		return -ENOMEM;
	n = ZSTD_compress2(context, out->data + out->len, room, lines->data, lines->len);
	if (ZSTD_isError(n))
		return ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
	out->len += n;
	return 0;
}
