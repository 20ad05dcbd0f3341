// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/lines.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"

#define READ_SIZE (64 * 1024)

struct lines {
	int fd;
	lines_read *from; /* or NULL: the descriptor */
	void *ctx;
	struct buf buf;
	size_t start; /* of the line to give next */
	size_t scanned; /* no newline in [start, scanned) */
	uint64_t number;
	bool skipping; /* inside a line already reported as oversized */
	bool ended;
};

struct lines *lines_new(int fd)
{
	struct lines *l = calloc(1, sizeof(*l));

	if (l)
		l->fd = fd;
	return l;
}

struct lines *lines_new_from(lines_read *from, void *ctx)
{
	struct lines *l = lines_new(-1);

	if (l) {
		l->from = from;
		l->ctx = ctx;
	}
	return l;
}

static ssize_t read_some(const struct lines *l, char *data, size_t size)
{
	ssize_t got;

	if (l->from)
		return l->from(l->ctx, data, size);
	do
		got = read(l->fd, data, size);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

void lines_free(struct lines *l)
{
	if (!l)
		return;
	buf_free(&l->buf);
	free(l);
}

ssize_t lines_fill(struct lines *l)
{
	ssize_t got;

	if (l->start)
		buf_consume(&l->buf, l->start);
	l->scanned -= l->start;
	l->start = 0;
	if (!buf_reserve(&l->buf, READ_SIZE))
		return -ENOMEM;
	got = read_some(l, l->buf.data + l->buf.len, READ_SIZE);
	if (got < 0)
		return got;
	l->buf.len += (size_t)got;
	l->ended = got == 0;
	return got;
}

/* No newline is left: wait for more, give up on a line too long, or end. */
static enum line_kind unfinished(struct lines *l, const char **line, size_t *len)
{
	size_t have = l->buf.len - l->start;

	l->scanned = l->buf.len;
	if (!l->skipping && have > LINES_MAX) {
		l->skipping = true;
		l->number++;
		l->start = l->buf.len;
		return LINE_OVERSIZED;
	}
	if (l->skipping || l->ended)
		l->start = l->buf.len;
	if (l->skipping || !l->ended || !have)
		return LINE_NONE;
	*line = l->buf.data + l->buf.len - have;
	*len = have;
	l->number++;
	return LINE_CUT;
}

enum line_kind lines_next(struct lines *l, const char **line, size_t *len)
{
	for (;;) {
		char *newline = NULL;
		size_t length, start = l->start;
		bool skipped = l->skipping;

		if (l->scanned < l->buf.len)
			newline = memchr(l->buf.data + l->scanned, '\n', l->buf.len - l->scanned);
		if (!newline)
			return unfinished(l, line, len);
		length = (size_t)(newline - l->buf.data) - start;
		l->start = l->scanned = start + length + 1;
		l->skipping = false;
		if (skipped)
			continue;
		l->number++;
		if (length > LINES_MAX)
			return LINE_OVERSIZED;
		*line = l->buf.data + start;
		*len = length;
		return LINE_WHOLE;
	}
}

uint64_t lines_number(const struct lines *l)
{
	return l->number;
}
