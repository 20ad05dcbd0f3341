// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/races.h"

#include <string.h>

#define CLOSED_AT_ONCE_NS 50000000 /* a busy process may be late */

static unsigned int index_of(const struct event_handshake *e)
{
	return (e->caller.pid * 2654435761U + e->header.netns * 31 + e->remote_port) % RACES;
}

static bool is_of(const struct race *race, const struct event_handshake *e)
{
	return race->pid == e->caller.pid && race->netns == e->header.netns && race->port == e->remote_port;
}

void races_won(struct races *r, const struct event_handshake *e)
{
	struct race *race = &r->at[index_of(e)];
	uint64_t before_ns = is_of(race, e) ? race->end_ns : 0;

	if (!e->caller.pid || e->latency_ns == NS_UNKNOWN)
		return;
	*race = (struct race){ .pid = e->caller.pid, .netns = e->header.netns, .port = e->remote_port,
			       .start_ns = handshake_start_ns(e), .end_ns = e->end_ns, .before_ns = before_ns };
	memcpy(race->addr, e->remote_addr, sizeof(race->addr));
}

bool races_lost(const struct races *r, const struct event_handshake *e)
{
	const struct race *race = &r->at[index_of(e)];
	uint64_t start_ns = handshake_start_ns(e);

	if (!e->caller.pid || start_ns == NS_UNKNOWN || !is_of(race, e))
		return false;
	return race->start_ns > start_ns && race->end_ns <= e->end_ns &&
	       e->end_ns - race->end_ns < CLOSED_AT_ONCE_NS && race->before_ns < start_ns &&
	       memcmp(race->addr, e->remote_addr, sizeof(race->addr)) != 0;
}
