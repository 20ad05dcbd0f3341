// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/page_internal.h"

#include <stdio.h>

/* ---- the audit ---- */

static void put_sum(struct buf *b, const struct audit_sum *sum)
{
	html_put(b, "<tr><td>" HTML_NAME, sum->name);
	/* Integers, as JSON has them. */
	buf_format(b, "</td><td>%.0f</td><td>%.0f</td><td%s>%.0f</td><td class=\"text\">", sum->kernel, sum->observed,
		   sum->unexplained ? " class=\"bad\"" : "", sum->difference);
	if (sum->unexplained == 1)
		buf_lit(b, "1 audit differs, and no rule explains it");
	else if (sum->unexplained)
		html_put(b, "%'ju audits differ, and no rule explains them", (uintmax_t)sum->unexplained);
	else if (*sum->rule)
		html_name(b, sum->rule);
	buf_lit(b, "</td></tr>\n");
}

void section_audit(struct sections *s)
{
	const struct audits *a = &s->model->audits;
	struct buf *b = s->b;

	buf_lit(b, "<section id=\"audit\"><h2>Audit: the feed against the kernel's own counters</h2>\n<div class=\"card\">\n");
	if (!a->count) {
		buf_lit(b, "<p>There is no audit");
		put_in_feed(s);
		buf_lit(b, ": nothing says whether handshakes are missing.</p></div></section>\n");
		return;
	}
	buf_lit(b, "<p>");
	html_number(b, "audits", a->count);
	html_put(b, " audit%s of %'zu network namespace%s: ", a->count == 1 ? "" : "s", a->namespaces.count,
		 a->namespaces.count == AUDITS_NAMESPACES ? "s or more" : a->namespaces.count == 1 ? "" : "s");
	if (a->unbalanced) {
		buf_lit(b, "<strong class=\"bad-text\">");
		html_number(b, "unbalanced", a->unbalanced);
		buf_lit(b, " not balanced</strong>; the kernel counted something else than was observed, and no rule explains it.");
	} else {
		buf_lit(b, "all balanced: what the kernel counted is what was observed, or a rule explains the difference.");
	}
	buf_lit(b, "</p>\n<div class=\"scroll\"><table id=\"counters\"><thead><tr><th scope=\"col\">counter, all audits in sum</th>"
		   "<th scope=\"col\">kernel</th><th scope=\"col\">observed</th><th scope=\"col\">difference</th><th scope=\"col\" "
		   "class=\"text\">explained by</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < a->sum_count; i++)
		put_sum(b, &a->sums[i]);
	buf_lit(b, "</tbody></table></div>\n");
	if (a->more)
		buf_lit(b, "<p class=\"note\">There are more counters than are shown here.</p>\n");
	buf_lit(b, "</div></section>\n");
}

/* ---- what was not seen ---- */

static void put_note(void *ctx, const char *sentence)
{
	struct buf *b = ctx;

	html_put(b, "<li>%s</li>\n", sentence);
}

void section_unseen(struct sections *s)
{
	const struct report_model *m = s->model;
	struct buf notes = { 0 }, *b = s->b;
	char text[120];

	if (!explain_notes(s->explain, s->page->input, put_note, &notes))
		notes.failed = true;
	if (!s->page->to_the_end)
		put_note(&notes, "The feed could not be read to its end: what came after that is not here.");
	if (m->timeless) {
		snprintf(text, sizeof(text), "%llu %s no time: in no picture, but in all sums", (unsigned long long)m->timeless,
			 m->timeless == 1 ? "record has" : "records have");
		put_note(&notes, text);
	}
	if (m->containers.more) {
		snprintf(text, sizeof(text), "%llu %s of containers that are too many to be kept: processes of one name count as one",
			 (unsigned long long)m->containers.more, m->containers.more == 1 ? "record" : "records");
		put_note(&notes, text);
	}
	buf_lit(b, "<section id=\"unseen\"><h2>What was not seen</h2>\n<div class=\"card\">\n<ul>\n");
	if (notes.len)
		buf_mem(b, notes.data, notes.len);
	else
		buf_lit(b, "<li>The feed names nothing that it lacks for what is shown here.</li>\n");
	buf_lit(b, "</ul>\n<p class=\"note\">");
	html_number(b, "records", m->records);
	buf_lit(b, " records were read.</p></div></section>\n");
	b->failed = b->failed || notes.failed;
	buf_free(&notes);
}
