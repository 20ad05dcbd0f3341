// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/page_internal.h"

static void put_term(struct buf *b, const char *term)
{
	html_put(b, "<dt>%s</dt><dd>", term);
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
	if (*explain_refused_text(&c->refused, text))
		html_put(b, "; %s", text);
	buf_lit(b, "</dd>");
	if (*explain_outcomes(c, text))
		html_put(b, "<dt>outcomes</dt><dd>%s</dd>", text);
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
		html_put(b, i ? "<br><code>%s" : "<code>%s", fact.name);
		if (fact.has_value)
			html_put(b, " = %s", fact.value);
		html_put(b, "</code>: %s", fact.why);
	}
	buf_str(b, explain_fact(c, host, 0, &fact) ? "</dd>" : "");
}

static void put_cause(struct sections *s, size_t rank)
{
	const struct explain_cause *c = explain_at(s->explain, rank - 1);
	char text[SENTENCE_SIZE];
	struct buf *b = s->b;

	html_put(b, "<article class=\"card cause %s\" id=\"cause-%zu\">\n<h3>%zu. <code>" HTML_NAME "</code>",
		 severity(c->failed, c->handshakes), rank, rank, c->code);
	if (c->row)
		html_put(b, ": %s", c->row->meaning);
	html_put(b, "</h3>\n<dl><dt>%s</dt><dd>" HTML_NAME "</dd>", cause_by_names[c->by],
		 explain_whose(c, s->places, text));
	put_numbers(b, c);
	put_when(b, c);
	if (c->evidence)
		html_put(b, "<dt>evidence</dt><dd>" HTML_NAME "</dd>", c->evidence);
	if (*explain_led_text(&c->led, text))
		html_put(b, "<dt>NAT</dt><dd>" HTML_NAME "</dd>", text);
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

	html_put(s->b, "<section id=\"causes\"><h2>Causes, the worst first</h2>\n<p id=\"verdict\">%s. ",
		 explain_verdict(explain_totals(s->explain), text));
	html_put(s->b, "%s</p>\n", explain_origin(s->explain, s->page->source, text));
	for (size_t i = 0; i < shown; i++)
		put_cause(s, i + 1);
	if (shown < count)
		put_rest(s, shown);
	buf_lit(s->b, "</section>\n");
}
