/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was seen of one connection at different times and on either side, kept until it ends, so
 * that it can be diagnosed. Pure: time comes with the events and as an argument.
 *
 * A connection is found by its two ends, in either order. Only those get an entry of which
 * something went wrong; of the others only the moment is kept when the client was ESTABLISHED,
 * in a table that the newest overwrite.
 */
#ifndef TCPSHAKE_CORRELATE_H
#define TCPSHAKE_CORRELATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "diagnose.h"

struct correlate;

/* Is it an address of that network namespace, or of any that is known (`netns` 0)? */
typedef bool (*correlate_local_fn)(void *ctx, uint32_t netns, const uint8_t *addr);

struct correlate *correlate_new(correlate_local_fn is_local, void *ctx);
void correlate_free(struct correlate *c);

/* ---- what happens ---- */

void correlate_retransmit(struct correlate *c, const struct event_retransmit *e);
void correlate_overflow(struct correlate *c, const struct event_overflow *e);
void correlate_handshake(struct correlate *c, const struct event_handshake *e);

/* SYNs that a listener refused between two looks at it; whose they were is not known. */
struct syn_refusals {
	uint32_t netns;
	uint16_t port;
	uint8_t addr[16]; /* that it is bound to; all zero, or mapped: a wildcard */
	uint64_t from_ns, to_ns;
	uint64_t count;
	enum overflow_code code;
	bool proven; /* they are this listener's */
	uint32_t len, max; /* of the accept queue, at its fullest between the looks */
};

void correlate_refusals(struct correlate *c, const struct syn_refusals *r);

/* Events were lost or left out: for a while, what was not seen may have happened all the same. */
void correlate_incomplete(struct correlate *c, uint64_t now_ns);

/* ---- what it comes to ---- */

/* Everything known of this handshake, but for `slow_ns`. */
void correlate_evidence(struct correlate *c, const struct event_handshake *e, struct evidence *out);

/*
 * Is it worth waiting for the other side, whose end comes with the next segment? Then it is kept,
 * and correlate_release() hands it on when its time has come. False: it is not kept.
 */
bool correlate_hold(struct correlate *c, const struct event_handshake *e);

/* When the newest of those ended whose time has come; 0: there is none. */
uint64_t correlate_due(const struct correlate *c, uint64_t now_ns);

typedef void (*correlate_fn)(void *ctx, const struct event_handshake *e);

/* Hand them on, UINT64_MAX: all. `fn` must not hold others. */
void correlate_release(struct correlate *c, uint64_t now_ns, correlate_fn fn, void *ctx);

/*
 * Forget what is over, and infer the end of requests whose SYN-ACK was due to go out again, or
 * that used up their retries: `fn` gets a passive handshake with outcome timeout or reset.
 * `reset_is_told`: this kernel tells of a client's RST, so a request that is gone was dropped.
 */
void correlate_expire(struct correlate *c, uint64_t now_ns, bool reset_is_told, correlate_fn fn,
		      void *ctx);

/* Connections that could not be kept for want of room. */
uint64_t correlate_lost(const struct correlate *c);

#endif
