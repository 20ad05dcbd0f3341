/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segments of handshakes that this host threw away, by connection: few are kept, and the newest overwrite. When
 * something was overwritten is kept, too: a connection of that time may be what is missing, and nothing is proven of it. Pure.
 */
#ifndef TCPSHAKE_LOCAL_DROPS_H
#define TCPSHAKE_LOCAL_DROPS_H

#include "daemon/cause/handshake_evidence.h"

#define LOCAL_DROPS 6144 /* of each kind below */

struct local_drop {
	uint64_t key; /* of the connection's ends, in either order */
	uint32_t client_isn;
	uint8_t segment;
	uint64_t last_ns;
	uint64_t overwritten_ns; /* the last that is no longer known of those that were in this place */
	struct drop_evidence found;
};

struct local_drops {
	struct local_drop own[LOCAL_DROPS]; /* of connections that a socket of this host has */
	struct local_drop came[LOCAL_DROPS]; /* SYNs that came: anybody can send any number */
};

void local_drops_add(struct local_drops *l, uint64_t key, const struct event_drop *e);
/*
 * Those of one connection, by segment; a count of 0: nothing was seen. False: of its time, which is from `since_ns` on, something
 * was overwritten that may have been its own.
 */
bool local_drops_find(const struct local_drops *l, uint64_t key, uint32_t client_isn, uint64_t since_ns,
		      struct drop_evidence found[DROP_SEGMENTS]);

#endif
