// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/explain/render.h"
#include "cli/explain/unseen.h"
#include "cli/text/text.h"

#include <stdint.h>
#include <stdio.h>

#include "common/names.h"
#include "common/record_type.h"

static void put_refused(struct buf *b, const struct explain_refused *r)
{
	if (!(r->syn | r->ack | r->cookie))
		return;
	buf_lit(b, ",\"refused\":{\"syn\":");
	buf_u64(b, r->syn);
	json_number(b, "ack", r->ack);
	json_number(b, "cookie", r->cookie);
	json_number(b, "proven", r->proven);
	json_number(b, "probable", r->probable);
	buf_lit(b, "}");
}

static void put_whose(struct buf *b, const struct explain_cause *c)
{
	json_string(b, "by", cause_by_names[c->by]);
	json_number(b, "netns", c->netns);
	if (c->has_at) {
		buf_lit(b, ",\"at\":{\"addr\":");
		buf_json_str(b, c->addr, SIZE_MAX);
		json_number(b, "port", c->port);
		buf_lit(b, "}");
	} else if (c->by != CAUSE_BY_SOURCE) {
		buf_lit(b, ",\"at\":null");
	}
	if (!c->process.known) {
		buf_lit(b, ",\"process\":null");
		return;
	}
	buf_lit(b, ",\"process\":{\"pid\":");
	buf_u64(b, c->process.pid);
	json_string(b, "comm", c->process.comm);
	if (c->process.uid != COUNT_UNKNOWN)
		json_number(b, "uid", c->process.uid);
	buf_lit(b, "}");
}

static void put_outcomes(struct buf *b, const struct explain_cause *c)
{
	bool first = true;

	buf_lit(b, ",\"outcomes\":{");
	for (int i = 0; i <= OUTCOMES; i++) {
		if (!c->outcomes[i])
			continue;
		buf_str(b, first ? "\"" : ",\"");
		buf_str(b, i < OUTCOMES ? outcome_names[i] : "other");
		buf_lit(b, "\":");
		buf_u64(b, c->outcomes[i]);
		first = false;
	}
	buf_lit(b, "}");
}

static void put_looks(struct buf *b, const struct explain_cause *c, const struct explain_host *host)
{
	struct explain_fact fact;

	buf_lit(b, ",\"look_at\":[");
	for (size_t i = 0; explain_fact(c, host, i, &fact); i++) {
		buf_str(b, i ? ",{\"name\":" : "{\"name\":");
		buf_json_str(b, fact.name, SIZE_MAX);
		json_string(b, "value", fact.has_value ? fact.value : NULL);
		json_string(b, "why", fact.why);
		buf_lit(b, "}");
	}
	buf_lit(b, "]");
}

static void put_cause(struct buf *b, const struct explain_cause *c, size_t rank,
		      const struct explain_host *host)
{
	struct buf advice = { 0 };

	record_type_open(b, RECORD_EXPLAIN);
	json_number(b, "rank", rank);
	json_string(b, "code", c->code);
	buf_lit(b, ",\"certainty\":{\"proven\":");
	buf_u64(b, c->proven);
	json_number(b, "probable", c->probable);
	buf_lit(b, "}");
	json_number(b, "handshakes", c->handshakes);
	json_number(b, "failed", c->failed);
	json_number(b, "time_lost_ns", c->time_lost_ns);
	json_number(b, "untimed", c->untimed);
	put_refused(b, &c->refused);
	put_whose(b, c);
	put_outcomes(b, c);
	json_string(b, "first", *c->first ? c->first : NULL);
	json_string(b, "last", *c->last ? c->last : NULL);
	json_string(b, "evidence", c->evidence);
	put_looks(b, c, host);
	if (host->evidence)
		explain_may_hide_json(c, host->evidence, b);
	explain_advice(c, host, &advice);
	buf_mem(&advice, "", 1);
	json_string(b, "advice", advice.failed ? NULL : advice.data);
	b->failed = b->failed || advice.failed;
	buf_free(&advice);
	buf_lit(b, "}\n");
}

void explain_json(const struct explain *e, const struct explain_source *from, struct buf *b)
{
	const struct explain_totals *t = explain_totals(e);

	for (size_t i = 0; i < explain_count(e); i++)
		put_cause(b, explain_at(e, i), i + 1, &from->host);
	record_type_open(b, RECORD_EXPLAIN_SUMMARY);
	json_number(b, "handshakes", t->handshakes);
	json_number(b, "harmed", t->harmed);
	json_number(b, "failed", t->failed);
	json_number(b, "time_lost_ns", t->time_lost_ns);
	json_string(b, "from", *t->from ? t->from : NULL);
	json_string(b, "to", *t->to ? t->to : NULL);
	json_number(b, "lost_records", t->lost_records);
	json_number(b, "undiagnosed", t->undiagnosed);
	explain_unseen_json(e, b);
	buf_lit(b, "}\n");
}
