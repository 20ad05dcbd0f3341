// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/queues/overflow.h"

struct report {
	struct overflow_finding *finding;
	size_t count;
};

static void add(struct report *r, struct overflow_finding finding)
{
	if (finding.count)
		r->finding[r->count++] = finding;
}

static uint64_t take(uint64_t *from, uint64_t wanted)
{
	uint64_t taken = wanted < *from ? wanted : *from;

	*from -= taken;
	return taken;
}

/* Events have already reported these, one by one: they only leave the books. */
static void settle_events(struct overflow_counters *kernel, struct overflow_view *v)
{
	uint64_t overflows = v->acks + v->cookie_acks + v->syns[CODE_ACCEPT_QUEUE_FULL];
	uint64_t syns = 0;

	for (int code = 0; code < CODES; code++)
		syns += v->syns[code];
	take(&kernel->overflows, overflows);
	take(&kernel->reqq_drops, v->syns[CODE_SYN_QUEUE_FULL]);
	take(&kernel->no_routes, v->syns[CODE_NO_ROUTE_BACK]);
	take(&kernel->drops, v->acks + v->cookie_acks + syns);
	kernel->no_full_queue += take(&kernel->drops, v->failed + v->syn_failed);
	take(&v->drops, 2 * (v->acks + v->failed) + v->merged + v->cookie_acks + syns + v->syn_failed);
}

/* Is there a drop that an event may still report? It may be of any listener with drops. */
static bool event_may_come(const struct overflow_view *v)
{
	return v->syns_known && v->drops && v->fresh;
}

/* What the listeners dropped that nothing explains until now, and how many of them did. */
static uint64_t unexplained(const struct overflow_view *views, size_t count, size_t *dropping)
{
	uint64_t drops = 0;

	*dropping = 0;
	for (size_t i = 0; i < count; i++) {
		drops += views[i].drops;
		*dropping += views[i].drops > 0;
	}
	return drops;
}

/*
 * Without the drop's reason: S SYNs and A final ACKs make S + 2A of sk_drops and S + A of
 * ListenDrops, so A is the difference, unless RSTs to requests or ACKs outside of the window add to
 * sk_drops, or cookies' ACKs count as SYNs do: probable, and never more than acks_most.
 */
static void find_acks(struct report *r, struct overflow_counters *kernel, struct overflow_view *views,
		      size_t count)
{
	size_t dropping;
	uint64_t drops = unexplained(views, count, &dropping);
	uint64_t acks = drops > kernel->drops ? drops - kernel->drops : 0;

	if (acks > kernel->overflows)
		acks = kernel->overflows;
	for (size_t i = 0; i < count; i++) {
		struct overflow_view *v = &views[i];
		uint64_t mine = v->drops / 2 < acks ? v->drops / 2 : acks, reported;

		if (mine > v->acks_most)
			mine = v->acks_most;
		if (!mine || (dropping > 1 && !v->accept_full && !v->evident))
			continue;
		acks -= mine;
		take(&kernel->overflows, mine);
		take(&kernel->drops, mine);
		take(&v->drops, 2 * mine);
		reported = take(&v->evident, mine);
		add(r, (struct overflow_finding){ .view = i, .stage = STAGE_ACK, .queue = QUEUE_ACCEPT,
						  .evidence = EVIDENCE_SK_DROPS,
						  .code = CODE_ACCEPT_QUEUE_FULL,
						  .count = mine - reported });
	}
}

/* The refused SYNs of a namespace by what they were refused for, to be handed out to its listeners. */
struct pool {
	enum overflow_queue queue;
	enum overflow_code code;
	uint64_t left; /* that no listener has yet */
	bool proven;
};

static bool likely(const struct overflow_view *v, enum overflow_code code)
{
	switch (code) {
	case CODE_ACCEPT_QUEUE_FULL:
		return v->accept_full;
	case CODE_SYN_QUEUE_FULL:
		return v->syn_full;
	case CODE_NO_ROUTE_BACK:
		/* Where it is known, an event reports each. A full queue drops a SYN before a route is looked for. */
		return !v->syns_known && !v->accept_full && !v->syn_full;
	default:
		return v->three_quarters;
	}
}

/*
 * Hand the refusals of a pool out: to the listeners whose look makes it likely, or to any. If a listener had no full
 * queue, its drop may have another reason, and the refusal may belong to a listener that was looked at just before.
 */
static void hand_out(struct report *r, struct pool *pool, struct overflow_view *views, size_t count,
		     struct overflow_counters *kernel, bool to_any)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t given;

		if (!to_any && !likely(&views[i], pool->code))
			continue;
		given = take(&pool->left, views[i].drops);
		take(&views[i].drops, given);
		take(&kernel->drops, given);
		add(r, (struct overflow_finding){ .view = i, .stage = STAGE_SYN, .queue = pool->queue,
						  .evidence = EVIDENCE_SK_DROPS, .code = pool->code,
						  .proven = pool->proven && likely(&views[i], pool->code), .count = given });
	}
}

/* Can no final ACK be among the refusals that are left? */
static bool only_syns(const struct overflow_view *views, size_t count, bool reasons)
{
	for (size_t i = 0; i < count; i++)
		if (!reasons && views[i].drops && views[i].acks_most)
			return false;
	return true;
}

/*
 * Whose a refusal was is certain if only one listener dropped anything, or if there is one kind of refusal and
 * the listeners dropped nothing else. That three quarters were the reason never is: ListenDrops counts others.
 */
static void prove(struct pool pools[CODES], const struct overflow_view *views, size_t count, bool reasons)
{
	size_t dropping, kinds = 0;
	uint64_t drops = unexplained(views, count, &dropping), refused = 0;
	bool certain;

	for (int code = 0; code < CODES; code++) {
		kinds += pools[code].left > 0;
		refused += pools[code].left;
	}
	certain = dropping == 1 || (kinds == 1 && drops == refused);
	pools[CODE_ACCEPT_QUEUE_FULL].proven = certain && only_syns(views, count, reasons);
	pools[CODE_SYN_QUEUE_FULL].proven = certain;
}

/* So many explain ListenDrops. The kernel may have counted the drops of others since: they are left for the next time, once. */
static uint64_t spend_no_routes(struct overflow_counters *kernel, uint64_t spent)
{
	uint64_t before = kernel->no_routes_again < kernel->no_routes ? kernel->no_routes_again : kernel->no_routes;
	uint64_t new = kernel->no_routes - before;

	new -= spent > before ? spent - before : 0;
	return kernel->no_routes = kernel->no_routes_again = new;
}

/*
 * SYNs without a route back: ListenDrops of no queue, while as many packets could not be routed. What no listener has
 * dropped may have come after the look at it, and is left for the next time, too. Returns how many of ListenDrops are.
 */
static uint64_t find_unrouted(struct report *r, struct pool *pool, struct overflow_counters *kernel,
			      struct overflow_view *views, size_t count)
{
	uint64_t all = pool->left;

	hand_out(r, pool, views, count, kernel, false);
	return take(&pool->left, spend_no_routes(kernel, all - pool->left));
}

/* SYNs, each of which is one in sk_drops and one in ListenDrops. How many are left for the next time. */
static uint64_t find_syns(struct report *r, struct overflow_counters *kernel, struct overflow_view *views,
		      size_t count, bool reasons)
{
	uint64_t full = kernel->overflows + kernel->reqq_drops;
	uint64_t rest = kernel->drops > full ? kernel->drops - full : 0;
	uint64_t unrouted = kernel->no_routes < rest ? kernel->no_routes : rest, unexplained_routes;
	struct pool pools[CODES] = {
		{ QUEUE_ACCEPT, CODE_ACCEPT_QUEUE_FULL, kernel->overflows, false },
		{ QUEUE_SYN, CODE_SYN_QUEUE_FULL, kernel->reqq_drops, false },
		{ QUEUE_SYN, CODE_SYN_QUEUE_THREE_QUARTERS, rest - unrouted, false },
		{ QUEUE_NONE, CODE_NO_ROUTE_BACK, unrouted, false },
	};

	prove(pools, views, count, reasons);
	for (int code = 0; code < CODE_NO_ROUTE_BACK; code++)
		hand_out(r, &pools[code], views, count, kernel, false);
	unexplained_routes = find_unrouted(r, &pools[CODE_NO_ROUTE_BACK], kernel, views, count);
	/* What is left of the counters of full queues was somebody's; ListenDrops alone is no refusal by a queue. */
	hand_out(r, &pools[CODE_ACCEPT_QUEUE_FULL], views, count, kernel, true);
	hand_out(r, &pools[CODE_SYN_QUEUE_FULL], views, count, kernel, true);
	kernel->overflows = pools[CODE_ACCEPT_QUEUE_FULL].left;
	kernel->reqq_drops = pools[CODE_SYN_QUEUE_FULL].left;
	return kernel->overflows + kernel->reqq_drops + unexplained_routes;
}

static void find_cookies(struct report *r, struct overflow_counters *kernel,
			 const struct overflow_view *views, size_t count)
{
	size_t whose = OVERFLOW_NOBODY, full = 0;

	for (size_t i = 0; i < count; i++) {
		if (views[i].cookies_always) { /* of the namespace: it says nothing of a queue */
			kernel->plain_cookies += kernel->reqq_cookies;
			kernel->reqq_cookies = 0;
		}
		if (views[i].syn_full) {
			whose = i;
			full++;
		}
	}
	add(r, (struct overflow_finding){
		       .view = full == 1 ? whose : count == 1 ? 0 : OVERFLOW_NOBODY,
		       .stage = STAGE_SYN, .queue = QUEUE_SYN, .action = ACTION_COOKIE,
		       .evidence = EVIDENCE_COUNTERS, .code = CODE_SYN_QUEUE_FULL,
		       .proven = count == 1, .count = kernel->reqq_cookies });
	kernel->reqq_cookies = 0;
}

size_t overflow_reconcile(struct overflow_counters *kernel, struct overflow_view *views, size_t count,
			  bool reasons, struct overflow_finding *findings)
{
	struct report r = { .finding = findings };
	bool wait = false;
	uint64_t left;

	for (size_t i = 0; i < count; i++) {
		settle_events(kernel, &views[i]);
		wait |= event_may_come(&views[i]);
	}
	if (!reasons)
		find_acks(&r, kernel, views, count);
	left = wait ? kernel->overflows + kernel->reqq_drops : find_syns(&r, kernel, views, count, reasons);
	find_cookies(&r, kernel, views, count);
	if (!wait && kernel->drops > left)
		kernel->no_full_queue += kernel->drops - left;
	if (!wait || kernel->drops < left)
		kernel->drops = left;
	kernel->blurs = 0;
	return r.count;
}

static void add_unseen(struct report *r, struct overflow_counters *kernel, uint64_t *left, uint64_t before,
		       enum overflow_queue queue, enum overflow_code code)
{
	uint64_t count = take(left, before);

	take(&kernel->drops, count);
	add(r, (struct overflow_finding){ .view = OVERFLOW_NOBODY, .stage = STAGE_SYN, .queue = queue,
					  .evidence = EVIDENCE_COUNTERS, .code = code, .count = count });
}

size_t overflow_unseen(struct overflow_counters *kernel, struct overflow_view *reported,
		       struct overflow_counters *before, struct overflow_finding *findings)
{
	struct report r = { .finding = findings };
	uint64_t refused, unrouted = 0;

	settle_events(kernel, reported);
	refused = kernel->overflows + kernel->reqq_drops;
	if (kernel->drops > refused && !reported->syns_known)
		unrouted = kernel->drops - refused < kernel->no_routes ? kernel->drops - refused : kernel->no_routes;
	spend_no_routes(kernel, unrouted);
	add_unseen(&r, kernel, &unrouted, unrouted, QUEUE_NONE, CODE_NO_ROUTE_BACK);
	if (kernel->drops > refused) {
		kernel->no_full_queue += kernel->drops - refused;
		kernel->drops = refused;
	}
	add_unseen(&r, kernel, &kernel->overflows, before->overflows, QUEUE_ACCEPT, CODE_ACCEPT_QUEUE_FULL);
	add_unseen(&r, kernel, &kernel->reqq_drops, before->reqq_drops, QUEUE_SYN, CODE_SYN_QUEUE_FULL);
	find_cookies(&r, kernel, NULL, 0);
	*reported = (struct overflow_view){ .drops = 0 };
	*before = *kernel;
	return r.count;
}

size_t overflow_guess(struct overflow_view *views, size_t count, struct overflow_finding *findings)
{
	struct report r = { .finding = findings };
	struct overflow_counters none = {};

	for (size_t i = 0; i < count; i++) {
		settle_events(&none, &views[i]);
		if (!views[i].accept_full || views[i].syns_known)
			continue;
		add(&r, (struct overflow_finding){ .view = i, .stage = STAGE_SYN,
						   .queue = QUEUE_ACCEPT,
						   .evidence = EVIDENCE_SK_DROPS,
						   .code = CODE_ACCEPT_QUEUE_FULL,
						   .count = views[i].drops });
		views[i].drops = 0;
	}
	return r.count;
}
