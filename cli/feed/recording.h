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

struct recording;

/*
 * Create `path`, compressed if it ends in .gz or .zst. What is there already is only replaced with
 * `force`, and never if it is `source` (or NULL): that is being read. NULL after one line on stderr.
 */
struct recording *recording_open(const char *path, const char *source, bool force);

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
