/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The records about queues: `listener` and `overflow`. */
#ifndef TCPSHAKE_QUEUE_RECORD_H
#define TCPSHAKE_QUEUE_RECORD_H

#include "common/buf.h"
#include "common/names.h"
#include "daemon/host/identity.h"
#include "daemon/host/open_files.h"
#include "daemon/queues/queues.h"

/* Is there any such refusal? */
bool overflow_possible(enum overflow_stage stage, enum overflow_queue queue,
		       enum overflow_action action);

/*
 * End the body of a `listener` record: with its queues, but when it opens or closes. `files`: of its owner, if its queue is
 * full; NULL: it is not, or nobody could look.
 */
void record_listener(struct buf *b, const struct listener *listener, enum listener_change change,
		     struct identity *identity, const struct open_files *files);

/* `files`: of the owner, if nobody who holds the listener had a descriptor left; else NULL. */
void record_overflow(struct buf *b, const struct overflow_report *r, const struct open_files *files);

#endif
