/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Recordings as they are stored: plain, gzip (RFC 1952) or zstd (RFC 8878), known by their first
 * bytes. Several members or frames in a row are one recording, as with zcat(1) and zstdcat(1).
 */
#ifndef TCPSHAKE_UNPACK_H
#define TCPSHAKE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct unpack;

/* NULL if memory is out. The descriptor stays the caller's. */
struct unpack *unpack_new(int fd);
void unpack_free(struct unpack *u);

/*
 * As read(2), with a negative errno: -EAGAIN if what was read makes no byte yet, -EBADMSG if the
 * data is damaged. It reads the descriptor at most once.
 */
ssize_t unpack_read(void *unpack, char *data, size_t size);

/* There is more to be had without reading the descriptor: do not wait for that. */
bool unpack_waits(const struct unpack *u);
/* At the end: it came within a member or frame. */
bool unpack_is_cut(const struct unpack *u);

#endif
