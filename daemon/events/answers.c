// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/events/answers.h"

#include "common/clock.h"
#include "daemon/events/subject.h"
#include "daemon/records/audit_record.h"
#include "daemon/records/queue_record.h"

void answers_hello(struct answers *a, struct record *r, const struct filter *subscription)
{
	record_begin(r, RECORD_HELLO, clock_mono_ns(), a->emit->offset_ns);
	report_hello(&r->body, a->source, a->emit->filter, subscription);
}

static void on_hello(void *ctx, struct record *r, const struct filter *subscription)
{
	struct answers *a = ctx;

	looks_drain(a->looks); /* what is older than this hello is not the subscriber's */
	answers_hello(a, r, subscription);
}

static void on_probe(void *ctx, struct record *r)
{
	struct answers *a = ctx;

	source_probe_calls(a->source);
	source_probe_ends(a->source);
	record_begin(r, RECORD_PROBE, clock_mono_ns(), a->emit->offset_ns);
	report_probe(&r->body, a->source);
}

/* An answer of several records. */
struct answer {
	struct answers *answers;
	struct feed *to;
};

static void put_audit(void *ctx, const struct audit_report *r)
{
	const struct answer *answer = ctx;
	struct emit *emit = answer->answers->emit;

	record_audit(emit_begin(emit, RECORD_AUDIT, r->mono_ns), r);
	feed_answer(answer->to, &emit->record);
}

int answers_totals(const struct answers *a, struct totals *totals)
{
	*totals = (struct totals){
		.tallies = &a->emit->tallies,
		.inferred = a->handshakes->inferred,
		.uptime_ns = clock_mono_ns() - a->start_ns,
		.asked_ns = a->looks->pace.wanted_ns,
		.interval_ns = a->looks->pace.interval_ns,
	};
	return source_counters(a->source, &totals->counters);
}

static void on_stats(void *ctx, struct feed *to)
{
	struct answers *a = ctx;
	struct answer answer = { a, to };
	struct totals totals;

	looks_at_queues(a->looks, true);
	queues_each_audit(a->queues, put_audit, &answer);
	answers_totals(a, &totals);
	report_stats(emit_begin(a->emit, RECORD_STATS, clock_mono_ns()), &totals);
	feed_answer(to, &a->emit->record);
}

/* The daemon's own filter keeps some from every feed: of those it knows half, and no refusals. */
static void put_listener(void *ctx, const struct listener *p, uint64_t mono_ns)
{
	const struct answer *answer = ctx;
	const struct answers *a = answer->answers;
	const struct filter_subject subject = subject_of_listener(a->identity, p);

	if (!filter_match(a->emit->filter, &subject))
		return;
	record_listener(emit_begin(a->emit, RECORD_LISTENER, mono_ns), p, CHANGE_SAMPLE, a->identity,
			descriptors_of_full(a->descriptors, p));
	feed_answer(answer->to, &a->emit->record);
}

/* As they are now: who asks does not want to wait for the next interval. */
static void on_listeners(void *ctx, struct feed *to)
{
	struct answers *a = ctx;
	struct answer answer = { a, to };

	looks_scan(a->looks);
	looks_at_queues(a->looks, false);
	queues_each_listener(a->queues, put_listener, &answer);
}

static void on_end(void *ctx, struct record *r, const char *error)
{
	const struct answers *a = ctx;

	record_begin(r, RECORD_END, clock_mono_ns(), a->emit->offset_ns);
	report_end(&r->body, error);
}

struct control_handler answers_handler(struct answers *a)
{
	return (struct control_handler){
		.hello = on_hello,
		.probe = on_probe,
		.stats = on_stats,
		.listeners = on_listeners,
		.end = on_end,
		.ctx = a,
	};
}

struct farewell {
	struct emit *emit;
	const struct totals *totals;
};

static void say_bye(void *ctx, struct feed *feed)
{
	const struct farewell *farewell = ctx;
	struct emit *emit = farewell->emit;
	struct feed_totals totals;
	struct buf *body;

	if (!feed_is_subscribed(feed))
		return;
	body = emit_begin(emit, RECORD_BYE, clock_mono_ns());
	feed_report_losses(feed, &emit->record);
	feed_totals(feed, &totals);
	report_bye(body, farewell->totals, &totals);
	feed_put(feed, &emit->record);
}

void answers_bye(struct answers *a, const struct totals *totals)
{
	struct farewell farewell = { a->emit, totals };

	sinks_each(a->emit->sinks, say_bye, &farewell);
}
