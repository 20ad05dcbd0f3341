// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What it comes to: what is known of a handshake from all that was seen of its connection. */
#include "daemon/cause/correlate_internal.h"

void correlate_client(struct correlate *c, const struct sighting *s, uint64_t *done_ns, uint64_t *trip_ns)
{
	const struct recent *client = tracks_client(&c->tracks, s);

	if (!client)
		return;
	*done_ns = client->done_ns;
	*trip_ns = client->trip_ns;
}

static void fill_times(struct transmissions *out, const struct series *s)
{
	out->count = s->count;
	for (unsigned int i = 0; i < series_known(s); i++)
		out->after_ns[i] = series_ns(s, i) - s->first_ns;
}

static void client_evidence(struct correlate *c, struct track *t, uint64_t now_ns,
			    struct evidence *out)
{
	out->server_began_ns = t->server.began_ns;
	out->trip_ns = t->server.trip_ns;
	out->none_refused = syns_none_refused(&c->syns, t);
	if (t->refused_syns.count) /* reported one by one */
		out->syn = (struct refusal_evidence){
			.count = t->refused_syns.count,
			.proven = t->refused_syns.proven,
			.code = t->refused_syns.code,
			.queue_known = t->refused_syns.code == CODE_ACCEPT_QUEUE_FULL,
			.len = t->len,
			.max = t->max,
			.netns = t->server.netns,
		};
	else if (t->client.syns.count && !t->gap)
		syns_refused(&c->syns, t, now_ns, &out->syn);
}

#define STAMP_NS 10000000 /* two clocks of the kernel's that say when the same SYN left */

/* Would it show if the client had been ESTABLISHED? Its SYN went out so late that this cannot be hidden. */
static bool client_shows(const struct correlate *c, const struct track *t)
{
	const struct series *s = &t->client.syns;

	if (!c->hidden_ns || !s->count)
		return s->count;
	return !t->gap && c->hidden_ns != UINT64_MAX &&
	       series_ns(s, series_known(s) - 1) - s->first_ns >= c->hidden_ns + STAMP_NS;
}

static void server_evidence(const struct correlate *c, const struct track *t, struct evidence *out)
{
	out->exhausted = t->request.timeouts + 1U >= t->request.retries;
	out->client_waited = client_shows(c, t) && out->client_done_ns == NS_UNKNOWN;
	out->ack = (struct refusal_evidence){ .count = t->refused_acks.count, .proven = t->refused_acks.proven,
					      .code = CODE_ACCEPT_QUEUE_FULL, .queue_known = t->len,
					      .len = t->len, .max = t->max, .netns = t->server.netns,
					      .at_least = out->handshake->end_ns < c->limited_ns };
}

void correlate_evidence(struct correlate *c, const struct event_handshake *e, uint64_t now_ns,
			struct evidence *out)
{
	const struct sighting s = correlate_sighting(e);
	struct track *t = e->flags & HANDSHAKE_NO_ISN ? tracks_find(&c->tracks, s.key) :
							tracks_of(&c->tracks, s.key, e->client_isn);
	uint64_t start_ns = handshake_start_ns(e);

	*out = (struct evidence){ .handshake = e,
				  .server_began_ns = NS_UNKNOWN,
				  .client_done_ns = NS_UNKNOWN,
				  .trip_ns = NS_UNKNOWN,
				  .reach_ns = NS_UNKNOWN,
				  .complete = e->end_ns >= c->incomplete_ns };
	out->remote_is_here = c->syns.local(c->syns.ctx, 0, e->remote_addr);
	out->race_lost = e->role == ROLE_ACTIVE && races_lost(&c->races, e);
	if (e->role == ROLE_PASSIVE)
		correlate_client(c, &s, &out->client_done_ns, &out->trip_ns);
	if (!(e->flags & HANDSHAKE_NO_ISN))
		out->drops_missing = !local_drops_find(&c->drops, s.key, e->client_isn, start_ns == NS_UNKNOWN ? 0 : start_ns, out->dropped);
	closed_find(&c->closed, c->syns.local, c->syns.ctx, out);
	if (!t)
		return;
	if (out->client_done_ns == NS_UNKNOWN)
		out->client_done_ns = t->client.done_ns;
	if (e->role == ROLE_PASSIVE && out->trip_ns == NS_UNKNOWN)
		out->trip_ns = t->client.trip_ns;
	fill_times(&out->syns, &t->client.syns);
	fill_times(&out->synacks, &t->server.synacks);
	out->remote_is_here |= e->role == ROLE_ACTIVE && (t->seen[ROLE_PASSIVE] || t->server.supposed);
	out->gap = t->gap;
	out->reach_ns = syns_reach_ns(t);
	out->server_done = t->server.done;
	out->acked = t->request.acked;
	out->deferred = t->request.deferred;
	if (e->role == ROLE_ACTIVE)
		client_evidence(c, t, now_ns, out);
	else
		server_evidence(c, t, out);
	exhausted_find(&c->exhausted, e->role == ROLE_ACTIVE ? &out->syn : &out->ack, t->server.port,
		       e->latency_ns == NS_UNKNOWN ? e->end_ns : e->end_ns - e->latency_ns, e->end_ns);
}
