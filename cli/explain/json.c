// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/explain/findings.h"
#include "cli/explain/render.h"
#include "cli/explain/unseen.h"
#include "cli/text/progress.h"
#include "cli/text/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
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

static void put_known(struct buf *b, const char *name, const char *value)
{
	if (value)
		json_string(b, name, value);
}

static void put_container(struct buf *b, const struct record_container *c)
{
	if (!c->id)
		return;
	buf_lit(b, ",\"container\":{\"id\":");
	buf_json_str(b, c->id, SIZE_MAX);
	put_known(b, "name", c->name);
	put_known(b, "pod", c->pod);
	put_known(b, "namespace", c->namespace);
	buf_lit(b, "}");
}

static void put_process(struct buf *b, const struct explain_process *p)
{
	if (!p->known) {
		buf_lit(b, ",\"process\":null");
		return;
	}
	buf_lit(b, ",\"process\":{\"pid\":");
	buf_u64(b, p->pid);
	json_string(b, "comm", p->comm);
	if (p->uid != COUNT_UNKNOWN)
		json_number(b, "uid", p->uid);
	buf_lit(b, "}");
	put_container(b, &p->container);
}

static void put_whose(struct buf *b, const struct explain_cause *c)
{
	json_string(b, "by", cause_by_names[c->by]);
	json_number(b, "netns", c->netns);
	if (c->host)
		json_string(b, "host", c->host);
	if (c->has_at) {
		buf_lit(b, ",\"at\":{\"addr\":");
		buf_json_str(b, c->addr, SIZE_MAX);
		json_number(b, "port", c->port);
		buf_lit(b, "}");
	} else if (c->by != CAUSE_BY_SOURCE) {
		buf_lit(b, ",\"at\":null");
	}
	if (c->others)
		buf_lit(b, ",\"others\":true");
	put_process(b, &c->process);
}

static void put_end(struct buf *b, const char *name, const struct explain_end *end)
{
	buf_lit(b, ",");
	buf_json_str(b, name, SIZE_MAX);
	buf_lit(b, ":{\"addr\":");
	buf_json_str(b, end->addr, SIZE_MAX);
	json_number(b, "port", end->port);
	buf_lit(b, "}");
}

static void put_led(struct buf *b, const struct explain_led *led)
{
	if (!led->handshakes)
		return;
	buf_lit(b, ",\"nat\":{\"handshakes\":");
	buf_u64(b, led->handshakes);
	json_number(b, "others", led->others);
	put_end(b, "from", &led->from);
	put_end(b, "to", &led->to);
	buf_str(b, led->home ? ",\"own_host\":true" : ",\"own_host\":false");
	put_process(b, &led->process);
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
	put_led(b, &c->led);
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

/* Of each host but the first; null: nothing compares it. */
static void put_clocks(struct buf *b, const struct input_report *report)
{
	buf_lit(b, ",\"clocks\":[");
	for (uint32_t i = 1; i < report->host_count && i < CLOCK_HOSTS; i++) {
		const struct clock_reading *c = &report->hosts[i].clock;

		buf_str(b, i > 1 ? ",{\"host\":" : "{\"host\":");
		buf_json_str(b, report->hosts[i].name, SIZE_MAX);
		json_string(b, "than", report->hosts[0].name);
		if (c->known) {
			buf_str(b, c->ahead_ns < 0 ? ",\"ahead_ns\":-" : ",\"ahead_ns\":");
			buf_u64(b, (uint64_t)(c->ahead_ns < 0 ? -c->ahead_ns : c->ahead_ns));
			json_number(b, "bound_ns", c->bound_ns);
		} else {
			buf_lit(b, ",\"ahead_ns\":null,\"bound_ns\":null");
		}
		json_number(b, "connections", c->connections);
		buf_lit(b, "}");
	}
	buf_lit(b, "]");
}

static void put_finding(struct buf *b, const struct explain *e, const struct finding *f)
{
	const char *host = explain_host_name(e, f->host_number);
	char text[SENTENCE_SIZE];

	buf_lit(b, "{\"code\":");
	buf_json_str(b, finding_names[f->code], SIZE_MAX);
	json_string(b, "detail", finding_text(f, text));
	json_string(b, "advice", finding_advice(f));
	if (host)
		json_string(b, "host", host);
	if (f->netns)
		json_number(b, "netns", f->netns);
	json_number(b, "connections", f->connections);
	if (f->code != FINDING_PORTS) {
		put_process(b, &f->process);
		json_number(b, "longest_ns", f->oldest_ns);
	} else {
		struct explain_end to = { .port = f->remote_port };

		memcpy(to.addr, f->remote, sizeof(to.addr));
		json_string(b, "local_addr", f->local);
		put_end(b, "remote", &to);
		json_number(b, "usable", f->ports.usable);
		json_number(b, "left", f->ports.left);
		if (f->ports.runs_out_ms == UINT64_MAX)
			buf_lit(b, ",\"out_ns\":null");
		else
			json_number(b, "out_ns", f->ports.runs_out_ms * NSEC_PER_MSEC);
	}
	buf_lit(b, "}");
}

static void put_findings(struct buf *b, const struct explain *e, const struct findings *f)
{
	buf_lit(b, ",\"findings\":[");
	for (size_t i = 0; f && i < findings_count(f); i++) {
		buf_str(b, i ? "," : "");
		put_finding(b, e, findings_at(f, i));
	}
	buf_lit(b, "]");
}

void explain_json(const struct explain *e, const struct explain_source *from, const struct input_report *report,
		  struct buf *b)
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
	json_number(b, "others", t->others);
	if (t->forgotten)
		json_number(b, "forgotten", t->forgotten);
	if (report->interrupted) {
		buf_lit(b, ",\"interrupted\":{\"line\":");
		buf_u64(b, report->whole);
		if (report->share == SHARE_UNKNOWN)
			buf_lit(b, ",\"percent\":null");
		else
			json_number(b, "percent", report->share);
		buf_lit(b, "}");
	}
	put_findings(b, e, from->findings);
	if (report->host_count > 1)
		put_clocks(b, report);
	explain_unseen_json(e, b);
	buf_lit(b, "}\n");
}
