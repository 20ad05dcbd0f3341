/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What correlate.c and correlate_syns.c share. */
#ifndef TCPSHAKE_CORRELATE_INTERNAL_H
#define TCPSHAKE_CORRELATE_INTERNAL_H

#include "common/clock.h"
#include "daemon/cause/correlate.h"
#include "daemon/cause/track.h"

#define FORGET_NS (150 * NSEC_PER_SEC) /* longer than any retransmission timer */
#define SLOP_NS (5 * 1000000ULL) /* between a look and the moment it is dated */
#define MATURE_NS (1200 * 1000000ULL) /* a lost or refused SYN is known by then: it went out again */
#define FOREIGN 256 /* ports of listeners that had clients elsewhere */
#define LOOKS 256 /* namespaces that were looked at */

struct held {
	struct event_handshake event;
	uint64_t until_ns;
};

struct foreign {
	uint32_t netns;
	uint16_t port;
	uint64_t seen_ns;
};

struct look {
	uint32_t netns;
	uint64_t at_ns;
};

struct correlate {
	struct tracks tracks;
	struct refusal_table refusals;
	struct foreign foreign[FOREIGN];
	struct look looks[LOOKS];
	uint32_t reckoning; /* of SYNs that may still be unanswered */
	const struct event_handshake *expected; /* correlate_expect() */
	uint64_t expected_key;
	void *memory; /* of this struct, before it was aligned */
	struct held *held;
	size_t held_count, held_room;
	correlate_local_fn local;
	void *ctx;
	bool one_sided;
	uint64_t incomplete_ns; /* events may be missing until then */
};

/* How long a SYN takes to the server: known once one of them was answered, else NS_UNKNOWN. */
uint64_t syns_reach_ns(const struct track *t);
/* Its unanswered SYNs are candidates of what listeners refused. */
void syns_claim(struct correlate *c, struct track *t);
/* A client whose own side is not seen may have had SYNs refused that nobody here tells of. */
void syns_note_foreign(struct correlate *c, uint32_t netns, uint16_t port, const uint8_t *client,
		       uint64_t now_ns);
/* Of SYNs whose listener only told how many it refused. */
void syns_refused(struct correlate *c, const struct track *t, uint64_t now_ns,
		  struct refusal_evidence *out);
/* Are all refusals told that the unanswered SYNs can have met, and none that was in question? */
bool syns_none_refused(const struct correlate *c, const struct track *t);

#endif
