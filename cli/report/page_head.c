// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/page_internal.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/duration.h"

static const char *meaning_of(const struct explain_cause *c)
{
	return c->row ? c->row->meaning : c->code;
}

/* "20 of 143 handshakes failed", and of how many of them the worst cause is. */
static void put_harmed(struct buf *b, const struct explain_totals *t, const struct explain_cause *worst)
{
	uint64_t all = t->failed ? t->failed : t->harmed, mine = 0;

	html_put(b, "%'ju of %'ju handshake%s %s", all, t->handshakes, t->handshakes == 1 ? "" : "s",
		 t->failed ? "failed" : all == 1 ? "was retransmitted or slow" : "were retransmitted or slow");
	if (worst)
		mine = t->failed ? worst->failed : worst->handshakes;
	if (!mine)
		return;
	if (mine != all)
		html_put(b, ", %'ju of them for one cause", mine);
	html_put(b, ": %s", meaning_of(worst));
}

/* No handshake was harmed, as far as was seen; a queue may have refused segments all the same. */
static void put_unharmed(struct buf *b, const struct explain_totals *t, const struct explain_cause *worst)
{
	char text[SENTENCE_SIZE];

	if (!t->handshakes && !worst) {
		buf_lit(b, "No handshake was seen");
		return;
	}
	if (worst) {
		html_put(b, "%s: %s", explain_refused_text(&worst->refused, text), meaning_of(worst));
		return;
	}
	explain_verdict(t, text);
	*text = 'N';
	html_text(b, text);
}

static void put_title(struct buf *b, const struct explain_totals *t, const struct explain_cause *worst)
{
	buf_lit(b, "<h1 id=\"headline\">");
	if (t->harmed)
		put_harmed(b, t, worst);
	else
		put_unharmed(b, t, worst);
	buf_lit(b, "</h1>\n");
}

static void put_term(struct buf *b, const char *id, const char *term)
{
	html_put(b, "<dt>%s</dt><dd id=\"%s\">", term, id);
}

/* What who is called to the incident wants to know first. */
static void put_lead(struct sections *s, const struct explain_cause *worst)
{
	char text[SENTENCE_SIZE];
	struct buf *b = s->b;

	buf_lit(b, "<dl>");
	put_term(b, "what", "What");
	html_put(b, "%s (<code>" HTML_NAME "</code>); %s</dd>", meaning_of(worst), worst->code,
		 worst->handshakes ? explain_harm(worst, text) : explain_refused_text(&worst->refused, text));
	put_term(b, "since", "Since");
	put_time(b, worst->first);
	if (strcmp(worst->first, worst->last) != 0) {
		buf_lit(b, "; last seen ");
		put_time(b, worst->last);
	}
	buf_lit(b, "</dd>");
	put_term(b, "whose", "Whose");
	html_put(b, "%s " HTML_NAME "</dd>", cause_by_names[worst->by], explain_whose(worst, s->places, text));
	put_term(b, "first", "Do first");
	put_advice(s, worst);
	buf_lit(b, "</dd></dl>\n");
}

static void put_tile(struct buf *b, bool bad, const char *field, uint64_t n, const char *what)
{
	buf_str(b, bad && n ? "<li class=\"bad\"><b>" : "<li><b>");
	html_number(b, field, n);
	html_put(b, "</b><span>%s</span></li>", what);
}

static void put_time_tile(struct buf *b, const char *field, uint64_t ns, const char *what)
{
	buf_lit(b, "<li><b>");
	html_duration(b, field, ns);
	html_put(b, "</b><span>%s</span></li>", what);
}

/* Where nobody could count them, that there is no record of one says nothing. */
static void put_refused_tile(struct sections *s, uint64_t n)
{
	const struct evidence *e = &explain_totals(s->explain)->evidence;
	bool filtered = !filter_is_empty(s->page->filter) || *s->model->daemon_only;

	if (n || (e->known && evidence_counts_all(e, filtered)))
		put_tile(s->b, true, "refused", n, "SYNs, ACKs refused by queues");
	else
		buf_lit(s->b, "<li><b>\u2013</b><span>refusals by queues: not seen</span></li>");
}

/* Where none of those harmed could be timed, that the sum is 0 says nothing. */
static void put_lost_tile(struct buf *b, const struct explain_totals *t)
{
	if (t->harmed && t->untimed >= t->harmed)
		buf_lit(b, "<li><b>\u2013</b><span>time lost: not known</span></li>");
	else
		put_time_tile(b, "time_lost_ns", t->time_lost_ns,
			      t->untimed ? "time lost at least: not all are timed" : "time lost in all");
}

static void put_tiles(struct sections *s, const struct explain_totals *t)
{
	static const char *const whats[ROLES][2] = {
		[ROLE_ACTIVE] = { "p50-active", "median, opened from here" },
		[ROLE_PASSIVE] = { "p50-passive", "median, accepted here" },
	};
	const struct report_cell *sums = &s->model->sums;
	struct buf *b = s->b;

	buf_lit(b, "<ul class=\"tiles\" id=\"totals\">");
	put_tile(b, false, "handshakes", t->handshakes, "handshakes");
	put_tile(b, true, "failed", t->failed, "failed");
	put_tile(b, false, "harmed", t->harmed, "failed, sent again or slow");
	put_lost_tile(b, t);
	put_refused_tile(s, sums->refused_syn + sums->refused_ack);
	for (int role = 0; role < ROLES; role++)
		if (s->model->latency[role].count)
			put_time_tile(b, whats[role][0], histogram_quantile(&s->model->latency[role], 0.5), whats[role][1]);
	if (t->lost_records)
		put_tile(b, true, "lost_records", t->lost_records, "records lost or limited");
	buf_lit(b, "</ul>\n");
}

static void put_bound(struct buf *b, const char *before, uint64_t at_ns)
{
	struct clock_cache cache = { 0 };
	struct buf ts = { 0 };

	if (!at_ns)
		return;
	clock_format(&cache, &ts, (int64_t)at_ns);
	buf_str(b, before);
	put_time(b, buf_text(&ts));
	b->failed = b->failed || ts.failed;
	buf_free(&ts);
}

/* What was left out on purpose: here, and as it was recorded. */
static void put_left_out(struct sections *s)
{
	const struct report_page *page = s->page;
	struct buf *b = s->b;

	if (page->since_ns || page->until_ns)
		buf_lit(b, "; only");
	put_bound(b, " from ", page->since_ns);
	put_bound(b, " to ", page->until_ns);
	for (int i = 0; i < FILTER_KEYS; i++)
		if (page->filter->text[i])
			html_put(b, "; only --%s " HTML_NAME, filter_keys[i], page->filter->text[i]);
	if (*s->model->daemon_only)
		html_put(b, "; a daemon reports only " HTML_NAME, s->model->daemon_only);
}

/* Whose feed it is, from when to when, and what was left out of it on purpose. */
static void put_origin(struct sections *s, const struct explain_totals *t)
{
	struct buf *b = s->b;

	buf_lit(b, "<p class=\"of\">TCP handshakes of ");
	if (s->page->input->host_count > 1 || t->mixed)
		buf_lit(b, "several hosts or boots");
	else if (*s->model->host)
		html_name(b, s->model->host);
	else
		buf_lit(b, "a host that the feed does not name");
	if (*s->model->kernel && s->page->input->host_count < 2)
		html_put(b, ", Linux " HTML_NAME, s->model->kernel);
	if (*t->from) {
		buf_lit(b, "; ");
		put_time(b, t->from);
		buf_lit(b, " to ");
		put_time(b, t->to);
	}
	put_left_out(s);
	buf_lit(b, "</p>\n");
}

void section_head(struct sections *s)
{
	const struct explain_totals *t = explain_totals(s->explain);
	const struct explain_cause *worst = explain_count(s->explain) ? explain_at(s->explain, 0) : NULL;
	const char *class = severity(t->failed, t->harmed || worst);

	buf_lit(s->b, "<header>\n");
	put_origin(s, t);
	html_put(s->b, "<div class=\"card lead %s\">\n", *class ? class : t->handshakes ? "well" : "nothing");
	put_title(s->b, t, worst);
	if (worst)
		put_lead(s, worst);
	else
		buf_lit(s->b, "<p>That is what was seen. <a href=\"#unseen\">What could not be seen</a> is at the end.</p>\n");
	buf_lit(s->b, "</div>\n");
	put_tiles(s, t);
	buf_lit(s->b, "</header>\n");
}
