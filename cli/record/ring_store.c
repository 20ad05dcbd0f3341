// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/record/ring_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

/* Of the ring: so much goes at once when it is full. */
#define SEGMENT_SHARE 32
#define SEGMENT_MAX_BYTES (8ULL << 20)
#define SEGMENT_MIN_BYTES (64ULL << 10)

struct parts {
	struct ring_part *all;
	size_t count;
};

struct ring_store {
	char *path;
	int dir, fd; /* of the segment that is written, the last of `parts`; -1: none is */
	uint64_t keep, segment_max;
	uint64_t used; /* bytes of the disk */
	struct parts parts, removed; /* oldest first; of `removed` those that were not said yet */
	bool has_ended; /* a segment ended, and that was not said yet */
	struct ring_part ended; /* the last one that did */
	uint64_t number; /* of the newest */
	struct ring_place last;
};

void ring_span_add(struct ring_span *s, uint64_t wall_ns, uint64_t seq)
{
	if (wall_ns && (!s->from_ns || wall_ns < s->from_ns))
		s->from_ns = wall_ns;
	if (wall_ns > s->to_ns)
		s->to_ns = wall_ns;
	if (seq && (!s->first_seq || seq < s->first_seq))
		s->first_seq = seq;
	if (seq > s->last_seq)
		s->last_seq = seq;
}

static void join_spans(struct ring_span *s, const struct ring_span *more)
{
	if (s->feed != more->feed)
		s->first_seq = s->last_seq = 0;
	s->feed = more->feed;
	ring_span_add(s, more->from_ns, more->first_seq);
	ring_span_add(s, more->to_ns, more->last_seq);
}

static struct ring_part *add_part(struct parts *p, const struct ring_part *part)
{
	struct ring_part *grown = reallocarray(p->all, p->count + 1, sizeof(*grown));

	if (!grown)
		return NULL;
	p->all = grown;
	p->all[p->count] = *part;
	return &p->all[p->count++];
}

static void take_first(struct parts *p)
{
	memmove(p->all, p->all + 1, --p->count * sizeof(*p->all));
}

/* ---- room ---- */

static int remove_oldest(struct ring_store *s)
{
	struct ring_part *oldest = &s->parts.all[0];

	if (unlinkat(s->dir, oldest->segment.name, 0) < 0 && errno != ENOENT)
		return -errno;
	s->used -= segment_space(oldest->segment.length);
	/* Without memory it is not said, and gone all the same. */
	add_part(&s->removed, oldest);
	take_first(&s->parts);
	return 0;
}

/* Until so much more fits: 0 or a negative errno. The one that is written stays. */
static int make_room(struct ring_store *s, uint64_t more)
{
	int err = 0;

	if (more > s->keep)
		return -EFBIG;
	while (!err && s->used + more > s->keep && s->parts.count > (s->fd >= 0))
		err = remove_oldest(s);
	return err ? err : s->used + more > s->keep ? -EFBIG : 0;
}

/* ---- opening ---- */

static int open_directory(struct ring_store *s)
{
	if (mkdir(s->path, 0750) < 0 && errno != EEXIST) {
		log_error("cannot make the directory %s: %s", s->path, strerror(errno));
		return -1;
	}
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0) {
		log_error("cannot open the directory %s: %s", s->path, strerror(errno));
		return -1;
	}
	if (flock(s->dir, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		log_error("another tcpshake record writes into %s; give another directory", s->path);
	else
		log_error("cannot lock the directory %s: %s", s->path, strerror(errno));
	return -1;
}

/* What earlier recorders left. */
static int take_over(struct ring_store *s)
{
	struct segments found;
	int err = segments_list(s->dir, &found);

	for (size_t i = 0; !err && i < found.count; i++) {
		struct ring_part part = { .segment = found.all[i] };

		s->used += segment_space(part.segment.length);
		s->number = part.segment.number;
		err = add_part(&s->parts, &part) ? 0 : -ENOMEM;
	}
	segments_free(&found);
	if (s->parts.count)
		s->ended = s->parts.all[s->parts.count - 1];
	if (!err)
		err = make_room(s, 0);
	if (err)
		log_error("cannot take over the segments in %s: %s", s->path, strerror(-err));
	return err ? -1 : 0;
}

struct ring_store *ring_store_open(const char *path, uint64_t keep_bytes)
{
	struct ring_store *s = calloc(1, sizeof(*s));

	if (s) {
		*s = (struct ring_store){ .path = strdup(path), .dir = -1, .fd = -1, .keep = keep_bytes };
		s->segment_max = keep_bytes / SEGMENT_SHARE;
		if (s->segment_max > SEGMENT_MAX_BYTES)
			s->segment_max = SEGMENT_MAX_BYTES;
		if (s->segment_max < SEGMENT_MIN_BYTES)
			s->segment_max = SEGMENT_MIN_BYTES;
	}
	if (s && s->path && open_directory(s) == 0 && take_over(s) == 0)
		return s;
	if (!s || !s->path)
		log_error("out of memory");
	ring_store_close(s);
	return NULL;
}

void ring_store_close(struct ring_store *s)
{
	if (!s)
		return;
	ring_store_finish(s);
	if (s->dir >= 0)
		close(s->dir);
	free(s->parts.all);
	free(s->removed.all);
	free(s->path);
	free(s);
}

const char *ring_store_path(const struct ring_store *s)
{
	return s->path;
}

/* ---- segments ---- */

static struct ring_part *newest(struct ring_store *s)
{
	return &s->parts.all[s->parts.count - 1];
}

bool ring_store_is_full(const struct ring_store *s, size_t len)
{
	const struct ring_part *last = s->fd < 0 ? NULL : &s->parts.all[s->parts.count - 1];

	return !last || (last->span.feed && last->segment.length + len > s->segment_max);
}

bool ring_store_is_empty(const struct ring_store *s)
{
	return s->parts.all[s->parts.count - 1].segment.length == 0;
}

/* Without the times of its records it stays as it is: it is read whatever times are asked for. */
void ring_store_finish(struct ring_store *s)
{
	struct segment old, *now;

	if (s->fd < 0)
		return;
	now = &newest(s)->segment;
	old = *now;
	if (newest(s)->span.from_ns) {
		now->finished = true;
		now->from_ns = newest(s)->span.from_ns;
		now->to_ns = newest(s)->span.to_ns;
		segment_set_name(now);
	}
	if (now->finished && renameat(s->dir, old.name, s->dir, now->name) < 0) {
		log_warning("cannot rename %s/%s: %s", s->path, old.name, strerror(errno));
		*now = old;
	}
	close(s->fd);
	s->fd = -1;
	s->ended = *newest(s);
	s->has_ended = true;
}

int ring_append(int fd, const struct buf *frame, uint64_t length)
{
	size_t written = 0;
	int err = 0;

	while (!err && written < frame->len) {
		ssize_t n = write(fd, frame->data + written, frame->len - written);

		if (n > 0)
			written += (size_t)n;
		else if (n == 0 || errno != EINTR)
			err = n ? -errno : -EIO;
	}
	if (err && written && ftruncate(fd, (off_t)length) < 0)
		log_error("cannot cut a file back to its last whole record: %s", strerror(errno));
	return err;
}

static int append(struct ring_store *s, const struct buf *frame)
{
	struct segment *segment = &newest(s)->segment;
	int err = ring_append(s->fd, frame, segment->length);

	if (err)
		return err;
	s->last = (struct ring_place){ segment->number, segment->length, frame->len };
	s->used += segment_space(segment->length + frame->len) - segment_space(segment->length);
	segment->length += frame->len;
	return 0;
}

/* What `len` more bytes take of the disk. */
static uint64_t growth(struct ring_store *s, uint64_t len)
{
	uint64_t length = s->fd < 0 ? 0 : newest(s)->segment.length;

	return segment_space(length + len) - segment_space(length);
}

int ring_store_begin(struct ring_store *s, uint64_t from_ns, size_t len)
{
	struct ring_part part = { .segment = { .number = s->number + 1, .from_ns = from_ns } };
	int err = make_room(s, segment_space(len > s->segment_max ? len : s->segment_max));

	if (err)
		return err;
	segment_set_name(&part.segment);
	if (!add_part(&s->parts, &part))
		return -ENOMEM;
	s->fd = openat(s->dir, part.segment.name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
	if (s->fd < 0) {
		s->parts.count--;
		return -errno;
	}
	s->number++;
	return 0;
}

int ring_store_write(struct ring_store *s, const struct buf *frame, const struct ring_span *span)
{
	int err = make_room(s, growth(s, frame->len));

	if (!err)
		err = append(s, frame);
	if (!err && span)
		join_spans(&newest(s)->span, span);
	return err;
}

/* ---- for what is beside the segments ---- */

struct ring_place ring_store_last(const struct ring_store *s)
{
	return s->last;
}

static const struct segment *find(const struct ring_store *s, uint64_t number)
{
	for (size_t i = s->parts.count; i--;)
		if (s->parts.all[i].segment.number == number)
			return &s->parts.all[i].segment;
	return NULL;
}

int ring_store_read(const struct ring_store *s, const struct ring_place *place, struct buf *out)
{
	const struct segment *segment = find(s, place->number);
	int fd = segment ? openat(s->dir, segment->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1, err = 0;
	ssize_t got;

	if (fd < 0)
		return segment ? -errno : -ENOENT;
	if (!buf_reserve(out, place->length)) {
		err = -ENOMEM;
	} else {
		got = pread(fd, out->data + out->len, place->length, (off_t)place->offset);
		err = got == (ssize_t)place->length ? 0 : got < 0 ? -errno : -EIO;
		out->len += err ? 0 : place->length;
	}
	close(fd);
	return err;
}

int ring_store_take(struct ring_store *s, uint64_t bytes)
{
	int err = make_room(s, bytes);

	s->used += err ? 0 : bytes;
	return err;
}

void ring_store_give(struct ring_store *s, uint64_t bytes)
{
	s->used -= bytes;
}

void ring_store_count(struct ring_store *s, uint64_t bytes)
{
	s->used += bytes;
}

int ring_store_dir(const struct ring_store *s)
{
	return s->dir;
}

uint64_t ring_store_keep(const struct ring_store *s)
{
	return s->keep;
}

/* ---- what is to be said ---- */

bool ring_store_ended(struct ring_store *s, struct ring_part *part)
{
	bool ends = s->has_ended;

	*part = s->ended;
	s->has_ended = false;
	return ends;
}

bool ring_store_removed(struct ring_store *s, struct ring_part *part)
{
	if (!s->removed.count)
		return false;
	*part = s->removed.all[0];
	take_first(&s->removed);
	return true;
}
