// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/correlate.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/maps.h"
#include "common/clock.h"
#include "common/connection.h"
#include "daemon/cause/syns.h"
#include "daemon/cause/track.h"

#define HOLD_NS (100 * 1000000ULL)
#define HOLD_MAX_NS (1500 * 1000000ULL) /* for a far server's end */
#define HELD_MAX 8192
#define FORGET_ENDED_NS (5 * NSEC_PER_SEC)
#define LOWEST_RETRIES 2 /* to which reqsk_timer_handler() lowers them */

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
	const struct event_handshake *expected; /* correlate_expect() */
	uint64_t expected_key;
	void *memory; /* of this struct, before it was aligned */
	struct held *held;
	size_t held_count, held_room;
	struct crowd crowds[CROWDS];
	bool one_sided;
	uint64_t incomplete_ns; /* events may be missing until then */
};

struct correlate *correlate_new(local_fn local, void *ctx, bool one_sided)
{
	const uintptr_t mask = _Alignof(struct correlate) - 1;
	void *memory = calloc(1, sizeof(struct correlate) + mask); /* which leaves it untouched */
	struct correlate *c = (struct correlate *)(((uintptr_t)memory + mask) & ~mask);

	if (!memory)
		return NULL;
	c->memory = memory;
	c->syns.tracks = &c->tracks;
	c->syns.local = local;
	c->syns.ctx = ctx;
	c->one_sided = one_sided;
	return c;
}

void correlate_free(struct correlate *c)
{
	if (!c)
		return;
	tracks_free(&c->tracks);
	free(c->held);
	free(c->memory);
}

uint64_t correlate_lost(const struct correlate *c)
{
	return c->tracks.lost;
}

void correlate_incomplete(struct correlate *c, uint64_t now_ns)
{
	c->incomplete_ns = now_ns + FORGET_NS;
}

#define ends_key(e)                                                                                \
	connection_hash((e)->local_addr, (e)->local_port, (e)->remote_addr, (e)->remote_port, 0)

/* NULL if there is no room: then nothing is complete for a while. */
static struct track *get(struct correlate *c, uint64_t key, uint32_t client_isn, uint64_t now_ns)
{
	struct track *t = tracks_get(&c->tracks, key, client_isn, now_ns);

	if (!t)
		correlate_incomplete(c, now_ns);
	return t;
}

static struct crowd *crowd_at(struct correlate *c, uint32_t netns, uint16_t port)
{
	return &c->crowds[(netns * 2654435761U + port) % CROWDS];
}

/* ---- what happens ---- */

static void set_server(struct track *t, const uint8_t *addr, uint16_t port)
{
	memcpy(t->server.addr, addr, sizeof(t->server.addr));
	t->server.port = port;
}

static void syn_retransmit(struct correlate *c, struct track *t, const struct event_retransmit *e)
{
	set_server(t, e->remote_addr, e->remote_port);
	if (!t->client.syns.count && e->start_ns != NS_UNKNOWN)
		series_add(&t->client.syns, e->start_ns);
	t->gap |= e->start_ns == NS_UNKNOWN || e->attempt != t->client.syns.count;
	series_add(&t->client.syns, e->mono_ns);
	t->client.unanswered = t->client.syns.count - 1;
	if (!t->gap)
		syns_claim(&c->syns, t);
}

/* A request that ran out is begun anew by the next SYN: the first counts. NS_UNKNOWN is later than any. */
static void server_began(struct track *t, uint64_t ns)
{
	if (ns < t->server.began_ns)
		t->server.began_ns = ns;
}

/*
 * How long no SYN-ACK of it may be sent while the request lives. The last one may have answered a SYN that came again,
 * so that the timer of the time-out before was still to run out.
 */
static uint64_t silence_ns(const struct event_retransmit *e)
{
	uint32_t last = request_silent_until(e->timeouts, e->deferred);
	uint64_t ns = e->deferred >= e->timeouts + 2 ? track_timer_ns(e->timeouts) / 2 : 0;

	for (uint32_t i = e->timeouts; i <= last; i++)
		ns += track_timer_ns(i);
	return ns;
}

static void synack_retransmit(struct correlate *c, struct track *t, const struct event_retransmit *e)
{
	uint64_t silent_ns = silence_ns(e);

	if (t->client.done_ns == NS_UNKNOWN) /* before others take its place there */
		tracks_client(&c->tracks, t->key, e->client_isn, &t->client.done_ns, &t->client.trip_ns);
	if (t->server.synacks.count && e->start_ns > t->server.synacks.first_ns + SLOP_NS)
		t->server.synacks = (struct series){ .count = 0 }; /* another SYN began it anew */
	if (!t->server.synacks.count)
		series_add(&t->server.synacks, e->start_ns);
	t->gap |= e->attempt != t->server.synacks.count;
	series_add(&t->server.synacks, e->mono_ns);
	server_began(t, e->start_ns);
	t->server.netns = e->header.netns;
	set_server(t, e->local_addr, e->local_port);
	memcpy(t->client.addr, e->remote_addr, sizeof(t->client.addr));
	t->client.port = e->remote_port;
	t->request.acked |= e->acked;
	t->request.deferred |= e->deferred;
	t->request.attempt = e->attempt;
	t->request.timeouts = e->timeouts;
	t->request.retries = e->retries;
	t->request.crowded = e->crowded;
	t->request.last_ns = e->mono_ns;
	t->request.listener = e->listener;
	t->request.due_ns = e->mono_ns + silent_ns + silent_ns / 8 + NSEC_PER_SEC;
	syns_note_foreign(&c->syns, e->header.netns, e->local_port, e->remote_addr, e->mono_ns);
}

void correlate_retransmit(struct correlate *c, const struct event_retransmit *e)
{
	struct track *t = get(c, ends_key(e), e->client_isn, e->mono_ns);

	if (e->segment == SEGMENT_SYN_ACK && e->crowded)
		*crowd_at(c, e->header.netns, e->local_port) =
			(struct crowd){ e->mono_ns, e->header.netns, e->local_port };
	if (t && e->segment == SEGMENT_SYN)
		syn_retransmit(c, t, e);
	else if (t)
		synack_retransmit(c, t, e);
}

static void add_refused(struct track_refused *r, const struct event_overflow *e)
{
	r->proven = (r->count == 0 || r->proven) && e->proven;
	r->count++;
	r->code = e->code;
}

void correlate_overflow(struct correlate *c, const struct event_overflow *e)
{
	uint64_t key = ends_key(e);
	struct track *t = tracks_find(&c->tracks, key);

	/* A segment after the final ACK may be the one refused: its number is a bit higher. */
	if (!t || e->client_isn - t->client_isn > 0xffff)
		t = get(c, key, e->client_isn, e->mono_ns);
	if (!t)
		return;
	t->server.netns = e->header.netns;
	set_server(t, e->local_addr, e->local_port);
	t->len = e->accept_queue_len;
	t->max = e->accept_queue_max;
	add_refused(e->stage == STAGE_SYN ? &t->refused_syns : &t->refused_acks, e);
}

void correlate_refusals(struct correlate *c, const struct syn_refusals *r)
{
	syns_add_refusals(&c->syns, r);
}

void correlate_looked(struct correlate *c, uint32_t netns, uint64_t now_ns)
{
	syns_looked(&c->syns, netns, now_ns);
}

void correlate_hidden(struct correlate *c, uint64_t since_ns)
{
	syns_hidden(&c->syns, since_ns);
}

/* An attempt whose SYN was answered by nothing, and did not go out twice, or that is looked at. */
static struct track *begin_client(struct correlate *c, uint64_t key, const struct event_handshake *e)
{
	struct track *t;

	if (e->latency_ns == NS_UNKNOWN || e->flags & (HANDSHAKE_PARTIAL | HANDSHAKE_SIMULTANEOUS))
		return NULL;
	t = get(c, key, e->client_isn, e->end_ns);
	if (t) {
		set_server(t, e->remote_addr, e->remote_port);
		series_add(&t->client.syns, handshake_start_ns(e));
	}
	return t;
}

static void client_ended(struct correlate *c, uint64_t key, const struct event_handshake *e,
			 bool wanted)
{
	bool done = e->outcome == OUTCOME_ESTABLISHED;
	struct track *t;

	if (done)
		tracks_done(&c->tracks, key, e);
	t = tracks_of(&c->tracks, key, e->client_isn);
	if ((!t || !t->client.syns.count) && !e->retransmits &&
	    (t || (done ? wanted : e->outcome == OUTCOME_CANCELLED || e->outcome == OUTCOME_TIMEOUT)))
		t = begin_client(c, key, e);
	if (!t)
		return;
	t->touched_ns = e->end_ns;
	t->client.ended = true;
	if (done)
		t->client.done_ns = e->end_ns;
	t->gap |= (t->client.syns.count || e->retransmits) && e->retransmits + 1U != t->client.syns.count;
	t->client.unanswered = done && t->client.syns.count ? t->client.syns.count - 1 : t->client.syns.count;
	if (!t->gap)
		syns_claim(&c->syns, t);
}

static void server_ended(struct correlate *c, uint64_t key, const struct event_handshake *e)
{
	struct track *t;

	if (!tracks_was_done(&c->tracks, key, e->client_isn))
		syns_note_foreign(&c->syns, e->header.netns, e->local_port, e->remote_addr, e->end_ns);
	t = tracks_find(&c->tracks, key);
	if (!t || (!(e->flags & HANDSHAKE_NO_ISN) && t->client_isn != e->client_isn))
		return;
	t->touched_ns = e->end_ns;
	t->request.due_ns = 0;
	t->server.netns = e->header.netns;
	t->server.done = e->outcome == OUTCOME_ESTABLISHED;
	t->server.trip_ns = e->rtt_ns;
	server_began(t, handshake_start_ns(e));
}

void correlate_expect(struct correlate *c, const struct event_handshake *e)
{
	c->expected = e;
	c->expected_key = ends_key(e);
	tracks_expect(&c->tracks, c->expected_key);
}

void correlate_handshake(struct correlate *c, const struct event_handshake *e, bool wanted)
{
	uint64_t key = c->expected == e ? c->expected_key : ends_key(e);

	c->expected = NULL;
	if (e->role == ROLE_ACTIVE)
		client_ended(c, key, e, wanted);
	else
		server_ended(c, key, e);
}

/* ---- what it comes to ---- */

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
		};
	else if (t->client.syns.count && !t->gap)
		syns_refused(&c->syns, t, now_ns, &out->syn);
}

static void server_evidence(const struct correlate *c, const struct track *t, struct evidence *out)
{
	out->exhausted = t->request.timeouts + 1U >= t->request.retries;
	out->client_waited = !c->one_sided && t->client.syns.count && out->client_done_ns == NS_UNKNOWN;
	out->ack = (struct refusal_evidence){ .count = t->refused_acks.count, .proven = t->refused_acks.proven,
					      .code = CODE_ACCEPT_QUEUE_FULL, .queue_known = t->len,
					      .len = t->len, .max = t->max };
}

void correlate_evidence(struct correlate *c, const struct event_handshake *e, uint64_t now_ns,
			struct evidence *out)
{
	uint64_t key = ends_key(e);
	struct track *t = e->flags & HANDSHAKE_NO_ISN ? tracks_find(&c->tracks, key) :
							tracks_of(&c->tracks, key, e->client_isn);

	*out = (struct evidence){ .handshake = e,
				  .server_began_ns = NS_UNKNOWN,
				  .client_done_ns = NS_UNKNOWN,
				  .trip_ns = NS_UNKNOWN,
				  .reach_ns = NS_UNKNOWN,
				  .complete = e->end_ns >= c->incomplete_ns };
	out->remote_is_here = c->syns.local(c->syns.ctx, 0, e->remote_addr);
	if (e->role == ROLE_PASSIVE)
		tracks_client(&c->tracks, key, e->client_isn, &out->client_done_ns, &out->trip_ns);
	if (!t)
		return;
	if (out->client_done_ns == NS_UNKNOWN)
		out->client_done_ns = t->client.done_ns;
	if (e->role == ROLE_PASSIVE && out->trip_ns == NS_UNKNOWN)
		out->trip_ns = t->client.trip_ns;
	fill_times(&out->syns, &t->client.syns);
	fill_times(&out->synacks, &t->server.synacks);
	out->gap = t->gap;
	out->reach_ns = syns_reach_ns(t);
	out->server_done = t->server.done;
	out->acked = t->request.acked;
	out->deferred = t->request.deferred;
	if (e->role == ROLE_ACTIVE)
		client_evidence(c, t, now_ns, out);
	else
		server_evidence(c, t, out);
}

/* ---- waiting for the other side ---- */

bool correlate_hold(struct correlate *c, const struct event_handshake *e)
{
	bool waits = e->role == ROLE_ACTIVE &&
		     (e->outcome == OUTCOME_ESTABLISHED || e->outcome == OUTCOME_TIMEOUT ||
		      e->outcome == OUTCOME_CANCELLED);
	struct held *more;

	if (c->held_count == HELD_MAX)
		return false;
	if (c->held_count == c->held_room) {
		more = realloc(c->held, (c->held_room * 2 + 64) * sizeof(*more));
		if (!more)
			return false;
		c->held = more;
		c->held_room = c->held_room * 2 + 64;
	}
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
	struct track *t = tracks_of(&c->tracks, ends_key(e), e->client_isn);
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

/* ---- requests that nobody saw end ---- */

/*
 * Has a crowded SYN queue ended it early, maybe? It was as its last SYN-ACK went out, or since then, as another
 * request shows.
 */
static bool maybe_pruned(struct correlate *c, const struct track *t)
{
	const struct crowd *crowd = crowd_at(c, t->server.netns, t->server.port);
	bool since = crowd->netns == t->server.netns && crowd->port == t->server.port &&
		     crowd->seen_ns >= t->request.last_ns;

	return (t->request.crowded || since) && t->request.timeouts + 1U >= LOWEST_RETRIES;
}

static void infer_end(struct correlate *c, const struct track *t, const struct correlate_inference *infer)
{
	bool exhausted = t->request.timeouts + 1U >= t->request.retries || maybe_pruned(c, t);
	struct event_handshake e = {
		.header = { .kind = EVENT_HANDSHAKE, .len = sizeof(e), .netns = t->server.netns },
		.role = ROLE_PASSIVE,
		.outcome = exhausted || infer->reset_is_reported ? OUTCOME_TIMEOUT : OUTCOME_RESET,
		.end_ns = t->request.last_ns + track_timer_ns(t->request.timeouts),
		.rtt_ns = NS_UNKNOWN,
		.local_port = t->server.port,
		.remote_port = t->client.port,
		.client_isn = t->client_isn,
		.retransmits = t->request.attempt,
		.listener.socket = t->request.listener,
	};

	memcpy(e.local_addr, t->server.addr, sizeof(e.local_addr));
	memcpy(e.remote_addr, t->client.addr, sizeof(e.remote_addr));
	e.latency_ns = e.end_ns - t->server.synacks.first_ns;
	e.retransmit_wait_ns = e.outcome == OUTCOME_TIMEOUT ? e.latency_ns : NS_UNKNOWN;
	if (infer->pending(infer->ctx, &e))
		infer->fn(infer->ctx, &e);
}

bool correlate_tracks(const struct correlate *c)
{
	return c->tracks.count;
}

void correlate_expire(struct correlate *c, uint64_t now_ns, const struct correlate_inference *infer)
{
	struct track *t = tracks_next(&c->tracks, NULL);

	while (t) {
		struct track *next = tracks_next(&c->tracks, t);
		bool goes_on = t->client.syns.count && !t->client.ended;

		if (t->request.due_ns && t->request.due_ns < now_ns) {
			infer_end(c, t, infer);
			t->request.due_ns = 0;
			t->touched_ns = now_ns;
		}
		if (!t->request.due_ns && t->touched_ns + (goes_on ? FORGET_NS : FORGET_ENDED_NS) < now_ns)
			tracks_remove(&c->tracks, t);
		t = next;
	}
}
