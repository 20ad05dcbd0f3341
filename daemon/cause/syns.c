// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/syns.h"

#include <stddef.h>

#include "common/clock.h"

#define MATURE_NS (1200 * 1000000ULL) /* a lost or refused SYN is known by then: it went out again */

struct served {
	const struct syns *syns;
	const struct track *track;
};

/* May the server of this connection be in that namespace, for all that is known? */
static bool served_in(void *ctx, uint32_t netns)
{
	const struct served *served = ctx;
	const struct track *t = served->track;

	if (t->server.netns)
		return t->server.netns == netns;
	return served->syns->local(served->syns->ctx, netns, t->server.addr);
}

static struct lone_syn lone_syn(const struct track *t, unsigned int i, uint64_t reach_ns)
{
	uint64_t sent_ns = series_ns(&t->client.syns, i);

	return (struct lone_syn){ t->server.addr, t->server.port,
				  sent_ns > SLOP_NS ? sent_ns - SLOP_NS : 0,
				  sent_ns + reach_ns + SLOP_NS };
}

uint64_t syns_reach_ns(const struct track *t)
{
	uint64_t newest = 0;

	if (t->server.began_ns == NS_UNKNOWN || !t->client.syns.count || t->gap)
		return NS_UNKNOWN;
	for (unsigned int i = 0; i < series_known(&t->client.syns); i++)
		if (series_ns(&t->client.syns, i) <= t->server.began_ns)
			newest = series_ns(&t->client.syns, i);
	return newest ? t->server.began_ns - newest : NS_UNKNOWN;
}

void syns_claim(struct syns *s, struct track *t)
{
	uint64_t reach = syns_reach_ns(t) == NS_UNKNOWN ? 0 : syns_reach_ns(t);
	struct served served = { s, t };

	for (unsigned int i = 0; i < t->client.unanswered && i < EVIDENCE_TIMES; i++) {
		const struct lone_syn syn = lone_syn(t, i, reach);

		if (!(t->client.asked & 1U << i) &&
		    refusals_claim(&s->refusals, &syn, served_in, &served, &t->client.claim[i]))
			t->client.asked |= 1U << i;
	}
}

void syns_add_refusals(struct syns *s, const struct syn_refusals *r)
{
	refusals_add(&s->refusals, r);
	for (struct track *t = tracks_next(s->tracks, NULL); t; t = tracks_next(s->tracks, t))
		if (t->client.unanswered && t->server.port == r->port)
			syns_claim(s, t);
}

void syns_looked(struct syns *s, uint32_t netns, uint64_t now_ns)
{
	s->looks[netns % LOOKS] = (struct last_look){ netns, now_ns };
}

static struct foreign *foreign_at(struct syns *s, uint32_t netns, uint16_t port)
{
	return &s->foreign[(netns * 31 + port) % FOREIGN];
}

void syns_note_foreign(struct syns *s, uint32_t netns, uint16_t port, const uint8_t *client,
		       uint64_t now_ns)
{
	struct foreign *f = foreign_at(s, netns, port);

	if (f->netns == netns && f->port == port && now_ns < f->seen_ns + NSEC_PER_SEC)
		return;
	if (!s->local(s->ctx, 0, client))
		*f = (struct foreign){ netns, port, now_ns };
}

static bool has_foreign(struct syns *s, const struct syn_refusals *r)
{
	const struct foreign *f = foreign_at(s, r->netns, r->port);

	return f->netns == r->netns && f->port == r->port && r->to_ns < f->seen_ns + FORGET_NS;
}

/* SYNs of attempts that go on, which may turn out to be unanswered. */
static uint64_t open_syns(struct syns *s, const struct refusals *r)
{
	uint64_t open = 0;

	for (struct track *t = tracks_next(s->tracks, NULL); t; t = tracks_next(s->tracks, t)) {
		struct served served = { s, t };
		struct lone_syn syn;

		if (t->client.ended || t->server.port != r->reported.port || !t->client.syns.count)
			continue;
		syn = lone_syn(t, series_known(&t->client.syns) - 1, 0);
		open += t->client.syns.count > EVIDENCE_TIMES ||
			refusals_may_have(r, &syn, served_in, &served);
	}
	return open;
}

static bool all_accounted(struct syns *s, struct refusals *r, uint64_t now_ns)
{
	if (!r->reported.proven || r->doubtful || r->wanted != r->reported.count ||
	    now_ns < r->reported.to_ns + MATURE_NS || has_foreign(s, &r->reported))
		return false;
	if (r->open_at != s->reckoning) {
		r->open = open_syns(s, r);
		r->open_at = s->reckoning;
	}
	return !r->open;
}

void syns_refused(struct syns *s, const struct track *t, uint64_t now_ns,
		  struct refusal_evidence *out)
{
	bool sure = t->server.netns || (!t->server.supposed && s->local(s->ctx, 0, t->server.addr) == 1);

	out->proven = sure;
	for (unsigned int i = 0; i < t->client.unanswered && i < EVIDENCE_TIMES; i++) {
		struct refusals *r = refusals_get(&s->refusals, t->client.claim[i]);

		if (!r)
			continue;
		out->count++;
		out->proven = out->proven && all_accounted(s, r, now_ns);
		out->code = r->reported.code;
		out->queue_known = r->reported.code == CODE_ACCEPT_QUEUE_FULL && r->reported.len > r->reported.max;
		out->len = r->reported.len;
		out->max = r->reported.max;
		out->netns = r->reported.netns;
	}
	/* Without the server's side nothing else says that it is this server. */
	out->proven = out->proven && (t->server.netns || out->count == t->client.unanswered);
}

void syns_hidden(struct syns *s, uint64_t since_ns)
{
	for (size_t i = 0; i < REFUSALS; i++)
		if (s->refusals.at[i].reported.to_ns + MATURE_NS >= since_ns)
			s->refusals.at[i].doubtful = true;
}

bool syns_none_refused(const struct syns *s, const struct track *t)
{
	const struct last_look *look = &s->looks[t->server.netns % LOOKS];
	uint64_t reach = syns_reach_ns(t);
	struct served served = { s, t };

	if (!t->server.netns || look->netns != t->server.netns || reach == NS_UNKNOWN)
		return false;
	for (unsigned int i = 0; i < t->client.unanswered && i < EVIDENCE_TIMES; i++) {
		const struct lone_syn syn = lone_syn(t, i, NSEC_PER_SEC);

		if (refusals_doubt(&s->refusals, &syn, served_in, &served) ||
		    look->at_ns < series_ns(&t->client.syns, i) + reach + SLOP_NS)
			return false;
	}
	return true;
}

uint64_t syns_mature_ns(struct syns *s, const struct track *t)
{
	uint64_t until_ns = 0;

	for (unsigned int i = 0; i < t->client.unanswered && i < EVIDENCE_TIMES && !t->refused_syns.count; i++) {
		const struct refusals *r = refusals_get(&s->refusals, t->client.claim[i]);

		if (r && r->reported.proven && !r->doubtful && r->reported.to_ns + MATURE_NS > until_ns)
			until_ns = r->reported.to_ns + MATURE_NS;
	}
	return until_ns;
}
