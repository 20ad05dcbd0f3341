// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "queues.h"

#include <stdlib.h>
#include <string.h>

#include "books.h"
#include "common/clock.h"
#include "common/log.h"
#include "queue_record.h"

#define IDLE_INTERVALS 10 /* after so many, an idle namespace's counters are read all the same */

#define CLIENT_CACHE 64

/* For filters: of a listener, or of none that is known (NULL), which is in no cgroup. */
#define CGROUP_OF(q, p)                                                                            \
	.cgroup_id = (p) ? (p)->cgroup_id : 0,                                                     \
	.cgroup_path = (p) ? identity_cgroup_path((q)->identity, (p)->cgroup_id) : NULL

struct queues {
	struct source *source;
	struct listeners *listeners;
	struct identity *identity;
	struct queues_output output;
	struct books books;
	uint64_t *sockets; /* of all listeners */
	struct listener **group; /* the listeners of all namespaces, sorted by namespace */
	size_t count, room;
	struct overflow_view *views;
	struct overflow_finding *findings;
	uint64_t refused[STAGES][QUEUES][ACTIONS];
	uint64_t audits[2]; /* out of balance, balanced */
	uint32_t clients[CLIENT_CACHE]; /* namespaces whose clients were seen since then */
	uint64_t last_ns; /* of the previous look */
	int64_t offset_ns; /* of the wall clock */
	unsigned int idle_intervals; /* after so many, an idle namespace's counters are read */
	bool reasons; /* each refused final ACK is told one by one */
};

struct queues *queues_new(struct source *source, struct listeners *listeners,
			  struct identity *identity, const struct queues_output *output)
{
	struct queues *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->source = source;
	q->listeners = listeners;
	q->identity = identity;
	q->output = *output;
	return q;
}

void queues_free(struct queues *q)
{
	if (!q)
		return;
	books_free(&q->books);
	free(q->sockets);
	free(q->group);
	free(q->views);
	free(q->findings);
	free(q);
}

/* ---- events ---- */

static void tell(struct queues *q, const struct queues_output *to, struct listener *p,
		 enum listener_change change, uint64_t mono_ns)
{
	struct record *r = to->begin(to->ctx, RECORD_LISTENER, mono_ns, q->offset_ns);

	record_listener(&r->body, p, change, q->identity);
	to->end(to->ctx, &(struct filter_subject){ .ends_only = true, .netns = p->netns,
						   .local_port = p->port, CGROUP_OF(q, p) });
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

void queues_overflow(struct queues *q, const struct event_overflow *e)
{
	struct listener *p = listeners_find(q->listeners, e->socket);
	struct record *r;
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
	r = q->output.begin(q->output.ctx, RECORD_OVERFLOW, e->mono_ns, q->offset_ns);
	if (p && e->evidence == EVIDENCE_KFREE_SKB && !q->reasons)
		p->refused.ack++; /* a cookie's; others are not told so */
	if (p && e->evidence == EVIDENCE_SYNACK_RETRANSMIT) {
		struct book *b = books_get(&q->books, p->netns);

		if (b)
			book_told(b, &finding, 0);
		p->evident_acks++;
		q->refused[STAGE_ACK][QUEUE_ACCEPT][e->action]++;
		p->refused.ack++;
	}
	record_overflow(&r->body, &(struct overflow_report){
					  .finding = finding,
					  .netns = e->header.netns,
					  .local_addr = p ? p->addr : e->local_addr,
					  .local_port = e->local_port,
					  .remote_addr = e->remote_addr,
					  .remote_port = e->remote_port,
					  .queue_known = true,
					  .accept_len = e->accept_queue_len,
					  .accept_max = e->accept_queue_max,
					  .owner = p && p->owner_count ? &p->owner[0] : NULL,
				  });
	q->output.end(q->output.ctx, &(struct filter_subject){ .ends_only = true,
							       .netns = e->header.netns,
							       .local_port = e->local_port,
							       .remote_port = e->remote_port,
							       .remote_addr = e->remote_addr,
							       CGROUP_OF(q, p) });
}

/* ---- refusals that no event tells ---- */

static struct overflow_view view_of(const struct queues *q, const struct listener *p)
{
	const struct listener_sample *s = &p->sample;
	uint32_t quarters = s->max_syn_backlog - s->max_syn_backlog / 4;
	struct overflow_view view = {
		.drops = s->drops - p->drops_accounted,
		.acks = s->state.ack_drops - p->accounted.ack_drops,
		.cookie_acks = s->state.cookie_drops - p->accounted.cookie_drops,
		.failed = s->state.failed - p->accounted.failed,
		.syn_failed = s->state.syn_failed - p->accounted.syn_failed,
		.evident = p->evident_acks,
		.acks_most = source_bounds_acks(q->source) ?
				     s->state.unnamed - p->accounted.unnamed :
				     UINT64_MAX,
		.syns_known = source_tells_syns(q->source),
		.fresh = p->drops_new,
		.accept_full = s->accept_len > s->accept_max || p->peak > s->accept_max,
		.syn_full = s->syn_len > s->accept_max,
		.three_quarters = !s->syncookies && s->syn_len >= quarters,
	};

	for (int code = 0; code < CODES; code++)
		view.syns[code] = s->state.syn_drops[code] - p->accounted.syn_drops[code];
	return view;
}

/* What events told one by one, as it happened, since the last time. */
static void tell_book(struct queues *q, struct book *b, struct listener *p,
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
		book_told(b, &f, code == CODE_ACCEPT_QUEUE_FULL ? v->cookie_acks : 0);
		p->refused.syn += v->syns[code];
		q->refused[STAGE_SYN][code == CODE_ACCEPT_QUEUE_FULL ? QUEUE_ACCEPT : QUEUE_SYN]
			  [ACTION_DROPPED] += v->syns[code];
	}
}

/* For whoever asks whose SYNs those were. */
static void tell_refused(struct queues *q, const struct listener *p,
			 const struct overflow_finding *f, uint64_t now_ns)
{
	uint32_t len = p->sample.accept_len > p->peak ? p->sample.accept_len : p->peak;
	struct syn_refusals r = { .netns = p->netns, .port = p->port, .from_ns = q->last_ns,
				  .to_ns = now_ns, .count = f->count, .code = f->code,
				  .proven = f->proven, .len = len,
				  .max = p->sample.accept_max };

	memcpy(r.addr, p->addr, sizeof(r.addr));
	if (q->output.refused && f->stage == STAGE_SYN && f->action == ACTION_DROPPED)
		q->output.refused(q->output.ctx, &r);
}

static void report_finding(struct queues *q, const struct book *b, struct listener *p,
			   const struct overflow_finding *f, uint64_t now_ns)
{
	struct record *r = q->output.begin(q->output.ctx, RECORD_OVERFLOW, now_ns, q->offset_ns);

	if (p && f->code == CODE_ACCEPT_QUEUE_FULL && !f->proven)
		p->summed += f->count;
	q->refused[f->stage][f->queue][f->action] += f->count;
	if (p && f->stage == STAGE_ACK)
		p->refused.ack += f->count;
	else if (p && f->action == ACTION_DROPPED)
		p->refused.syn += f->count;
	if (p)
		tell_refused(q, p, f, now_ns);
	record_overflow(&r->body, &(struct overflow_report){
					  .finding = *f,
					  .netns = b->netns,
					  .local_addr = p ? p->addr : NULL,
					  .local_port = p ? p->port : 0,
					  .queue_known = p,
					  .accept_len = p ? p->sample.accept_len : 0,
					  .accept_max = p ? p->sample.accept_max : 0,
					  .owner = p && p->owner_count ? &p->owner[0] : NULL,
					  .interval_ns = now_ns - q->last_ns,
				  });
	q->output.end(q->output.ctx, &(struct filter_subject){ .ends_only = true, .netns = b->netns,
							       .local_port = p ? p->port : 0,
							       CGROUP_OF(q, p) });
}

static void account(struct listener *p, const struct overflow_view *v)
{
	/* what is left may be in the counters next time; what was left before never will be */
	uint32_t left = (uint32_t)v->drops < p->drops_new ? (uint32_t)v->drops : p->drops_new;

	p->drops_accounted = p->sample.drops - left;
	p->accounted = p->sample.state;
	p->evident_acks = v->evident;
}

static bool is_quiet(const struct listener *p)
{
	const struct listener_sample *s = &p->sample;

	return !s->accept_len && !s->syn_len && !p->peak && s->drops == p->drops_accounted;
}

static void put_audit(const struct queues *q, const struct queues_output *to, const struct book *b)
{
	struct record *r = to->begin(to->ctx, RECORD_AUDIT, b->audited_ns, q->offset_ns);

	record_audit(&r->body, b->netns, b->interval_ns, b->balanced, b->rows);
	to->end(to->ctx, &(struct filter_subject){ .audit = true, .netns = b->netns });
}

static void tell_audit(struct queues *q, struct book *b, uint64_t now_ns)
{
	if (!book_audit(b, source_untold(q->source), now_ns))
		return;
	q->audits[b->balanced]++;
	for (int i = 0; i < AUDIT_COUNTERS; i++)
		if (!b->rows[i].rule)
			b->unexplained[i] += (uint64_t)llabs(b->rows[i].difference);
	put_audit(q, &q->output, b);
}

/* SYNs dropped for what no full queue explains, or for one of nobody's: whose, cannot be said. */
static void tell_doubt(struct queues *q, const struct book *b, size_t count, size_t findings,
		       uint64_t now_ns)
{
	const struct syn_refusals r = { .netns = b->netns, .from_ns = q->last_ns, .to_ns = now_ns,
					.count = 1, .code = CODES };
	bool doubt = b->known ? b->left.no_full_queue != b->doubted || b->left.drops : false;

	for (size_t i = 0; i < count; i++)
		doubt |= q->views[i].syn_failed || (!b->known && q->views[i].drops);
	for (size_t i = 0; i < findings; i++)
		doubt |= q->findings[i].view == OVERFLOW_NOBODY;
	if (doubt && q->output.refused)
		q->output.refused(q->output.ctx, &r);
}

/* Explain what the listeners of one namespace dropped since the last time. */
static void explain_drops(struct queues *q, struct book *b, struct listener **group, size_t count,
			  uint64_t now_ns)
{
	size_t findings;

	for (size_t i = 0; i < count; i++) {
		q->views[i] = view_of(q, group[i]);
		tell_book(q, b, group[i], &q->views[i]);
	}
	findings = b->known ? overflow_reconcile(&b->left, q->views, count, q->reasons, q->findings) :
			      overflow_guess(q->views, count, q->findings);
	for (size_t i = 0; i < findings; i++) {
		const struct overflow_finding *f = &q->findings[i];

		book_told(b, f, 0);
		report_finding(q, b, f->view == OVERFLOW_NOBODY ? NULL : group[f->view], f, now_ns);
	}
	tell_doubt(q, b, count, findings, now_ns);
	b->doubted = b->left.no_full_queue;
	for (size_t i = 0; i < count; i++)
		account(group[i], &q->views[i]);
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
		busy |= !is_quiet(group[i]);
		if (b->files.fd[0] < 0)
			open_book(b, group[i]);
	}
	b->visited = true;
	if (busy || !b->known) {
		book_read(b, q->source);
		explain_drops(q, b, group, count, now_ns);
		tell_audit(q, b, now_ns);
	}
	if (b->known && q->output.looked)
		q->output.looked(q->output.ctx, b->netns, now_ns);
}

static void collect(void *ctx, struct listener *p)
{
	struct queues *q = ctx;

	if (p->sampled)
		q->group[q->count++] = p;
}

static int by_netns(const void *a, const void *b)
{
	const struct listener *const *x = a, *const *y = b;

	return (*x)->netns < (*y)->netns ? -1 : (*x)->netns > (*y)->netns;
}

static bool make_room(struct queues *q, size_t room)
{
	if (room <= q->room)
		return true;
	free(q->sockets);
	free(q->group);
	free(q->views);
	free(q->findings);
	q->room = 2 * room;
	q->sockets = calloc(q->room, sizeof(*q->sockets));
	q->group = calloc(q->room, sizeof(*q->group));
	q->views = calloc(q->room, sizeof(*q->views));
	q->findings = calloc(OVERFLOW_FINDINGS(q->room), sizeof(*q->findings));
	if (q->sockets && q->group && q->views && q->findings)
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
			tell_audit(q, b, now_ns);
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

/* All namespaces, or only one (`netns` not 0). */
static void reconcile_all(struct queues *q, uint32_t netns, uint64_t now_ns)
{
	q->count = 0;
	if (!make_room(q, listeners_count(q->listeners)))
		return;
	listeners_each(q->listeners, collect, q);
	if (!q->count)
		return;
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
	tell(q, &q->output, p, CHANGE_CLOSED, mono_ns);
	if (!listeners_port_shared(q->listeners, p))
		source_forget_service(q->source, p->netns, p->port);
	listeners_remove(q->listeners, p);
}

/* The last look, at its end: what it dropped since the one before must not get lost with it. */
static void last_look(struct queues *q, struct listener *p, const struct event_listener *e)
{
	struct listener_sample last = p->sample;

	if (!p->sampled && !p->fresh)
		return;
	last.socket = e->socket;
	last.mono_ns = e->mono_ns;
	last.state = e->state;
	last.drops = e->drops;
	last.accept_len = last.accept_peak = e->accept_len;
	last.accept_max = e->backlog;
	listeners_sample(q->listeners, p, &last);
	if (!is_quiet(p))
		reconcile_all(q, p->netns, e->mono_ns);
}

void queues_listener(struct queues *q, const struct event_listener *e)
{
	struct listener *p;

	if (e->event == LISTENER_CLOSED) {
		p = listeners_find(q->listeners, e->socket);
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
		tell(q, &q->output, p, CHANGE_OPENED, e->mono_ns);
		p->changed = false;
	}
}

static void on_sample(void *ctx, const struct listener_sample *sample)
{
	struct queues *q = ctx;
	struct listener *p = listeners_find(q->listeners, sample->socket);

	if (sample->gone) {
		source_forget_listener(q->source, sample->socket);
		if (p)
			forget(q, p, sample->mono_ns);
		return;
	}
	if (!p)
		return; /* its LISTENER_OPENED is still in the ring */
	listeners_sample(q->listeners, p, sample);
	q->reasons = source_tells_acks(q->source);
	p->refused.cookie = sample->state.cookie_drops;
	if (q->reasons)
		p->refused.ack = sample->state.ack_drops + sample->state.cookie_drops;
}

static void tell_if_worth_it(void *ctx, struct listener *p)
{
	struct queues *q = ctx;
	const struct listener_sample *s = &p->sample;
	bool changed = (p->told && s->accept_max != p->told_backlog) ||
		       (p->changed && (p->told || p->fresh));
	bool busy = s->accept_len || s->syn_len || p->peak || s->drops != p->told_drops;

	if (!p->sampled || (p->told && !changed && !busy))
		return;
	tell(q, &q->output, p, changed ? CHANGE_CHANGED : CHANGE_SAMPLE, s->mono_ns);
	p->told = true;
	p->changed = false;
	p->told_backlog = s->accept_max;
	p->told_drops = s->drops;
	p->peak = 0;
}

static void collect_socket(void *ctx, struct listener *p)
{
	struct queues *q = ctx;

	q->sockets[q->count++] = p->socket;
}

/* Where the queues cannot be seen, listeners stay without a sample. */
static void look(struct queues *q)
{
	int err;

	q->count = 0;
	if (!make_room(q, listeners_count(q->listeners)))
		return;
	listeners_each(q->listeners, collect_socket, q);
	err = source_look(q->source, q->sockets, q->count, on_sample, q);
	if (err)
		log_debug("cannot look at the listeners' queues: %s", strerror(-err));
}

void queues_interval(struct queues *q, uint64_t now_ns, int64_t offset_ns, bool all)
{
	q->offset_ns = offset_ns;
	q->idle_intervals = all ? 0 : IDLE_INTERVALS;
	look(q);
	reconcile_all(q, 0, now_ns);
	audit_clients(q, now_ns);
	books_sweep(&q->books, q->source);
	memset(q->clients, 0, sizeof(q->clients));
	listeners_each(q->listeners, tell_if_worth_it, q);
	q->last_ns = now_ns;
}

struct reporting {
	struct queues *queues;
	const struct queues_output *output;
};

static void report_one(void *ctx, struct listener *p)
{
	struct reporting *reporting = ctx;

	if (p->sampled)
		tell(reporting->queues, reporting->output, p, CHANGE_SAMPLE, p->sample.mono_ns);
}

void queues_report(struct queues *q, const struct queues_output *output)
{
	struct reporting reporting = { q, output };

	listeners_each(q->listeners, report_one, &reporting);
}

void queues_report_audits(struct queues *q, const struct queues_output *output)
{
	for (const struct book *b = q->books.first; b; b = b->next)
		if (b->audited_ns)
			put_audit(q, output, b);
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

void queues_measure_audits(const struct queues *q, struct exposition *e, bool total,
			   unsigned int max)
{
	for (const struct book *b = q->books.first; b && max; b = b->next) {
		if (!b->audited_ns)
			continue;
		max--;
		for (int i = 0; i < AUDIT_COUNTERS; i++) {
			exposition_start(e, total ? "_total" : "");
			exposition_label_number(e, "netns", b->netns);
			exposition_label(e, "counter", b->rows[i].name);
			if (total)
				exposition_value(e, b->unexplained[i]);
			else
				exposition_signed(e, b->rows[i].rule ? 0 : b->rows[i].difference);
		}
	}
}
