// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/recording.h"
#include "cli/feed/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"

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

static bool ends_in(const char *path, const char *suffix)
{
	size_t len = strlen(path), tail = strlen(suffix);

	return len > tail && strcmp(path + len - tail, suffix) == 0;
}

bool recording_is_source(const struct stat *st, const struct options *o)
{
	for (uint32_t i = 0; i < o->from_count; i++) {
		struct stat other;
		int err = strcmp(o->froms[i], "-") == 0 ? fstat(STDIN_FILENO, &other) : stat(o->froms[i], &other);

		if (err == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino)
			return true;
	}
	return false;
}

/* -1 after one line on stderr, and `*fd` is to be closed if there is one. */
static int open_file(const struct options *o, const char *path, int *fd, bool *created)
{
	struct stat st;

	*fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0640);
	*created = *fd >= 0;
	if (*created)
		return 0;
	if (errno == EEXIST && !o->force) {
		log_error("%s exists; give another name, or --force to replace it", path);
		return -1;
	}
	if (errno == EEXIST)
		*fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (*fd < 0 || fstat(*fd, &st) < 0) {
		log_error("cannot create %s: %s", path, strerror(errno));
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		log_error("%s is no regular file; write to - and pipe that", path);
		return -1;
	}
	if (recording_is_source(&st, o)) {
		log_error("%s is what --from reads; give another name", path);
		return -1;
	}
	return 0;
}

int recording_empty(int fd, const char *path)
{
	if (ftruncate(fd, 0) == 0)
		return 0;
	log_error("cannot empty %s: %s", path, strerror(errno));
	return -1;
}

int recording_create(const struct options *o, const char *path, bool *created)
{
	int fd;

	if (open_file(o, path, &fd, created) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
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

struct recording *recording_open(const struct options *o)
{
	struct recording *r = calloc(1, sizeof(*r));

	if (r) {
		r->fd = -1;
		r->path = strdup(o->file);
	}
	if (!r || !r->path) {
		log_error("out of memory");
		free(r);
		return NULL;
	}
	r->pack = ends_in(o->file, ".gz") ? pack_gzip : ends_in(o->file, ".zst") ? pack_zstd : NULL;
	r->fd = recording_create(o, r->path, &r->created);
	if (r->fd >= 0 && recording_empty(r->fd, r->path) == 0)
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

int recording_write(int fd, const struct buf *from, size_t *written)
{
	for (*written = 0; *written < from->len;) {
		ssize_t n = write(fd, from->data + *written, from->len - *written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		*written += (size_t)n;
	}
	return 0;
}

static int write_out(struct recording *r, const struct buf *from)
{
	size_t written;
	int err = recording_write(r->fd, from, &written);

	if (err) {
		cut_back(r, from, written);
		return complain(r, err);
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
