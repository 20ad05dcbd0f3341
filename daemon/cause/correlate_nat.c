// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where NAT led: both sides of a connection whose ends differ. */
#include <string.h>

#include "daemon/cause/correlate_internal.h"

bool correlate_await(struct correlate *c, const struct event_handshake *client)
{
	return waiting_add(&c->waiting, client);
}

const struct event_handshake *correlate_met(struct correlate *c, const struct event_handshake *server, struct peer *peer,
					    bool *translated)
{
	const struct sighting s = correlate_sighting_again(c, server);
	const struct recent *client = server->flags & HANDSHAKE_NO_ISN ? NULL : tracks_client(&c->tracks, &s);

	*translated = client && client->key != s.key;
	if (!client)
		return NULL;
	if (*translated) {
		*peer = (struct peer){ .port = s.ends.server_port, .conn = ends_conn(&client->ends, client->isn) };
		memcpy(peer->addr, s.ends.server_addr, sizeof(peer->addr));
	}
	return waiting_met(&c->waiting, client, &s);
}

bool correlate_peer(struct correlate *c, const struct event_handshake *e, struct peer *peer)
{
	const struct sighting s = correlate_sighting_again(c, e);
	const struct track *t = e->flags & HANDSHAKE_NO_ISN ? NULL : tracks_of(&c->tracks, s.key, e->client_isn);
	const struct recent *client;

	if (t && track_peer(t, s.side, peer))
		return true;
	client = s.side == ROLE_PASSIVE && !(e->flags & HANDSHAKE_NO_ISN) ? tracks_client(&c->tracks, &s) : NULL;
	if (!client || client->key == s.key)
		return false;
	*peer = (struct peer){ .port = client->ends.client_port, .conn = ends_conn(&client->ends, client->isn) };
	memcpy(peer->addr, client->ends.client_addr, sizeof(peer->addr));
	return true;
}

uint64_t correlate_conn(struct correlate *c, const struct sighting *s)
{
	const struct track *t = tracks_of(&c->tracks, s->key, s->client_isn);
	const struct recent *client;
	struct peer peer;

	if (t && track_peer(t, s->side, &peer))
		return peer.conn;
	client = s->side == ROLE_PASSIVE ? tracks_client(&c->tracks, s) : NULL;
	return ends_conn(client ? &client->ends : &s->ends, s->client_isn);
}

void correlate_release_alone(struct correlate *c, uint64_t now_ns, correlate_fn fn, void *ctx)
{
	waiting_release(&c->waiting, now_ns, fn, ctx);
}

bool correlate_awaits(const struct correlate *c)
{
	return c->waiting.count;
}
