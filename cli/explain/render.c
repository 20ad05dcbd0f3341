// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/explain/findings.h"
#include "cli/explain/render.h"
#include "cli/explain/sentences.h"
#include "cli/text/line.h"
#include "cli/text/text.h"
#include "cli/tail/render_parts.h"

#include <stdio.h>
#include <string.h>

#define INDENT 4 /* below a cause's title */
#define TEXT_INDENT 17 /* of what follows a label */
#define DEFAULT_WIDTH 80
#define MIN_WIDTH 40
#define MAX_WIDTH 100 /* longer lines are hard to read */

struct report {
	const struct explain *explain;
	const struct explain_source *from;
	struct line line;
	size_t width;
	bool namespaces; /* there are several: say which */
};

/* Nothing if there is nothing to say. */
static void wrap(struct report *r, size_t indent, const char *text)
{
	if (!*text)
		return;
	line_pad(&r->line, indent);
	line_wrap(&r->line, PAINT_NONE, text, indent, r->width);
	line_end(&r->line);
}

/* "label:   text", the text in a column of its own. */
static void labelled(struct report *r, const char *label, const char *text)
{
	line_pad(&r->line, INDENT);
	line_put(&r->line, PAINT_DIM, label);
	line_pad(&r->line, TEXT_INDENT);
	line_wrap(&r->line, PAINT_NONE, text, TEXT_INDENT, r->width);
	line_end(&r->line);
}

static void put_title(struct report *r, size_t rank, const struct explain_cause *c)
{
	char number[24];

	snprintf(number, sizeof(number), "%2zu. ", rank);
	line_put(&r->line, PAINT_BOLD, number);
	line_put(&r->line, c->row ? c->row->paint : PAINT_BOLD, c->code);
	if (c->row) {
		line_put(&r->line, PAINT_NONE, ": ");
		line_wrap(&r->line, PAINT_NONE, c->row->meaning, INDENT, r->width);
	}
	line_end(&r->line);
}

static void put_when(struct report *r, const struct explain_cause *c)
{
	char first[64], last[64], outcomes[SENTENCE_SIZE], text[SENTENCE_SIZE + 160];
	const char *from = render_clock(c->first, first, sizeof(first));
	const char *to = render_clock(c->last, last, sizeof(last));

	explain_outcomes(c, outcomes);
	if (strcmp(c->first, c->last) == 0)
		snprintf(text, sizeof(text), "%s%s%s", outcomes, *outcomes ? "; " : "", from);
	else
		snprintf(text, sizeof(text), "%s%s%s to %s", outcomes, *outcomes ? "; " : "", from,
			 to);
	labelled(r, *outcomes ? "outcomes" : "when", text);
}

static void put_looks(struct report *r, const struct explain_cause *c)
{
	struct explain_fact fact;

	for (size_t i = 0; explain_fact(c, &r->from->host, i, &fact); i++) {
		char text[1024];

		snprintf(text, sizeof(text), "%s%s%s: %s", fact.name, fact.has_value ? " = " : "",
			 fact.has_value ? fact.value : "", fact.why);
		labelled(r, i ? "" : "look at", text);
	}
}

static void put_cause(struct report *r, size_t rank, const struct explain_cause *c)
{
	struct buf advice = { 0 };
	char text[SENTENCE_SIZE];

	line_end(&r->line);
	put_title(r, rank, c);
	labelled(r, cause_by_names[c->by], explain_whose(c, r->namespaces, text));
	wrap(r, INDENT, explain_harm(c, text));
	wrap(r, INDENT, explain_refused_text(&c->refused, text));
	put_when(r, c);
	if (c->evidence)
		labelled(r, "evidence", c->evidence);
	if (*explain_led_text(&c->led, text))
		labelled(r, "NAT", text);
	put_looks(r, c);
	explain_advice(c, &r->from->host, &advice);
	buf_mem(&advice, "", 1);
	if (advice.failed)
		r->line.out->failed = true;
	else
		labelled(r, "advice", advice.data);
	buf_free(&advice);
}

static void put_findings(struct report *r)
{
	const struct findings *f = r->from->findings;
	char text[SENTENCE_SIZE], whole[SENTENCE_SIZE + HOST_NAME_SIZE];

	if (!f || !findings_count(f))
		return;
	line_end(&r->line);
	line_put(&r->line, PAINT_BOLD, "Connections that do not end");
	line_end(&r->line);
	for (size_t i = 0; i < findings_count(f); i++) {
		const struct finding *one = findings_at(f, i);
		const char *host = explain_host_name(r->explain, one->host_number);

		snprintf(whole, sizeof(whole), "%s%s%s", host ? host : "", host ? ": " : "", finding_text(one, text));
		labelled(r, finding_names[one->code], whole);
		labelled(r, "advice", finding_advice(one));
	}
}

static void put_note(void *ctx, const char *sentence)
{
	wrap(ctx, 0, sentence);
}

/* What stands between this report and the truth, and what it leaves out. */
static void put_notes(struct report *r, const struct input_report *report, size_t shown)
{
	char more[64], text[SENTENCE_SIZE];

	line_end(&r->line);
	if (explain_count(r->explain) > shown) {
		snprintf(text, sizeof(text), "and %s; all are shown without a terminal, or with --json",
			 text_plural(more, sizeof(more), explain_count(r->explain) - shown, "more cause"));
		wrap(r, 0, text);
	}
	if (!explain_notes(r->explain, report, put_note, r))
		r->line.out->failed = true;
}

void explain_render(const struct explain *e, const struct explain_source *from,
		    const struct input_report *report, const struct style *style, struct buf *b)
{
	struct report r = { .explain = e, .from = from, .width = DEFAULT_WIDTH,
			    .line = { .out = b, .style = style } };
	size_t shown = explain_count(e) < from->most ? explain_count(e) : from->most, before;
	char text[SENTENCE_SIZE];

	if (style->terminal)
		r.width = style->columns < MIN_WIDTH ? MIN_WIDTH :
			  style->columns > MAX_WIDTH ? MAX_WIDTH : style->columns;
	r.namespaces = explain_has_places(e);
	wrap(&r, 0, explain_verdict(explain_totals(e), text));
	wrap(&r, 0, explain_origin(e, from, text));
	for (size_t i = 0; i < shown; i++)
		put_cause(&r, i + 1, explain_at(e, i));
	put_findings(&r);
	before = b->len;
	put_notes(&r, report, shown);
	/* No blank line at the very end. */
	if (b->len == before + 1)
		b->len--;
}
