// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/maps.h"
#include "daemon/kernel/unreported.h"
#include "daemon/queues/queues_internal.h"

#include <stdlib.h>
#include <string.h>

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

static void forget(struct queues *q, struct listener *p, uint64_t mono_ns)
{
	queues_report(q, p, CHANGE_CLOSED, mono_ns);
	if (!listeners_port_shared(q->listeners, p))
		source_forget_service(q->source, p->netns, p->port);
	listeners_remove(q->listeners, p);
}

/* The last look, at its end: what it dropped since the one before must not get lost with it. */
static void last_look(struct queues *q, struct listener *p, const struct event_listener *e)
{
	struct listener_sample last = p->sample;

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
	p->quiet = false;
	listeners_sample(q->listeners, p, &last);
	if (!listener_is_quiet(p))
		queues_reconcile(q, p->netns, e->mono_ns);
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
	p = listeners_put(q->listeners, e);
	if (p && e->event == LISTENER_OPENED) {
		queues_begin_namespace(q, p);
		queues_report(q, p, CHANGE_OPENED, e->mono_ns);
		p->changed = false;
	}
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
	p->quiet = false;
	q->quiet = false;
	listeners_sample(q->listeners, p, sample);
	q->reasons = source_reports_acks(q->source);
	p->refused.cookie = sample->state.cookie_drops;
	if (q->reasons)
		p->refused.ack = sample->state.ack_drops + sample->state.cookie_drops;
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

/* Where nobody can look at the queues, listeners stay without a sample. */
static void look(struct queues *q)
{
	int err;

	q->count = 0;
	q->quiet = false;
	q->blind = source_unreported(q->source) & UNREPORTED_QUEUES;
	q->partial = source_unreported(q->source) & UNREPORTED_LISTENERS;
	if (q->blind)
		return;
	if (!queues_make_room(q, listeners_count(q->listeners) + 1))
		return;
	listeners_each(q->listeners, collect_request, q);
	q->quiet = true;
	err = source_look(q->source, q->requests, q->count, on_sample, q);
	if (!err)
		return;
	q->quiet = false;
	log_debug("cannot look at the listeners' queues: %s", strerror(-err));
}

bool queues_quiet(const struct queues *q)
{
	return q->quiet;
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
