/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The files of a ring: whole frames go in, and the oldest segments go when there is no room (cli/record/ring.h). */
#ifndef TCPSHAKE_RING_STORE_H
#define TCPSHAKE_RING_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/feed/segments.h"

#include "common/buf.h"

/* Which records are in a frame or in a segment; 0: not known. */
struct ring_span {
	uint64_t from_ns, to_ns; /* since the epoch */
	uint64_t feed; /* which one of this recorder's, from 1: numbers begin anew with each */
	uint64_t first_seq, last_seq; /* of that feed */
};

void ring_span_add(struct ring_span *s, uint64_t wall_ns, uint64_t seq);

struct ring_part {
	struct segment segment;
	struct ring_span span;
};

struct ring_place {
	uint64_t number, offset, length; /* of the segment; in it */
};

struct ring_store;

/* As ring_open(). What is there already and does not fit is removed. */
struct ring_store *ring_store_open(const char *path, uint64_t keep_bytes);
void ring_store_close(struct ring_store *s);
const char *ring_store_path(const struct ring_store *s);

/* Is there no segment to write so much into? Then begin another one. */
bool ring_store_is_full(const struct ring_store *s, size_t len);
/* The segment that is written gets its name for good. */
void ring_store_finish(struct ring_store *s);
/* A new one, whose records are from about then on, with room for `len` bytes. 0 or a negative errno. */
int ring_store_begin(struct ring_store *s, uint64_t from_ns, size_t len);
/* Is there nothing yet in the segment that is written? */
bool ring_store_is_empty(const struct ring_store *s);
/*
 * All of a frame, or nothing of it; `span` is NULL for what is in front of the records. 0 or a negative errno; -EFBIG:
 * it will never fit.
 */
int ring_store_write(struct ring_store *s, const struct buf *frame, const struct ring_span *span);

/* Where the frame is that was written last. */
struct ring_place ring_store_last(const struct ring_store *s);
/* Append that frame to `out`. 0 or a negative errno; -ENOENT: it was dropped. */
int ring_store_read(const struct ring_store *s, const struct ring_place *place, struct buf *out);

/* For files beside the segments: room for so many bytes, 0 or a negative errno; and back. */
int ring_store_take(struct ring_store *s, uint64_t bytes);
void ring_store_give(struct ring_store *s, uint64_t bytes);
/* So many bytes are taken already. */
void ring_store_count(struct ring_store *s, uint64_t bytes);
int ring_store_dir(const struct ring_store *s);
uint64_t ring_store_keep(const struct ring_store *s);
/* Append a frame to a file that was so long: all of it, or nothing. 0 or a negative errno. */
int ring_append(int fd, const struct buf *frame, uint64_t length);

/* The segment that ended last; true once for each that this recorder wrote. */
bool ring_store_ended(struct ring_store *s, struct ring_part *part);
/* Those that were removed, one at each call. */
bool ring_store_removed(struct ring_store *s, struct ring_part *part);

#endif
