// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/queues/queues_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#define IDLE_INTERVALS 10 /* after so many, an idle namespace's counters are read all the same */

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

/* ---- events ---- */

static void report(const struct queues *q, const struct listener *p, enum listener_change change,
		   uint64_t mono_ns)
{
	q->handler.listener(q->handler.ctx, p, change, mono_ns);
}

/*
 * A SYN-ACK goes out again up to a second after its ACK was refused. By then a look may have found
 * that refusal in the sums, and whose of them it was cannot be told: it is not counted again.
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
		book_told(b, f, 0);
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
	if (p)
		*(ack ? &p->refused.ack : &p->refused.syn) += 1;
	if (p && e->from_cookie)
		p->refused.cookie++;
	if (!b)
		return;
	book_told(b, f, e->from_cookie);
	*(ack && e->from_cookie ? &b->reported.cookie_acks :
	  ack			? &b->reported.acks :
				  &b->reported.syns[f->code]) += 1;
}

void queues_overflow(struct queues *q, const struct event_overflow *e)
{
	struct listener *p = listeners_find(q->listeners, e->socket);
	const struct overflow_finding finding = {
		.stage = e->stage,
		.queue = e->code == CODE_ACCEPT_QUEUE_FULL ? QUEUE_ACCEPT : QUEUE_SYN,
		.action = e->action,
		.evidence = e->evidence,
		.code = e->code,
		.proven = e->proven,
		.count = 1,
	};

	if (in_a_sum(p, e))
		return;
	if (p && e->evidence == EVIDENCE_KFREE_SKB && !q->reasons && !q->blind)
		p->refused.ack++; /* a cookie's; others are not told so */
	if (q->blind)
		count_event(q, p, e, &finding);
	else if (p && e->evidence == EVIDENCE_SYNACK_RETRANSMIT)
		count_evident(q, p, &finding);
	q->handler.overflow(q->handler.ctx,
			    &(struct overflow_report){
				    .finding = finding,
				    .netns = e->header.netns,
				    .local_addr = p ? p->addr : e->local_addr,
				    .local_port = e->local_port,
				    .remote_addr = e->remote_addr,
				    .remote_port = e->remote_port,
				    .queue_known = true,
				    .accept_len = e->accept_queue_len,
				    .accept_max = e->accept_queue_max,
				    .listener = p,
			    },
			    e->mono_ns);
}

static bool is_quiet(const struct listener *p)
{
	const struct listener_sample *s = &p->sample;

	return !s->accept_len && !s->syn_len && !p->peak && s->drops == p->drops_accounted;
}

static struct audit_report audit_of(const struct book *b)
{
	return (struct audit_report){ .netns = b->netns,
				      .mono_ns = b->audited_ns,
				      .interval_ns = b->interval_ns,
				      .balanced = b->balanced,
				      .rows = b->rows,
				      .unexplained = b->unexplained };
}

static void report_audit(struct queues *q, struct book *b, uint64_t now_ns)
{
	struct audit_report report;

	if (!book_audit(b, source_untold(q->source), now_ns))
		return;
	q->audits[b->balanced]++;
	for (int i = 0; i < AUDIT_COUNTERS; i++)
		if (!b->rows[i].rule)
			b->unexplained[i] += (uint64_t)llabs(b->rows[i].difference);
	report = audit_of(b);
	q->handler.audit(q->handler.ctx, &report);
}

/* The counters of the namespace, opened through any process in it that owns a listener there. */
static void open_book(struct book *b, const struct listener *p)
{
	for (uint32_t i = 0; i < p->owner_count; i++)
		if (book_open(b, p->owner[i].pid))
			return;
}

/* A namespace whose listeners are idle is only read now and then. */
static void reconcile(struct queues *q, struct listener **group, size_t count, uint64_t now_ns)
{
	struct book *b = books_get(&q->books, group[0]->netns);
	bool busy;

	if (!b)
		return;
	busy = book_openings_moved(b, q->source) || ++b->idle >= q->idle_intervals;
	for (size_t i = 0; i < count; i++) {
		busy |= !group[i]->quiet && !is_quiet(group[i]);
		if (b->files.fd[0] < 0)
			open_book(b, group[i]);
	}
	b->visited = true;
	if (busy || !b->known) {
		book_read(b, q->source);
		queues_explain_drops(q, b, group, count, now_ns);
		report_audit(q, b, now_ns);
	}
	if (b->known && !q->blind && !q->partial)
		q->handler.looked(q->handler.ctx, b->netns, now_ns);
}

static void collect(void *ctx, struct listener *p)
{
	struct queues *q = ctx;

	if (p->sampled || q->blind)
		q->group[q->count++] = p;
}

static int by_netns(const void *a, const void *b)
{
	const struct listener *const *x = a, *const *y = b;

	return (*x)->netns > (*y)->netns ? -1 : (*x)->netns < (*y)->netns;
}

static bool make_room(struct queues *q, size_t room)
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

/* Namespaces without a listener: their clients are audited while they are at it. */
static void audit_clients(struct queues *q, uint64_t now_ns)
{
	for (struct book *b = q->books.first; b; b = b->next) {
		if (!b->visited && (book_openings_moved(b, q->source) || b->moved || !q->idle_intervals)) {
			b->used = true;
			book_read(b, q->source);
			queues_explain_drops(q, b, NULL, 0, now_ns);
			report_audit(q, b, now_ns);
		} else if (!b->visited && ++b->idle < IDLE_INTERVALS) {
			b->used = true; /* a namespace is not kept alive for long */
		}
		b->visited = false;
	}
}

void queues_client(struct queues *q, uint32_t netns, uint32_t pid)
{
	uint32_t *seen = &q->clients[netns % CLIENT_CACHE];
	struct book *b;

	if (*seen == netns)
		return; /* in this interval */
	*seen = netns;
	b = books_get(&q->books, netns);
	if (b && !b->known && book_open(b, pid))
		book_read(b, q->source);
}

unsigned int queues_has_address(struct queues *q, uint32_t netns, const uint8_t *addr)
{
	uint64_t now_ns = clock_mono_ns();
	unsigned int count = 0;

	for (struct book *b = q->books.first; b; b = b->next)
		if (!netns || b->netns == netns)
			count += book_has_address(b, addr, now_ns);
	return count;
}

/* It mostly is: the newest listeners come first, and the newest namespaces have the largest numbers. */
static bool is_sorted(const struct queues *q)
{
	for (size_t i = 1; i < q->count; i++)
		if (q->group[i]->netns > q->group[i - 1]->netns)
			return false;
	return true;
}

/* All namespaces, or only one (`netns` not 0). */
static void reconcile_all(struct queues *q, uint32_t netns, uint64_t now_ns)
{
	q->count = 0;
	if (!make_room(q, listeners_count(q->listeners) + 1))
		return;
	listeners_each(q->listeners, collect, q);
	if (!q->count)
		return;
	if (!is_sorted(q))
		qsort(q->group, q->count, sizeof(*q->group), by_netns);
	for (size_t i = 0, n; i < q->count; i += n) {
		for (n = 1; i + n < q->count && q->group[i + n]->netns == q->group[i]->netns; n++)
			;
		if (!netns || netns == q->group[i]->netns)
			reconcile(q, q->group + i, n, now_ns);
	}
}

/* ---- listeners come, are looked at, and go ---- */

static void forget(struct queues *q, struct listener *p, uint64_t mono_ns)
{
	report(q, p, CHANGE_CLOSED, mono_ns);
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
	last.accept_len = last.accept_peak = e->accept_len;
	last.accept_max = e->backlog;
	p->quiet = false;
	listeners_sample(q->listeners, p, &last);
	if (!is_quiet(p))
		reconcile_all(q, p->netns, e->mono_ns);
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
		struct book *b = books_get(&q->books, p->netns);

		if (b && !b->known) {
			open_book(b, p);
			book_read(b, q->source);
		}
		report(q, p, CHANGE_OPENED, e->mono_ns);
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
	listeners_sample(q->listeners, p, sample);
	q->reasons = source_tells_acks(q->source);
	p->refused.cookie = sample->state.cookie_drops;
	if (q->reasons)
		p->refused.ack = sample->state.ack_drops + sample->state.cookie_drops;
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

	if (p->quiet && p->told && !p->changed)
		return;
	changed = (p->told && s->accept_max != p->told_backlog) ||
		  (p->changed && (p->told || p->fresh));
	busy = s->accept_len || s->syn_len || p->peak || s->drops != p->told_drops;

	if (!can_report(q, p))
		return;
	if (!p->sampled && p->fresh && !p->told)
		p->told = !changed; /* by the record that it opened */
	if (p->told && !changed && !busy)
		return;
	report(q, p, changed ? CHANGE_CHANGED : CHANGE_SAMPLE, when(q, p));
	p->told = true;
	p->changed = false;
	p->told_backlog = s->accept_max;
	p->told_drops = s->drops;
	p->peak = 0;
}

/* Is there nothing to say of it as long as it stays as it was at the last look? */
static bool stays_quiet(const struct listener *p)
{
	return p->sampled && is_quiet(p) && !p->sample.accept_peak && !p->peak_window && !p->peak_before &&
	       p->told && p->sample.drops == p->told_drops && p->sample.accept_max == p->told_backlog;
}

static void collect_request(void *ctx, struct listener *p)
{
	struct queues *q = ctx;

	if (!listener_has_address(p))
		return;
	if (!p->quiet && stays_quiet(p)) {
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
	q->blind = source_untold(q->source) & UNTOLD_QUEUES;
	q->partial = source_untold(q->source) & UNTOLD_LISTENERS;
	if (q->blind)
		return;
	if (!make_room(q, listeners_count(q->listeners) + 1))
		return;
	listeners_each(q->listeners, collect_request, q);
	err = source_look(q->source, q->requests, q->count, on_sample, q);
	if (err)
		log_debug("cannot look at the listeners' queues: %s", strerror(-err));
}

void queues_interval(struct queues *q, uint64_t now_ns, bool all)
{
	q->idle_intervals = all ? 0 : IDLE_INTERVALS;
	look(q);
	reconcile_all(q, 0, now_ns);
	audit_clients(q, now_ns);
	books_sweep(&q->books, q->source);
	memset(q->clients, 0, sizeof(q->clients));
	q->last_ns = now_ns;
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

void queues_each_audit(const struct queues *q, void (*fn)(void *ctx, const struct audit_report *r), void *ctx)
{
	for (const struct book *b = q->books.first; b; b = b->next) {
		const struct audit_report report = audit_of(b);

		if (b->audited_ns)
			fn(ctx, &report);
	}
}

uint64_t queues_refused(const struct queues *q, enum overflow_stage stage,
			enum overflow_queue queue, enum overflow_action action)
{
	return q->refused[stage][queue][action];
}

uint64_t queues_audits(const struct queues *q, bool balanced)
{
	return q->audits[balanced];
}
