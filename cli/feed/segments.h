/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The segments of a ring (`tcpshake record --keep`): files of a directory, numbered in the order in which they were
 * written, each a row of zstd frames. Their names say when their records are from:
 *
 *   ring-0000000042-20261120T104746Z.ndjson.zst                     not finished: since about then
 *   ring-0000000042-20261120T104746Z-20261120T105213Z.ndjson.zst    finished: the seconds of the first and the last
 *
 * What has another name, or is no regular file, is somebody else's and is left alone.
 */
#ifndef TCPSHAKE_SEGMENTS_H
#define TCPSHAKE_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SEGMENT_NAME_SIZE 72

struct segment {
	uint64_t number;
	bool finished;
	/* By the wall clock, in nanoseconds since the epoch, exact to the second. */
	uint64_t from_ns, to_ns;
	uint64_t length; /* in bytes, as it was when it was found */
	char name[SEGMENT_NAME_SIZE]; /* of segment_set_name() */
};

struct segments {
	struct segment *all; /* by number */
	size_t count;
};

void segment_set_name(struct segment *s);
/* May records of these times be in it? One that is not finished may hold any. */
bool segment_may_hold(const struct segment *s, uint64_t since_ns, uint64_t until_ns);

/* The segments of a directory, by an open descriptor. 0 or a negative errno; to be freed in either case. */
int segments_list(int dir, struct segments *s);
void segments_free(struct segments *s);

/* What a file takes of the disk, as far as its length says: file systems give blocks. */
uint64_t segment_space(uint64_t length);

#endif
