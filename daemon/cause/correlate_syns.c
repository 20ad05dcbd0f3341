// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Unanswered SYNs: were they refused, and is that certain? */
#include "daemon/cause/correlate_internal.h"

struct served {
	const struct correlate *c;
	const struct track *track;
};

/* May the server of this connection be in that namespace, for all that is known? */
static bool served_in(void *ctx, uint32_t netns)
{
	const struct served *s = ctx;

	if (s->track->server_netns)
		return s->track->server_netns == netns;
	return s->c->local(s->c->ctx, netns, s->track->server_addr);
}

static struct lone_syn lone_syn(const struct track *t, unsigned int i, uint64_t reach_ns)
{
	uint64_t sent_ns = series_ns(&t->syn, i);

	return (struct lone_syn){ t->server_addr, t->server_port,
				  sent_ns > SLOP_NS ? sent_ns - SLOP_NS : 0,
				  sent_ns + reach_ns + SLOP_NS };
}

uint64_t syns_reach_ns(const struct track *t)
{
	uint64_t newest = 0;

	if (t->server_began_ns == NS_UNKNOWN || !t->syn.count || t->gap)
		return NS_UNKNOWN;
	for (unsigned int i = 0; i < series_known(&t->syn); i++)
		if (series_ns(&t->syn, i) <= t->server_began_ns)
			newest = series_ns(&t->syn, i);
	return newest ? t->server_began_ns - newest : NS_UNKNOWN;
}

void syns_claim(struct correlate *c, struct track *t)
{
	uint64_t reach = syns_reach_ns(t) == NS_UNKNOWN ? 0 : syns_reach_ns(t);
	struct served served = { c, t };

	for (unsigned int i = 0; i < t->unanswered && i < EVIDENCE_TIMES; i++) {
		const struct lone_syn syn = lone_syn(t, i, reach);

		if (!(t->asked & 1U << i) &&
		    refusals_claim(&c->refusals, &syn, served_in, &served, &t->claim[i]))
			t->asked |= 1U << i;
	}
}

void correlate_refusals(struct correlate *c, const struct syn_refusals *r)
{
	refusals_add(&c->refusals, r);
	for (struct track *t = tracks_next(&c->tracks, NULL); t; t = tracks_next(&c->tracks, t))
		if (t->unanswered && t->server_port == r->port)
			syns_claim(c, t);
}

void correlate_looked(struct correlate *c, uint32_t netns, uint64_t now_ns)
{
	c->looks[netns % LOOKS] = (struct look){ netns, now_ns };
}

static struct foreign *foreign_at(struct correlate *c, uint32_t netns, uint16_t port)
{
	return &c->foreign[(netns * 31 + port) % FOREIGN];
}

void syns_note_foreign(struct correlate *c, uint32_t netns, uint16_t port, const uint8_t *client,
			 uint64_t now_ns)
{
	struct foreign *f = foreign_at(c, netns, port);

	if (f->netns == netns && f->port == port && now_ns < f->seen_ns + NSEC_PER_SEC)
		return;
	if (!c->local(c->ctx, 0, client))
		*f = (struct foreign){ netns, port, now_ns };
}

static bool has_foreign(struct correlate *c, const struct syn_refusals *r)
{
	const struct foreign *f = foreign_at(c, r->netns, r->port);

	return f->netns == r->netns && f->port == r->port && r->to_ns < f->seen_ns + FORGET_NS;
}

/* SYNs of attempts that go on, which may turn out to be unanswered. */
static uint64_t open_syns(struct correlate *c, const struct refusals *r)
{
	uint64_t open = 0;

	for (struct track *t = tracks_next(&c->tracks, NULL); t; t = tracks_next(&c->tracks, t)) {
		struct served served = { c, t };
		struct lone_syn syn;

		if (t->client_ended || t->server_port != r->told.port || !t->syn.count)
			continue;
		syn = lone_syn(t, series_known(&t->syn) - 1, 0);
		open += t->syn.count > EVIDENCE_TIMES ||
			refusals_may_have(r, &syn, served_in, &served);
	}
	return open;
}

static bool all_accounted(struct correlate *c, struct refusals *r, uint64_t now_ns)
{
	if (!r->told.proven || r->doubtful || r->wanted != r->told.count ||
	    now_ns < r->told.to_ns + MATURE_NS || has_foreign(c, &r->told))
		return false;
	if (r->open_at != c->reckoning) {
		r->open = open_syns(c, r);
		r->open_at = c->reckoning;
	}
	return !r->open;
}

void syns_refused(struct correlate *c, const struct track *t, uint64_t now_ns,
			 struct refusal_evidence *out)
{
	bool sure = t->server_netns || c->local(c->ctx, 0, t->server_addr) == 1;

	out->proven = sure;
	for (unsigned int i = 0; i < t->unanswered && i < EVIDENCE_TIMES; i++) {
		struct refusals *r = refusals_get(&c->refusals, t->claim[i]);

		if (!r)
			continue;
		out->count++;
		out->proven = out->proven && all_accounted(c, r, now_ns);
		out->code = r->told.code;
		out->queue_known = r->told.code == CODE_ACCEPT_QUEUE_FULL && r->told.len > r->told.max;
		out->len = r->told.len;
		out->max = r->told.max;
	}
	/* Without the server's side nothing else says that it is this server. */
	out->proven = out->proven && (t->server_netns || out->count == t->unanswered);
}

void correlate_hidden(struct correlate *c, uint64_t since_ns)
{
	for (size_t i = 0; i < REFUSALS; i++)
		if (c->refusals.at[i].told.to_ns + MATURE_NS >= since_ns)
			c->refusals.at[i].doubtful = true;
}

bool syns_none_refused(const struct correlate *c, const struct track *t)
{
	const struct look *look = &c->looks[t->server_netns % LOOKS];
	uint64_t reach = syns_reach_ns(t);
	struct served served = { c, t };

	if (!t->server_netns || look->netns != t->server_netns || reach == NS_UNKNOWN)
		return false;
	for (unsigned int i = 0; i < t->unanswered && i < EVIDENCE_TIMES; i++) {
		const struct lone_syn syn = lone_syn(t, i, NSEC_PER_SEC);

		if (refusals_doubt(&c->refusals, &syn, served_in, &served) ||
		    look->at_ns < series_ns(&t->syn, i) + reach + SLOP_NS)
			return false;
	}
	return true;
}
