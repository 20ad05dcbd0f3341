// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/page_internal.h"

#include <stddef.h>
#include <stdio.h>

#include "common/duration.h"

#define COUNT(member) offsetof(struct report_cell, member)
#define OUTCOME(number) (COUNT(outcomes) + (number) * sizeof(uint64_t))

static const struct {
	const char *name, *class;
	size_t at; /* of its count in struct report_cell */
} tracks[] = {
	{ "established", "ok", OUTCOME(OUTCOME_ESTABLISHED) },
	{ "refused", "bad", OUTCOME(OUTCOME_REFUSED) },
	{ "reset", "bad", OUTCOME(OUTCOME_RESET) },
	{ "timeout", "bad", OUTCOME(OUTCOME_TIMEOUT) },
	{ "unreachable", "bad", OUTCOME(OUTCOME_UNREACHABLE) },
	{ "cancelled", "bad", OUTCOME(OUTCOME_CANCELLED) },
	{ "no_port", "bad", OUTCOME(OUTCOME_NO_PORT) },
	{ "overflow", "bad", OUTCOME(OUTCOME_OVERFLOW) },
	{ "denied", "bad", OUTCOME(OUTCOME_DENIED) },
	{ "other outcomes", "bad", OUTCOME(OUTCOMES) },
	{ "retransmitted", "warn", COUNT(retransmitted) },
	{ "SYNs refused by queues", "bad", COUNT(refused_syn) },
	{ "final ACKs refused by queues", "bad", COUNT(refused_ack) },
	{ "SYNs answered with cookies", "warn", COUNT(cookies) },
	{ "records lost or limited", "warn", COUNT(lost) },
};

#define TRACKS (sizeof(tracks) / sizeof(tracks[0]))
_Static_assert(OUTCOMES == 9, "each outcome has a track");

static uint64_t count_of(const struct report_cell *c, size_t track)
{
	return *(const uint64_t *)((const char *)c + tracks[track].at);
}

static void put_track(struct sections *s, size_t track)
{
	const struct grid *g = &s->model->grid;
	uint64_t sum = count_of(&s->model->sums, track), most = 0;
	double values[GRID_COLUMNS];
	char rate[32], when[40] = "", what[200];
	struct buf *b = s->b;

	for (unsigned i = 0; i < g->count; i++) {
		uint64_t n = count_of(report_cell_at(s->model, i), track);

		values[i] = (double)n;
		if (n <= most)
			continue;
		most = n;
		column_clock(g, i, when, sizeof(when));
	}
	column_rate(g, most, rate, sizeof(rate));
	snprintf(what, sizeof(what), "%s over time: %llu in all, at most %s, at %s", tracks[track].name,
		 (unsigned long long)sum, rate, when);
	html_put(b, "<div class=\"track\"><p><b>%s</b> <span>%'ju in all", tracks[track].name, sum);
	if (most)
		html_put(b, ", at most %s, at %s", rate, when);
	buf_lit(b, "</span></p>");
	plot_open(b, "row", what, &s->marks);
	plot_bars(b, tracks[track].class, values, g->count, (double)most);
	plot_end_columns(b);
	plot_close(b, &s->marks);
	buf_lit(b, "</div>\n");
}

static void put_row(struct sections *s, unsigned column)
{
	const struct report_cell *c = report_cell_at(s->model, column);
	char when[40];

	html_put(s->b, "<tr><td>%s</td>", column_clock(&s->model->grid, column, when, sizeof(when)));
	for (size_t i = 0; i < TRACKS; i++)
		if (count_of(&s->model->sums, i))
			html_put(s->b, "<td>%'ju</td>", count_of(c, i));
	buf_lit(s->b, "</tr>\n");
}

static bool is_empty(const struct report_cell *c)
{
	for (size_t i = 0; i < TRACKS; i++)
		if (count_of(c, i))
			return false;
	return true;
}

/* For who cannot see the pictures, and who wants to copy a number. */
static void put_table(struct sections *s)
{
	struct buf *b = s->b;

	buf_lit(b, "<details><summary>The same as a table</summary><div class=\"scroll\"><table id=\"columns\"><thead><tr>"
		   "<th scope=\"col\">from</th>");
	for (size_t i = 0; i < TRACKS; i++)
		if (count_of(&s->model->sums, i))
			html_put(b, "<th scope=\"col\">%s</th>", tracks[i].name);
	buf_lit(b, "</tr></thead><tbody>\n");
	for (unsigned i = 0; i < s->model->grid.count; i++)
		if (!is_empty(report_cell_at(s->model, i)))
			put_row(s, i);
	buf_lit(b, "</tbody></table></div></details>\n");
}

void section_timeline(struct sections *s)
{
	const struct grid *g = &s->model->grid;
	struct buf *b = s->b;
	char step[32];

	buf_lit(b, "<section id=\"timeline\"><h2>Timeline: how handshakes ended</h2>\n<div class=\"card\">\n");
	if (is_empty(&s->model->sums) || !g->count) {
		buf_lit(b, "<p>There is nothing to show: no record of a handshake or of a refusal has a time.</p></div></section>\n");
		return;
	}
	for (size_t i = 0; i < TRACKS; i++)
		if (count_of(&s->model->sums, i))
			put_track(s, i);
	plot_axis(b, &s->marks);
	html_put(b, "<p class=\"note\">Records of handshakes, one for each side that was seen: a connection with both ends on this "
		 "host has two. Each row has a scale of its own. A column is %s.",
		 duration_format(g->step_ns, step, sizeof(step)));
	if (s->marks.since >= 0)
		buf_lit(b, " The dashed vertical line, here and below, is when the worst cause was first seen.");
	buf_lit(b, "</p>\n");
	put_table(s);
	buf_lit(b, "</div></section>\n");
}
