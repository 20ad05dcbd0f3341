// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/unpack.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#define IN_SIZE (64 * 1024)
#define GZIP_ONLY (16 + MAX_WBITS) /* of inflateInit2() */

enum format { FORMAT_UNKNOWN, FORMAT_PLAIN, FORMAT_GZIP, FORMAT_ZSTD };

struct unpack {
	int fd;
	enum format format;
	uint8_t in[IN_SIZE];
	size_t start, end; /* of what is not used yet */
	bool ended; /* of the descriptor */
	bool inside; /* a member or frame has begun and not ended */
	bool full; /* the last output filled its room: there may be more without input */
	z_stream gzip;
	ZSTD_DStream *zstd;
};

struct unpack *unpack_new(int fd)
{
	struct unpack *u = calloc(1, sizeof(*u));

	if (u)
		u->fd = fd;
	return u;
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	if (u->format == FORMAT_GZIP)
		inflateEnd(&u->gzip);
	ZSTD_freeDStream(u->zstd);
	free(u);
}

static const struct {
	enum format format;
	uint8_t magic[4];
	size_t len;
} magics[] = {
	{ FORMAT_GZIP, { 0x1f, 0x8b }, 2 },
	{ FORMAT_ZSTD, { 0x28, 0xb5, 0x2f, 0xfd }, 4 },
};

/* What begins here, or FORMAT_UNKNOWN while it is too short to know. */
static enum format format_of(const uint8_t *data, size_t len, bool ended)
{
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		size_t have = len < magics[i].len ? len : magics[i].len;

		if (memcmp(data, magics[i].magic, have) != 0)
			continue;
		if (have == magics[i].len)
			return magics[i].format;
		if (!ended)
			return FORMAT_UNKNOWN;
	}
	return FORMAT_PLAIN;
}

static int begin(struct unpack *u)
{
	u->format = format_of(u->in + u->start, u->end - u->start, u->ended);
	if (u->format == FORMAT_GZIP && inflateInit2(&u->gzip, GZIP_ONLY) != Z_OK) {
		u->format = FORMAT_PLAIN; /* nothing to be released */
		return -ENOMEM;
	}
	if (u->format == FORMAT_ZSTD) {
		u->zstd = ZSTD_createDStream();
		if (!u->zstd)
			return -ENOMEM;
	}
	return u->format == FORMAT_UNKNOWN ? -EAGAIN : 0;
}

/* The bytes that came out, or a negative errno; what is not used stays. */
static ssize_t copy(struct unpack *u, char *data, size_t size)
{
	size_t have = u->end - u->start, n = have < size ? have : size;

	memcpy(data, u->in + u->start, n);
	u->start += n;
	return (ssize_t)n;
}

static ssize_t gunzip(struct unpack *u, char *data, size_t size)
{
	int result;

	/* After the end of a member only another one may come. */
	if (!u->inside && u->start == u->end)
		return 0;
	if (!u->inside && inflateReset(&u->gzip) != Z_OK)
		return -EBADMSG;
	u->inside = true;
	u->gzip.next_in = u->in + u->start;
	u->gzip.avail_in = (uInt)(u->end - u->start);
	u->gzip.next_out = (Bytef *)data;
	u->gzip.avail_out = (uInt)size;
	result = inflate(&u->gzip, Z_NO_FLUSH);
	u->start = u->end - u->gzip.avail_in;
	if (result == Z_STREAM_END)
		u->inside = false;
	else if (result != Z_OK && (result != Z_BUF_ERROR || u->gzip.avail_in))
		return result == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	return (ssize_t)(size - u->gzip.avail_out);
}

static ssize_t unzstd(struct unpack *u, char *data, size_t size)
{
	ZSTD_inBuffer in = { u->in + u->start, u->end - u->start, 0 };
	ZSTD_outBuffer out = { data, size, 0 };
	size_t left;

	if (!u->inside && u->start == u->end)
		return 0;
	left = ZSTD_decompressStream(u->zstd, &out, &in);
	if (ZSTD_isError(left))
		return -EBADMSG;
	u->start += in.pos;
	/* 0: a frame is complete, and all of it given. */
	u->inside = left != 0;
	return (ssize_t)out.pos;
}

static int fill(struct unpack *u)
{
	ssize_t n;

	memmove(u->in, u->in + u->start, u->end - u->start);
	u->end -= u->start;
	u->start = 0;
	if (u->end == sizeof(u->in) || u->ended)
		return 0;
	do
		n = read(u->fd, u->in + u->end, sizeof(u->in) - u->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	u->end += (size_t)n;
	u->ended = n == 0;
	return 0;
}

ssize_t unpack_read(void *unpack, char *data, size_t size)
{
	static ssize_t (*const formats[])(struct unpack *, char *, size_t) = {
		[FORMAT_PLAIN] = copy, [FORMAT_GZIP] = gunzip, [FORMAT_ZSTD] = unzstd,
	};
	struct unpack *u = unpack;
	ssize_t n;
	int err = unpack_waits(u) ? 0 : fill(u);

	if (!err && u->format == FORMAT_UNKNOWN)
		err = begin(u);
	if (err)
		return err;
	/* All was used; a decoder may still hold back what had no room. */
	if (u->start == u->end && !u->full)
		return u->ended ? 0 : -EAGAIN;
	n = formats[u->format](u, data, size);
	u->full = n == (ssize_t)size;
	if (n)
		return n;
	return u->ended && u->start == u->end ? 0 : -EAGAIN;
}

bool unpack_waits(const struct unpack *u)
{
	return u->format != FORMAT_UNKNOWN && (u->full || u->start < u->end);
}

bool unpack_is_cut(const struct unpack *u)
{
	return u->ended && u->inside;
}
