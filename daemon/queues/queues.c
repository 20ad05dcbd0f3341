// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/counters.h"
#include "bpf/maps.h"
#include "daemon/kernel/unreported.h"
#include "daemon/queues/queues_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

struct queues *queues_new(struct source *source, struct listeners *listeners,
			  const struct queues_handler *handler)
{
	struct queues *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->source = source;
	q->listeners = listeners;
	q->handler = *handler;
	return q;
}

void queues_free(struct queues *q)
{
	if (!q)
		return;
	books_free(&q->books);
	free(q->requests);
	free(q->looked);
	free(q->group);
	free(q->views);
	free(q->findings);
	free(q);
}

bool queues_make_room(struct queues *q, size_t room)
{
	if (room <= q->room)
		return true;
	free(q->requests);
	free(q->looked);
	free(q->group);
	free(q->views);
	free(q->findings);
	q->room = 2 * room;
	q->requests = calloc(q->room, sizeof(*q->requests));
	q->looked = calloc(q->room, sizeof(*q->looked));
	q->group = calloc(q->room, sizeof(*q->group));
	q->views = calloc(q->room, sizeof(*q->views));
	q->findings = calloc(OVERFLOW_FINDINGS(q->room), sizeof(*q->findings));
	if (q->requests && q->looked && q->group && q->views && q->findings)
		return true;
	q->room = 0;
	return false;
}

/* ---- listeners come, are looked at, and go ---- */

static void forget_port(struct queues *q, const struct listener *p)
{
	if (listeners_port_shared(q->listeners, p))
		source_forget_port(q->source, p->netns, p->port); /* of several: not of the one that may remain alone */
	else
		source_forget_service(q->source, p->netns, p->port);
}

static void forget(struct queues *q, struct listener *p, uint64_t mono_ns)
{
	queues_report(q, p, CHANGE_CLOSED, mono_ns);
	if (!source_listens_again(q->source, p->socket))
		source_forget_queue(q->source, p->socket);
	forget_port(q, p);
	listeners_remove(q->listeners, p);
}

struct queue_place queues_place(const struct queues *q, const struct listener *p)
{
	return (struct queue_place){ .socket = p->socket,
				     .service = { p->netns, p->port, p->sample.state.family },
				     .alone = !listeners_port_shared(q->listeners, p) };
}

/* Where nobody waited, there is nothing to read. Who found no room in a table may be of any listener that has no entry. */
static bool read_depth(const struct queues *q, const struct listener *p, enum overflow_queue which,
		       const struct queue_place *place, struct depth *depth)
{
	if (!source_sees_queue(q->source, which))
		return false;
	return !listener_peak(p, which) || source_depth(q->source, which, place, depth) || !q->depths_full[which];
}

static bool read_wait(const struct queues *q, const struct listener *p, const struct queue_place *place, struct latency *wait)
{
	if (!source_sees_accept(q->source))
		return false;
	return !listener_peak(p, QUEUE_ACCEPT) || source_wait(q->source, place, wait) || !q->waits_full;
}

static void distribute(struct queues *q, struct listener *p)
{
	static struct depth depth[LISTENER_QUEUES]; /* too large for a stack */
	static struct latency wait;
	const struct queue_place place = queues_place(q, p);
	struct distributions d = { .wait = read_wait(q, p, &place, &wait) ? &wait : NULL };

	for (int which = 0; which < LISTENER_QUEUES; which++)
		d.depth[which] = read_depth(q, p, which, &place, &depth[which]) ? &depth[which] : NULL;
	listener_distribute(p, &d);
}

/* Where no request is seen to join a SYN queue, what the kernel side has as its peak is the length at the look before. */
static void take(struct queues *q, struct listener *p, struct listener_sample sample)
{
	if (!source_sees_queue(q->source, QUEUE_SYN))
		sample.syn_peak = 0;
	listeners_sample(q->listeners, p, &sample);
}

/* The last look, at its end: what it dropped since the one before must not get lost with it. */
static void last_look(struct queues *q, struct listener *p, const struct event_listener *e)
{
	struct listener_sample last = p->sample;
	/* It may have come while the look before was at work. */
	uint64_t now_ns = e->mono_ns > q->last_ns ? e->mono_ns : q->last_ns + 1;

	if (q->blind || (!p->sampled && !p->fresh))
		return;
	last.socket = e->socket;
	last.mono_ns = e->mono_ns;
	last.state = e->state;
	last.drops = e->drops;
	last.accept_len = e->accept_len;
	last.accept_peak = e->state.accept_peak > e->accept_len ? e->state.accept_peak : e->accept_len;
	last.port_peak = 0;
	last.accept_max = e->backlog;
	last.syn_peak = e->state.syn_peak;
	p->quiet = false;
	take(q, p, last);
	if (source_listens_again(q->source, p->socket))
		listener_distribute(p, &(struct distributions){ .wait = NULL });
	else
		distribute(q, p);
	if (!listener_is_quiet(p))
		queues_reconcile(q, p->netns, now_ns);
}

/*
 * One opens at the address of another, whose end was not seen: listeners_put() takes its place. What was only found by a
 * scan may be the one that opens, whose event was on its way.
 */
static void end_replaced(struct queues *q, const struct event_listener *e)
{
	const struct listener *p = listeners_of(q->listeners, e);

	if (!p || (!p->opened_ns && (!p->sampled || p->sample.mono_ns >= e->mono_ns)))
		return;
	queues_report(q, p, CHANGE_CLOSED, e->mono_ns);
	if (p->netns != e->header.netns || p->port != e->local_port) /* else the new one uses it already */
		forget_port(q, p);
}

void queues_listener(struct queues *q, const struct event_listener *e)
{
	struct listener *p;

	if (e->event == LISTENER_CLOSED) {
		p = listeners_of(q->listeners, e);
		if (p) {
			last_look(q, p, e);
			forget(q, p, e->mono_ns);
		}
		return;
	}
	if (e->event == LISTENER_OPENED)
		end_replaced(q, e);
	p = listeners_put(q->listeners, e);
	if (p && e->event == LISTENER_OPENED) {
		queues_begin_namespace(q, p);
		queues_report(q, p, CHANGE_OPENED, e->mono_ns);
		p->changed = false;
	}
}

static void take_sample(struct queues *q, struct listener *p, const struct listener_sample *sample)
{
	p->quiet = false;
	q->quiet = false;
	take(q, p, *sample);
	distribute(q, p);
	q->reasons = source_reports_acks(q->source);
	p->refused.cookie = sample->state.cookie_drops;
	if (q->reasons)
		p->refused.ack = sample->state.ack_drops + sample->state.cookie_drops;
}

static void on_sample(void *ctx, size_t index, const struct listener_sample *sample)
{
	struct queues *q = ctx;
	struct listener *p = q->looked[index];

	if (sample->gone) {
		source_forget_listener(q->source, sample->socket);
		forget(q, p, sample->mono_ns);
		return;
	}
	take_sample(q, p, sample);
}

/* Of one that is gone its end says more, which is on its way. */
static void on_bound(void *ctx, size_t index, const struct listener_sample *sample)
{
	struct queues *q = ctx;
	struct listener *p = listeners_find(q->listeners, sample->socket);

	(void)index;
	if (p && !sample->gone)
		take_sample(q, p, sample);
}

bool queues_bind(struct queues *q, uint64_t socket)
{
	const struct look_request request = { .socket = socket };

	return source_look_again(q->source, &request, 1, on_bound, q) == 0;
}

static void collect_request(void *ctx, struct listener *p)
{
	struct queues *q = ctx;

	if (!listener_has_address(p))
		return;
	if (!p->quiet && queues_stays_quiet(p)) {
		p->quiet = true;
		p->quiet_drops = p->sample.drops;
		p->quiet_max = p->sample.accept_max;
	}
	q->looked[q->count] = p;
	q->requests[q->count++] = (struct look_request){
		.socket = p->socket, .netns = p->netns, .drops = p->quiet_drops,
		.accept_max = p->quiet_max, .local_port = p->port, .quiet = p->quiet,
	};
}

static void ask_room(struct queues *q)
{
	struct counters counters;
	bool unknown = source_counters(q->source, &counters);

	for (int which = 0; which < LISTENER_QUEUES; which++)
		q->depths_full[which] = unknown || counters.depth_map_full[which];
	q->waits_full = unknown || counters.wait_map_full;
}

/* Where nobody can look at the queues, listeners stay without a sample. */
static void look(struct queues *q)
{
	int err;

	q->count = 0;
	q->quiet = false;
	q->unseen = true;
	q->blind = source_unreported(q->source) & UNREPORTED_QUEUES;
	q->partial = source_unreported(q->source) & UNREPORTED_LISTENERS;
	if (q->blind)
		return;
	if (!queues_make_room(q, listeners_count(q->listeners) + 1))
		return;
	listeners_each(q->listeners, collect_request, q);
	ask_room(q);
	q->quiet = true;
	err = source_look(q->source, q->requests, q->count, on_sample, q);
	q->unseen = err;
	if (!err)
		return;
	q->quiet = false;
	if (log_is_due(&q->failed_ns, clock_mono_ns()))
		log_warning("cannot look at the listeners' queues: %s; going on, trying again", strerror(-err));
}

bool queues_quiet(const struct queues *q)
{
	return q->quiet && !q->unasked;
}

void queues_skip_interval(struct queues *q)
{
	q->skipped++;
}

void queues_interval(struct queues *q, uint64_t now_ns, bool all)
{
	q->idle_intervals = all ? 0 : IDLE_INTERVALS;
	look(q);
	queues_reconcile(q, 0, now_ns);
	queues_audit_clients(q, now_ns);
	q->skipped = 0;
	books_sweep(&q->books, q->source);
	memset(q->clients, 0, sizeof(q->clients));
	q->last_ns = now_ns;
	queues_report_worthy(q);
}
