/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The records about queues: `listener` and `overflow`. */
#ifndef TCPSHAKE_QUEUE_RECORD_H
#define TCPSHAKE_QUEUE_RECORD_H

#include "common/buf.h"
#include "common/names.h"
#include "daemon/host/identity.h"
#include "daemon/queues/listeners.h"
#include "daemon/queues/overflow.h"

/* Is there any such refusal? */
bool overflow_possible(enum overflow_stage stage, enum overflow_queue queue,
		       enum overflow_action action);

/* End the body of a `listener` record: with its queues, but when it opens or closes. */
void record_listener(struct buf *b, const struct listener *listener, enum listener_change change,
		     struct identity *identity);

/* What an `overflow` record says: the finding (whose `view` is not asked), where and to whom. */
struct overflow_report {
	struct overflow_finding finding;
	uint32_t netns;
	const uint8_t *local_addr; /* NULL: no listener is known; else with local_port */
	uint16_t local_port;
	const uint8_t *remote_addr; /* NULL: the client is not known */
	uint16_t remote_port;
	bool queue_known;
	uint32_t accept_len;
	uint32_t accept_max;
	const struct listener_owner *owner;
	uint64_t interval_ns; /* within which it happened; 0: at the record's moment */
};

void record_overflow(struct buf *b, const struct overflow_report *r);

#endif
