// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From the kernel side's events, and from requests, to records. */
#include "daemon/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/records/audit_record.h"
#include "daemon/records/queue_record.h"
#include "daemon/records/reports.h"
#include "daemon/records/segment_record.h"

#define RESCAN_MIN_S 1
#define RESCAN_MAX_S 64

/* ---- events of the kernel side ---- */

static void on_handshake(void *ctx, const struct event_handshake *e)
{
	verdict_handshake(ctx, e);
}

static void on_listener(void *ctx, const struct event_listener *e)
{
	struct daemon *d = ctx;

	if (e->event == LISTENER_FOUND) { /* by a scan: it is no event */
		queues_listener(d->queues, e);
		return;
	}
	tally_event(&d->tallies, RECORD_LISTENER);
	queues_listener(d->queues, e);
	tally_event_done(&d->tallies);
	if (e->event != LISTENER_OPENED)
		return;
	if (!e->local_port)
		source_scan_listeners(d->source, e->pid); /* without bind(): it is bound by now */
	d->opened = true; /* it may be handed on: who holds it then, the next scan finds */
}

static void on_overflow(void *ctx, const struct event_overflow *e)
{
	struct daemon *d = ctx;

	correlate_overflow(d->correlate, e);
	tally_event(&d->tallies, RECORD_OVERFLOW);
	queues_overflow(d->queues, e);
	tally_event_done(&d->tallies);
}

static void put(struct daemon *d, const struct filter_subject *subject, bool wanted)
{
	if (!wanted) {
		tally_left(&d->tallies, d->record.type);
	} else if (d->record.body.failed) {
		tally_failed(&d->tallies, d->record.type);
		log_error("out of memory: a %s record was not written",
			  record_type_names[d->record.type]);
	} else {
		sinks_put(d->sinks, &d->record, subject);
	}
}

void flow_put(struct daemon *d, const struct filter_subject *subject)
{
	tally_record(&d->tallies, d->record.type, false);
	put(d, subject, (d->options.events & (1U << d->record.type)) &&
				(!subject || filter_match(&d->options.filter, subject)));
}

void flow_put_passed(struct daemon *d, const struct filter_subject *subject)
{
	tally_record(&d->tallies, d->record.type, true);
	put(d, subject, true);
}

/* What filters ask about an event that has ends and a cgroup, and no role or outcome. */
#define ends_of(d, e)                                                                              \
	{                                                                                          \
		.ends_only = true, .netns = (e)->header.netns, .local_port = (e)->local_port,      \
		.remote_port = (e)->remote_port, .remote_addr = (e)->remote_addr,                  \
		.cgroup_id = (e)->cgroup_id,                                                       \
		.cgroup_path = identity_cgroup_path((d)->identity, (e)->cgroup_id)                 \
	}

static void on_accept(void *ctx, const struct event_accept *e)
{
	struct daemon *d = ctx;
	const struct filter_subject subject = ends_of(d, e);

	record_begin(&d->record, RECORD_ACCEPT, e->mono_ns, d->offset_ns);
	record_accept(&d->record.body, e);
	tally_event(&d->tallies, RECORD_ACCEPT);
	flow_put(d, &subject);
	tally_event_done(&d->tallies);
}

/* Where no drop reports a refused final ACK, the RST of tcp_abort_on_overflow does. */
static void note_abort(struct daemon *d, const struct event_reset *r)
{
	struct event_overflow e = { .header.netns = r->header.netns, .mono_ns = r->mono_ns,
				    .local_port = r->local_port, .remote_port = r->remote_port,
				    .action = ACTION_RESET, .stage = STAGE_ACK, .client_isn = r->client_isn };

	if (r->cause != RESET_ABORT_ON_OVERFLOW || !(source_untold(d->source) & UNTOLD_REFUSED_ACK))
		return;
	memcpy(e.local_addr, r->local_addr, sizeof(e.local_addr));
	memcpy(e.remote_addr, r->remote_addr, sizeof(e.remote_addr));
	correlate_overflow(d->correlate, &e);
}

static void on_reset(void *ctx, const struct event_reset *e)
{
	struct daemon *d = ctx;
	const struct filter_subject subject = ends_of(d, e);

	note_abort(d, e);
	record_begin(&d->record, RECORD_RESET, e->mono_ns, d->offset_ns);
	record_reset(&d->record.body, e, source_reset_reason(d->source, e->reason),
		     listeners_owner(d->listeners, e->header.netns, e->local_addr, e->local_port));
	tally_event(&d->tallies, RECORD_RESET);
	flow_put(d, &subject);
	tally_event_done(&d->tallies);
}

static void on_retransmit(void *ctx, const struct event_retransmit *e)
{
	struct daemon *d = ctx;
	const struct filter_subject subject = ends_of(d, e);

	correlate_retransmit(d->correlate, e);
	if (!(d->options.events & (1U << RECORD_RETRANSMIT))) {
		tally_left(&d->tallies, RECORD_RETRANSMIT);
		return;
	}
	record_begin(&d->record, RECORD_RETRANSMIT, e->mono_ns, d->offset_ns);
	record_retransmit(&d->record.body, e,
			  e->segment == SEGMENT_SYN ?
				  NULL :
				  listeners_at(d->listeners, e->header.netns, e->local_addr,
					       e->local_port));
	tally_event(&d->tallies, RECORD_RETRANSMIT);
	flow_put(d, &subject);
	tally_event_done(&d->tallies);
}

struct source_handler flow_source_handler(struct daemon *d)
{
	return (struct source_handler){
		.handshake = on_handshake,
		.listener = on_listener,
		.overflow = on_overflow,
		.accept = on_accept,
		.reset = on_reset,
		.retransmit = on_retransmit,
		.ctx = d,
	};
}

void flow_drain(struct daemon *d)
{
	int err = source_drain(d->source);

	if (err)
		log_error("reading the ring buffer failed: %s", strerror(-err));
	sinks_flush(d->sinks);
}

/* ---- records about queues ---- */

static void on_refused(void *ctx, const struct syn_refusals *refusals)
{
	struct daemon *d = ctx;

	correlate_refusals(d->correlate, refusals);
}

static void on_looked(void *ctx, uint32_t netns, uint64_t now_ns)
{
	struct daemon *d = ctx;

	correlate_looked(d->correlate, netns, now_ns);
}

static struct filter_subject subject_of_listener(struct daemon *d, const struct listener *p)
{
	return (struct filter_subject){ .ends_only = true,
					.netns = p->netns,
					.local_port = p->port,
					.cgroup_id = p->cgroup_id,
					.cgroup_path = identity_cgroup_path(d->identity, p->cgroup_id) };
}

static void put_listener(void *ctx, const struct listener *p, enum listener_change change, uint64_t mono_ns)
{
	struct daemon *d = ctx;
	const struct filter_subject subject = subject_of_listener(d, p);

	record_begin(&d->record, RECORD_LISTENER, mono_ns, d->offset_ns);
	record_listener(&d->record.body, p, change, d->identity);
	flow_put(d, &subject);
}

static void put_sample(void *ctx, const struct listener *p, uint64_t mono_ns)
{
	put_listener(ctx, p, CHANGE_SAMPLE, mono_ns);
}

static void put_overflow(void *ctx, const struct overflow_report *r, uint64_t mono_ns)
{
	struct daemon *d = ctx;
	uint64_t cgroup_id = r->listener ? r->listener->cgroup_id : 0;
	const struct filter_subject subject = { .ends_only = true,
						.netns = r->netns,
						.local_port = r->local_port,
						.remote_port = r->remote_port,
						.remote_addr = r->remote_addr,
						.cgroup_id = cgroup_id,
						.cgroup_path = identity_cgroup_path(d->identity, cgroup_id) };

	record_begin(&d->record, RECORD_OVERFLOW, mono_ns, d->offset_ns);
	record_overflow(&d->record.body, r);
	flow_put(d, &subject);
}

static void put_audit(void *ctx, const struct audit_report *r)
{
	struct daemon *d = ctx;
	const struct filter_subject subject = { .audit = true, .netns = r->netns };

	record_begin(&d->record, RECORD_AUDIT, r->mono_ns, d->offset_ns);
	record_audit(&d->record.body, r);
	flow_put(d, &subject);
}

struct queues_handler flow_queues_handler(struct daemon *d)
{
	return (struct queues_handler){ .listener = put_listener, .overflow = put_overflow, .audit = put_audit,
					.refused = on_refused, .looked = on_looked, .ctx = d };
}

void flow_look(struct daemon *d, bool all)
{
	uint64_t begin_ns;

	flow_drain(d); /* what the looks are reconciled with comes first */
	begin_ns = clock_cpu_ns();
	d->looked_ns = clock_mono_ns();
	queues_interval(d->queues, d->looked_ns, all);
	sinks_flush(d->sinks);
	d->look_cost_ns = clock_cpu_ns() - begin_ns;
	d->look_cpu_ns += d->look_cost_ns;
	d->looks++;
}

/* ---- owners ---- */

void flow_scan(struct daemon *d)
{
	int err;

	flow_drain(d); /* what waits is about the listeners as they were */
	listeners_scan_begin(d->listeners);
	err = source_scan_listeners(d->source, 0);
	if (err)
		log_debug("cannot look for listeners: %s", strerror(-err));
	else
		listeners_scan_end(d->listeners);
}

static bool process_alive(uint32_t pid)
{
	return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

/*
 * A scan walks all open files of the host: only when an owner is missing, and less and less often
 * if that does not find it (a socket of the kernel has none).
 */
void flow_scan_if_needed(struct daemon *d, uint64_t now)
{
	if (now < d->next_scan_ns)
		return;
	if (!d->scan_wanted && !d->opened && !listeners_orphaned(d->listeners, process_alive)) {
		d->scan_backoff_s = RESCAN_MIN_S;
		return;
	}
	flow_scan(d);
	d->scan_wanted = d->opened = false;
	d->next_scan_ns = now + d->scan_backoff_s * NSEC_PER_SEC;
	if (d->scan_backoff_s < RESCAN_MAX_S)
		d->scan_backoff_s *= 2;
}

/* ---- losses ---- */

static void tell_loss(struct daemon *d, int what, enum loss_why why, uint64_t count)
{
	if (!count)
		return;
	record_begin(&d->record, RECORD_LOSS, clock_mono_ns(), d->offset_ns);
	sinks_loss(d->sinks, what, why, count, &d->record);
}

void flow_check_losses(struct daemon *d, const struct counters *now)
{
	const struct counters *told = &d->told;

	if (memcmp(now->ring_full, told->ring_full, sizeof(told->ring_full)) ||
	    now->limited[EVENT_RETRANSMIT] != told->limited[EVENT_RETRANSMIT] ||
	    now->limited[EVENT_HANDSHAKE] != told->limited[EVENT_HANDSHAKE] ||
	    now->request_map_full != told->request_map_full || source_missed(d->source) != d->told_missed)
		correlate_incomplete(d->correlate, clock_mono_ns());
}

void flow_tell_losses(struct daemon *d, const struct counters *now)
{
	uint64_t missed = source_missed(d->source), untracked = correlate_lost(d->correlate);
	const struct counters *told = &d->told;

	for (int kind = 0; kind < EVENT_KINDS; kind++) {
		enum record_type what = record_of_kind[kind];

		tell_loss(d, what, LOSS_RING_FULL, now->ring_full[kind] - told->ring_full[kind]);
		if (d->options.events & (1U << what))
			tell_loss(d, what, LOSS_RATE_LIMIT, now->limited[kind] - told->limited[kind]);
	}
	tell_loss(d, RECORD_LISTENER, LOSS_MAP_FULL, now->listener_map_full - told->listener_map_full);
	tell_loss(d, LOSS_BEGINNING, LOSS_MAP_FULL, now->attempt_map_full - told->attempt_map_full);
	tell_loss(d, RECORD_RETRANSMIT, LOSS_MAP_FULL,
		  now->request_map_full - told->request_map_full + untracked - d->told_untracked);
	tell_loss(d, LOSS_TRANSITION, LOSS_NESTED, missed - d->told_missed);
	if (now->ring_full[EVENT_LISTENER] != told->ring_full[EVENT_LISTENER])
		d->scan_wanted = true;
	flow_check_losses(d, now);
	d->told = *now;
	d->told_missed = missed;
	d->told_untracked = untracked;
}

/* ---- records about the daemon ---- */

static void make_hello(void *ctx, struct record *r, const struct filter *subscription)
{
	struct daemon *d = ctx;

	if (subscription)
		flow_drain(d); /* what is older than this hello is not the subscriber's */
	record_begin(r, RECORD_HELLO, clock_mono_ns(), d->offset_ns);
	report_hello(&r->body, d->source, &d->options.filter, subscription);
}

void flow_hello(struct daemon *d, struct record *r)
{
	make_hello(d, r, NULL);
}

void flow_tell_listeners(struct daemon *d)
{
	queues_each_listener(d->queues, put_sample, d);
	sinks_flush(d->sinks);
}

static void make_probe(void *ctx, struct record *r)
{
	struct daemon *d = ctx;

	if (d->options.accept_wait == ACCEPT_WAIT_OFF)
		source_probe_accept(d->source);
	record_begin(r, RECORD_PROBE, clock_mono_ns(), d->offset_ns);
	report_probe(&r->body, d->source);
}

/* An answer to one reader. */
struct answer {
	struct daemon *daemon;
	struct feed *to;
};

static void answer_audit(void *ctx, const struct audit_report *r)
{
	struct answer *a = ctx;
	struct daemon *d = a->daemon;

	record_begin(&d->record, RECORD_AUDIT, r->mono_ns, d->offset_ns);
	record_audit(&d->record.body, r);
	feed_answer(a->to, &d->record);
}

static void answer_stats(void *ctx, struct feed *to)
{
	struct daemon *d = ctx;
	struct totals totals = { .uptime_ns = clock_mono_ns() - d->start_ns, .tallies = &d->tallies,
				 .inferred = d->inferred, .asked_ns = d->pace.wanted_ns,
				 .interval_ns = d->pace.interval_ns };
	struct answer answer = { d, to };

	flow_look(d, true);
	queues_each_audit(d->queues, answer_audit, &answer);
	source_counters(d->source, &totals.counters);
	record_begin(&d->record, RECORD_STATS, clock_mono_ns(), d->offset_ns);
	report_stats(&d->record.body, &totals);
	feed_answer(to, &d->record);
}

/* The daemon's own filter keeps some from every feed: of those it knows half, and no refusals. */
static void answer_listener(void *ctx, const struct listener *p, uint64_t mono_ns)
{
	struct answer *a = ctx;
	struct daemon *d = a->daemon;
	const struct filter_subject subject = subject_of_listener(d, p);

	if (!filter_match(&d->options.filter, &subject))
		return;
	record_begin(&d->record, RECORD_LISTENER, mono_ns, d->offset_ns);
	record_listener(&d->record.body, p, CHANGE_SAMPLE, d->identity);
	feed_answer(a->to, &d->record);
}

/* As they are now: who asks does not want to wait for the next interval. */
static void answer_listeners(void *ctx, struct feed *to)
{
	struct daemon *d = ctx;
	struct answer answer = { d, to };

	flow_scan(d);
	flow_look(d, false);
	queues_each_listener(d->queues, answer_listener, &answer);
}

static void make_end(void *ctx, struct record *r, const char *error)
{
	struct daemon *d = ctx;

	record_begin(r, RECORD_END, clock_mono_ns(), d->offset_ns);
	report_end(&r->body, error);
}

struct control_handler flow_control_handler(struct daemon *d)
{
	return (struct control_handler){
		.hello = make_hello,
		.probe = make_probe,
		.stats = answer_stats,
		.listeners = answer_listeners,
		.end = make_end,
		.ctx = d,
	};
}
