// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Handshakes that wait for the other side to end. */
#include "daemon/cause/correlate_internal.h"

#include <stdlib.h>

#include "common/array.h"

#define HOLD_NS (100 * 1000000ULL)
#define HOLD_MAX_NS (1500 * 1000000ULL) /* for a far server's end */
#define HELD_MAX 8192

bool correlate_hold(struct correlate *c, const struct event_handshake *e)
{
	bool waits = e->role == ROLE_ACTIVE &&
		     (e->outcome == OUTCOME_ESTABLISHED || e->outcome == OUTCOME_TIMEOUT ||
		      e->outcome == OUTCOME_CANCELLED);

	if (c->held_count == HELD_MAX || !ARRAY_ROOM(c->held, c->held_count, c->held_room))
		return false;
	c->held[c->held_count++] = (struct held){ *e, e->end_ns + (waits ? HOLD_NS : 0) };
	return true;
}

bool correlate_holds(const struct correlate *c, uint64_t now_ns)
{
	for (size_t i = 0; i < c->held_count; i++)
		if (c->held[i].until_ns <= now_ns)
			return true;
	return false;
}

uint64_t correlate_due(const struct correlate *c, uint64_t now_ns)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < c->held_count; i++)
		if (c->held[i].until_ns <= now_ns && c->held[i].event.role == ROLE_ACTIVE &&
		    c->held[i].event.end_ns > newest)
			newest = c->held[i].event.end_ns;
	return newest;
}

/*
 * Until when is it worth waiting? A far server ends later, and whether a refusal is proven shows
 * when all SYNs of its time have been answered or sent again.
 */
static uint64_t worth_until(struct correlate *c, const struct held *h)
{
	const struct event_handshake *e = &h->event;
	const struct sighting s = correlate_sighting(e);
	struct track *t = tracks_of(&c->tracks, s.key, e->client_isn);
	uint64_t until_ns = h->until_ns, mature_ns;

	if (e->role != ROLE_ACTIVE || !t || !t->client.syns.count)
		return until_ns;
	if (e->outcome == OUTCOME_ESTABLISHED && !t->server.done && e->latency_ns != NS_UNKNOWN)
		until_ns += e->latency_ns < HOLD_MAX_NS ? e->latency_ns : HOLD_MAX_NS;
	mature_ns = syns_mature_ns(&c->syns, t);
	return mature_ns > until_ns ? mature_ns : until_ns;
}

void correlate_release(struct correlate *c, uint64_t now_ns, correlate_fn fn, void *ctx)
{
	size_t kept = 0;

	c->syns.reckoning++;
	for (size_t i = 0; i < c->held_count; i++) {
		if (c->held[i].until_ns <= now_ns && worth_until(c, &c->held[i]) <= now_ns)
			fn(ctx, &c->held[i].event);
		else
			c->held[kept++] = c->held[i];
	}
	c->held_count = kept;
}
