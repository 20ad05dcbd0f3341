// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Both sides of a connection whose addresses NAT changed between two hosts: their `conn` differs, the client's first
 * sequence number is the same.
 */
#include "cli/explain/model_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* The ends of both sides may be so far apart: that of a client that waits to its last time-out. */
#define WITHIN_NS (130 * NSEC_PER_SEC)

static bool same_way(const struct isn_side *s, const struct record_handshake *h, bool passive)
{
	uint16_t client_port = passive ? h->remote.port : h->local.port;
	uint16_t server_port = passive ? h->local.port : h->remote.port;

	/* By chance every 65536th pair has one in common; NAT mostly changes one of them at most. */
	return s->client_port == client_port || s->server_port == server_port;
}

static bool is_other_side(const struct isn_side *s, const struct record *r)
{
	const struct record_handshake *h = &r->handshake;
	uint64_t apart = s->mono_ns > r->mono_ns ? s->mono_ns - r->mono_ns : r->mono_ns - s->mono_ns;

	return s->connection && s->host != r->host_number && s->role != h->role && apart <= WITHIN_NS &&
	       same_way(s, h, h->role == ROLE_PASSIVE);
}

uint32_t explain_other_side(struct explain *e, const struct record *r, uint32_t connection)
{
	const struct record_handshake *h = &r->handshake;
	bool passive = h->role == ROLE_PASSIVE, added;
	struct isn_side *s, before;
	uint32_t isn;
	size_t number;
	char *end;

	if (!r->host || !h->client_isn || h->role < 0)
		return connection;
	isn = (uint32_t)strtoul(h->client_isn, &end, 16);
	if (*end)
		return connection;
	number = keyset_put(&e->isn_keys, &isn, &added);
	s = number == KEYSET_NONE ? NULL : added ? explain_append(e, &e->isns, sizeof(*s)) :
						   (struct isn_side *)e->isns.items + number;
	if (!s) {
		e->failed = true;
		return connection;
	}
	before = *s;
	if (is_other_side(&before, r)) {
		s->connection = 0; /* both are there */
		return before.connection - 1;
	}
	*s = (struct isn_side){ .connection = connection + 1, .host = r->host_number, .role = h->role, .mono_ns = r->mono_ns,
				.client_port = passive ? h->remote.port : h->local.port,
				.server_port = passive ? h->local.port : h->remote.port };
	return connection;
}
