/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was seen of one connection at different times and on either side, kept until it ends, so
 * that it can be diagnosed. Pure: time comes with the events and as an argument.
 *
 * A connection is found by its two ends, in either order, and the client's first sequence number.
 * Only those get an entry of which something went wrong; of the others only the moment is kept
 * when the client was ESTABLISHED, in a table that the newest overwrite.
 *
 * The folder cause/ is for why a handshake failed or was slow; it is pure, and may include queues/.
 */
#ifndef TCPSHAKE_CORRELATE_H
#define TCPSHAKE_CORRELATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "daemon/cause/handshake_evidence.h"
#include "daemon/cause/refusals.h"
#include "daemon/cause/sighting.h"

struct correlate;

/*
 * `hidden_ns`: of a connection one side may be missing, for handshakes that took less are filtered away; 0: none is,
 * UINT64_MAX: any may be.
 */
struct correlate *correlate_new(local_fn local, void *ctx, uint64_t hidden_ns);
void correlate_free(struct correlate *c);

/* ---- what happens ---- */

void correlate_retransmit(struct correlate *c, const struct event_retransmit *e);
void correlate_overflow(struct correlate *c, const struct event_overflow *e);
void correlate_drop(struct correlate *c, const struct event_drop *e);
/* `wanted`: a cause is wanted for it (diagnose_wanted()). */
void correlate_handshake(struct correlate *c, const struct event_handshake *e, bool wanted);
/* The same is to come for it, a little later: the less time it takes then. */
void correlate_expect(struct correlate *c, const struct event_handshake *e);
void correlate_refusals(struct correlate *c, const struct syn_refusals *r);
/* A namespace's listeners were looked at: what they refused before `now_ns` is reported. */
void correlate_looked(struct correlate *c, uint32_t netns, uint64_t now_ns);

/* A listener was closed; `opened_ns`: when it began, 0 before the daemon, or NS_UNKNOWN. */
void correlate_closed(struct correlate *c, const struct event_listener *e, uint64_t opened_ns);

/* Nobody who holds the full listener at that port had a descriptor left. */
void correlate_exhausted(struct correlate *c, uint32_t netns, uint16_t port, const struct open_files *files);

/* Events were lost: for a while, what was not seen may have happened all the same. */
void correlate_incomplete(struct correlate *c, uint64_t now_ns);
/* Refusals of one connection may have been more often than events say, for it or another had too many: for a while. */
void correlate_limited(struct correlate *c, uint64_t now_ns);
/* Clients that gave up since `since_ns` were filtered away: their SYNs may have been refused. */
void correlate_hidden(struct correlate *c, uint64_t since_ns);

/* ---- what it comes to ---- */

/* Everything known of this handshake, but for what the kernel does not report at all and `slow_ns`. */
void correlate_evidence(struct correlate *c, const struct event_handshake *e, uint64_t now_ns,
			struct evidence *out);

/*
 * Keep it for correlate_release(), which hands it on when its time has come: at once, or after the
 * other side's end may be expected. False: there is no room.
 */
bool correlate_hold(struct correlate *c, const struct event_handshake *e);

/* Is there any whose time may have come? */
bool correlate_holds(const struct correlate *c, uint64_t now_ns);

/* When the newest client's side ended whose time has come; 0: there is none. */
uint64_t correlate_due(const struct correlate *c, uint64_t now_ns);

typedef void (*correlate_fn)(void *ctx, const struct event_handshake *e);

/* Hand them on, UINT64_MAX: all. `fn` must not hold others. */
void correlate_release(struct correlate *c, uint64_t now_ns, correlate_fn fn, void *ctx);

/*
 * NAT: an established client, of which nothing else is wanted, may wait for its server's side, to say where that was.
 * correlate_met() gives it when that has come, with its `peer` if it is `translated`; NULL: none waits.
 */
bool correlate_await(struct correlate *c, const struct event_handshake *client);
const struct event_handshake *correlate_met(struct correlate *c, const struct event_handshake *server, struct peer *peer,
					    bool *translated);
/* Hand on those that waited in vain until now, UINT64_MAX: all. Does any wait? */
void correlate_release_alone(struct correlate *c, uint64_t now_ns, correlate_fn fn, void *ctx);
bool correlate_awaits(const struct correlate *c);
/* The name of a connection that one side saw: both carry the client's, where that is known. */
uint64_t correlate_conn(struct correlate *c, const struct sighting *s);
/* Where the other side of it really was, if NAT hides that and both were seen. */
bool correlate_peer(struct correlate *c, const struct event_handshake *e, struct peer *peer);

/* How the end of a request is inferred. */
struct correlate_inference {
	bool reset_is_reported; /* this kernel reports a client's RST: one that is gone was dropped */
	/* Did no event report its end, not even one that was lost or filtered away? */
	bool (*pending)(void *ctx, const struct event_handshake *e);
	correlate_fn fn; /* gets a passive handshake with outcome timeout or reset */
	void *ctx;
};

/* Is anything kept of any connection? */
bool correlate_tracks(const struct correlate *c);
/* Forget what is over, and infer the end of requests whose SYN-ACK did not go out again. */
void correlate_expire(struct correlate *c, uint64_t now_ns, const struct correlate_inference *infer);

/* Connections that could not be kept for want of room. */
uint64_t correlate_lost(const struct correlate *c);

#endif
