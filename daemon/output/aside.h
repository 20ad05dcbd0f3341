/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A record that is made in a process of its own, for what it takes may block for longer than the loop may wait. The
 * child has all that the daemon has, and ends when the record is made.
 */
#ifndef TCPSHAKE_ASIDE_H
#define TCPSHAKE_ASIDE_H

#include <event2/event.h>

#include "daemon/records/record.h"

struct aside;

/* The body of the record, to be taken over; empty if it could not be made. The aside is to be freed, then or later. */
typedef void (*aside_done_fn)(void *ctx, struct buf *body);

/* NULL, and errno, if there is no process for it. */
struct aside *aside_start(struct event_base *base, void (*make)(void *ctx, struct record *r), void *make_ctx,
			  aside_done_fn done, void *ctx);
/* Ends the child. NULL-safe. */
void aside_free(struct aside *a);

#endif
