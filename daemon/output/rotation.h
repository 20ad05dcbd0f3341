/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The files that an output of bounded size consists of: NAME, which is written, and NAME.1 … NAME.N, of which NAME.1 is the
 * newest. They hold (N + 1) times the size at most.
 */
#ifndef TCPSHAKE_ROTATION_H
#define TCPSHAKE_ROTATION_H

#include <stdint.h>

#define ROTATION_MIN_BYTES (1024 * 1024) /* hundreds of records, and the end of a feed */
#define ROTATION_MAX_KEEP 9999

/* The records of one file that are this feed's; all 0: not known, for another daemon wrote it. */
struct rotation_span {
	uint64_t first, last; /* seq */
};

/* What became of the files. */
struct rotation_report {
	uint64_t mono_ns;
	int64_t real_ns;
	char ended[300], removed[300]; /* names without their directory; "": none was removed */
	struct rotation_span ended_span, removed_span;
};

struct rotation;

/* `path` is kept. NULL if memory is out. */
struct rotation *rotation_new(const char *path, uint64_t max, unsigned keep);
void rotation_free(struct rotation *r);

uint64_t rotation_max(const struct rotation *r); /* bytes of one file */

/*
 * The file is full: rename all, which overwrites the oldest, and open a new one. Its descriptor, or a negative errno: then
 * what was renamed is renamed, and it may be tried again. `span`: of what the file that ends holds.
 */
int rotation_next(struct rotation *r, struct rotation_span span, struct rotation_report *report);
/* Somebody else has moved the files. */
void rotation_forget(struct rotation *r);

#endif
