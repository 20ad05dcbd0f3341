/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Handshakes on their way to the feed. Most go through at once; those that failed or were retransmitted
 * get a cause, and some of them wait a moment for what the other side shows.
 */
#ifndef TCPSHAKE_HANDSHAKES_H
#define TCPSHAKE_HANDSHAKES_H

#include "daemon/cause/correlate.h"
#include "daemon/events/emit.h"
#include "daemon/events/looks.h"
#include "daemon/events/losses.h"
#include "daemon/host/identity.h"
#include "daemon/queues/queues.h"

struct handshakes {
	struct source *source;
	struct queues *queues;
	struct listeners *listeners;
	struct identity *identity;
	struct correlate *correlate;
	struct emit *emit;
	struct looks *looks;
	struct losses *losses;
	uint64_t causes[ROLES][CAUSE_CODES][2]; /* probable, proven */
	struct rate failed; /* passive handshakes: anybody can cause them */
	uint64_t inferred[OUTCOMES]; /* passive handshakes whose end no event showed */
	uint64_t given_up; /* attempts of clients that ended unanswered, and were seen to */
	uint64_t hidden, hidden_ns; /* … and were not, up to then */
	uint64_t checked_ns; /* up to when it is known what the kernel side missed */
};

/* The filter keeps handshakes away that took less; 0: none, UINT64_MAX: others as well. */
uint64_t handshakes_hidden_ns(const struct filter *filter);

/* One ended. */
void handshakes_event(struct handshakes *h, const struct event_handshake *e);
/* Emit those that waited for the other side until now; UINT64_MAX: all. */
void handshakes_release(struct handshakes *h, uint64_t now_ns);
/* Does any wait? */
bool handshakes_held(const struct handshakes *h);
/* Infer the end of requests that are gone. */
void handshakes_expire(struct handshakes *h, uint64_t now_ns);

#endif
