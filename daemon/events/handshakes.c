// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Handshakes on their way to the feed. Most go through at once; of those that failed or were
 * retransmitted the cause is told, and some wait a moment for what the other side has to say.
 */
#include "daemon/loop.h"

#include "common/clock.h"
#include "common/log.h"

#define FLUSH_EVERY 256 /* inferred handshakes */
#define LOOK_AGAIN_NS (200 * 1000000ULL)

static void put(struct daemon *d, const struct event_handshake *e, const struct verdict *verdict)
{
	const struct listener_owner *owner = NULL;
	struct filter_subject subject = {
		.netns = e->header.netns,
		.role = e->role,
		.outcome = e->outcome,
		.local_port = e->local_port,
		.remote_port = e->remote_port,
		.remote_addr = e->remote_addr,
		.latency_ns = e->latency_ns,
		.cgroup_id = e->cgroup_id,
		.cgroup_path = identity_cgroup_path(d->identity, e->cgroup_id),
	};

	if (e->role == ROLE_PASSIVE) {
		owner = listeners_owner(d->listeners, e->header.netns, e->local_addr, e->local_port);
		d->scan_wanted |= !owner;
	}
	record_begin(&d->record, RECORD_HANDSHAKE, e->end_ns, d->offset_ns);
	record_handshake(&d->record.body, e, d->identity, owner, verdict);
	if (verdict->inferred)
		flow_put(d, &subject);
	else
		flow_put_passed(d, &subject);
}

static void put_diagnosed(struct daemon *d, const struct event_handshake *e, bool inferred)
{
	struct evidence evidence;
	struct cause cause;

	correlate_evidence(d->correlate, e, clock_mono_ns(), &evidence);
	evidence.slow_ns = d->options.filter.stream.slow_ns;
	evidence.inferred = inferred;
	evidence.untold = source_untold(d->source);
	if (e->role == ROLE_PASSIVE) {
		const struct listener *p = listeners_at(d->listeners, e->header.netns, e->local_addr,
							e->local_port);

		evidence.deferred |= p && p->sample.deferred;
	}
	diagnose(&evidence, &cause);
	d->causes[e->role][cause.code][cause.proven]++;
	put(d, e, &(struct verdict){ .cause = &cause, .inferred = inferred });
}

unsigned int verdict_is_local(void *ctx, uint32_t netns, const uint8_t *addr)
{
	struct daemon *d = ctx;

	return queues_has_address(d->queues, netns, addr);
}

bool verdict_one_sided(const struct filter *filter)
{
	const struct stream_filter *f = &filter->stream;

	return f->roles || f->outcomes || f->slow_ns || f->by_remote || f->by_port || f->netns ||
	       f->by_cgroup || f->unwanted & (1 << EVENT_HANDSHAKE);
}

static bool gave_up(const struct event_handshake *e)
{
	return e->role == ROLE_ACTIVE &&
	       (e->outcome == OUTCOME_CANCELLED || e->outcome == OUTCOME_TIMEOUT);
}

/* What ended it is in the event: nothing that was missed, or comes later, could say otherwise. */
static bool speaks_for_itself(const struct event_handshake *e)
{
	return e->outcome == OUTCOME_NO_PORT ||
	       e->flags & (HANDSHAKE_RESET_HERE | HANDSHAKE_NO_NEIGHBOUR);
}

void verdict_handshake(struct daemon *d, const struct event_handshake *e)
{
	bool wanted = diagnose_wanted(e, d->options.filter.stream.slow_ns);

	if (e->role == ROLE_ACTIVE && e->caller.pid)
		queues_client(d->queues, e->header.netns, e->caller.pid);
	d->given_up += gave_up(e);
	if (!wanted) { /* most are not: what they leave behind is fetched from memory meanwhile */
		correlate_expect(d->correlate, e);
		put(d, e, &(struct verdict){ .cause = NULL });
		correlate_handshake(d->correlate, e, false);
		return;
	}
	correlate_handshake(d->correlate, e, true);
	if (speaks_for_itself(e)) {
		put_diagnosed(d, e, false);
	} else if (!correlate_hold(d->correlate, e)) {
		correlate_incomplete(d->correlate, e->end_ns);
		put_diagnosed(d, e, false);
	}
}

static void release_one(void *ctx, const struct event_handshake *e)
{
	put_diagnosed(ctx, e, false);
}

/* What may be missing is to be known before anything is said to be proven. */
static void check_missing(struct daemon *d)
{
	const __u64 *active;
	struct counters now;
	uint64_t hidden;

	if (source_counters(d->source, &now)) {
		correlate_incomplete(d->correlate, clock_mono_ns());
		return;
	}
	flow_check_losses(d, &now);
	active = now.handshakes[ROLE_ACTIVE];
	hidden = active[OUTCOME_CANCELLED] + active[OUTCOME_TIMEOUT] - d->given_up;
	if (verdict_one_sided(&d->options.filter) && hidden != d->hidden)
		correlate_hidden(d->correlate, d->hidden_ns);
	d->hidden = hidden;
	d->hidden_ns = clock_mono_ns();
}

void verdict_release(struct daemon *d, uint64_t now_ns)
{
	uint64_t ended_ns = correlate_due(d->correlate, now_ns);
	uint64_t rest_ns = d->pace.cost_ns * PACE_SHARE; /* what looks cost here is not to be had often */

	if (!correlate_holds(d->correlate, now_ns))
		return;
	/* What the listeners refused since the last look may be what they are about. */
	if (d->looked_ns < ended_ns) {
		if (now_ns - d->looked_ns <= LOOK_AGAIN_NS)
			return;
		if (now_ns - d->looked_ns > rest_ns)
			flow_look(d, false);
	}
	check_missing(d);
	correlate_release(d->correlate, now_ns, release_one, d);
}

static void infer_one(void *ctx, const struct event_handshake *e)
{
	struct daemon *d = ctx;
	struct event_handshake event = *e;
	const struct listener *p = listeners_at(d->listeners, e->header.netns, e->local_addr,
						e->local_port);

	event.cgroup_id = p ? p->cgroup_id : 0;
	if (++d->inferred[e->outcome] % FLUSH_EVERY == 0)
		sinks_flush(d->sinks); /* a flood ends all at once */
	if (d->options.events & (1U << RECORD_HANDSHAKE)) {
		put_diagnosed(d, &event, true);
	} else {
		tally_record(&d->tallies, RECORD_HANDSHAKE, false);
		tally_left(&d->tallies, RECORD_HANDSHAKE);
	}
}

static bool is_pending(void *ctx, const struct event_handshake *e)
{
	const struct daemon *d = ctx;

	return source_request_pending(d->source, e);
}

void verdict_expire(struct daemon *d, uint64_t now_ns)
{
	const struct correlate_inference inference = {
		.reset_is_told = !(source_untold(d->source) & UNTOLD_REQUEST_RESET),
		.pending = is_pending,
		.fn = infer_one,
		.ctx = d,
	};

	check_missing(d);
	correlate_expire(d->correlate, now_ns, &inference);
}
