/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records about single segments: RSTs, SYNs and SYN-ACKs that were sent again, and what this host threw away. */
#ifndef TCPSHAKE_SEGMENT_RECORD_H
#define TCPSHAKE_SEGMENT_RECORD_H

#include "bpf/event.h"
#include "common/buf.h"
#include "daemon/queues/listeners.h"

/* `reason`: the kernel's name, NULL if it gives none. `owner`: of the listener on that port. */
void record_reset(struct buf *b, const struct event_reset *e, const char *reason,
		  const struct listener_owner *owner);

/* `listener`: for a SYN-ACK, NULL if it is not known. */
void record_retransmit(struct buf *b, const struct event_retransmit *e, uint64_t conn,
		       const struct listener *listener);

/* `owner`: of the listener that it is from or for, NULL if it is not known. */
void record_drop(struct buf *b, const struct event_drop *e, const struct listener_owner *owner);

#endif
