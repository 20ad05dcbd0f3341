/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The records about queues: `listener` and `overflow`. */
#ifndef TCPSHAKE_QUEUE_RECORD_H
#define TCPSHAKE_QUEUE_RECORD_H

#include "common/buf.h"
#include "common/names.h"
#include "daemon/host/identity.h"
#include "daemon/queues/queues.h"

/* Is there any such refusal? */
bool overflow_possible(enum overflow_stage stage, enum overflow_queue queue,
		       enum overflow_action action);

/* End the body of a `listener` record: with its queues, but when it opens or closes. */
void record_listener(struct buf *b, const struct listener *listener, enum listener_change change,
		     struct identity *identity);

void record_overflow(struct buf *b, const struct overflow_report *r);

#endif
