// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/events/events.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/events/subject.h"
#include "daemon/kernel/unreported.h"
#include "daemon/records/audit_record.h"
#include "daemon/records/close_record.h"
#include "daemon/records/queue_record.h"
#include "daemon/records/segment_record.h"

/* ---- events of the kernel side ---- */

static void on_handshake(void *ctx, const struct event_handshake *e)
{
	struct events *events = ctx;

	handshakes_event(&events->handshakes, e);
}

static void note_closed(struct events *events, const struct event_listener *e)
{
	const struct listener *p = listeners_of(events->listeners, e);
	uint64_t opened_ns = e->state.since_ns; /* also where the event of its beginning was lost */

	if (!opened_ns)
		opened_ns = p ? p->opened_ns : NS_UNKNOWN;
	correlate_closed(events->correlate, e, opened_ns);
}

static void on_listener(void *ctx, const struct event_listener *e)
{
	struct events *events = ctx;

	if (e->event == LISTENER_FOUND) { /* by a scan: it is no event */
		queues_listener(events->queues, e);
		return;
	}
	if (e->event == LISTENER_CLOSED && e->local_port)
		note_closed(events, e);
	tally_event(&events->emit.tallies, RECORD_LISTENER);
	queues_listener(events->queues, e);
	tally_event_done(&events->emit.tallies);
	if (e->event != LISTENER_OPENED)
		return;
	if (!e->local_port && !queues_bind(events->queues, e->socket))
		looks_scan_process(&events->looks, e->pid);
	events->looks.opened = true; /* it may be handed on: who holds it then, the next scan finds */
}

static void on_overflow(void *ctx, const struct event_overflow *e)
{
	struct events *events = ctx;

	correlate_overflow(events->correlate, e);
	tally_event(&events->emit.tallies, RECORD_OVERFLOW);
	queues_overflow(events->queues, e);
	tally_event_done(&events->emit.tallies);
}

/* Put the record that was begun; it is the only one of its event. */
static void put_only(struct events *events, const struct filter_subject *subject)
{
	tally_event(&events->emit.tallies, events->emit.record.type);
	emit_put(&events->emit, subject);
	tally_event_done(&events->emit.tallies);
}

static void on_accept(void *ctx, const struct event_accept *e)
{
	struct events *events = ctx;
	const struct filter_subject subject = subject_of_event(events->identity, e);
	struct sighting s = sighting_of(e, ROLE_PASSIVE);

	s.from_ns = NS_UNKNOWN;
	s.to_ns = e->wait_ns == NS_UNKNOWN ? e->mono_ns : e->mono_ns - e->wait_ns;
	record_accept(emit_begin(&events->emit, RECORD_ACCEPT, e->mono_ns), e, correlate_conn(events->correlate, &s));
	put_only(events, &subject);
}

/* Where no drop reports a refused final ACK, the RST of tcp_abort_on_overflow does. */
static void note_abort(struct events *events, const struct event_reset *r)
{
	struct event_overflow e = { .header.netns = r->header.netns, .mono_ns = r->mono_ns,
				    .local_port = r->local_port, .remote_port = r->remote_port,
				    .action = ACTION_RESET, .stage = STAGE_ACK, .client_isn = r->client_isn };

	if (r->cause != RESET_ABORT_ON_OVERFLOW || !(source_unreported(events->source) & UNREPORTED_REFUSED_ACK))
		return;
	memcpy(e.local_addr, r->local_addr, sizeof(e.local_addr));
	memcpy(e.remote_addr, r->remote_addr, sizeof(e.remote_addr));
	correlate_overflow(events->correlate, &e);
}

static void on_reset(void *ctx, const struct event_reset *e)
{
	struct events *events = ctx;
	const struct filter_subject subject = subject_of_event(events->identity, e);
	const struct listener_owner *owner = NULL;

	if (!e->pid)
		owner = looks_owner(&events->looks, arrival_of(e->listener, e->mono_ns, e));
	note_abort(events, e);
	record_reset(emit_begin(&events->emit, RECORD_RESET, e->mono_ns), e,
		     source_reset_reason(events->source, e->reason),
		     owner);
	put_only(events, &subject);
}

static void on_retransmit(void *ctx, const struct event_retransmit *e)
{
	struct events *events = ctx;
	const struct filter_subject subject = subject_of_event(events->identity, e);
	struct sighting s = sighting_of(e, e->segment == SEGMENT_SYN ? ROLE_ACTIVE : ROLE_PASSIVE);
	const struct listener *p = NULL;

	s.from_ns = e->start_ns;
	s.to_ns = e->mono_ns;
	correlate_retransmit(events->correlate, e);
	if (!emit_wants(&events->emit, RECORD_RETRANSMIT)) {
		tally_left(&events->emit.tallies, RECORD_RETRANSMIT);
		return;
	}
	if (e->segment == SEGMENT_SYN_ACK)
		p = listeners_at(events->listeners, arrival_of(e->listener, e->mono_ns, e));
	if (p)
		looks_believe_owners(&events->looks, p, e->mono_ns);
	record_retransmit(emit_begin(&events->emit, RECORD_RETRANSMIT, e->mono_ns), e,
			  correlate_conn(events->correlate, &s), p);
	put_only(events, &subject);
}

static void on_drop(void *ctx, const struct event_drop *e)
{
	struct events *events = ctx;
	const struct filter_subject subject = subject_of_event(events->identity, e);
	bool of_server = (e->segment == DROP_SYN_ACK) == (e->direction == DROP_OUT);
	const struct listener_owner *owner = NULL;

	correlate_drop(events->correlate, e);
	if (!emit_wants(&events->emit, RECORD_DROP)) {
		tally_left(&events->emit.tallies, RECORD_DROP);
		return;
	}
	if (of_server)
		owner = looks_owner(&events->looks, arrival_of(e->listener, e->mono_ns, e));
	record_drop(emit_begin(&events->emit, RECORD_DROP, e->mono_ns), e, owner);
	put_only(events, &subject);
}

/* The server's side has the name that the client's has, where NAT gives them different ends and both are known yet. */
static uint64_t conn_of_close(struct events *events, const struct event_close *e)
{
	struct sighting s = sighting_of(e, e->role);

	s.from_ns = NS_UNKNOWN;
	s.to_ns = e->duration_ns == NS_UNKNOWN ? e->mono_ns : e->mono_ns - e->duration_ns;
	return correlate_conn(events->correlate, &s);
}

static void on_close(void *ctx, const struct event_close *e)
{
	struct events *events = ctx;
	const struct filter_subject subject = subject_of_event(events->identity, e);
	const struct listener_owner *owner = NULL;
	uint64_t conn = e->role == ROLE_UNKNOWN ? 0 : conn_of_close(events, e);

	if (!e->pid && e->role == ROLE_PASSIVE)
		owner = looks_owner(&events->looks, arrival_of(0, e->mono_ns, e));
	record_close(emit_begin(&events->emit, RECORD_CLOSE, e->mono_ns), e, conn, owner);
	put_only(events, &subject);
}

/* ---- what queues/ reports ---- */

static void on_listener_report(void *ctx, const struct listener *p, enum listener_change change,
			       uint64_t mono_ns)
{
	struct events *events = ctx;
	const struct filter_subject subject = subject_of_listener(events->identity, p);

	looks_believe_owners(&events->looks, p, mono_ns);
	record_listener(emit_begin(&events->emit, RECORD_LISTENER, mono_ns), p, change, events->identity,
			descriptors_of_full(&events->descriptors, p));
	emit_put(&events->emit, &subject);
}

/* The owners' descriptors, if they have none left for what waits in the full queue; else NULL. */
static const struct open_files *exhausted_by(struct events *events, const struct overflow_report *r)
{
	const struct listener *p = r->finding.code == CODE_ACCEPT_QUEUE_FULL ? r->listener : NULL;
	const struct open_files *files = p ? descriptors_exhausted(&events->descriptors, p) : NULL;

	if (files && !listeners_port_shared(events->listeners, p))
		correlate_exhausted(events->correlate, p->netns, p->port, files);
	return files;
}

static void on_overflow_report(void *ctx, const struct overflow_report *r, uint64_t mono_ns)
{
	struct events *events = ctx;
	const struct filter_subject subject = subject_of_overflow(events->identity, r);

	if (r->listener)
		looks_believe_owners(&events->looks, r->listener, mono_ns);
	record_overflow(emit_begin(&events->emit, RECORD_OVERFLOW, mono_ns), r, exhausted_by(events, r));
	emit_put(&events->emit, &subject);
}

static void on_audit_report(void *ctx, const struct audit_report *r)
{
	struct events *events = ctx;
	const struct filter_subject subject = subject_of_audit(r);

	record_audit(emit_begin(&events->emit, RECORD_AUDIT, r->mono_ns), r);
	emit_put(&events->emit, &subject);
}

static void on_refused(void *ctx, const struct syn_refusals *refusals)
{
	struct events *events = ctx;

	correlate_refusals(events->correlate, refusals);
}

static void on_looked(void *ctx, uint32_t netns, uint64_t now_ns)
{
	struct events *events = ctx;

	correlate_looked(events->correlate, netns, now_ns);
}

static void put_sample(void *ctx, const struct listener *p, uint64_t mono_ns)
{
	on_listener_report(ctx, p, CHANGE_SAMPLE, mono_ns);
}

void events_put_listeners(struct events *events)
{
	queues_each_listener(events->queues, put_sample, events);
	sinks_flush(events->emit.sinks);
}

/* ---- the parts ---- */

static unsigned int is_local(void *ctx, uint32_t netns, const uint8_t *addr)
{
	const struct events *events = ctx;

	return queues_has_address(events->queues, netns, addr);
}

static int make_sources(struct events *events, const struct filter *filter)
{
	const struct source_handler source = {
		.handshake = on_handshake,
		.listener = on_listener,
		.overflow = on_overflow,
		.accept = on_accept,
		.reset = on_reset,
		.retransmit = on_retransmit,
		.drop = on_drop,
		.close = on_close,
		.ctx = events,
	};
	const struct queues_handler queues = {
		.listener = on_listener_report,
		.overflow = on_overflow_report,
		.audit = on_audit_report,
		.refused = on_refused,
		.looked = on_looked,
		.ctx = events,
	};

	events->source = source_new(&source);
	events->identity = identity_new();
	events->listeners = listeners_new();
	events->queues = queues_new(events->source, events->listeners, &queues);
	events->correlate = correlate_new(is_local, events, handshakes_hidden_ns(filter));
	return events->source && events->identity && events->listeners && events->queues &&
			       events->correlate ?
		       0 :
		       -ENOMEM;
}

int events_init(struct events *events, const struct events_setup *setup)
{
	struct events *e = events;
	int err;

	*e = (struct events){ .source = NULL };
	err = make_sources(e, setup->filter);
	if (err)
		return err;
	e->emit = (struct emit){ .sinks = setup->sinks, .filter = setup->filter, .types = setup->types,
				 .offset_ns = clock_real_offset_ns(), .tallies.event = RECORD_TYPES };
	e->looks = (struct looks){ .source = e->source, .queues = e->queues, .listeners = e->listeners,
				   .emit = &e->emit };
	looks_init(&e->looks, setup->look_interval_ns);
	e->losses = (struct losses){ .source = e->source, .correlate = e->correlate, .emit = &e->emit,
				     .looks = &e->looks };
	e->handshakes = (struct handshakes){ .source = e->source, .queues = e->queues,
					     .listeners = e->listeners, .identity = e->identity,
					     .correlate = e->correlate, .emit = &e->emit,
					     .looks = &e->looks, .losses = &e->losses,
					     .failed.most = setup->filter->stream.most[EVENT_HANDSHAKE] };
	e->answers = (struct answers){ .source = e->source, .queues = e->queues, .identity = e->identity,
				       .emit = &e->emit, .looks = &e->looks, .descriptors = &e->descriptors,
				       .handshakes = &e->handshakes, .start_ns = clock_mono_ns() };
	return 0;
}

void events_free(struct events *events)
{
	queues_free(events->queues);
	source_free(events->source);
	identity_free(events->identity);
	listeners_free(events->listeners);
	correlate_free(events->correlate);
	buf_free(&events->emit.record.body);
}
