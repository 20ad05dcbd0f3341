// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Listeners, overflows, audits and accepts as lines. Words that do not fit go on the next line. */
#include "cli/tail/render.h"
#include "cli/tail/render_parts.h"
#include "cli/feed/containers.h"
#include "cli/text/text.h"

#include <linux/types.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/names.h"
#include "common/duration.h"

/* As render_extra(), on a line of its own where there is no room. */
static void put_word(struct line *l, enum paint paint, const char *key, const char *value)
{
	struct buf word = { 0 };
	struct line aside = { .out = &word, .style = l->style };

	render_extra(&aside, paint, key, value);
	if (l->style->terminal && l->columns + 1 + aside.columns > l->style->columns) {
		line_end(l);
		line_pad(l, TIME_WIDTH);
	}
	line_put(l, PAINT_NONE, " ");
	buf_mem(l->out, word.data, word.len);
	l->columns += aside.columns;
	l->out->failed = l->out->failed || word.failed;
	buf_free(&word);
}

static void __attribute__((format(printf, 4, 5)))
put_format(struct line *l, enum paint paint, const char *key, const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put_word(l, paint, key, text);
}

static void put_number(struct line *l, enum paint paint, const char *key, uint64_t value)
{
	put_format(l, paint, key, "%llu", (unsigned long long)value);
}

static void put_duration(struct line *l, enum paint paint, const char *key, uint64_t ns)
{
	char text[32];

	put_word(l, paint, key, text_duration(ns, text, sizeof(text)));
}

static void put_queue(struct line *l, const char *key, const struct queue *q)
{
	if (q->known)
		put_format(l, q->len > q->max ? PAINT_BAD : PAINT_NONE, key, "%llu/%llu",
			   (unsigned long long)q->len, (unsigned long long)q->max);
}

static void put_address(struct line *l, enum paint paint, const char *key,
			const struct endpoint *e)
{
	char text[128];

	put_word(l, paint, key, text_endpoint(text, sizeof(text), e->addr, e->port));
}

static void put_owner(struct line *l, const struct owner *owner, uint64_t owners)
{
	char more[32] = "";

	if (!owner->known)
		return;
	if (owners > 1)
		snprintf(more, sizeof(more), "+%llu", (unsigned long long)owners - 1);
	put_format(l, PAINT_NONE, NULL, "%.64s/%llu%s", owner->comm,
		   (unsigned long long)owner->pid, more);
}

void render_listener(struct line *l, const struct record *r)
{
	const struct record_listener *s = &r->listener;
	bool quiet = s->event == CHANGE_SAMPLE;
	char container[CONTAINER_TEXT];

	render_time(l, r);
	line_put(l, quiet ? PAINT_DIM : PAINT_BOLD, "listener");
	put_word(l, quiet ? PAINT_DIM : PAINT_BOLD, NULL, s->event_name);
	put_address(l, PAINT_NONE, NULL, &s->local);
	put_owner(l, &s->owner, s->owners);
	if (!s->accept.known && s->backlog.got != COUNT_UNKNOWN)
		put_number(l, PAINT_NONE, "backlog", s->backlog.got);
	put_queue(l, "queue", &s->accept);
	if (s->accept.peak)
		put_number(l, s->accept.peak > s->accept.max ? PAINT_BAD : PAINT_NONE, "peak",
			   s->accept.peak);
	put_queue(l, "syn", &s->syn);
	if (s->waiting && s->oldest_wait_ns != NS_UNKNOWN)
		put_duration(l, PAINT_NONE, "oldest", s->oldest_wait_ns);
	if (s->drops && s->drops != COUNT_UNKNOWN)
		put_number(l, PAINT_BAD, "drops", s->drops);
	if (s->overflow_syn || s->overflow_ack)
		put_format(l, PAINT_BAD, "overflows", "%llu/%llu",
			   (unsigned long long)s->overflow_syn,
			   (unsigned long long)s->overflow_ack);
	if (s->overflow_cookie)
		put_number(l, PAINT_BAD, "cookies-refused", s->overflow_cookie);
	if (container_text(&s->container, container, sizeof(container)))
		put_word(l, PAINT_NONE, "container", container);
	line_end(l);
}

/* What was refused, and why. */
static void put_refused(struct line *l, const struct record_overflow *o, enum paint paint)
{
	bool three_quarters = o->cause.code &&
			      strcmp(o->cause.code, cause_names[CAUSE_SYN_QUEUE_THREE_QUARTERS]) == 0;

	if (record_by_queue(o))
		put_format(l, paint, NULL, "%.16s %.16s: %.16s queue %s", o->stage, o->action, o->queue,
			   three_quarters ? "three quarters full" : "full");
	else
		put_format(l, paint, NULL, "%.16s %.16s: no queue was full", o->stage, o->action);
}

/* A cookie is an answer, if a poor one; the rest got none. */
void render_overflow(struct line *l, const struct record *r)
{
	const struct record_overflow *o = &r->overflow;
	bool cookie = record_is_cookie(o);

	render_time(l, r);
	line_format(l, cookie ? PAINT_WARN : PAINT_LOUD, "OVERFLOW %llu", (unsigned long long)o->count);
	put_refused(l, o, cookie ? PAINT_WARN : PAINT_BAD);
	if (o->has_listener)
		put_address(l, PAINT_BOLD, NULL, &o->listener);
	else
		put_number(l, PAINT_NONE, "netns", o->netns);
	put_owner(l, &o->owner, 1);
	if (o->has_remote)
		put_address(l, PAINT_NONE, "from", &o->remote);
	put_queue(l, "queue", &o->accept);
	if (o->interval_ns != NS_UNKNOWN)
		put_duration(l, PAINT_NONE, "within", o->interval_ns);
	/* Those of queues are in the words already. */
	if (o->cause.code && (!record_by_queue(o) || strcmp(o->cause.code, cause_names[CAUSE_UNKNOWN]) == 0))
		put_word(l, PAINT_WARN, "cause", o->cause.code);
	if (o->cause.certainty)
		put_word(l, PAINT_NONE, NULL, o->cause.certainty);
	if (o->evidence)
		put_word(l, PAINT_NONE, "evidence", o->evidence);
	line_end(l);
}

/* Only what differs: the rest is as it should be. */
void render_audit_record(struct line *l, const struct record *r)
{
	enum paint paint = r->audit.balanced ? PAINT_DIM : PAINT_LOUD;
	const cJSON *item;

	render_time(l, r);
	line_put(l, paint, "audit");
	put_word(l, paint, NULL, r->audit.balanced ? "balanced" : "NOT BALANCED");
	put_number(l, PAINT_NONE, "netns", r->audit.netns);
	if (r->audit.interval_ns != NS_UNKNOWN)
		put_duration(l, PAINT_NONE, "over", r->audit.interval_ns);
	cJSON_ArrayForEach(item, r->audit.counters) {
		struct record_counter c;

		if (!record_counter_of(item, &c) || c.difference == 0)
			continue;
		put_format(l, c.rule ? PAINT_NONE : PAINT_BAD, c.name, "%.0f-%.0f(%.64s)", c.kernel,
			   c.observed, c.rule ? c.rule : "unexplained");
	}
	line_end(l);
}

void render_accept(struct line *l, const struct record *r)
{
	const struct record_accept *a = &r->accept;
	char wait[32] = "-";

	render_time(l, r);
	if (render_is_wide(l->style))
		line_cell(l, PAINT_NONE, "accept", ROLE_WIDTH + 1);
	line_cell(l, PAINT_NONE, "accepted", OUTCOME_WIDTH + 1);
	if (a->wait_ns != NS_UNKNOWN)
		duration_format(a->wait_ns, wait, sizeof(wait));
	line_cell_right(l, PAINT_BOLD, wait, LATENCY_WIDTH);
	line_put(l, PAINT_NONE, " ");
	render_endpoints(l, &a->local, ROLE_PASSIVE, &a->remote);
	render_process(l, a->owner.known, a->owner.comm, a->owner.pid);
	if (a->evidence && render_is_wide(l->style))
		render_extra(l, PAINT_DIM, NULL, a->evidence);
	line_end(l);
}
