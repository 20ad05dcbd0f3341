/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A ring's segments as one stream of lines, one after the other. One that is damaged, or cut off, ends there, and the
 * next one follows: what is wrong with one is no reason to lose the others.
 */
#ifndef TCPSHAKE_SEGMENT_READER_H
#define TCPSHAKE_SEGMENT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct segment_reader;

/*
 * The segments that are there now, without those whose times are all before `since_ns` or after `until_ns`: these are
 * not opened. NULL with errno set. The descriptor stays the caller's.
 */
struct segment_reader *segment_reader_new(int dir, uint64_t since_ns, uint64_t until_ns);
void segment_reader_free(struct segment_reader *r);

/* As unpack_read(); 0 after the last one. */
ssize_t segment_reader_read(void *reader, char *data, size_t size);
/* Bytes of the segments that are wanted, and how many of these were read. */
void segment_reader_share(const struct segment_reader *r, uint64_t *done, uint64_t *all);
/* As unpack_waits(). */
bool segment_reader_waits(const struct segment_reader *r);

/* What was wrong with a segment since this was asked last: "NAME: why"; NULL if nothing was. */
const char *segment_reader_trouble(struct segment_reader *r);

#endif
