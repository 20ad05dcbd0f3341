// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is done for each namespace: its listeners' drops are explained, its counters audited, its addresses known. */
#include "daemon/queues/queues_internal.h"

#include <stdlib.h>

#include "common/clock.h"

/* ---- audits ---- */

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

	if (!book_audit(b, q->source, now_ns))
		return;
	q->audits[b->balanced]++;
	for (int i = 0; i < AUDIT_COUNTERS; i++)
		if (!b->rows[i].rule)
			b->unexplained[i] += (uint64_t)llabs(b->rows[i].difference);
	report = audit_of(b);
	q->handler.audit(q->handler.ctx, &report);
}

void queues_each_audit(const struct queues *q, void (*fn)(void *ctx, const struct audit_report *r), void *ctx)
{
	for (const struct book *b = q->books.first; b; b = b->next) {
		const struct audit_report report = audit_of(b);

		if (b->audited_ns)
			fn(ctx, &report);
	}
}

uint64_t queues_audits(const struct queues *q, bool balanced)
{
	return q->audits[balanced];
}

/* ---- namespaces with listeners ---- */

/* The counters of the namespace, opened through any process in it that owns a listener there. */
static void open_book(struct book *b, const struct listener *p)
{
	for (uint32_t i = 0; i < p->owner_count; i++)
		if (book_open(b, p->owner[i].pid))
			return;
}

void queues_begin_namespace(struct queues *q, const struct listener *p)
{
	struct book *b = books_get(&q->books, p->netns);

	if (!b || b->known)
		return;
	open_book(b, p);
	book_read(b, q->source);
}

/* A namespace whose listeners are idle is only read now and then. */
static void reconcile(struct queues *q, struct listener **group, size_t count, uint64_t now_ns)
{
	struct book *b = books_get(&q->books, group[0]->netns);
	bool busy;

	if (!b)
		return;
	b->idle += 1 + q->skipped;
	busy = book_openings_moved(b, q->source) || b->idle >= q->idle_intervals;
	for (size_t i = 0; i < count; i++) {
		busy |= !group[i]->quiet && !listener_is_quiet(group[i]);
		if (b->files.fd[0] < 0)
			open_book(b, group[i]);
		b->held |= !q->unseen && listener_has_address(group[i]);
	}
	b->visited = true;
	if (!b->known) { /* the counters begin behind what this look shows */
		queues_explain_drops(q, b, group, count, now_ns);
		book_read(b, q->source);
	} else if (busy) {
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

/* It mostly is: the newest listeners come first, and the newest namespaces have the largest numbers. */
static bool is_sorted(const struct queues *q)
{
	for (size_t i = 1; i < q->count; i++)
		if (q->group[i]->netns > q->group[i - 1]->netns)
			return false;
	return true;
}

void queues_reconcile(struct queues *q, uint32_t netns, uint64_t now_ns)
{
	q->count = 0;
	if (!queues_make_room(q, listeners_count(q->listeners) + 1))
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

/* ---- clients ---- */

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

static bool is_at_work(const struct queues *q, const struct book *b)
{
	return book_openings_moved(b, q->source) || b->moved || !q->idle_intervals;
}

bool queues_audit_book(struct queues *q, struct book *b, uint64_t now_ns)
{
	if (!book_read(b, q->source))
		return false;
	queues_explain_drops(q, b, NULL, 0, now_ns);
	report_audit(q, b, now_ns);
	return true;
}

/* Its clients are audited while they are at it. What cannot be read is not kept for long, whatever moves there. */
static void audit_client(struct queues *q, struct book *b, uint64_t now_ns)
{
	if (is_at_work(q, b) && queues_audit_book(q, b, now_ns)) {
		b->used = true;
		return;
	}
	b->idle += 1 + q->skipped;
	b->used |= b->idle < IDLE_INTERVALS;
}

/* Namespaces without a listener. */
void queues_audit_clients(struct queues *q, uint64_t now_ns)
{
	for (struct book *b = q->books.first; b; b = b->next) {
		if (!b->visited)
			audit_client(q, b, now_ns);
		b->visited = false;
	}
}

/* ---- addresses ---- */

unsigned int queues_has_address(struct queues *q, uint32_t netns, const uint8_t *addr)
{
	uint64_t now_ns = clock_mono_ns();
	unsigned int count = 0;

	for (struct book *b = q->books.first; b; b = b->next)
		if (!netns || b->netns == netns)
			count += book_has_address(b, addr, now_ns);
	return count;
}
