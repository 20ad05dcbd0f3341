/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of correlate share. */
#ifndef TCPSHAKE_CORRELATE_INTERNAL_H
#define TCPSHAKE_CORRELATE_INTERNAL_H

#include "daemon/cause/closed.h"
#include "daemon/cause/correlate.h"
#include "daemon/cause/exhausted.h"
#include "daemon/cause/local_drops.h"
#include "daemon/cause/races.h"
#include "daemon/cause/syns.h"
#include "daemon/cause/track.h"
#include "daemon/cause/waiting.h"

struct held {
	struct event_handshake event;
	uint64_t until_ns;
};

/* When a port's SYN queue was last seen to be so full that requests end early (event_retransmit: crowded). */
struct crowd {
	uint64_t seen_ns;
	uint32_t netns;
	uint16_t port;
};

#define CROWDS 256 /* by a hash; the newest stays */

struct correlate {
	struct tracks tracks;
	struct syns syns;
	struct waiting waiting;
	struct races races;
	struct local_drops drops;
	struct exhausted exhausted;
	struct closed_listeners closed;
	const struct event_handshake *expected; /* correlate_expect() */
	struct sighting expected_as;
	void *memory; /* of this struct, before it was aligned */
	struct held *held;
	size_t held_count, held_room;
	struct crowd crowds[CROWDS];
	uint64_t hidden_ns; /* correlate_new() */
	uint64_t incomplete_ns; /* events may be missing until then */
	uint64_t limited_ns; /* repeated refusals may be, until then */
};

static inline struct sighting correlate_sighting(const struct event_handshake *e)
{
	struct sighting s = sighting_of(e, (enum role)e->role);

	s.from_ns = handshake_start_ns(e);
	s.to_ns = e->end_ns;
	return s;
}

/* The same of one that is expected: it need not be made twice. */
static inline struct sighting correlate_sighting_again(const struct correlate *c, const struct event_handshake *e)
{
	return c->expected == e ? c->expected_as : correlate_sighting(e);
}

/* When the client of what the server's side saw was done, and its round trip; what is not known stays as it is. */
void correlate_client(struct correlate *c, const struct sighting *s, uint64_t *done_ns, uint64_t *trip_ns);

#endif
