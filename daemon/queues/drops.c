// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Refusals that no event reports: from what the listeners and the namespaces counted, at each look. */
#include "bpf/maps.h"
#include "daemon/queues/queues_internal.h"

#include <string.h>

static struct overflow_view view_of(const struct queues *q, const struct listener *p)
{
	const struct listener_sample *s = &p->sample;
	uint32_t quarters = s->max_syn_backlog - s->max_syn_backlog / 4;
	struct overflow_view view = {
		.drops = s->drops - p->drops_accounted,
		.acks = s->state.ack_drops - p->accounted.ack_drops,
		.cookie_acks = s->state.cookie_drops - p->accounted.cookie_drops,
		.failed = s->state.failed - p->accounted.failed,
		.merged = s->state.merged - p->accounted.merged,
		.syn_failed = s->state.syn_failed - p->accounted.syn_failed,
		.evident = p->evident_acks,
		.acks_most = source_bounds_acks(q->source) ?
				     s->state.unnamed - p->accounted.unnamed :
				     UINT64_MAX,
		.syns_known = source_reports_syns(q->source),
		.fresh = p->drops_new,
		.accept_full = s->accept_len > s->accept_max || p->queue[QUEUE_ACCEPT].peak > s->accept_max,
		.syn_full = s->syn_len > s->accept_max,
		.cookies_always = p->cookies_always,
		.three_quarters = !s->syncookies && s->syn_len >= quarters,
	};

	for (int code = 0; code < CODES; code++)
		view.syns[code] = s->state.syn_drops[code] - p->accounted.syn_drops[code];
	return view;
}

/* What events reported one by one, as it happened, since the last time. */
static void report_book(struct queues *q, struct book *b, struct listener *p,
		      const struct overflow_view *v)
{
	uint64_t resets = p->sample.state.ack_resets - p->accounted.ack_resets;
	uint64_t *acks = q->refused[STAGE_ACK][QUEUE_ACCEPT];

	acks[ACTION_RESET] += resets;
	acks[ACTION_DROPPED] += v->acks + v->cookie_acks - resets;
	for (int code = 0; code < CODES; code++) {
		struct overflow_finding f = { .code = code, .count = v->syns[code] };

		if (code == CODE_ACCEPT_QUEUE_FULL)
			f.count += v->acks + v->cookie_acks;
		book_reported(b, &f, code == CODE_ACCEPT_QUEUE_FULL ? v->cookie_acks : 0);
		if (overflow_queue_of(code) != QUEUE_NONE)
			p->refused.syn += v->syns[code];
		q->refused[STAGE_SYN][overflow_queue_of(code)][ACTION_DROPPED] += v->syns[code];
	}
}

/* For the causes, which ask whose SYNs those were. */
static void report_refused(struct queues *q, const struct listener *p,
			 const struct overflow_finding *f, uint64_t now_ns)
{
	uint32_t peak = p->queue[QUEUE_ACCEPT].peak, len = p->sample.accept_len > peak ? p->sample.accept_len : peak;
	struct syn_refusals r = { .netns = p->netns, .port = p->port, .from_ns = q->last_ns,
				  .to_ns = now_ns, .count = f->count, .code = f->code,
				  .proven = f->proven, .len = len,
				  .max = p->sample.accept_max };

	memcpy(r.addr, p->addr, sizeof(r.addr));
	if (f->stage == STAGE_SYN && f->action == ACTION_DROPPED)
		q->handler.refused(q->handler.ctx, &r);
}

static void report_finding(struct queues *q, const struct book *b, struct listener *p,
			   const struct overflow_finding *f, uint64_t now_ns)
{
	if (p && f->code == CODE_ACCEPT_QUEUE_FULL && !f->proven)
		p->summed += f->count;
	q->refused[f->stage][f->queue][f->action] += f->count;
	if (p && f->stage == STAGE_ACK)
		p->refused.ack += f->count;
	else if (p && f->action == ACTION_DROPPED && f->queue != QUEUE_NONE)
		p->refused.syn += f->count;
	if (p)
		report_refused(q, p, f, now_ns);
	q->handler.overflow(q->handler.ctx,
			    &(struct overflow_report){
				    .finding = *f,
				    .netns = b->netns,
				    .local_addr = p ? p->addr : NULL,
				    .local_port = p ? p->port : 0,
				    .queue_known = p,
				    .accept_len = p ? p->sample.accept_len : 0,
				    .accept_max = p ? p->sample.accept_max : 0,
				    .listener = p,
				    .interval_ns = now_ns - q->last_ns,
			    },
			    now_ns);
}

static void account(struct listener *p, const struct overflow_view *v)
{
	/* what is left may be in the counters next time; what was left before never will be */
	uint32_t left = (uint32_t)v->drops < p->drops_new ? (uint32_t)v->drops : p->drops_new;

	p->drops_accounted = p->sample.drops - left;
	p->accounted = p->sample.state;
	p->evident_acks = v->evident;
}

/*
 * SYNs dropped for what no full queue explains, or for one of nobody's: whose, cannot be said. Those without a route
 * back are reported one by one, but for what is over the limit.
 */
static void report_doubt(struct queues *q, const struct book *b, size_t count, size_t findings,
		       uint64_t now_ns)
{
	const struct syn_refusals r = { .netns = b->netns, .from_ns = q->last_ns, .to_ns = now_ns,
					.count = 1, .code = CODES };
	bool doubt = b->known ? b->left.no_full_queue != b->doubted || b->left.drops : false;

	for (size_t i = 0; i < count; i++)
		doubt |= q->views[i].syn_failed || q->views[i].syns[CODE_NO_ROUTE_BACK] ||
			 (!b->known && q->views[i].drops);
	for (size_t i = 0; i < findings; i++)
		doubt |= q->findings[i].view == OVERFLOW_NOBODY;
	if (doubt)
		q->handler.refused(q->handler.ctx, &r);
}

static size_t find(struct queues *q, struct book *b, size_t count)
{
	/* Where hooks report each SYN, one that is left may have its event on the way: it is not reported twice. */
	bool partial = q->partial && !source_reports_syns(q->source);
	size_t found = 0;

	if (!b->known)
		return q->blind ? 0 : overflow_guess(q->views, count, q->findings);
	if (count && !q->blind)
		found = overflow_reconcile(&b->left, q->views, count, q->reasons, q->findings);
	b->reported.syns_known = source_reports_syns(q->source);
	if (!count || q->blind || partial) /* what is left is of listeners that nobody looks at */
		found += overflow_unseen(&b->left, &b->reported, &b->unseen, q->findings + found);
	return found;
}

void queues_explain_drops(struct queues *q, struct book *b, struct listener **group, size_t count,
			  uint64_t now_ns)
{
	size_t findings;

	for (size_t i = 0; !q->blind && i < count; i++) {
		q->views[i] = view_of(q, group[i]);
		report_book(q, b, group[i], &q->views[i]);
	}
	findings = find(q, b, count);
	for (size_t i = 0; i < findings; i++) {
		const struct overflow_finding *f = &q->findings[i];

		book_reported(b, f, 0);
		report_finding(q, b, f->view == OVERFLOW_NOBODY ? NULL : group[f->view], f, now_ns);
	}
	report_doubt(q, b, q->blind ? 0 : count, findings, now_ns);
	b->doubted = b->left.no_full_queue;
	for (size_t i = 0; !q->blind && i < count; i++)
		account(group[i], &q->views[i]);
}
