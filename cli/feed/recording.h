/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A file of records. It holds whole lines at any moment, whatever ends us and however full the disk
 * is: plain lines are written as they come and cut back where not all fit; compressed ones are
 * collected, and each write is a gzip member or a zstd frame of its own.
 */
#ifndef TCPSHAKE_RECORDING_H
#define TCPSHAKE_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cli/options.h"
#include "common/buf.h"

struct recording;

/*
 * Create the file of the options, compressed if its name ends in .gz or .zst. What is there already is only
 * replaced with `force`, and never if it is a recording that is being read. NULL after one line on stderr.
 */
struct recording *recording_open(const struct options *o);

/*
 * The same file without what makes it a recording, for what else is written about a feed: its descriptor, or -1 after
 * one line on stderr. `*created`: it was not there before. What was there is still in it, up to recording_empty().
 */
int recording_create(const struct options *o, const char *path, bool *created);
/* 0, or -1 after one line on stderr. */
int recording_empty(int fd, const char *path);
/* All of it: 0, or a negative errno, after the first `*written` bytes. */
int recording_write(int fd, const struct buf *from, size_t *written);

/* Is a file among those that --from reads? */
bool recording_is_source(const struct stat *st, const struct options *o);

/* A line without its newline. */
void recording_put(struct recording *r, const char *line, size_t len);

/*
 * Write what is due at `now_ns`: plain lines at once, compressed ones when they are many or a second
 * old. `*again_at`: when to call it again, UINT64_MAX for with the next line. 0, or a negative
 * errno, said on stderr; then nothing more is written.
 */
int recording_flush(struct recording *r, uint64_t now_ns, uint64_t *again_at);

/* Write all, and release it; a file that nothing came to is removed. 0 or a negative errno, said. */
int recording_close(struct recording *r);

#endif
