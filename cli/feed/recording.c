// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"

/* Larger ones compress hardly better, and would take longer to write. */
#define PACK_BYTES (1024 * 1024)
#define PACK_AFTER_NS NSEC_PER_SEC
#define NEVER UINT64_MAX

struct recording {
	char *path;
	int fd;
	int (*pack)(const struct buf *lines, struct buf *out); /* NULL: plain */
	struct buf lines, packed;
	uint64_t pending; /* lines in `lines` */
	uint64_t since_ns; /* when the first of them was seen by recording_flush(); 0: not yet */
	uint64_t written, bytes; /* in the file: lines, and its length */
	bool created; /* by us: not a file that was there */
	int error;
};

static int pack_gzip(const struct buf *lines, struct buf *out)
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

static int pack_zstd(const struct buf *lines, struct buf *out)
{
	size_t room = ZSTD_compressBound(lines->len), n;

	if (!buf_reserve(out, room))
		return -ENOMEM;
	n = ZSTD_compress(out->data + out->len, room, lines->data, lines->len, ZSTD_CLEVEL_DEFAULT);
	if (ZSTD_isError(n))
		return ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
	out->len += n;
	return 0;
}

static bool ends_in(const char *path, const char *suffix)
{
	size_t len = strlen(path), tail = strlen(suffix);

	return len > tail && strcmp(path + len - tail, suffix) == 0;
}

static bool is_source(const struct stat *st, const char *source)
{
	struct stat other;
	int err = !source ? -1 : strcmp(source, "-") == 0 ? fstat(STDIN_FILENO, &other) : stat(source, &other);

	return err == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* 0, or -1 after one line on stderr. */
static int open_file(struct recording *r, const char *source, bool force)
{
	struct stat st;

	r->fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0640);
	r->created = r->fd >= 0;
	if (r->created)
		return 0;
	if (errno == EEXIST && !force) {
		log_error("%s exists; give another name, or --force to replace it", r->path);
		return -1;
	}
	if (errno == EEXIST)
		r->fd = open(r->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (r->fd < 0 || fstat(r->fd, &st) < 0) {
		log_error("cannot create %s: %s", r->path, strerror(errno));
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		log_error("%s is no regular file; record to - and pipe that", r->path);
		return -1;
	}
	if (is_source(&st, source)) {
		log_error("%s is what --from reads; give another name", r->path);
		return -1;
	}
	if (ftruncate(r->fd, 0) == 0)
		return 0;
	log_error("cannot empty %s: %s", r->path, strerror(errno));
	return -1;
}

static void release(struct recording *r)
{
	if (r->fd >= 0)
		close(r->fd);
	buf_free(&r->lines);
	buf_free(&r->packed);
	free(r->path);
	free(r);
}

struct recording *recording_open(const char *path, const char *source, bool force)
{
	struct recording *r = calloc(1, sizeof(*r));

	if (r) {
		r->fd = -1;
		r->path = strdup(path);
	}
	if (!r || !r->path) {
		log_error("out of memory");
		free(r);
		return NULL;
	}
	r->pack = ends_in(path, ".gz") ? pack_gzip : ends_in(path, ".zst") ? pack_zstd : NULL;
	if (open_file(r, source, force) == 0)
		return r;
	release(r);
	return NULL;
}

void recording_put(struct recording *r, const char *line, size_t len)
{
	if (r->error)
		return;
	buf_mem(&r->lines, line, len);
	buf_lit(&r->lines, "\n");
	r->pending++;
}

static int complain(struct recording *r, int err)
{
	r->error = err;
	log_error("cannot write to %s: %s; it holds the first %llu records", r->path, strerror(-err),
		  (unsigned long long)r->written);
	return err;
}

/* How many newlines there are in the first `len` bytes; `*end` is after the last. */
static uint64_t count_lines(const char *data, size_t len, size_t *end)
{
	uint64_t count = 0;

	*end = 0;
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n')
			continue;
		count++;
		*end = i + 1;
	}
	return count;
}

/*
 * Part of it is in the file: keep the whole lines, or, of a member or a frame, nothing. A disk that
 * is full lets a file shrink.
 */
static void cut_back(struct recording *r, const struct buf *from, size_t written)
{
	size_t keep = 0;

	if (!r->pack)
		r->written += count_lines(from->data, written, &keep);
	r->bytes += keep;
	if (written != keep && ftruncate(r->fd, (off_t)r->bytes) < 0)
		log_error("cannot cut %s back to its last whole line: %s", r->path, strerror(errno));
}

static int write_out(struct recording *r, const struct buf *from)
{
	size_t written = 0;

	while (written < from->len) {
		ssize_t n = write(r->fd, from->data + written, from->len - written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int err = n ? -errno : -EIO;

			cut_back(r, from, written);
			return complain(r, err);
		}
		written += (size_t)n;
	}
	r->bytes += from->len;
	r->written += r->pending;
	r->pending = 0;
	r->since_ns = 0;
	buf_clear(&r->lines);
	return 0;
}

static int write_pending(struct recording *r)
{
	int err;

	if (r->error)
		return r->error;
	if (r->lines.failed)
		return complain(r, -ENOMEM);
	if (!r->pending)
		return 0;
	if (!r->pack)
		return write_out(r, &r->lines);
	buf_clear(&r->packed);
	err = r->pack(&r->lines, &r->packed);
	return err ? complain(r, err) : write_out(r, &r->packed);
}

int recording_flush(struct recording *r, uint64_t now_ns, uint64_t *again_at)
{
	*again_at = NEVER;
	if (r->pending && !r->since_ns)
		r->since_ns = now_ns;
	if (r->pack && r->pending && !r->lines.failed && r->lines.len < PACK_BYTES &&
	    now_ns - r->since_ns < PACK_AFTER_NS) {
		*again_at = r->since_ns + PACK_AFTER_NS;
		return 0;
	}
	return write_pending(r);
}

int recording_close(struct recording *r)
{
	int err = write_pending(r);

	/* A network file system, or a quota, may say only now that there is no room. */
	if (close(r->fd) < 0 && !err)
		err = complain(r, -errno);
	r->fd = -1;
	if (r->created && !r->written && unlink(r->path) < 0)
		log_warning("cannot remove %s, which is empty: %s", r->path, strerror(errno));
	release(r);
	return err;
}
