// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/waiting.h"

#include <string.h>

#include "common/clock.h"
#include "common/connection.h"

#define PROBES 16 /* slots beside its own that one may take */
#define KNOWN_NS (60 * NSEC_PER_SEC) /* rules of NAT may change */
#define WAIT_NS (25 * 1000000ULL) /* beyond the half round trip: the reader's pace */
#define WAIT_MAX_NS (1500 * 1000000ULL)

static uint64_t key_of(const uint8_t *addr, uint16_t port)
{
	static const uint8_t nobody[16];

	return connection_hash(addr, port, nobody, 0, 0);
}

static struct destination *destination_at(struct waiting *w, uint64_t key)
{
	return &w->destination[key % DESTINATIONS];
}

static bool is_known(const struct destination *d, uint64_t key, uint64_t now_ns)
{
	return d->key == key && now_ns < d->known_ns + KNOWN_NS;
}

/* A destination may have several servers: one that is elsewhere counts for longest. */
static void learn(struct destination *d, uint64_t key, enum destination_kind kind, uint64_t now_ns)
{
	if (kind != DESTINATION_TRANSLATED && is_known(d, key, now_ns) && d->kind == DESTINATION_TRANSLATED)
		return;
	*d = (struct destination){ .key = key, .known_ns = now_ns, .kind = kind };
}

static struct awaited *slot_at(struct waiting *w, uint32_t client_isn, unsigned int probe)
{
	return &w->slot[(client_isn + probe) % WAITING];
}

bool waiting_add(struct waiting *w, const struct event_handshake *e)
{
	uint64_t key = key_of(e->remote_addr, e->remote_port), wait_ns = e->latency_ns;
	const struct destination *d = destination_at(w, key);

	if (e->outcome != OUTCOME_ESTABLISHED || e->flags & HANDSHAKE_SIMULTANEOUS || e->latency_ns == NS_UNKNOWN)
		return false;
	if (is_known(d, key, e->end_ns) && d->kind != DESTINATION_TRANSLATED)
		return false;
	for (unsigned int i = 0; i < PROBES; i++) {
		struct awaited *a = slot_at(w, e->client_isn, i);

		if (a->until_ns)
			continue;
		*a = (struct awaited){ *e, e->end_ns + WAIT_NS + (wait_ns < WAIT_MAX_NS ? wait_ns : WAIT_MAX_NS) };
		w->count++;
		return true;
	}
	return false;
}

/* The one that waits, freed. */
static struct awaited *take(struct waiting *w, const struct recent *client)
{
	for (unsigned int i = 0; w->count && i < PROBES; i++) {
		struct awaited *a = slot_at(w, client->isn, i);

		if (!a->until_ns || a->event.client_isn != client->isn || a->event.end_ns != client->done_ns)
			continue;
		a->until_ns = 0;
		w->count--;
		return a;
	}
	return NULL;
}

const struct event_handshake *waiting_met(struct waiting *w, const struct recent *client, const struct sighting *server)
{
	uint64_t key = key_of(client->ends.server_addr, client->ends.server_port);
	struct destination *d = destination_at(w, key);
	struct awaited *a = take(w, client);

	if (client->key == server->key) {
		learn(d, key, DESTINATION_DIRECT, client->done_ns);
		return a ? &a->event : NULL;
	}
	learn(d, key, DESTINATION_TRANSLATED, client->done_ns);
	d->netns = a ? a->event.header.netns : 0;
	d->server_port = server->ends.server_port;
	memcpy(d->server_addr, server->ends.server_addr, sizeof(d->server_addr));
	return a ? &a->event : NULL;
}

void waiting_release(struct waiting *w, uint64_t now_ns, void (*fn)(void *ctx, const struct event_handshake *e),
		     void *ctx)
{
	for (size_t i = 0; w->count && i < WAITING; i++) {
		struct awaited *a = &w->slot[i];
		uint64_t key = key_of(a->event.remote_addr, a->event.remote_port);

		if (!a->until_ns || a->until_ns > now_ns)
			continue;
		learn(destination_at(w, key), key, DESTINATION_ELSEWHERE, a->event.end_ns);
		a->until_ns = 0;
		w->count--;
		fn(ctx, &a->event);
	}
}

const struct destination *waiting_translated(const struct waiting *w, uint32_t netns, const uint8_t *addr, uint16_t port,
					     uint64_t now_ns)
{
	uint64_t key = key_of(addr, port);
	const struct destination *d = &w->destination[key % DESTINATIONS];

	return is_known(d, key, now_ns) && d->kind == DESTINATION_TRANSLATED && d->netns == netns ? d : NULL;
}
