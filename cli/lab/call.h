/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * System calls of a scenario. One that may block runs in a thread of its own, so that nobody waits for it who
 * does not want to; the namespace of a call is that of its socket, whichever thread makes it.
 */
#ifndef TCPSHAKE_LAB_CALL_H
#define TCPSHAKE_LAB_CALL_H

#include "cli/lab/socket.h"

#include "common/buf.h"

struct lab_call_job;

struct lab_calls {
	int ended; /* an eventfd: readable when one has returned */
	struct lab_call_job *jobs; /* those that run */
};

int lab_calls_open(struct lab_calls *c);
/* Interrupts those that run. */
void lab_calls_close(struct lab_calls *c);

/* Make the socket that `target` is to be. */
void lab_call_socket(const struct lab_space *space, const struct lab_call *call, struct lab_socket *target);
/*
 * Begin a call on `on`; how it ends is `target`'s last outcome: the socket that accept() makes, else `on` itself.
 * What does not block has ended when this returns.
 */
void lab_call_begin(struct lab_calls *c, const struct lab_call *call, struct lab_socket *on,
		    struct lab_socket *target);
/* Take those that have returned; each is given to `ended` (or NULL). */
void lab_calls_collect(struct lab_calls *c,
		       void (*ended)(void *ctx, const struct lab_call *call, const struct lab_socket *on,
				     const struct lab_socket *target),
		       void *ctx);

/* "listen(s, 2)" */
void lab_call_text(const struct lab_call *call, const struct lab_socket *on, struct buf *b);

#endif
