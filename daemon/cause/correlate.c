// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/correlate_internal.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/maps.h"
#include "common/clock.h"

#define FORGET_ENDED_NS (5 * NSEC_PER_SEC)
#define LOWEST_RETRIES 2 /* to which reqsk_timer_handler() lowers them */

struct correlate *correlate_new(local_fn local, void *ctx, uint64_t hidden_ns)
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
	c->hidden_ns = hidden_ns;
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

void correlate_limited(struct correlate *c, uint64_t now_ns)
{
	c->limited_ns = now_ns + FORGET_NS;
}

/* NULL if there is no room: then nothing is complete for a while. */
static struct track *get(struct correlate *c, const struct sighting *s)
{
	struct track *t = tracks_get(&c->tracks, s);

	if (!t)
		correlate_incomplete(c, s->to_ns);
	return t;
}

static struct crowd *crowd_at(struct correlate *c, uint32_t netns, uint16_t port)
{
	return &c->crowds[(netns * 2654435761U + port) % CROWDS];
}

/* ---- what happens ---- */

/* What the client connected to may be another, for NAT: the server knows better. */
static void suppose_server(struct correlate *c, struct track *t, const struct sighting *s, uint32_t netns)
{
	const struct destination *d;

	if (t->seen[ROLE_PASSIVE])
		return;
	d = waiting_translated(&c->waiting, netns, s->ends.server_addr, s->ends.server_port, s->to_ns);
	t->server.supposed = d;
	memcpy(t->server.addr, d ? d->server_addr : s->ends.server_addr, sizeof(t->server.addr));
	t->server.port = d ? d->server_port : s->ends.server_port;
}

static void set_server(struct track *t, const uint8_t *addr, uint16_t port)
{
	t->server.supposed = false;
	memcpy(t->server.addr, addr, sizeof(t->server.addr));
	t->server.port = port;
}

static void syn_retransmit(struct correlate *c, struct track *t, const struct sighting *s,
			   const struct event_retransmit *e)
{
	suppose_server(c, t, s, e->header.netns);
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
static uint64_t silence_ns(const struct event_retransmit *e, uint64_t limit_ns)
{
	uint32_t last = request_silent_until(e->timeouts, e->deferred);
	uint64_t ns = e->deferred >= e->timeouts + 2 ? track_timer_ns(e->timeouts, limit_ns) / 2 : 0;

	for (uint32_t i = e->timeouts; i <= last; i++)
		ns += track_timer_ns(i, limit_ns);
	return ns;
}

/*
 * Some kernels hold SYN-ACKs to tcp_rto_max_ms and TCP_RTO_MAX_MS, others only have them: a wait that was no longer than
 * the one before shows it, where doubled ones would have been. A SYN-ACK may also answer a SYN that came again. That
 * the timer sent it shows with the next one, for the kernel counts a time-out after it has sent.
 */
static void learn_limit(struct track_request *r, const struct event_retransmit *e)
{
	bool in_a_row = r->due_ns && !e->deferred && e->timeouts == r->timeouts + 1 && e->attempt == r->attempt + 1;
	uint64_t from_ns = r->timeouts ? r->timeout_ns : e->start_ns;
	uint64_t wait_ns = in_a_row && from_ns && from_ns < r->last_ns ? r->last_ns - from_ns : 0;

	if (r->timeouts && wait_ns && wait_ns < r->wait_ns + r->wait_ns / 8 &&
	    wait_ns < track_timer_ns(r->timeouts - 1U, NS_UNKNOWN) * 3 / 4)
		r->limit_ns = wait_ns;
	r->wait_ns = wait_ns;
	r->timeout_ns = in_a_row ? r->last_ns : 0;
}

static void synack_retransmit(struct correlate *c, struct track *t, const struct sighting *s,
			      const struct event_retransmit *e)
{
	uint64_t silent_ns;

	if (t->client.done_ns == NS_UNKNOWN) /* before others take its place there */
		correlate_client(c, s, &t->client.done_ns, &t->client.trip_ns);
	if (t->server.synacks.count && e->start_ns > t->server.synacks.first_ns + SLOP_NS)
		t->server.synacks = (struct series){ .count = 0 }; /* another SYN began it anew */
	if (!t->request.due_ns)
		t->request.limit_ns = NS_UNKNOWN;
	learn_limit(&t->request, e);
	silent_ns = silence_ns(e, t->request.limit_ns);
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
	t->request.timer_ns = track_timer_ns(e->timeouts, t->request.limit_ns);
	t->request.due_ns = e->mono_ns + silent_ns + silent_ns / 8 + NSEC_PER_SEC;
	syns_note_foreign(&c->syns, e->header.netns, e->local_port, e->remote_addr, e->mono_ns);
}

void correlate_retransmit(struct correlate *c, const struct event_retransmit *e)
{
	struct sighting s = sighting_of(e, e->segment == SEGMENT_SYN ? ROLE_ACTIVE : ROLE_PASSIVE);
	struct track *t;

	s.from_ns = e->start_ns;
	s.to_ns = e->mono_ns;
	t = get(c, &s);
	if (e->segment == SEGMENT_SYN_ACK && e->crowded)
		*crowd_at(c, e->header.netns, e->local_port) =
			(struct crowd){ e->mono_ns, e->header.netns, e->local_port };
	if (t && e->segment == SEGMENT_SYN)
		syn_retransmit(c, t, &s, e);
	else if (t)
		synack_retransmit(c, t, &s, e);
}

static void add_refused(struct track_refused *r, const struct event_overflow *e)
{
	r->proven = (r->count == 0 || r->proven) && e->proven;
	r->count++;
	r->code = e->code;
}

/* Only a client that is here is asked why its SYN got no answer: a flood of others' takes no room. */
static bool is_asked_for(const struct correlate *c, const struct event_overflow *e)
{
	return e->stage == STAGE_ACK || e->from_here || c->syns.local(c->syns.ctx, 0, e->remote_addr);
}

void correlate_overflow(struct correlate *c, const struct event_overflow *e)
{
	struct sighting s = sighting_of(e, ROLE_PASSIVE);
	struct track *t = tracks_find(&c->tracks, s.key);

	s.from_ns = s.to_ns = e->mono_ns;
	/* A segment after the final ACK may be the one refused: its number is a bit higher. */
	if (t && e->client_isn - t->client_isn > 0xffff)
		t = NULL;
	if (!t && is_asked_for(c, e))
		t = get(c, &s);
	if (!t)
		return;
	track_seen(t, &s);
	t->server.netns = e->header.netns;
	set_server(t, e->local_addr, e->local_port);
	t->len = e->accept_queue_len;
	t->max = e->accept_queue_max;
	add_refused(e->stage == STAGE_SYN ? &t->refused_syns : &t->refused_acks, e);
}

void correlate_drop(struct correlate *c, const struct event_drop *e)
{
	local_drops_add(&c->drops, sighting_of(e, ROLE_ACTIVE).key, e);
}

void correlate_refusals(struct correlate *c, const struct syn_refusals *r)
{
	syns_add_refusals(&c->syns, r);
}

void correlate_looked(struct correlate *c, uint32_t netns, uint64_t now_ns)
{
	syns_looked(&c->syns, netns, now_ns);
}

void correlate_closed(struct correlate *c, const struct event_listener *e, uint64_t opened_ns)
{
	struct closed_listener l = { .socket = e->socket, .opened_ns = opened_ns, .closed_ns = e->mono_ns,
				     .netns = e->header.netns, .port = e->local_port,
				     .v6only = e->v6only, .len = e->accept_len, .max = e->backlog };

	memcpy(l.addr, e->local_addr, sizeof(l.addr));
	closed_add(&c->closed, &l);
}

void correlate_exhausted(struct correlate *c, uint32_t netns, uint16_t port, const struct open_files *files)
{
	exhausted_add(&c->exhausted, netns, port, files);
}

void correlate_hidden(struct correlate *c, uint64_t since_ns)
{
	syns_hidden(&c->syns, since_ns);
}

/* An attempt whose SYN was answered by nothing, and did not go out twice, or that is looked at. */
static struct track *begin_client(struct correlate *c, const struct sighting *s, const struct event_handshake *e)
{
	struct track *t;

	if (e->latency_ns == NS_UNKNOWN || e->flags & (HANDSHAKE_PARTIAL | HANDSHAKE_SIMULTANEOUS))
		return NULL;
	t = get(c, s);
	if (t) {
		suppose_server(c, t, s, e->header.netns);
		series_add(&t->client.syns, handshake_start_ns(e));
	}
	return t;
}

static void client_ended(struct correlate *c, const struct sighting *s, const struct event_handshake *e,
			 bool wanted)
{
	bool done = e->outcome == OUTCOME_ESTABLISHED;
	struct track *t;

	if (done) {
		tracks_done(&c->tracks, s, e);
		races_won(&c->races, e);
	}
	t = tracks_meet(&c->tracks, s);
	if ((!t || !t->client.syns.count) && !e->retransmits &&
	    (t || (done ? wanted : e->outcome == OUTCOME_CANCELLED || e->outcome == OUTCOME_TIMEOUT)))
		t = begin_client(c, s, e);
	if (!t)
		return;
	track_seen(t, s);
	t->touched_ns = e->end_ns;
	t->client.ended = true;
	if (done)
		t->client.done_ns = e->end_ns;
	t->gap |= (t->client.syns.count || e->retransmits) && e->retransmits + 1U != t->client.syns.count;
	t->client.unanswered = done && t->client.syns.count ? t->client.syns.count - 1 : t->client.syns.count;
	if (!t->gap)
		syns_claim(&c->syns, t);
}

static void server_ended(struct correlate *c, const struct sighting *s, const struct event_handshake *e)
{
	struct track *t;

	if (!tracks_client(&c->tracks, s))
		syns_note_foreign(&c->syns, e->header.netns, e->local_port, e->remote_addr, e->end_ns);
	t = e->flags & HANDSHAKE_NO_ISN ? tracks_find(&c->tracks, s->key) : tracks_meet(&c->tracks, s);
	if (!t)
		return;
	track_seen(t, s);
	set_server(t, e->local_addr, e->local_port);
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
	c->expected_as = correlate_sighting(e);
	tracks_expect(&c->tracks, c->expected_as.key, e->client_isn);
}

void correlate_handshake(struct correlate *c, const struct event_handshake *e, bool wanted)
{
	struct sighting s = correlate_sighting_again(c, e);

	c->expected = NULL;
	if (e->role == ROLE_ACTIVE)
		client_ended(c, &s, e, wanted);
	else
		server_ended(c, &s, e);
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
		.end_ns = t->request.last_ns + t->request.timer_ns,
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
