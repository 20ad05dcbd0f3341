/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The record about the end of a connection. */
#ifndef TCPSHAKE_CLOSE_RECORD_H
#define TCPSHAKE_CLOSE_RECORD_H

#include "bpf/event.h"
#include "common/buf.h"
#include "daemon/queues/listeners.h"

/* `conn`: unless the role is not known. `owner`: of the listener on that port, NULL if it is not known. */
void record_close(struct buf *b, const struct event_close *e, uint64_t conn, const struct listener_owner *owner);

#endif
