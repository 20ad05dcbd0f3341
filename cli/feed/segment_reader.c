// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/segment_reader.h"
#include "cli/feed/segments.h"
#include "cli/feed/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct segment_reader {
	int dir;
	struct segments segments;
	size_t next; /* the first that was not opened yet */
	uint64_t since_ns, until_ns;
	int fd;
	struct unpack *unpack; /* of the one that is read, or NULL */
	bool within; /* a line: the last byte that was given is no newline */
	bool troubled;
	char trouble[SEGMENT_NAME_SIZE + 128];
};

struct segment_reader *segment_reader_new(int dir, uint64_t since_ns, uint64_t until_ns)
{
	struct segment_reader *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return NULL;
	*r = (struct segment_reader){ .dir = dir, .since_ns = since_ns, .until_ns = until_ns, .fd = -1 };
	err = segments_list(dir, &r->segments);
	if (!err)
		return r;
	segment_reader_free(r);
	errno = -err;
	return NULL;
}

static void close_segment(struct segment_reader *r)
{
	unpack_free(r->unpack);
	if (r->fd >= 0)
		close(r->fd);
	r->unpack = NULL;
	r->fd = -1;
}

void segment_reader_free(struct segment_reader *r)
{
	if (!r)
		return;
	close_segment(r);
	segments_free(&r->segments);
	free(r);
}

static void note(struct segment_reader *r, const struct segment *s, const char *why)
{
	r->troubled = true;
	snprintf(r->trouble, sizeof(r->trouble), "%s: %s", s->name, why);
}

static int open_by_name(const struct segment_reader *r, const struct segment *s)
{
	return openat(r->dir, s->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

/* A recorder that goes on meanwhile finishes its segment, which has another name then. */
static int open_by_number(const struct segment_reader *r, const struct segment *wanted)
{
	struct segments now;
	int fd = -1, err = segments_list(r->dir, &now) < 0 ? EIO : ENOENT;

	for (size_t i = 0; i < now.count; i++)
		if (now.all[i].number == wanted->number)
			fd = open_by_name(r, &now.all[i]);
	segments_free(&now);
	errno = err;
	return fd;
}

/* 1; 0 at the end; -EAGAIN after one that cannot be opened, and is passed over; -ENOMEM. */
static int open_next(struct segment_reader *r)
{
	while (r->next < r->segments.count) {
		const struct segment *s = &r->segments.all[r->next++];

		if (!segment_may_hold(s, r->since_ns, r->until_ns))
			continue;
		r->fd = open_by_name(r, s);
		if (r->fd < 0 && errno == ENOENT)
			r->fd = open_by_number(r, s);
		if (r->fd < 0) {
			note(r, s, errno == ENOENT ? "was dropped while the ring was read" : strerror(errno));
			return -EAGAIN;
		}
		r->unpack = unpack_new(r->fd);
		return r->unpack ? 1 : -ENOMEM;
	}
	return 0;
}

/* It ends here, if need be with the end of the line that was begun: what follows is the next one's. */
static ssize_t end_segment(struct segment_reader *r, ssize_t got, char *data)
{
	const struct segment *s = &r->segments.all[r->next - 1];

	if (got < 0)
		note(r, s, got == -EBADMSG ? "is damaged, and read up to there" : strerror((int)-got));
	else if (unpack_is_cut(r->unpack))
		note(r, s, "is cut off, and read up to there");
	close_segment(r);
	if (!r->within)
		return -EAGAIN;
	r->within = false;
	*data = '\n';
	return 1;
}

ssize_t segment_reader_read(void *reader, char *data, size_t size)
{
	struct segment_reader *r = reader;
	ssize_t got = r->unpack ? 1 : open_next(r);

	if (got <= 0)
		return got;
	got = unpack_read(r->unpack, data, size);
	if (got > 0)
		r->within = data[got - 1] != '\n';
	return got > 0 || got == -EAGAIN ? got : end_segment(r, got, data);
}

void segment_reader_share(const struct segment_reader *r, uint64_t *done, uint64_t *all)
{
	off_t at = r->fd >= 0 ? lseek(r->fd, 0, SEEK_CUR) : 0;

	for (size_t i = 0; i < r->segments.count; i++) {
		const struct segment *s = &r->segments.all[i];

		if (!segment_may_hold(s, r->since_ns, r->until_ns))
			continue;
		*all += s->length;
		if (i + 1 < r->next || (i + 1 == r->next && r->fd < 0))
			*done += s->length;
		else if (i + 1 == r->next && at > 0)
			*done += (uint64_t)at < s->length ? (uint64_t)at : s->length;
	}
}

bool segment_reader_waits(const struct segment_reader *r)
{
	return r->unpack && unpack_waits(r->unpack);
}

const char *segment_reader_trouble(struct segment_reader *r)
{
	bool troubled = r->troubled;

	r->troubled = false;
	return troubled ? r->trouble : NULL;
}
