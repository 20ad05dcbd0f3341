// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A record in a few words, one line, and one more for its cause. */
#include "cli/lab/report.h"

#include <inttypes.h>

#include "common/duration.h"

static void put_end(struct buf *b, const struct endpoint *e)
{
	buf_format(b, e->ipv6 ? " [%s]:%u" : " %s:%u", e->addr ? e->addr : "?", e->port);
}

static void put_word(struct buf *b, const char *word)
{
	buf_format(b, " %s", word ? word : "?");
}

static void put_count(struct buf *b, const char *word, uint64_t count)
{
	if (count)
		buf_format(b, " %s %" PRIu64, word, count);
}

static void put_span(struct buf *b, uint64_t ns)
{
	char span[32];

	if (ns != NS_UNKNOWN)
		put_word(b, duration_format(ns, span, sizeof(span)));
}

static void put_cause(struct buf *b, const struct cause *c)
{
	if (!c->code)
		return;
	buf_format(b, "\ncause %s", c->code);
	put_word(b, c->certainty);
	if (c->detail)
		buf_format(b, ": %s", c->detail);
}

static void put_handshake(struct buf *b, const struct record_handshake *h)
{
	put_word(b, h->role_name);
	put_end(b, &h->local);
	put_end(b, &h->remote);
	put_word(b, h->outcome_name);
	put_span(b, h->latency_ns);
	put_count(b, "retransmits", h->retransmits);
	put_cause(b, &h->cause);
}

static void put_overflow(struct buf *b, const struct record_overflow *o)
{
	put_word(b, o->stage);
	put_word(b, o->action);
	put_count(b, "count", o->count);
	buf_lit(b, ", queue");
	put_word(b, o->queue);
	if (o->has_listener)
		put_end(b, &o->listener);
	put_cause(b, &o->cause);
}

static void put_reset(struct buf *b, const struct record_reset *s)
{
	put_word(b, s->direction);
	put_end(b, &s->local);
	put_end(b, &s->remote);
	put_word(b, s->phase);
	put_word(b, s->cause);
}

static void put_retransmit(struct buf *b, const struct record_retransmit *s)
{
	put_word(b, s->segment);
	put_count(b, "attempt", s->attempt);
	put_end(b, &s->local);
	put_end(b, &s->remote);
	put_span(b, s->elapsed_ns);
}

void lab_report_words(const struct lab_record *record, struct buf *b)
{
	const struct record *r = &record->record;

	buf_format(b, "%s: %s", lab_places[record->place], r->type_name);
	if (r->type == RECORD_HANDSHAKE)
		put_handshake(b, &r->handshake);
	else if (r->type == RECORD_OVERFLOW)
		put_overflow(b, &r->overflow);
	else if (r->type == RECORD_RESET)
		put_reset(b, &r->reset);
	else if (r->type == RECORD_RETRANSMIT)
		put_retransmit(b, &r->retransmit);
	buf_lit(b, "\n");
}
