// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which listener is reported, and when: one that changed, or that is busy. */
#include "bpf/maps.h"
#include "daemon/queues/queues_internal.h"

void queues_report(const struct queues *q, const struct listener *p, enum listener_change change,
		   uint64_t mono_ns)
{
	q->handler.listener(q->handler.ctx, p, change, mono_ns);
}

/* The moment that a record of it is about. */
static uint64_t when(const struct queues *q, const struct listener *p)
{
	return p->sample.mono_ns > q->last_ns ? p->sample.mono_ns : q->last_ns;
}

/* Not before the first look, if there will be one. */
static bool can_report(const struct queues *q, const struct listener *p)
{
	return p->sampled || q->blind || !listener_has_address(p);
}

static void report_if_worth_it(void *ctx, struct listener *p)
{
	struct queues *q = ctx;
	const struct listener_sample *s = &p->sample;
	bool changed, busy;

	if (p->quiet && p->reported && !p->changed)
		return;
	changed = (p->reported && s->accept_max != p->reported_backlog) ||
		  (p->changed && (p->reported || p->fresh));
	busy = s->accept_len || s->syn_len || p->queue[QUEUE_ACCEPT].peak || p->queue[QUEUE_SYN].peak ||
	       s->drops != p->reported_drops;

	if (!can_report(q, p))
		return;
	if (!p->sampled && p->fresh && !p->reported)
		p->reported = !changed; /* by the record that it opened */
	if (p->reported && !changed && !busy)
		return;
	queues_report(q, p, changed ? CHANGE_CHANGED : CHANGE_SAMPLE, when(q, p));
	p->reported = true;
	p->changed = false;
	p->reported_backlog = s->accept_max;
	p->reported_drops = s->drops;
	for (int which = 0; which < LISTENER_QUEUES; which++)
		p->queue[which].peak = 0;
}

bool queues_stays_quiet(const struct listener *p)
{
	return p->sampled && listener_is_quiet(p) && !listener_peak(p, QUEUE_ACCEPT) && !listener_peak(p, QUEUE_SYN) &&
	       p->reported && p->sample.drops == p->reported_drops && p->sample.accept_max == p->reported_backlog;
}

void queues_report_worthy(struct queues *q)
{
	listeners_each(q->listeners, report_if_worth_it, q);
}

struct each_listener {
	const struct queues *queues;
	void (*fn)(void *ctx, const struct listener *p, uint64_t mono_ns);
	void *ctx;
};

static void visit(void *ctx, struct listener *p)
{
	const struct each_listener *each = ctx;

	if (can_report(each->queues, p))
		each->fn(each->ctx, p, when(each->queues, p));
}

void queues_each_listener(struct queues *q, void (*fn)(void *ctx, const struct listener *p, uint64_t mono_ns),
			  void *ctx)
{
	struct each_listener each = { q, fn, ctx };

	listeners_each(q->listeners, visit, &each);
}
