/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The lines of `tail` in their order, without those of RSTs that ended a handshake: the handshake's own
 * line says so. Its record comes after theirs, so a RST, and what follows it, waits for a moment. Pure.
 */
#ifndef TCPSHAKE_FOLD_H
#define TCPSHAKE_FOLD_H

#include "cli/feed/parsed_record.h"

#include "common/buf.h"

/* The longest way from a RST to the end that it makes, on the records' clock: a slow path between two namespaces. */
#define FOLD_WAIT_NS 100000000ULL

struct fold;

/* NULL if memory is out. */
struct fold *fold_new(void);
void fold_free(struct fold *f);

/* Take a record that is shown, and its lines; append to `out` those that need not wait any longer. */
void fold_put(struct fold *f, const struct record *r, const struct buf *lines, struct buf *out);
/* Append all the others: nothing comes any more, or has not for that long. */
void fold_end(struct fold *f, struct buf *out);
bool fold_waits(const struct fold *f);

#endif
