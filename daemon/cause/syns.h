/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unanswered SYNs of clients on this host: were they refused by a listener here, and is that certain? Pure.
 * It is about the connections of track.h, and holds them against the looks of refusals.h.
 */
#ifndef TCPSHAKE_SYNS_H
#define TCPSHAKE_SYNS_H

#include "daemon/cause/handshake_evidence.h"
#include "daemon/cause/refusals.h"
#include "daemon/cause/track.h"

#define FOREIGN 256 /* ports of listeners that had clients elsewhere */
#define LOOKS 256 /* namespaces that were looked at */

struct foreign {
	uint32_t netns;
	uint16_t port;
	uint64_t seen_ns;
};

struct last_look {
	uint32_t netns;
	uint64_t at_ns;
};

struct syns {
	const struct tracks *tracks; /* all connections that are kept */
	struct refusal_table refusals;
	struct foreign foreign[FOREIGN];
	struct last_look looks[LOOKS];
	uint32_t reckoning; /* of SYNs that may still be unanswered: begins with each release */
	local_fn local;
	void *ctx;
};

/* A listener refused so many SYNs. */
void syns_add_refusals(struct syns *s, const struct syn_refusals *r);
/* A namespace's listeners were looked at: what they refused before `now_ns` is known. */
void syns_looked(struct syns *s, uint32_t netns, uint64_t now_ns);
/* Clients that gave up since `since_ns` were filtered away: their SYNs may have been refused. */
void syns_hidden(struct syns *s, uint64_t since_ns);
/* A client whose own side is not seen may have had SYNs refused that nothing here shows. */
void syns_note_foreign(struct syns *s, uint32_t netns, uint16_t port, const uint8_t *client,
		       uint64_t now_ns);

/* The unanswered SYNs of `t` are candidates of what listeners refused. */
void syns_claim(struct syns *s, struct track *t);

/* How long a SYN takes to the server: known once one of them was answered, else NS_UNKNOWN. */
uint64_t syns_reach_ns(const struct track *t);
/* Of SYNs whose listener only counted how many it refused. */
void syns_refused(struct syns *s, const struct track *t, uint64_t now_ns, struct refusal_evidence *out);
/* Are all refusals known that the unanswered SYNs can have met, and none that was in question? */
bool syns_none_refused(const struct syns *s, const struct track *t);
/* When it shows whether a refusal of them is proven, at the latest; 0: nothing is to be waited for. */
uint64_t syns_mature_ns(struct syns *s, const struct track *t);

#endif
