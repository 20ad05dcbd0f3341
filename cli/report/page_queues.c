// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/page_internal.h"

#include <stdio.h>

#include "common/duration.h"

static void put_listener(struct sections *s, const struct queue_line *q)
{
	put_place(s, &q->key);
	if (q->has_owner)
		html_put(s->b, " " HTML_NAME "/%ju", q->comm, (uintmax_t)q->pid);
	put_container(s, q->container);
}

/* What one look saw, in percent of the picture; a limit holds until another is reported. */
struct series {
	double peak[GRID_COLUMNS], full[GRID_COLUMNS], limit[GRID_COLUMNS], syn[GRID_COLUMNS], refused[GRID_COLUMNS];
	double most, most_syn, most_refused;
};

static void fill_series(const struct sections *s, const struct queue_line *q, struct series *t)
{
	const struct grid *g = &s->model->grid;
	double limit = PLOT_NONE;

	t->most = (double)(q->limit != COUNT_UNKNOWN && q->limit >= q->peak ? q->limit + 1 : q->peak) * 1.08;
	t->most_syn = (double)q->syn_peak;
	t->most_refused = 0;
	for (unsigned i = 0; i < g->count; i++) {
		const struct queue_cell *c = grid_cell(g, q->row, i);
		bool full = c->looks && c->peak > c->limit;

		if (c->looks)
			limit = t->most > 0 ? 100 * (double)c->limit / t->most : 0;
		t->limit[i] = limit > 100 ? PLOT_NONE : limit;
		t->peak[i] = full ? 0 : (double)c->peak;
		t->full[i] = full ? (double)c->peak : 0;
		t->syn[i] = (double)c->syn;
		t->refused[i] = (double)c->refused;
		t->most_refused = t->refused[i] > t->most_refused ? t->refused[i] : t->most_refused;
	}
}

static void put_words(struct sections *s, const struct queue_line *q)
{
	char wait[32];

	if (q->limit != COUNT_UNKNOWN)
		html_put(s->b, "at most %'ju waited, limit %'ju", q->peak, q->limit);
	if (q->longest_wait_ns != NS_UNKNOWN)
		html_put(s->b, ", the longest for %s", duration_format(q->longest_wait_ns, wait, sizeof(wait)));
}

static void put_small(struct sections *s, const char *name, const char *class, const double *values, double most,
		      uint64_t all)
{
	char what[160];

	snprintf(what, sizeof(what), "%s over time: %llu", name, (unsigned long long)all);
	html_put(s->b, "<p><span>%s: %'ju</span></p>", name, all);
	plot_open(s->b, "row", what, &s->marks);
	plot_bars(s->b, class, values, s->model->grid.count, most);
	plot_end_columns(s->b);
	plot_close(s->b, &s->marks);
}

static void put_queue(struct sections *s, const struct queue_line *q)
{
	unsigned count = s->model->grid.count;
	char what[300];
	struct series t;
	struct buf *b = s->b;

	fill_series(s, q, &t);
	snprintf(what, sizeof(what), "Accept queue of %s port %u over time: at most %llu connections waited, the limit is %llu%s",
		 q->key.name, q->key.port, (unsigned long long)q->peak,
		 (unsigned long long)(q->limit == COUNT_UNKNOWN ? 0 : q->limit),
		 q->full ? "; it was full" : "");
	buf_lit(b, "<div class=\"track\"><p><b>");
	put_listener(s, q);
	buf_lit(b, "</b> <span>");
	put_words(s, q);
	buf_lit(b, "</span></p>");
	if (q->limit != COUNT_UNKNOWN) {
		plot_open(b, "tall", what, &s->marks);
		plot_bars(b, "part", t.peak, count, t.most);
		plot_bars(b, "bad", t.full, count, t.most);
		plot_marks(b, "halo", t.limit, count);
		plot_marks(b, "limit", t.limit, count);
		plot_end_columns(b);
		plot_close(b, &s->marks);
	}
	if (q->syn_peak)
		put_small(s, "most in its SYN queue", "part", t.syn, t.most_syn, q->syn_peak);
	if (t.most_refused > 0)
		put_small(s, "refused SYNs and final ACKs", "bad", t.refused, t.most_refused, q->refused_syn + q->refused_ack);
	buf_lit(b, "</div>\n");
}

static void put_count(struct buf *b, bool known, uint64_t value)
{
	if (known)
		html_count(b, value);
	else
		buf_lit(b, "\u2013");
}

static void put_row(struct sections *s, const struct queue_line *q)
{
	struct buf *b = s->b;

	buf_lit(b, "<tr><td>");
	put_listener(s, q);
	buf_str(b, q->full ? "</td><td class=\"bad\">" : "</td><td>");
	if (q->looks)
		html_number(b, "peak", q->peak);
	else
		buf_lit(b, "\u2013");
	buf_str(b, q->full ? " full</td><td>" : "</td><td>");
	put_count(b, q->limit != COUNT_UNKNOWN, q->limit);
	buf_lit(b, "</td><td>");
	put_count(b, q->syn_limit != COUNT_UNKNOWN, q->syn_peak);
	buf_lit(b, "</td><td>");
	html_number(b, "refused_syn", q->refused_syn);
	buf_lit(b, "</td><td>");
	html_number(b, "refused_ack", q->refused_ack);
	buf_lit(b, "</td><td>");
	html_duration(b, "longest_wait", q->longest_wait_ns);
	buf_lit(b, "</td></tr>\n");
}

static void put_table(struct sections *s)
{
	const struct queues *q = &s->model->queues;
	size_t shown = q->keys.count < PLACES_SHOWN ? q->keys.count : PLACES_SHOWN;
	struct buf *b = s->b;

	buf_lit(b, "<div class=\"scroll\"><table id=\"listeners\"><thead><tr><th scope=\"col\">listener</th><th scope=\"col\">most "
		   "waiting</th><th scope=\"col\">limit</th><th scope=\"col\">most in SYN queue</th><th scope=\"col\">SYNs refused</th>"
		   "<th scope=\"col\">ACKs refused</th><th scope=\"col\">longest wait</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < shown; i++)
		put_row(s, &q->lines[i]);
	buf_lit(b, "</tbody></table></div>\n");
	if (shown == q->keys.count && !q->more)
		return;
	html_put(b, "<p class=\"note\">These are the first %'zu of %'zu listeners, those that refused most and the fullest.",
		 shown, q->keys.count);
	if (q->more)
		html_put(b, " There are more; %'ju records of these are not counted here.", (uintmax_t)q->more);
	buf_lit(b, "</p>\n");
}

/* Nothing is claimed of queues that nobody could look at. */
static void put_not_looked(struct sections *s)
{
	const struct evidence *e = &explain_totals(s->explain)->evidence;
	char text[400];

	if (*evidence_of_queues(e, text, sizeof(text)))
		html_put(s->b, "<p class=\"note\" id=\"queues-not-seen\">Not seen on this host: %s.</p>\n", text);
}

void section_queues(struct sections *s)
{
	const struct queues *q = &s->model->queues;
	const struct evidence *e = &explain_totals(s->explain)->evidence;
	unsigned drawn = 0;
	char text[200];

	buf_lit(s->b, "<section id=\"queues\"><h2>Queues of listeners, against their limits</h2>\n<div class=\"card\">\n");
	put_not_looked(s);
	for (size_t i = 0; i < q->keys.count && drawn < QUEUES_DRAWN; i++) {
		if (q->lines[i].row == GRID_NONE)
			continue;
		put_queue(s, &q->lines[i]);
		drawn++;
	}
	if (drawn) {
		plot_axis(s->b, &s->marks);
		buf_lit(s->b, "<p class=\"note\">A bar is the most that a record reports for that column; where there is none, "
			      "no record says how full the queue was. The line is the limit: a queue holds one more, and a bar "
			      "above the line, in the other colour, is a full queue.</p>\n");
	}
	if (q->keys.count) {
		put_table(s);
	} else {
		html_put(s->b, "<p>%s", evidence_no_listeners(e, text, sizeof(text)));
		put_in_feed(s);
		buf_lit(s->b, ".</p>\n");
	}
	buf_lit(s->b, "</div></section>\n");
}
