// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/plot.h"
#include "cli/report/html.h"

#include <time.h>

#include "common/clock.h"

/* ---- the time ---- */

/* Between two ticks, in milliseconds: what a clock shows well. */
static uint64_t tick_step_ms(uint64_t span_ms)
{
	static const uint64_t steps[] = {
		1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000, 900000, 1800000,
		3600000, 7200000, 10800000, 21600000, 43200000, 86400000,
	};
	uint64_t step = steps[sizeof(steps) / sizeof(steps[0]) - 1];

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (span_ms / steps[i] < PLOT_TICKS - 1)
			return steps[i];
	while (span_ms / step >= PLOT_TICKS - 1)
		step *= 2;
	return step;
}

static void set_tick_text(struct plot_tick *tick, uint64_t ms, uint64_t step_ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(tick->text, sizeof(tick->text), step_ms >= 86400000 ? "%Y-%m-%d" :
			 step_ms >= 60000 ? "%H:%M" : "%H:%M:%S", &tm);
}

void plot_marks_of(struct plot_marks *marks, const struct grid *g, uint64_t since_ns)
{
	uint64_t begin_ms = grid_begin_ns(g, 0) / NSEC_PER_MSEC, span_ns = g->count * g->step_ns;
	uint64_t step_ms = tick_step_ms(span_ns / NSEC_PER_MSEC);
	uint64_t at_ms = (begin_ms + step_ms - 1) / step_ms * step_ms;

	*marks = (struct plot_marks){ .grid = g, .since = PLOT_NONE };
	for (; g->count && marks->tick_count < PLOT_TICKS; at_ms += step_ms) {
		struct plot_tick *tick = &marks->ticks[marks->tick_count];

		tick->at = 100.0 * (double)((at_ms - begin_ms) * NSEC_PER_MSEC) / (double)span_ns;
		if (tick->at >= 100)
			break;
		set_tick_text(tick, at_ms, step_ms);
		marks->tick_count++;
	}
	if (g->count && since_ns >= grid_begin_ns(g, 0) && since_ns < grid_begin_ns(g, g->count))
		marks->since = 100.0 * (double)(since_ns - grid_begin_ns(g, 0)) / (double)span_ns;
}

/* ---- the picture ---- */

static void put_vertical(struct buf *b, const char *class, double at)
{
	html_put(b, "<line class=\"%s\" x1=\"%f%%\" x2=\"%f%%\" y1=\"0\" y2=\"100%%\"/>", class, at, at);
}

void plot_open(struct buf *b, const char *class, const char *what, const struct plot_marks *marks)
{
	html_put(b, "<svg role=\"img\" class=\"%s\" aria-label=\"%s\">", class, what);
	for (unsigned i = 0; i < marks->tick_count; i++)
		put_vertical(b, "tick", marks->ticks[i].at);
	html_put(b, "<svg viewBox=\"0 0 %u 100\" preserveAspectRatio=\"none\" width=\"100%%\" height=\"100%%\">",
		 marks->grid->count);
}

void plot_end_columns(struct buf *b)
{
	buf_lit(b, "</svg>");
}

void plot_close(struct buf *b, const struct plot_marks *marks)
{
	if (marks->since >= 0)
		put_vertical(b, "since", marks->since);
	buf_lit(b, "</svg>\n");
}

void plot_axis(struct buf *b, const struct plot_marks *marks)
{
	buf_lit(b, "<svg class=\"axis\" aria-hidden=\"true\">");
	for (unsigned i = 0; i < marks->tick_count; i++) {
		double at = marks->ticks[i].at;

		html_put(b, "<text y=\"14\" x=\"%f%%\"", at);
		buf_str(b, at < 5 ? ">" : at > 93 ? " text-anchor=\"end\">" : " text-anchor=\"middle\">");
		html_put(b, "%s</text>", marks->ticks[i].text);
	}
	buf_lit(b, "</svg>\n");
}

static void open_path(struct buf *b, const char *class)
{
	html_put(b, "<path class=\"%s\" d=\"", class);
}

void plot_bars(struct buf *b, const char *class, const double *values, unsigned count, double most)
{
	open_path(b, class);
	for (unsigned i = 0; i < count; i++) {
		/* One that is there can be seen. */
		double height = values[i] > 0 && most > 0 ? 3 + 97 * values[i] / most : 0;

		if (height > 0)
			html_put(b, "M%u 100v-%fh1V100", i, height);
	}
	buf_lit(b, "\"/>");
}

void plot_marks(struct buf *b, const char *class, const double *values, unsigned count)
{
	open_path(b, class);
	for (unsigned i = 0; i < count; i++)
		if (values[i] >= 0)
			html_put(b, "M%u %fh1", i, 100 - values[i]);
	buf_lit(b, "\"/>");
}

void plot_band(struct buf *b, const char *class, const bool *in, unsigned count, double low, double high)
{
	bool any = false;

	for (unsigned i = 0, end; i < count; i = end + 1) {
		for (end = i; end < count && in[end]; end++)
			;
		if (end == i)
			continue;
		if (!any)
			open_path(b, class);
		any = true;
		html_put(b, "M%u %fH%uV%fH%uz", i, 100 - high, end, 100 - low, i);
	}
	if (any)
		buf_lit(b, "\"/>");
}
