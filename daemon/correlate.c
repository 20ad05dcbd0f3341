// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "correlate.h"

#include <stdlib.h>
#include <string.h>

#include "common/addr.h"
#include "common/clock.h"
#include "record.h"

#define BUCKETS 4096
#define TRACKS_MAX 32768
#define RECENT 32768 /* clients that were ESTABLISHED without trouble */
#define REFUSALS 256 /* looks at listeners that found refused SYNs */
#define HOLD_NS (100 * 1000000ULL)
#define HELD_MAX 8192
#define FORGET_NS (150 * NSEC_PER_SEC) /* longer than any retransmission timer */
#define SLOP_NS (5 * 1000000ULL) /* between a look and the moment it is dated */

/* One connection in trouble, seen from both ends as far as they are on this host. */
struct track {
	struct track *next;
	uint64_t key;
	uint64_t touched_ns;
	uint64_t syn_ns[EVIDENCE_TIMES]; /* transmissions of the SYN */
	uint64_t claim[EVIDENCE_TIMES]; /* serial number of the refusals that took it; 0: none */
	uint64_t client_done_ns; /* NS_UNKNOWN: not seen to be ESTABLISHED */
	uint64_t server_began_ns; /* the first SYN-ACK */
	uint64_t synack_ns[EVIDENCE_TIMES];
	uint64_t due_ns; /* the SYN-ACK goes out again by then, or the request is gone; 0: no request */
	struct event_retransmit last; /* of its SYN-ACK */
	uint32_t client_isn;
	uint8_t server_addr[16];
	uint16_t server_port;
	uint16_t syns, synacks;
	uint16_t acks_refused, syns_refused;
	uint32_t server_netns; /* 0: its side was not seen */
	uint32_t len, max;
	enum overflow_code syn_code;
	bool acks_proven, syns_proven;
	bool acked, deferred, server_done;
};

struct recent {
	uint64_t key;
	uint64_t done_ns;
};

struct refusals {
	struct syn_refusals told;
	uint64_t serial, claims;
};

struct held {
	struct event_handshake event;
	uint64_t until_ns;
};

struct correlate {
	struct track *bucket[BUCKETS];
	size_t tracks;
	uint64_t lost;
	struct recent recent[RECENT];
	struct refusals refusals[REFUSALS];
	uint64_t serial;
	struct held *held;
	size_t held_count, held_room;
	correlate_local_fn is_local;
	void *ctx;
	uint64_t incomplete_ns; /* events may be missing until then */
};

struct correlate *correlate_new(correlate_local_fn is_local, void *ctx)
{
	struct correlate *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->is_local = is_local;
	c->ctx = ctx;
	return c;
}

void correlate_free(struct correlate *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (c->bucket[i]) {
			struct track *t = c->bucket[i];

			c->bucket[i] = t->next;
			free(t);
		}
	free(c->held);
	free(c);
}

/* ---- connections ---- */

#define ends_key(e)                                                                                \
	record_connection((e)->local_addr, (e)->local_port, (e)->remote_addr, (e)->remote_port, 0)

static struct track *track_find(const struct correlate *c, uint64_t key)
{
	struct track *t = c->bucket[key % BUCKETS];

	while (t && t->key != key)
		t = t->next;
	return t;
}

static void track_reset(struct track *t, uint32_t client_isn)
{
	struct track *next = t->next;
	uint64_t key = t->key;

	*t = (struct track){ .next = next, .key = key, .client_isn = client_isn,
			     .client_done_ns = NS_UNKNOWN, .server_began_ns = NS_UNKNOWN };
}

/* NULL if there is no room. An ISN that differs is that of a new connection between the ends. */
static struct track *track_get(struct correlate *c, uint64_t key, uint32_t client_isn, uint64_t now)
{
	struct track *t = track_find(c, key);

	if (!t) {
		t = c->tracks < TRACKS_MAX ? calloc(1, sizeof(*t)) : NULL;
		if (!t) {
			c->lost++;
			return NULL;
		}
		t->key = key;
		t->next = c->bucket[key % BUCKETS];
		c->bucket[key % BUCKETS] = t;
		c->tracks++;
		track_reset(t, client_isn);
	} else if (client_isn && t->client_isn && t->client_isn != client_isn) {
		track_reset(t, client_isn);
	}
	if (client_isn)
		t->client_isn = client_isn;
	t->touched_ns = now;
	return t;
}

static struct recent *recent_of(struct correlate *c, uint64_t key)
{
	return &c->recent[key % RECENT];
}

/* Is the server of this connection in that namespace, for all that is known? */
static bool served_in(struct correlate *c, const struct track *t, uint32_t netns)
{
	if (t->server_netns)
		return t->server_netns == netns;
	return c->is_local(c->ctx, netns, t->server_addr);
}

/* ---- refused SYNs, by listener: whose were they? ---- */

static bool bound_to(const struct syn_refusals *r, const uint8_t *addr)
{
	if (addr_is_wildcard(r->addr))
		return !addr_is_ipv4(r->addr) || addr_is_ipv4(addr);
	return memcmp(r->addr, addr, sizeof(r->addr)) == 0;
}

/* A look that found refusals which the SYN of that moment may be among. */
static struct refusals *refusals_at(struct correlate *c, const struct track *t, uint64_t syn_ns)
{
	struct refusals *best = NULL;

	for (size_t i = 0; i < REFUSALS; i++) {
		struct refusals *r = &c->refusals[i];

		if (!r->serial || r->claims >= r->told.count || r->told.port != t->server_port ||
		    !bound_to(&r->told, t->server_addr) || !served_in(c, t, r->told.netns) ||
		    syn_ns + SLOP_NS < r->told.from_ns || syn_ns > r->told.to_ns + SLOP_NS)
			continue;
		if (!best || r->told.to_ns < best->told.to_ns)
			best = r;
	}
	return best;
}

/* Each unanswered SYN takes one of them, as long as there are some. */
static void claim_syns(struct correlate *c, struct track *t, unsigned int unanswered)
{
	for (unsigned int i = 0; i < unanswered && i < EVIDENCE_TIMES; i++) {
		struct refusals *r = t->claim[i] ? NULL : refusals_at(c, t, t->syn_ns[i]);

		if (r) {
			r->claims++;
			t->claim[i] = r->serial;
		}
	}
}

static void claim_all(struct correlate *c)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct track *t = c->bucket[i]; t; t = t->next)
			if (t->syns > 1)
				claim_syns(c, t, t->syns - 1U);
}

static const struct refusals *refusals_by_serial(const struct correlate *c, uint64_t serial)
{
	const struct refusals *r = &c->refusals[serial % REFUSALS];

	return serial && r->serial == serial ? r : NULL;
}

void correlate_refusals(struct correlate *c, const struct syn_refusals *r)
{
	uint64_t serial = ++c->serial;

	c->refusals[serial % REFUSALS] = (struct refusals){ .told = *r, .serial = serial };
}

/*
 * Proven if every SYN that the listener refused at that look is accounted for by the unanswered
 * SYN of a client on this host.
 */
static void refused_syns(const struct correlate *c, const struct track *t, unsigned int unanswered,
			 struct refusal_evidence *out)
{
	out->proven = true;
	for (unsigned int i = 0; i < unanswered && i < EVIDENCE_TIMES; i++) {
		const struct refusals *r = refusals_by_serial(c, t->claim[i]);

		if (!r)
			continue;
		out->count++;
		out->proven = out->proven && r->told.proven && r->claims == r->told.count;
		out->code = r->told.code;
		out->queue_known = r->told.code == CODE_ACCEPT_QUEUE_FULL && r->told.len > r->told.max;
		out->len = r->told.len;
		out->max = r->told.max;
	}
}

/* ---- what happens ---- */

static void add_syn(struct track *t, uint64_t ns)
{
	if (t->syns < EVIDENCE_TIMES)
		t->syn_ns[t->syns] = ns;
	t->syns++;
}

static void syn_retransmit(struct correlate *c, struct track *t, const struct event_retransmit *e)
{
	memcpy(t->server_addr, e->remote_addr, sizeof(t->server_addr));
	t->server_port = e->remote_port;
	if (!t->syns && e->start_ns != NS_UNKNOWN)
		add_syn(t, e->start_ns);
	add_syn(t, e->mono_ns);
	if (e->start_ns != NS_UNKNOWN)
		claim_syns(c, t, t->syns - 1U);
}

/* The SYN-ACK timer: 1 s, doubled each time it ran out, up to 120 s (TCP_RTO_MAX). */
static uint64_t next_timer_ns(const struct event_retransmit *e)
{
	uint64_t seconds = e->timeouts < 6 ? 2ULL << e->timeouts : 120;

	return (seconds < 120 ? seconds : 120) * NSEC_PER_SEC;
}

static void synack_retransmit(struct track *t, const struct event_retransmit *e)
{
	uint64_t timer_ns = next_timer_ns(e);

	if (!t->synacks) {
		t->synack_ns[0] = e->start_ns;
		t->synacks = 1;
	}
	if (t->synacks < EVIDENCE_TIMES)
		t->synack_ns[t->synacks] = e->mono_ns;
	t->synacks++;
	t->server_began_ns = e->start_ns;
	t->server_netns = e->header.netns;
	t->acked |= e->acked;
	t->deferred |= e->deferred;
	t->last = *e;
	t->due_ns = e->mono_ns + timer_ns + timer_ns / 8 + NSEC_PER_SEC;
}

void correlate_retransmit(struct correlate *c, const struct event_retransmit *e)
{
	struct track *t = track_get(c, ends_key(e), e->client_isn, e->mono_ns);

	if (t && e->segment == SEGMENT_SYN)
		syn_retransmit(c, t, e);
	else if (t)
		synack_retransmit(t, e);
}

void correlate_overflow(struct correlate *c, const struct event_overflow *e)
{
	struct track *t = track_get(c, ends_key(e), 0, e->mono_ns);

	if (!t)
		return;
	t->server_netns = e->header.netns;
	t->len = e->accept_queue_len;
	t->max = e->accept_queue_max;
	if (e->stage == STAGE_SYN) {
		t->syns_proven = (t->syns_refused == 0 || t->syns_proven) && e->proven;
		t->syns_refused++;
		t->syn_code = e->code;
	} else {
		t->acks_proven = (t->acks_refused == 0 || t->acks_proven) && e->proven;
		t->acks_refused++;
	}
}

void correlate_handshake(struct correlate *c, const struct event_handshake *e)
{
	bool done = e->outcome == OUTCOME_ESTABLISHED;
	uint64_t key = ends_key(e);
	struct track *t;

	if (e->role == ROLE_ACTIVE) {
		t = track_find(c, key);
		if (done)
			*recent_of(c, key) = (struct recent){ key, e->end_ns };
		if (t && done)
			t->client_done_ns = e->end_ns;
		else if (t)
			claim_syns(c, t, t->syns);
		return;
	}
	t = track_find(c, key);
	if (!t)
		return;
	t->due_ns = 0;
	t->server_netns = e->header.netns;
	t->server_done = done;
	if (e->latency_ns != NS_UNKNOWN)
		t->server_began_ns = e->end_ns - e->latency_ns;
}

void correlate_incomplete(struct correlate *c, uint64_t now_ns)
{
	c->incomplete_ns = now_ns + FORGET_NS;
}

/* ---- what it comes to ---- */

static void fill_times(struct transmissions *out, unsigned int count, const uint64_t *ns)
{
	out->count = count;
	for (unsigned int i = 0; i < count && i < EVIDENCE_TIMES; i++)
		out->after_ns[i] = ns[i] - ns[0];
}

static void client_evidence(struct correlate *c, const struct event_handshake *e, struct track *t,
			    struct evidence *out)
{
	bool ended_well = e->outcome == OUTCOME_ESTABLISHED;
	unsigned int unanswered = ended_well ? t->syns - 1U : t->syns;

	fill_times(&out->syns, t->syns, t->syn_ns);
	fill_times(&out->synacks, t->synacks, t->synack_ns);
	out->server_began_ns = t->server_began_ns;
	if (t->syns_refused) { /* told one by one */
		out->syn = (struct refusal_evidence){
			.count = t->syns_refused,
			.proven = t->syns_proven,
			.code = t->syn_code,
			.queue_known = t->syn_code == CODE_ACCEPT_QUEUE_FULL,
			.len = t->len,
			.max = t->max,
		};
		return;
	}
	if (!t->syns)
		return;
	claim_syns(c, t, unanswered);
	claim_all(c);
	refused_syns(c, t, unanswered, &out->syn);
}

static void server_evidence(struct correlate *c, const struct event_handshake *e,
			    const struct track *t, struct evidence *out)
{
	const struct recent *recent = recent_of(c, t->key);

	fill_times(&out->synacks, t->synacks, t->synack_ns);
	out->client_done_ns = t->client_done_ns;
	if (out->client_done_ns == NS_UNKNOWN && recent->key == t->key &&
	    e->latency_ns != NS_UNKNOWN && recent->done_ns + SLOP_NS >= e->end_ns - e->latency_ns)
		out->client_done_ns = recent->done_ns;
	out->exhausted = t->last.timeouts + 1U >= t->last.retries;
	out->client_waited = t->syns && out->client_done_ns == NS_UNKNOWN;
	out->ack = (struct refusal_evidence){ .count = t->acks_refused, .proven = t->acks_proven,
					      .code = CODE_ACCEPT_QUEUE_FULL, .queue_known = true,
					      .len = t->len, .max = t->max };
}

void correlate_evidence(struct correlate *c, const struct event_handshake *e, struct evidence *out)
{
	struct track *t = track_find(c, ends_key(e));

	*out = (struct evidence){ .handshake = e,
				  .server_began_ns = NS_UNKNOWN,
				  .client_done_ns = NS_UNKNOWN,
				  .complete = e->end_ns >= c->incomplete_ns };
	out->remote_is_here = c->is_local(c->ctx, 0, e->remote_addr);
	if (!t)
		return;
	out->server_done = t->server_done;
	out->acked = t->acked;
	out->deferred = t->deferred;
	if (e->role == ROLE_ACTIVE)
		client_evidence(c, e, t, out);
	else
		server_evidence(c, e, t, out);
}

bool correlate_hold(struct correlate *c, const struct event_handshake *e)
{
	struct held *more;

	if (e->role != ROLE_ACTIVE || !e->retransmits || c->held_count == HELD_MAX ||
	    (e->outcome != OUTCOME_ESTABLISHED && e->outcome != OUTCOME_TIMEOUT))
		return false;
	if (c->held_count == c->held_room) {
		more = realloc(c->held, (c->held_room * 2 + 64) * sizeof(*more));
		if (!more)
			return false;
		c->held = more;
		c->held_room = c->held_room * 2 + 64;
	}
	c->held[c->held_count++] = (struct held){ *e, e->end_ns + HOLD_NS };
	return true;
}

uint64_t correlate_due(const struct correlate *c, uint64_t now_ns)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < c->held_count; i++)
		if (c->held[i].until_ns <= now_ns && c->held[i].event.end_ns > newest)
			newest = c->held[i].event.end_ns;
	return newest;
}

void correlate_release(struct correlate *c, uint64_t now_ns, correlate_fn fn, void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->held_count; i++) {
		if (c->held[i].until_ns <= now_ns)
			fn(ctx, &c->held[i].event);
		else
			c->held[kept++] = c->held[i];
	}
	c->held_count = kept;
}

/* A request that came to nothing, as the passive handshake that nobody saw end. */
static void infer_end(const struct track *t, bool reset_is_told, correlate_fn fn, void *ctx)
{
	const struct event_retransmit *last = &t->last;
	bool exhausted = last->timeouts + 1U >= last->retries;
	struct event_handshake e = {
		.header = { .kind = EVENT_HANDSHAKE, .len = sizeof(e), .netns = last->header.netns },
		.role = ROLE_PASSIVE,
		.outcome = exhausted || reset_is_told ? OUTCOME_TIMEOUT : OUTCOME_RESET,
		.end_ns = last->mono_ns + next_timer_ns(last),
		.rtt_ns = NS_UNKNOWN,
		.local_port = last->local_port,
		.remote_port = last->remote_port,
		.client_isn = last->client_isn,
		.retransmits = last->attempt,
	};

	memcpy(e.local_addr, last->local_addr, sizeof(e.local_addr));
	memcpy(e.remote_addr, last->remote_addr, sizeof(e.remote_addr));
	e.latency_ns = e.end_ns - last->start_ns;
	e.retransmit_wait_ns = e.outcome == OUTCOME_TIMEOUT ? e.latency_ns : NS_UNKNOWN;
	fn(ctx, &e);
}

void correlate_expire(struct correlate *c, uint64_t now_ns, bool reset_is_told, correlate_fn fn,
		      void *ctx)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct track **p = &c->bucket[i];

		while (*p) {
			struct track *t = *p;

			if (t->due_ns && t->due_ns < now_ns) {
				infer_end(t, reset_is_told, fn, ctx);
				t->due_ns = 0;
			}
			if (!t->due_ns && t->touched_ns + FORGET_NS < now_ns) {
				*p = t->next;
				c->tracks--;
				free(t);
			} else {
				p = &t->next;
			}
		}
	}
}

uint64_t correlate_lost(const struct correlate *c)
{
	return c->lost;
}
