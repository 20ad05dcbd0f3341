// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Handshakes on their way to the feed. Most go through at once; of those that failed or were
 * retransmitted the cause is told, and some wait a moment for what the other side has to say.
 */
#include "daemon.h"

#include "common/clock.h"
#include "common/log.h"

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
	};

	if (e->role == ROLE_PASSIVE) {
		owner = listeners_owner(d->listeners, e->header.netns, e->local_addr, e->local_port);
		d->scan_wanted |= !owner;
	}
	if (verdict->inferred && !filter_match(&d->options.filter, &subject))
		return; /* the others have passed the kernel side's filter */
	record_begin(&d->record, RECORD_HANDSHAKE, e->end_ns, d->offset_ns);
	record_handshake(&d->record.body, e, d->identity, owner, verdict);
	if (d->record.body.failed)
		log_error("out of memory: a handshake record was not written");
	else
		sinks_put(d->sinks, &d->record, &subject);
}

static void put_diagnosed(struct daemon *d, const struct event_handshake *e, bool inferred)
{
	struct evidence evidence;
	struct cause cause;

	correlate_evidence(d->correlate, e, &evidence);
	evidence.slow_ns = d->options.filter.stream.slow_ns;
	evidence.inferred = inferred;
	diagnose(&evidence, &cause);
	d->causes[e->role][cause.code][cause.proven]++;
	put(d, e, &(struct verdict){ .cause = &cause, .inferred = inferred });
}

bool verdict_is_local(void *ctx, uint32_t netns, const uint8_t *addr)
{
	struct daemon *d = ctx;

	return queues_has_address(d->queues, netns, addr);
}

void verdict_handshake(struct daemon *d, const struct event_handshake *e)
{
	if (e->role == ROLE_ACTIVE && e->caller.pid)
		queues_client(d->queues, e->header.netns, e->caller.pid);
	correlate_handshake(d->correlate, e);
	if (!diagnose_wanted(e, d->options.filter.stream.slow_ns))
		put(d, e, &(struct verdict){ .cause = NULL });
	else if (!correlate_hold(d->correlate, e))
		put_diagnosed(d, e, false);
}

static void release_one(void *ctx, const struct event_handshake *e)
{
	put_diagnosed(ctx, e, false);
}

void verdict_release(struct daemon *d, uint64_t now_ns)
{
	uint64_t ended_ns = correlate_due(d->correlate, now_ns);

	if (!ended_ns)
		return;
	/* What the listeners refused since the last look may be what they are about. */
	if (d->looked_ns < ended_ns && clock_mono_ns() - d->looked_ns > LOOK_AGAIN_NS)
		flow_look(d, false);
	correlate_release(d->correlate, now_ns, release_one, d);
}

static void infer_one(void *ctx, const struct event_handshake *e)
{
	struct daemon *d = ctx;

	d->inferred[e->outcome]++;
	if (d->options.events & (1U << RECORD_HANDSHAKE))
		put_diagnosed(d, e, true);
}

void verdict_expire(struct daemon *d, uint64_t now_ns)
{
	bool reset_is_told = !(source_untold(d->source) & UNTOLD_REQUEST_RESET);

	correlate_expire(d->correlate, now_ns, reset_is_told, infer_one, d);
}
