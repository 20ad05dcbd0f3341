// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/events/handshakes.h"

#include <string.h>

#include "bpf/counters.h"
#include "bpf/settings.h"
#include "common/clock.h"
#include "common/connection.h"
#include "daemon/events/subject.h"
#include "daemon/kernel/unreported.h"

#define FLUSH_EVERY 256 /* inferred handshakes */
#define LOOK_AGAIN_NS (200 * 1000000ULL)

static void put(struct handshakes *h, const struct event_handshake *e, const struct verdict *verdict)
{
	const struct filter_subject subject = subject_of_handshake(h->identity, e);
	const struct listener_owner *owner = NULL;

	if (e->role == ROLE_PASSIVE) {
		owner = looks_owner(h->looks, arrival_of(e->listener.socket, e->end_ns, e));
		h->looks->scan_wanted |= !owner;
	}
	record_handshake(emit_begin(h->emit, RECORD_HANDSHAKE, e->end_ns), e, h->identity, owner, verdict);
	if (e->role == ROLE_PASSIVE && e->outcome != OUTCOME_ESTABLISHED)
		emit_count_for(h->emit, &h->failed);
	if (verdict->inferred)
		emit_put(h->emit, &subject);
	else
		emit_put_passed(h->emit, &subject);
}

/* What refused it, or else what its other side saw. */
static bool peer_of(struct handshakes *h, const struct event_handshake *e, struct peer *peer)
{
	struct refusal r;

	if (!(e->flags & HANDSHAKE_TRANSLATED))
		return correlate_peer(h->correlate, e, peer);
	if (!source_take_refusal(h->source, e->client_isn, &r))
		return false;
	peer->port = r.server_port;
	memcpy(peer->addr, r.server_addr, sizeof(peer->addr));
	peer->conn = connection_hash(r.client_addr, r.client_port, r.server_addr, r.server_port, e->client_isn);
	return true;
}

static void put_diagnosed(struct handshakes *h, const struct event_handshake *e, bool inferred)
{
	struct evidence evidence;
	struct cause cause;
	struct peer peer;
	bool translated = peer_of(h, e, &peer);

	correlate_evidence(h->correlate, e, clock_mono_ns(), &evidence);
	evidence.slow_ns = h->emit->filter->stream.slow_ns;
	evidence.inferred = inferred;
	evidence.unreported = losses_unreported(h->losses, e->end_ns);
	if (e->role == ROLE_PASSIVE) {
		const struct listener *p = listeners_at(h->listeners,
							arrival_of(e->listener.socket, e->end_ns, e));

		evidence.deferred |= p && p->sample.deferred;
	}
	diagnose(&evidence, &cause);
	h->causes[e->role][cause.code][cause.proven]++;
	put(h, e, &(struct verdict){ .cause = &cause, .inferred = inferred, .peer = translated ? &peer : NULL });
}

uint64_t handshakes_hidden_ns(const struct filter *filter)
{
	const struct stream_filter *f = &filter->stream;
	bool others = f->roles || f->outcomes || f->by_remote || f->by_port || f->netns || f->by_cgroup ||
		      f->unwanted & (1 << EVENT_HANDSHAKE);

	return others ? UINT64_MAX : f->slow_ns;
}

static bool gave_up(const struct event_handshake *e)
{
	return e->role == ROLE_ACTIVE &&
	       (e->outcome == OUTCOME_CANCELLED || e->outcome == OUTCOME_TIMEOUT);
}

/* What ended it is in the event: nothing that was missed, or comes later, could say otherwise. */
static bool speaks_for_itself(const struct event_handshake *e)
{
	return e->flags & (HANDSHAKE_UNSENT | HANDSHAKE_RESET_HERE) ||
	       (e->flags & HANDSHAKE_NO_NEIGHBOUR && e->outcome == OUTCOME_UNREACHABLE);
}

/* Nothing is to be said of it but, of a client's, where its server really is: which may take a moment. */
static void put_plain(struct handshakes *h, const struct event_handshake *e)
{
	struct peer peer;
	bool translated = e->role == ROLE_PASSIVE && correlate_peer(h->correlate, e, &peer);

	if (e->role == ROLE_PASSIVE || !correlate_await(h->correlate, e))
		put(h, e, &(struct verdict){ .peer = translated ? &peer : NULL });
}

/* Its client's record may wait for it. */
static void put_client(struct handshakes *h, const struct event_handshake *server)
{
	struct peer peer;
	bool translated;
	const struct event_handshake *client = correlate_met(h->correlate, server, &peer, &translated);

	if (client)
		put(h, client, &(struct verdict){ .peer = translated ? &peer : NULL });
}

static void put_alone(void *ctx, const struct event_handshake *e)
{
	put(ctx, e, &(struct verdict){ .peer = NULL });
}

static bool check_losses(struct handshakes *h, struct counters *now)
{
	h->checked_ns = clock_mono_ns();
	if (source_counters(h->source, now)) {
		correlate_incomplete(h->correlate, h->checked_ns);
		return false;
	}
	losses_check(h->losses, now);
	return true;
}

/* What may be missing is to be known before anything is said to be proven. */
static void check_missing(struct handshakes *h)
{
	const __u64 *active;
	struct counters now;
	uint64_t hidden;

	if (!check_losses(h, &now))
		return;
	active = now.handshakes[ROLE_ACTIVE];
	hidden = active[OUTCOME_CANCELLED] + active[OUTCOME_TIMEOUT] - h->given_up;
	if (handshakes_hidden_ns(h->emit->filter) && hidden != h->hidden)
		correlate_hidden(h->correlate, h->hidden_ns);
	h->hidden = hidden;
	h->hidden_ns = clock_mono_ns();
}

/* Who refused it shows by what did not run: once in a batch of them is to be known what the kernel skipped. */
static void put_at_once(struct handshakes *h, const struct event_handshake *e)
{
	struct counters now;

	if (e->refused_by != REFUSED_BY_SECURITY && h->checked_ns <= e->end_ns)
		check_losses(h, &now);
	put_diagnosed(h, e, false);
}

void handshakes_event(struct handshakes *h, const struct event_handshake *e)
{
	bool wanted = diagnose_wanted(e, h->emit->filter->stream.slow_ns);

	if (e->role == ROLE_ACTIVE && e->caller.pid)
		queues_client(h->queues, e->header.netns, e->caller.pid);
	if (handshake_failed_at_once(e)) { /* nothing of it was on its way */
		put_at_once(h, e);
		return;
	}
	h->given_up += gave_up(e);
	correlate_expect(h->correlate, e);
	if (e->role == ROLE_PASSIVE)
		put_client(h, e);
	if (!wanted) { /* most are not: what they leave behind is fetched from memory meanwhile */
		put_plain(h, e);
		correlate_handshake(h->correlate, e, false);
		return;
	}
	correlate_handshake(h->correlate, e, true);
	if (speaks_for_itself(e)) {
		put_diagnosed(h, e, false);
	} else if (!correlate_hold(h->correlate, e)) {
		correlate_incomplete(h->correlate, e->end_ns);
		put_diagnosed(h, e, false);
	}
}

static void release_one(void *ctx, const struct event_handshake *e)
{
	put_diagnosed(ctx, e, false);
}

void handshakes_release(struct handshakes *h, uint64_t now_ns)
{
	uint64_t ended_ns = correlate_due(h->correlate, now_ns);
	uint64_t rest_ns = h->looks->pace.cost_ns * PACE_SHARE; /* what looks cost here is not to be had often */

	correlate_release_alone(h->correlate, now_ns, put_alone, h);
	if (!correlate_holds(h->correlate, now_ns))
		return;
	/* What the listeners refused since the last look may be what they are about. */
	if (h->looks->last_ns < ended_ns) {
		if (now_ns - h->looks->last_ns <= LOOK_AGAIN_NS)
			return;
		if (now_ns - h->looks->last_ns > rest_ns)
			looks_at_queues(h->looks, false);
	}
	check_missing(h);
	correlate_release(h->correlate, now_ns, release_one, h);
}

bool handshakes_held(const struct handshakes *h)
{
	return correlate_holds(h->correlate, UINT64_MAX) || correlate_awaits(h->correlate);
}

static void infer_one(void *ctx, const struct event_handshake *e)
{
	struct handshakes *h = ctx;
	struct event_handshake event = *e;
	const struct listener *p = listeners_at(h->listeners, arrival_of(e->listener.socket, e->end_ns, e));

	event.cgroup_id = p ? p->cgroup_id : 0;
	if (++h->inferred[e->outcome] % FLUSH_EVERY == 0)
		sinks_flush(h->emit->sinks); /* a flood ends all at once */
	if (emit_wants(h->emit, RECORD_HANDSHAKE)) {
		put_diagnosed(h, &event, true);
	} else {
		tally_record(&h->emit->tallies, RECORD_HANDSHAKE, false);
		tally_left(&h->emit->tallies, RECORD_HANDSHAKE);
	}
}

static bool is_pending(void *ctx, const struct event_handshake *e)
{
	const struct handshakes *h = ctx;

	return source_request_pending(h->source, e);
}

void handshakes_expire(struct handshakes *h, uint64_t now_ns)
{
	const struct correlate_inference inference = {
		.reset_is_reported = !(source_unreported(h->source) & UNREPORTED_REQUEST_RESET),
		.pending = is_pending,
		.fn = infer_one,
		.ctx = h,
	};

	if (correlate_tracks(h->correlate) || handshakes_hidden_ns(h->emit->filter))
		check_missing(h);
	correlate_expire(h->correlate, now_ns, &inference);
}
