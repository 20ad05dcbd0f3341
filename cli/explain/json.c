// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/explain/findings.h"
#include "cli/explain/render.h"
#include "cli/explain/unseen.h"
#include "cli/text/progress.h"

#include <stdint.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/names.h"
#include "common/record_type.h"

static void put_refused(struct buf *b, const struct explain_refused *r)
{
	if (!(r->syn | r->ack | r->cookie))
		return;
	json_object(b, "refused");
	json_number(b, "syn", r->syn);
	json_number(b, "ack", r->ack);
	json_number(b, "cookie", r->cookie);
	json_number(b, "proven", r->proven);
	json_number(b, "probable", r->probable);
	buf_lit(b, "}");
}

static void put_if_named(struct buf *b, const char *key, const char *name)
{
	if (name)
		json_string(b, key, name);
}

static void put_container(struct buf *b, const struct record_container *c)
{
	if (!c->id)
		return;
	json_object(b, "container");
	json_string(b, "id", c->id);
	put_if_named(b, "name", c->name);
	put_if_named(b, "pod", c->pod);
	put_if_named(b, "namespace", c->namespace);
	buf_lit(b, "}");
}

static void put_process(struct buf *b, const struct explain_process *p)
{
	if (!p->known) {
		json_null(b, "process");
		return;
	}
	json_object(b, "process");
	json_number(b, "pid", p->pid);
	json_string(b, "comm", p->comm);
	if (p->uid != COUNT_UNKNOWN)
		json_number(b, "uid", p->uid);
	buf_lit(b, "}");
	put_container(b, &p->container);
}

static void put_end(struct buf *b, const char *key, const char *addr, uint16_t port)
{
	json_object(b, key);
	json_string(b, "addr", addr);
	json_number(b, "port", port);
	buf_lit(b, "}");
}

static void put_whose(struct buf *b, const struct explain_cause *c)
{
	json_string(b, "by", cause_by_names[c->by]);
	json_number(b, "netns", c->netns);
	if (c->host)
		json_string(b, "host", c->host);
	if (c->has_at)
		put_end(b, "at", c->addr, c->port);
	else if (c->by != CAUSE_BY_SOURCE)
		json_null(b, "at");
	if (c->others)
		json_bool(b, "others", true);
	put_process(b, &c->process);
}

static void put_led(struct buf *b, const struct explain_led *led)
{
	if (!led->handshakes)
		return;
	json_object(b, "nat");
	json_number(b, "handshakes", led->handshakes);
	json_number(b, "others", led->others);
	put_end(b, "from", led->from.addr, led->from.port);
	put_end(b, "to", led->to.addr, led->to.port);
	json_bool(b, "own_host", led->home);
	put_process(b, &led->process);
	buf_lit(b, "}");
}

static void put_outcomes(struct buf *b, const struct explain_cause *c)
{
	json_object(b, "outcomes");
	for (int i = 0; i <= OUTCOMES; i++)
		if (c->outcomes[i])
			json_number(b, i < OUTCOMES ? outcome_names[i] : "other", c->outcomes[i]);
	buf_lit(b, "}");
}

static void put_looks(struct buf *b, const struct explain_cause *c, const struct explain_host *host)
{
	struct explain_fact fact;

	json_array(b, "look_at");
	for (size_t i = 0; explain_fact(c, host, i, &fact); i++) {
		json_object(b, NULL);
		json_string(b, "name", fact.name);
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
	json_object(b, "certainty");
	json_number(b, "proven", c->proven);
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
	json_array(b, "clocks");
	for (uint32_t i = 1; i < report->host_count && i < CLOCK_HOSTS; i++) {
		const struct clock_reading *c = &report->hosts[i].clock;

		json_object(b, NULL);
		json_string(b, "host", report->hosts[i].name);
		json_string(b, "than", report->hosts[0].name);
		json_known_signed(b, "ahead_ns", c->known, c->ahead_ns);
		json_known(b, "bound_ns", c->known, c->bound_ns);
		json_number(b, "connections", c->connections);
		buf_lit(b, "}");
	}
	buf_lit(b, "]");
}

static void put_finding(struct buf *b, const struct explain *e, const struct finding *f)
{
	const char *host = explain_host_name(e, f->host_number);
	char text[SENTENCE_SIZE];

	json_object(b, NULL);
	json_string(b, "code", finding_names[f->code]);
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
		json_string(b, "local_addr", f->local);
		put_end(b, "remote", f->remote, f->remote_port);
		json_number(b, "usable", f->ports.usable);
		json_number(b, "left", f->ports.left);
		json_known(b, "out_ns", f->ports.runs_out_ms != UINT64_MAX, f->ports.runs_out_ms * NSEC_PER_MSEC);
	}
	buf_lit(b, "}");
}

static void put_findings(struct buf *b, const struct explain *e, const struct findings *f)
{
	json_array(b, "findings");
	for (size_t i = 0; f && i < findings_count(f); i++)
		put_finding(b, e, findings_at(f, i));
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
	if (t->containers_omitted)
		json_number(b, "containers_omitted", t->containers_omitted);
	if (report->interrupted) {
		json_object(b, "interrupted");
		json_number(b, "line", report->whole);
		json_known(b, "percent", report->share != SHARE_UNKNOWN, report->share);
		buf_lit(b, "}");
	}
	put_findings(b, e, from->findings);
	if (report->host_count > 1)
		put_clocks(b, report);
	explain_unseen_json(e, b);
	buf_lit(b, "}\n");
}
