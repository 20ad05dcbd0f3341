// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Refusals that an event reports, one by one. */
#include "daemon/queues/queues_internal.h"

/*
 * A SYN-ACK goes out again up to a second after its ACK was refused. By then a look may have found
 * that refusal in the sums, and whose of them it was is not known: it is not counted again.
 */
static bool in_a_sum(struct listener *p, const struct event_overflow *e)
{
	if (!p || e->evidence != EVIDENCE_SYNACK_RETRANSMIT || !p->summed)
		return false;
	p->summed--;
	return true;
}

/* A final ACK that only a SYN-ACK which goes out again shows. */
static void count_evident(struct queues *q, struct listener *p, const struct overflow_finding *f)
{
	struct book *b = books_get(&q->books, p->netns);

	if (b)
		book_reported(b, f, 0);
	p->evident_acks++;
	q->refused[STAGE_ACK][QUEUE_ACCEPT][f->action]++;
	p->refused.ack++;
}

/* Where no look at the listener finds what the kernel side counted of it, the event itself counts. */
static void count_event(struct queues *q, struct listener *p, const struct event_overflow *e,
			const struct overflow_finding *f)
{
	struct book *b = books_get(&q->books, e->header.netns);
	bool ack = f->stage == STAGE_ACK;

	q->refused[f->stage][f->queue][f->action]++;
	if (p && f->queue != QUEUE_NONE)
		*(ack ? &p->refused.ack : &p->refused.syn) += 1;
	if (p && e->from_cookie)
		p->refused.cookie++;
	if (!b)
		return;
	book_reported(b, f, e->from_cookie);
	*(ack && e->from_cookie ? &b->reported.cookie_acks :
	  ack			? &b->reported.acks :
				  &b->reported.syns[f->code]) += 1;
}

void queues_overflow(struct queues *q, const struct event_overflow *e)
{
	struct listener *p = listeners_find(q->listeners, e->socket);
	const struct overflow_report report = overflow_report_of(e, p);

	if (in_a_sum(p, e))
		return;
	if (p && e->evidence == EVIDENCE_KFREE_SKB && !q->reasons && !q->blind)
		p->refused.ack++; /* a cookie's; others are not reported so */
	if (q->blind)
		count_event(q, p, e, &report.finding);
	else if (p && e->evidence == EVIDENCE_SYNACK_RETRANSMIT)
		count_evident(q, p, &report.finding);
	q->handler.overflow(q->handler.ctx, &report, e->mono_ns);
}

uint64_t queues_refused(const struct queues *q, enum overflow_stage stage,
			enum overflow_queue queue, enum overflow_action action)
{
	return q->refused[stage][queue][action];
}
