// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/page_internal.h"

static void put_term(struct buf *b, const char *term)
{
	buf_lit(b, "<dt>");
	html_text(b, term);
	buf_lit(b, "</dt><dd>");
}

static void put_numbers(struct buf *b, const struct explain_cause *c)
{
	char text[SENTENCE_SIZE];

	put_term(b, "numbers");
	html_number(b, "handshakes", c->handshakes);
	buf_str(b, c->handshakes == 1 ? " handshake" : " handshakes");
	if (c->handshakes) {
		buf_lit(b, ", ");
		html_number(b, "failed", c->failed);
		buf_lit(b, " failed; ");
		html_number(b, "proven", c->proven);
		buf_lit(b, " proven, ");
		html_number(b, "probable", c->probable);
		buf_lit(b, " probable; ");
		if (c->untimed == c->handshakes)
			buf_lit(b, "time lost not known");
		else
			html_duration(b, "time_lost_ns", c->time_lost_ns);
		if (c->untimed != c->handshakes)
			buf_lit(b, " lost");
		if (c->untimed && c->untimed != c->handshakes) {
			buf_lit(b, " (");
			html_number(b, "untimed", c->untimed);
			buf_lit(b, " not timed)");
		}
	}
	if (*explain_refused_text(&c->refused, text)) {
		buf_lit(b, "; ");
		html_text(b, text);
	}
	buf_lit(b, "</dd>");
	if (*explain_outcomes(c, text)) {
		put_term(b, "outcomes");
		html_text(b, text);
		buf_lit(b, "</dd>");
	}
}

static void put_when(struct buf *b, const struct explain_cause *c)
{
	put_term(b, "when");
	put_time(b, c->first);
	if (strcmp(c->first, c->last) != 0) {
		buf_lit(b, " to ");
		put_time(b, c->last);
	}
	buf_lit(b, "</dd>");
}

static void put_looks(struct buf *b, const struct explain_cause *c, const struct explain_host *host)
{
	struct explain_fact fact;

	for (size_t i = 0; explain_fact(c, host, i, &fact); i++) {
		if (!i)
			put_term(b, "look at");
		buf_str(b, i ? "<br><code>" : "<code>");
		html_text(b, fact.name);
		if (fact.has_value) {
			buf_lit(b, " = ");
			html_text(b, fact.value);
		}
		buf_lit(b, "</code>: ");
		html_text(b, fact.why);
	}
	buf_str(b, explain_fact(c, host, 0, &fact) ? "</dd>" : "");
}

static void put_cause(struct sections *s, size_t rank)
{
	const struct explain_cause *c = explain_at(s->explain, rank - 1);
	char text[SENTENCE_SIZE];
	struct buf *b = s->b;

	buf_lit(b, "<article class=\"card cause ");
	buf_str(b, severity(c->failed, c->handshakes));
	buf_lit(b, "\" id=\"cause-");
	buf_u64(b, rank);
	buf_lit(b, "\">\n<h3>");
	buf_u64(b, rank);
	buf_lit(b, ". <code>");
	html_name(b, c->code);
	buf_lit(b, "</code>");
	if (c->row) {
		buf_lit(b, ": ");
		html_text(b, c->row->meaning);
	}
	buf_lit(b, "</h3>\n<dl>");
	put_term(b, cause_by_names[c->by]);
	html_name(b, explain_whose(c, s->places, text));
	buf_lit(b, "</dd>");
	put_numbers(b, c);
	put_when(b, c);
	if (c->evidence) {
		put_term(b, "evidence");
		html_name(b, c->evidence);
		buf_lit(b, "</dd>");
	}
	if (*explain_led_text(&c->led, text)) {
		put_term(b, "NAT");
		html_name(b, text);
		buf_lit(b, "</dd>");
	}
	put_looks(b, c, &s->page->source->host);
	put_term(b, "advice");
	buf_lit(b, "<span class=\"advice\">");
	put_advice(s, c);
	buf_lit(b, "</span></dd></dl></article>\n");
}

/* What has no article of its own, in sum. */
static void put_rest(struct sections *s, size_t shown)
{
	uint64_t handshakes = 0, failed = 0;
	struct buf *b = s->b;

	for (size_t i = shown; i < explain_count(s->explain); i++) {
		handshakes += explain_at(s->explain, i)->handshakes;
		failed += explain_at(s->explain, i)->failed;
	}
	buf_lit(b, "<p class=\"note\" id=\"causes-folded\">");
	html_number(b, "more", explain_count(s->explain) - shown);
	buf_lit(b, " more causes, with ");
	html_number(b, "handshakes", handshakes);
	buf_lit(b, " handshakes, of which ");
	html_number(b, "failed", failed);
	buf_lit(b, " failed, are left out here; tcpshake explain --json lists them.</p>\n");
}

void section_causes(struct sections *s)
{
	size_t count = explain_count(s->explain), shown = count < CAUSES_SHOWN ? count : CAUSES_SHOWN;
	char text[SENTENCE_SIZE];

	buf_lit(s->b, "<section id=\"causes\"><h2>Causes, the worst first</h2>\n<p id=\"verdict\">");
	html_text(s->b, explain_verdict(explain_totals(s->explain), text));
	buf_lit(s->b, ". ");
	html_text(s->b, explain_origin(s->explain, s->page->source, text));
	buf_lit(s->b, "</p>\n");
	for (size_t i = 0; i < shown; i++)
		put_cause(s, i + 1);
	if (shown < count)
		put_rest(s, shown);
	buf_lit(s->b, "</section>\n");
}
