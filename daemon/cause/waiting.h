/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records of clients that wait for the server's side, to say where that really was. Pure.
 *
 * A handshake is over for the client first. Whether NAT leads what it connected to to a server of this host shows
 * when that one's side ends, half a round trip later. So it waits where that was so before, or where
 * nobody knows yet; what is known of a destination is kept for a while.
 */
#ifndef TCPSHAKE_WAITING_H
#define TCPSHAKE_WAITING_H

#include "daemon/cause/sighting.h"
#include "daemon/cause/track.h"

#define WAITING 512
#define DESTINATIONS 1024 /* by a hash; the newest stays */

enum destination_kind {
	DESTINATION_UNKNOWN,
	DESTINATION_DIRECT, /* the server is here, and nothing is changed on the way */
	DESTINATION_ELSEWHERE, /* nobody here answered */
	DESTINATION_TRANSLATED,
};

struct destination {
	uint64_t key; /* of address and port, as clients give them */
	uint64_t known_ns;
	enum destination_kind kind;
	uint32_t netns; /* of the client, 0: not known; and, if it is translated, where its server is: */
	uint16_t server_port;
	uint8_t server_addr[16];
};

struct awaited {
	struct event_handshake event;
	uint64_t until_ns; /* 0: free */
};

struct waiting {
	struct awaited slot[WAITING]; /* by the sequence number, or near it */
	struct destination destination[DESTINATIONS];
	size_t count;
};

/* The client is established: have its record wait, if its server may turn up elsewhere. */
bool waiting_add(struct waiting *w, const struct event_handshake *client);
/*
 * A server's side ended, whose client `client` is. The client's event, if that waits, which ends now: valid until the
 * next call; else NULL.
 */
const struct event_handshake *waiting_met(struct waiting *w, const struct recent *client, const struct sighting *server);
/* Those that waited long enough; UINT64_MAX: all. */
void waiting_release(struct waiting *w, uint64_t now_ns, void (*fn)(void *ctx, const struct event_handshake *e),
		     void *ctx);

/* Where clients of that namespace that connect to it lately came to, if that is elsewhere; else NULL. */
const struct destination *waiting_translated(const struct waiting *w, uint32_t netns, const uint8_t *addr, uint16_t port,
					     uint64_t now_ns);

#endif
