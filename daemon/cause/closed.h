/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Listeners that were closed lately, and whose handshakes that ended. Pure. */
#ifndef TCPSHAKE_CLOSED_H
#define TCPSHAKE_CLOSED_H

#include "daemon/cause/handshake_evidence.h"
#include "daemon/cause/refusals.h"

#define CLOSED 256 /* by a hash of the port; the newest stays */

struct closed_listener {
	uint64_t socket;
	uint64_t opened_ns, closed_ns; /* opened_ns 0: before the daemon; NS_UNKNOWN: explains no client */
	uint32_t netns;
	uint16_t port;
	uint8_t addr[16];
	bool v6only; /* an IPv6 listener that takes no IPv4 */
	uint32_t len, max; /* of its accept queue, as it was closed */
	uint64_t overwritten_ns; /* when the last was closed of those whose place it took */
};

struct closed_listeners {
	struct closed_listener at[CLOSED];
};

void closed_add(struct closed_listeners *c, const struct closed_listener *l);
/*
 * Set `closed` of a handshake that did not complete, if its listener was closed meanwhile: of a server's request the one that
 * it came to, of a client the one that listened where it connected to, if that is in its own namespace, or only one has the address.
 * `closed_missing`: that one may be no longer known.
 */
void closed_find(const struct closed_listeners *c, local_fn local, void *ctx, struct evidence *out);

#endif
