/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An event as the ring holds it: any bytes, until they are known to be one. Pure. */
#ifndef TCPSHAKE_CONSUME_H
#define TCPSHAKE_CONSUME_H

#include <stdbool.h>
#include <stddef.h>

#include "bpf/event.h"

/* Who gets the events. */
struct source_handler {
	void (*handshake)(void *ctx, const struct event_handshake *e);
	void (*listener)(void *ctx, const struct event_listener *e);
	void (*overflow)(void *ctx, const struct event_overflow *e);
	void (*accept)(void *ctx, const struct event_accept *e);
	void (*reset)(void *ctx, const struct event_reset *e);
	void (*retransmit)(void *ctx, const struct event_retransmit *e);
	void (*drop)(void *ctx, const struct event_drop *e);
	void (*close)(void *ctx, const struct event_close *e);
	void *ctx;
};

/*
 * Hand it on. False: it is of no kind that is known, too short for its kind, or has a number that its kind has no word for,
 * which would be looked up in tables.
 */
bool consume(const struct source_handler *handler, const void *data, size_t size);

#endif
