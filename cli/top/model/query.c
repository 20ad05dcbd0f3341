// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/top/model/query.h"
#include "cli/feed/wanted.h"
#include "cli/top/model/count.h"

#include <stdlib.h>
#include <string.h>

struct top_span top_span_of(const struct top_model *m, enum top_window window, uint64_t now_ns)
{
	uint64_t end = now_ns / NSEC_PER_SEC, length = top_window_seconds[window];
	struct top_span span = { .end = end };

	if (length) {
		span.first = end > length ? end - length : 0;
		span.seconds = (double)length;
		return span;
	}
	span.all = true;
	if (m->known.newest_ns > now_ns)
		now_ns = m->known.newest_ns;
	span.seconds = m->known.since_ns ? (double)(now_ns - m->known.since_ns) / (double)NSEC_PER_SEC : 0;
	return span;
}

static struct top_latency latency_of(const struct histogram *h)
{
	return (struct top_latency){
		.count = h->count,
		.p50 = histogram_quantile(h, 0.5),
		.p90 = histogram_quantile(h, 0.9),
		.p99 = histogram_quantile(h, 0.99),
		.max = h->max,
	};
}

static void add_bucket(struct top_totals *t, struct histogram *latency, const struct top_bucket *b)
{
	for (int i = 0; i < TOP_COUNTS; i++)
		t->counts[i] += b->counts[i];
	for (int role = 0; role < ROLES; role++)
		histogram_merge(&latency[role], &b->latency[role]);
}

void top_totals_of(const struct top_model *m, const struct top_span *span, struct top_totals *t)
{
	struct histogram latency[ROLES] = { 0 };
	const struct top_bucket *b;

	memset(t, 0, sizeof(*t));
	if (span->all)
		add_bucket(t, latency, &m->total);
	for (uint64_t second = span->first; !span->all && second < span->end; second++)
		if ((b = top_second_at(&m->seconds, second)))
			add_bucket(t, latency, b);
	for (int role = 0; role < ROLES; role++)
		t->latency[role] = latency_of(&latency[role]);
}

static bool is_mixed(const struct top_model *m)
{
	uint32_t netns = 0;

	for (int id = TOP_LISTENERS; id <= TOP_DESTINATIONS; id++) {
		const struct keyset *t = &m->tables[id];

		for (uint32_t i = 1; i < TOP_ROWS_MAX; i++) {
			if (!top_table_has(t, i))
				continue;
			if (netns && top_table_key(t, i)->netns != netns)
				return true;
			netns = top_table_key(t, i)->netns;
		}
	}
	return false;
}

struct top_info top_info_of(const struct top_model *m)
{
	return (struct top_info){
		.host = m->known.host,
		.kernel = m->known.kernel,
		.version = m->known.version,
		.evidence = m->known.tier,
		.daemon_only = m->known.daemon_only,
		.source_only = m->known.source_only,
		.since_ns = m->known.since_ns,
		.newest_ns = m->known.newest_ns,
		.more_sockets = m->known.more_sockets,
		.failed = m->known.failed || m->names.cgroups.containers.failed,
		.mixed = is_mixed(m),
		.contained = m->names.cgroups.containers.ids.count > 0,
	};
}

int64_t top_wall_ns(const struct top_model *m, uint64_t mono_ns)
{
	return (int64_t)mono_ns + m->known.wall_offset_ns;
}

const struct evidence *top_evidence_of(const struct top_model *m)
{
	return &m->known.evidence;
}

bool top_counts_refusals(const struct top_model *m)
{
	const struct top_known *k = &m->known;

	return evidence_counts_all(&k->evidence,
				   k->filtered || k->source_filter || *k->daemon_only);
}

const struct top_names *top_names_of(const struct top_model *m)
{
	return &m->names;
}

/* ---- tables ---- */

/* Not a power of two: else all of a line's would share the same few lines of the processor's cache. */
#define LATENCY_LINES (TOP_ROWS_MAX + 16)

/*
 * Latencies by bucket, and in it by line: those of a host lie in a few hundred buckets, and memory of the others is never
 * touched. The other way around each line would have a page or two of its own.
 */
struct top_query {
	struct top_line lines[TOP_ROWS_MAX];
	uint32_t (*latency)[LATENCY_LINES]; /* by bucket */
	bool used[HISTOGRAM_BUCKETS];
	int32_t line_of[TOP_ROWS_MAX]; /* a row's, or -1 */
	size_t count;
};

struct top_query *top_query_new(void)
{
	struct top_query *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->latency = calloc(HISTOGRAM_BUCKETS, sizeof(*q->latency));
	if (q->latency)
		return q;
	free(q);
	return NULL;
}

void top_query_free(struct top_query *q)
{
	if (!q)
		return;
	free(q->latency);
	free(q);
}

static struct top_line *line_of(struct top_query *q, const struct top_model *m,
				enum top_table_id id, uint32_t row)
{
	const struct top_row *facts = &m->known.rows[id][row];
	struct top_line *l;

	if (q->line_of[row] >= 0)
		return &q->lines[q->line_of[row]];
	q->line_of[row] = (int32_t)q->count;
	l = &q->lines[q->count++];
	memset(l, 0, sizeof(*l));
	l->row = row;
	l->oldest_wait_ns = NS_UNKNOWN;
	if (row == TOP_OTHER)
		return l;
	l->key = top_table_key(&m->tables[id], row);
	l->pid = facts->pid;
	l->several = facts->several;
	l->cgroup = facts->cgroup;
	l->containers = facts->containers;
	l->newest = facts->newest;
	l->v6only = facts->v6only;
	l->sockets = facts->sockets;
	memcpy(l->comm, facts->comm, sizeof(l->comm));
	return l;
}

static void add_cells(struct top_query *q, const struct top_model *m, enum top_table_id id,
		      const struct top_cells *c)
{
	for (uint32_t i = 0; i < c->room; i++) {
		uint32_t row, slot;
		struct top_line *l;
		uint64_t n, *count;

		if (!top_cells_at(c, i, &row, &slot, &n))
			continue;
		/* A peak makes no row: it may be of a listener that is gone, or not asked for. */
		if (slot == SLOT_PEAK && (q->line_of[row] < 0 || !m->known.rows[id][row].sockets))
			continue;
		l = line_of(q, m, id, row);
		if (slot < HISTOGRAM_BUCKETS) {
			q->latency[slot][l - q->lines] += (uint32_t)n;
			q->used[slot] = true;
			l->latency.count += n;
			continue;
		}
		count = &l->counts[slot - HISTOGRAM_BUCKETS];
		if (slot != SLOT_PEAK)
			*count += n;
		else if (n > *count)
			*count = n;
	}
}

static bool is_fuller(const struct top_line *l, const struct queue *q)
{
	return !l->has_queue || (__uint128_t)q->len * (l->max + 1) > (__uint128_t)l->len * (q->max + 1);
}

static bool is_old(const struct top_model *m, uint64_t at_ns)
{
	return m->known.newest_ns > at_ns + TOP_SPREAD_OLD_NS;
}

/* Quantiles of several queues make no quantile: the worst stands for all; an old one only where all are. */
static void add_spread(const struct top_model *m, struct spread *worst, uint64_t *worst_ns, const struct spread *s,
		       uint64_t at_ns)
{
	bool newer = is_old(m, *worst_ns) && !is_old(m, at_ns), older = is_old(m, at_ns) && !is_old(m, *worst_ns);

	if (!s->known || !s->count || (worst->known && !newer && (older || s->p99 <= worst->p99)))
		return;
	*worst = *s;
	*worst_ns = at_ns;
}

static void add_socket(const struct top_model *m, struct top_line *l, const struct top_socket *s)
{
	if (s->accept.known && is_fuller(l, &s->accept)) {
		l->has_queue = true;
		l->len = s->accept.len;
		l->max = s->accept.max;
		l->has_syn = s->syn.known;
		l->syn_len = s->syn.len;
		l->syn_max = s->syn.max;
	}
	add_spread(m, &l->depth, &l->depth_ns, &s->depth, s->at_ns);
	add_spread(m, &l->wait, &l->wait_ns, &s->wait, s->at_ns);
	add_spread(m, &l->syn_depth, &l->syn_depth_ns, &s->syn_depth, s->at_ns);
	if (s->drops != COUNT_UNKNOWN) {
		l->has_drops = true;
		l->drops += s->drops;
	}
	if (s->waiting) {
		if (s->oldest_wait_ns != NS_UNKNOWN &&
		    (l->oldest_wait_ns == NS_UNKNOWN || s->oldest_wait_ns > l->oldest_wait_ns))
			l->oldest_wait_ns = s->oldest_wait_ns;
		l->waiting = true;
	}
	top_paths_follow(&m->names.cgroups, s->cgroup, &l->cgroup, &l->containers);
	if (!s->has_owner)
		return;
	l->several = (l->sockets > 1 && l->pid && l->pid != s->pid) || s->owners > 1;
	l->pid = s->pid;
	memcpy(l->comm, s->comm, sizeof(l->comm));
}

static void add_sockets(struct top_query *q, const struct top_model *m)
{
	for (uint32_t i = 1; i < TOP_SOCKETS_MAX; i++) {
		const struct top_socket *s = &m->known.sockets[i];
		const struct top_key *key;

		if (!top_table_has(&m->socket_table, i))
			continue;
		key = top_table_key(&m->tables[TOP_LISTENERS], s->row);
		if (s->row != TOP_OTHER && m->known.filtered &&
		    !listener_is_wanted(&m->filter, key->netns, (uint16_t)key->port,
					top_paths_text(&m->names.cgroups, s->cgroup)))
			continue;
		add_socket(m, line_of(q, m, TOP_LISTENERS, s->row), s);
	}
	/* Listeners that nothing is known of, but that they are there. */
	if (m->known.more_sockets)
		line_of(q, m, TOP_LISTENERS, TOP_OTHER)->sockets += (uint32_t)m->known.more_sockets;
}

/* The nearest rank of `count` values, from 1 on. */
static uint64_t rank_of(uint64_t count, unsigned percent)
{
	return (count * percent + 99) / 100;
}

static void set_quantiles(struct top_query *q, size_t line)
{
	struct top_latency *latency = &q->lines[line].latency;
	uint64_t seen = 0, before;
	const struct {
		uint64_t rank, *value;
	} wanted[] = {
		{ rank_of(latency->count, 50), &latency->p50 },
		{ rank_of(latency->count, 90), &latency->p90 },
		{ rank_of(latency->count, 99), &latency->p99 },
		{ latency->count, &latency->max },
	};

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && seen < latency->count; i++) {
		if (!q->used[i])
			continue;
		before = seen;
		seen += q->latency[i][line];
		for (int w = 0; w < 4; w++)
			if (before < wanted[w].rank && wanted[w].rank <= seen)
				*wanted[w].value = histogram_middle(i);
	}
}

size_t top_lines_of(struct top_query *q, const struct top_model *m, enum top_table_id id,
		    const struct top_span *span, struct top_line **lines)
{
	const struct top_bucket *b;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (q->used[i])
			memset(q->latency[i], 0, q->count * sizeof(q->latency[i][0]));
	memset(q->used, 0, sizeof(q->used));
	memset(q->line_of, 0xff, sizeof(q->line_of));
	q->count = 0;
	if (id == TOP_LISTENERS)
		add_sockets(q, m);
	if (span->all)
		add_cells(q, m, id, &m->total.cells[id]);
	for (uint64_t second = span->first; !span->all && second < span->end; second++)
		if ((b = top_second_at(&m->seconds, second)))
			add_cells(q, m, id, &b->cells[id]);
	for (size_t i = 0; i < q->count; i++)
		if (q->lines[i].latency.count)
			set_quantiles(q, i);
	*lines = q->lines;
	return q->count;
}

/* ---- one of them ---- */

static bool belongs(const struct top_model *m, enum top_table_id id, uint32_t row,
		    const struct top_fact *f)
{
	const struct top_key *key = top_table_key(&m->tables[id], row);

	switch (id) {
	case TOP_LISTENERS:
		return (f->flags & TOP_LOCAL) && f->local_port == key->port &&
		       (f->kind == TOP_OVERFLOW || f->role == ROLE_PASSIVE) &&
		       top_find_listener(m, f) == row;
	case TOP_DESTINATIONS:
		return f->kind == TOP_HANDSHAKE && f->role == ROLE_ACTIVE &&
		       f->remote_port == key->port && f->netns == key->netns && f->host == key->host &&
		       (f->flags & TOP_REMOTE) && memcmp(f->remote, key->addr, 16) == 0;
	case TOP_PROCESSES:
		return (f->flags & TOP_PROCESS) && f->host == key->host && strcmp(f->comm, key->text) == 0;
	case TOP_CAUSES:
		return f->code && strcmp(top_code(&m->names, f->code), key->text) == 0;
	default:
		return false;
	}
}

static void tally(struct top_focus *focus, const struct top_fact *f)
{
	struct top_tally *t = focus->tallies;
	unsigned i = 0;

	if (f->kind == TOP_HANDSHAKE)
		focus->outcomes[f->outcome]++;
	if (!f->code)
		return;
	while (i < focus->tally_count && t[i].code != f->code)
		i++;
	if (i == TOP_TALLIES)
		t[--i].code = TOP_CODE_OTHER;
	else if (i == focus->tally_count)
		t[focus->tally_count++] = (struct top_tally){ .code = f->code };
	t[i].handshakes += f->kind == TOP_HANDSHAKE;
	t[i].refused += f->kind == TOP_OVERFLOW ? f->count : 0;
}

static int by_frequency(const void *a, const void *b)
{
	const struct top_tally *x = a, *y = b;
	uint64_t i = x->handshakes + x->refused, j = y->handshakes + y->refused;

	return i > j ? -1 : i < j;
}

void top_focus_of(const struct top_model *m, enum top_table_id id, uint32_t row,
		  const struct top_span *span, size_t skip, const struct top_fact **facts, size_t max,
		  struct top_focus *focus)
{
	uint64_t i = m->log.end;

	memset(focus, 0, sizeof(*focus));
	focus->covered = !m->log.start;
	while (i-- > m->log.start && row != TOP_OTHER) {
		const struct top_fact *f = top_log_at(&m->log, i);
		uint64_t second = f->mono_ns / NSEC_PER_SEC;

		if (m->log.start && !span->all && second < span->first)
			focus->covered = true;
		if (!belongs(m, id, row, f) || !top_is_wanted(m, f))
			continue;
		if (focus->skipped < skip)
			focus->skipped++;
		else if (focus->fact_count < max)
			facts[focus->fact_count++] = f;
		if (span->all || (second >= span->first && second < span->end))
			tally(focus, f);
	}
	qsort(focus->tallies, focus->tally_count, sizeof(*focus->tallies), by_frequency);
}
