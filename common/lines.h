/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A byte stream as lines. Nothing is dropped in silence: a line over LINES_MAX is reported when
 * it gets that long and skipped to its end, an unfinished last line is reported as cut off.
 */
#ifndef TCPSHAKE_LINES_H
#define TCPSHAKE_LINES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LINES_MAX (1024 * 1024) /* bytes of a line, without its newline */

enum line_kind {
	LINE_NONE, /* no whole line here: lines_fill() again, or the end if it said so */
	LINE_WHOLE,
	LINE_OVERSIZED, /* its content is not given */
	LINE_CUT, /* the stream ended without a newline */
};

struct lines;

/* NULL if memory is out. The descriptor stays the caller's. */
struct lines *lines_new(int fd);
void lines_free(struct lines *l);

/* The same, from what stands for read(2): it returns a negative errno. */
typedef ssize_t lines_read(void *ctx, char *data, size_t size);
struct lines *lines_new_from(lines_read *from, void *ctx);

/* read(2) once: the bytes that came, 0 at the end of the stream, or a negative errno. */
ssize_t lines_fill(struct lines *l);

/* The next line; `*line` (not NUL-terminated, no newline) holds until the next lines_fill(). */
enum line_kind lines_next(struct lines *l, const char **line, size_t *len);

/* The number, from 1, of the line that lines_next() gave last. */
uint64_t lines_number(const struct lines *l);

#endif
