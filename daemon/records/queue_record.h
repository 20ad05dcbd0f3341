/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The records about queues: `listener` and `overflow`. */
#ifndef TCPSHAKE_QUEUE_RECORD_H
#define TCPSHAKE_QUEUE_RECORD_H

#include "common/buf.h"
#include "daemon/host/identity.h"
#include "daemon/queues/queues.h"

const char *overflow_stage_name(enum overflow_stage stage);
const char *overflow_queue_name(enum overflow_queue queue);
const char *overflow_action_name(enum overflow_action action);

/* Is there any such refusal? */
bool overflow_possible(enum overflow_stage stage, enum overflow_queue queue,
		       enum overflow_action action);

/* End the body of a `listener` record: with its queues, but when it opens or closes. */
void record_listener(struct buf *b, const struct listener *listener, enum listener_change change,
		     struct identity *identity);

void record_overflow(struct buf *b, const struct overflow_report *r);

#endif
