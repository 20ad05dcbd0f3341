// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The whole of the screen: header, latencies, and what stands where. */
#include "cli/top/draw/draw.h"
#include "cli/top/draw/detail.h"
#include "cli/top/draw/heat_map.h"
#include "cli/top/draw/numbers.h"
#include "cli/top/draw/panes.h"

#include <stdio.h>
#include <string.h>

enum {
	GRID_ROWS = 36, /* from so many on all panes are shown at once */
	GRID_COLUMNS = 100,
	PAIR_COLUMNS = 160, /* two panes side by side */
	WIDE_COLUMNS = 160, /* all counts in one line */
	REPORT_HEAT = 8,
};

/* ---- the first line ---- */

/* Both are of the window; without an audit in it nothing can be said. */
static const char *balance(const struct top_totals *t, bool utf8, enum top_paint *paint, char *out,
			   size_t size)
{
	uint64_t good = t->counts[TOP_COUNT_BALANCED], bad = t->counts[TOP_COUNT_UNBALANCED];

	if (bad) {
		*paint = TOP_BAD;
		snprintf(out, size, "audit %s %llu of %llu off", utf8 ? "\u2717" : "X",
			 (unsigned long long)bad, (unsigned long long)(good + bad));
	} else {
		*paint = good ? TOP_GOOD : TOP_DIM;
		snprintf(out, size, "audit %s", !good ? "-" : utf8 ? "\u2713" : "ok");
	}
	return out;
}

static void draw_title(struct top_canvas *c, const struct top_view *v, const struct top_totals *t)
{
	struct top_info info = top_info_of(v->model);
	char text[400], sign[48];
	enum top_paint paint;
	unsigned right = c->columns, used;

	/* From the right: what changes. What it leaves is for whose feed it is. */
	right -= top_put_right(c, 0, 0, right, v->state_paint, v->state) + 2;
	if (info.newest_ns) {
		top_clock(v->model, v->now_ns, false, text, sizeof(text));
		right -= top_put_right(c, 0, 0, right, TOP_PLAIN, text) + 2;
	}
	snprintf(text, sizeof(text), "window %s", top_window_names[v->ui->window]);
	right -= top_put_right(c, 0, 0, right, TOP_ACCENT, text) + 2;
	balance(t, c->utf8, &paint, sign, sizeof(sign));
	right -= top_put_right(c, 0, 0, right, paint, sign) + 2;
	used = top_put(c, 0, 0, right, TOP_ACCENT, "tcpshake");
	/* A daemon of our own was given the same. */
	if (strcmp(info.daemon_only, info.source_only) == 0)
		info.daemon_only = "";
	if (*info.daemon_only || *info.source_only) {
		/* Who looks at a part should know that it is one. */
		snprintf(text, sizeof(text), "  %s  only %s%s%s", info.host, info.daemon_only,
			 *info.daemon_only && *info.source_only ? " " : "", info.source_only);
		if (used < right)
			top_put(c, 0, used, right - used, TOP_WARN, text);
		return;
	}
	snprintf(text, sizeof(text), "  %s%s%s%s%s", info.host, *info.kernel ? "  Linux " : "",
		 info.kernel, *info.evidence && c->columns >= 110 ? "  by " : "",
		 c->columns >= 110 ? info.evidence : "");
	if (used < right)
		top_put(c, 0, used, right - used, TOP_DIM, text);
}

/* ---- counts ---- */

static const struct {
	enum top_count count;
	const char *name, *long_name;
	enum top_paint paint; /* unless it is 0 */
} metrics[] = {
	{ TOP_COUNT_ACTIVE, "active", "active", TOP_BOLD },
	{ TOP_COUNT_PASSIVE, "passive", "passive", TOP_BOLD },
	{ TOP_COUNT_FAILED, "failed", "failed", TOP_BAD },
	{ TOP_COUNT_RETRANSMITTED, "retrans", "retransmitted", TOP_WARN },
	{ TOP_COUNT_OVERFLOWED, "overflowed", "overflowed", TOP_BAD },
	{ TOP_COUNT_LOST, "lost", "lost", TOP_LOUD },
};

#define METRICS (sizeof(metrics) / sizeof(metrics[0]))

/* None reported is none only where somebody counts. */
static bool is_counted(const struct top_model *m, enum top_count count, uint64_t n)
{
	return n || count != TOP_COUNT_OVERFLOWED || top_counts_refusals(m);
}

static unsigned draw_counts(struct top_canvas *c, unsigned row, const struct top_model *m,
			    const struct top_totals *t, double seconds)
{
	const char *unknown = c->utf8 ? "\u2013" : "-";
	bool wide = c->columns >= WIDE_COLUMNS;
	unsigned per_row = wide ? METRICS : METRICS / 2, width = c->columns / per_row;
	char text[32];

	for (unsigned i = 0; i < METRICS; i++) {
		unsigned at = row + i / per_row, column = i % per_row * width;
		unsigned end = column + width - (wide ? 4 : 2);
		uint64_t n = t->counts[metrics[i].count];
		bool counted = is_counted(m, metrics[i].count, n);

		top_put(c, at, column, width, TOP_DIM,
			width >= 30 ? metrics[i].long_name : metrics[i].name);
		top_put_right(c, at, column, end - column - 8, n ? metrics[i].paint : TOP_DIM,
			      counted ? top_number(n, 9, text, sizeof(text)) : unknown);
		top_put_right(c, at, end - 7, 7, n ? TOP_PLAIN : TOP_DIM,
			      counted ? top_rate(n, seconds, text, sizeof(text)) : unknown);
	}
	return METRICS / per_row;
}

/* ---- latencies ---- */

static void draw_latency(struct top_canvas *c, unsigned row, const char *name,
			 const struct top_latency *l)
{
	const uint64_t values[] = { l->p50, l->p90, l->p99, l->max };
	char text[32];

	top_put(c, row, 0, 9, TOP_DIM, name);
	for (unsigned i = 0; i < 4; i++)
		top_put_right(c, row, 9 + i * 11, 10, l->count ? TOP_PLAIN : TOP_DIM,
			      l->count ? text_duration(values[i], text, sizeof(text)) : "-");
	snprintf(text, sizeof(text), "%llu timed", (unsigned long long)l->count);
	top_put_right(c, row, 53, c->columns > 70 ? 20 : 0, TOP_DIM, text);
}

static unsigned draw_latencies(struct top_canvas *c, unsigned row, const struct top_totals *t)
{
	static const char *const titles[] = { "P50", "P90", "P99", "MAX" };

	top_put(c, row, 0, 9, TOP_ACCENT, "LATENCY");
	for (unsigned i = 0; i < 4; i++)
		top_put_right(c, row, 9 + i * 11, 10, TOP_ACCENT, titles[i]);
	draw_latency(c, row + 1, "active", &t->latency[ROLE_ACTIVE]);
	draw_latency(c, row + 2, "passive", &t->latency[ROLE_PASSIVE]);
	return 3;
}

/* ---- the last line ---- */

static void draw_typing(struct top_canvas *c, const struct top_ui *ui, unsigned row)
{
	unsigned used = top_put(c, row, 0, c->columns, TOP_ACCENT, "filter: ");

	used += top_put(c, row, used, c->columns - used, TOP_PLAIN, ui->filter_text);
	top_put_char(c, row, used++, TOP_SELECTED, ' ');
	used += 2;
	if (used < c->columns)
		top_put(c, row, used, c->columns - used, *ui->filter_error ? TOP_WARN : TOP_DIM,
			*ui->filter_error ? ui->filter_error : "Enter keeps it, Esc goes back");
}

static void draw_hints(struct top_canvas *c, unsigned row)
{
	static const char *const hints[][2] = {
		{ "q", "quit" },   { "?", "help" },   { "Tab", "pane" },    { "Enter", "details" },
		{ "/", "filter" }, { "w", "window" }, { "space", "pause" }, { "s", "sort" },
		{ "f", "save" },
	};
	unsigned at = 0;

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		if (at + strlen(hints[i][0]) + strlen(hints[i][1]) + 1 > c->columns)
			return;
		at += top_put(c, row, at, c->columns - at, TOP_ACCENT, hints[i][0]) + 1;
		at += top_put(c, row, at, c->columns - at, TOP_DIM, hints[i][1]) + 2;
	}
}

static void draw_footer(struct top_canvas *c, const struct top_view *v, unsigned row)
{
	const struct top_ui *ui = v->ui;
	char text[400], since[32];
	struct top_info info = top_info_of(v->model);

	if (ui->typing) {
		draw_typing(c, ui, row);
	} else if (v->message) {
		top_put(c, row, 0, c->columns, v->message_paint, v->message);
	} else if (*ui->filter_text) {
		snprintf(text, sizeof(text), "only %s, since %s  (/ changes it)", ui->filter_text,
			 top_clock(v->model, info.since_ns, false, since, sizeof(since)));
		top_put(c, row, 0, c->columns, TOP_WARN, text);
	} else {
		draw_hints(c, row);
	}
}

/* ---- what stands where ---- */

/* Half of the rest for the map when there is little, less when there is much. */
static unsigned heat_rows(unsigned rows)
{
	unsigned heat = rows < 24 ? rows / 5 : 5 + (rows - 24) / 5;

	return heat < 3 ? 0 : heat > 14 ? 14 : heat;
}

static void draw_grid(struct top_canvas *c, struct top_view *v, const struct top_span *span,
		      struct top_area a)
{
	bool pair = c->columns >= PAIR_COLUMNS;
	unsigned causes = a.rows / 4 < 10 ? a.rows / 4 : 10;
	unsigned rest = a.rows - causes, first = pair ? rest * 11 / 20 : rest / 3;
	unsigned half = pair ? (a.columns - 2) / 2 : a.columns;
	struct top_area areas[TOP_TABLES] = {
		[TOP_LISTENERS] = { a.row, 0, first, a.columns },
		[TOP_DESTINATIONS] = { a.row + first, 0, pair ? rest - first : (rest - first) / 2, half },
		[TOP_CAUSES] = { a.row + rest, 0, causes, a.columns },
	};

	areas[TOP_PROCESSES] = areas[TOP_DESTINATIONS];
	if (pair) {
		areas[TOP_PROCESSES].column = half + 2;
	} else {
		areas[TOP_PROCESSES].row += areas[TOP_DESTINATIONS].rows;
		areas[TOP_PROCESSES].rows = rest - first - areas[TOP_DESTINATIONS].rows;
	}
	for (enum top_table_id id = 0; id < TOP_TABLES; id++)
		top_draw_pane(c, v, id, span, areas[id], false);
}

static void draw_panes(struct top_canvas *c, struct top_view *v, const struct top_span *span,
		       struct top_area area)
{
	if (v->ui->mode == TOP_DETAIL_MODE) {
		top_draw_detail(c, v, span, area);
	} else if (c->rows >= GRID_ROWS && c->columns >= GRID_COLUMNS) {
		draw_grid(c, v, span, area);
	} else {
		top_draw_tabs(c, v, span, area.row);
		top_draw_pane(c, v, v->ui->pane, span,
			      (struct top_area){ area.row + 1, 0, area.rows - 1, area.columns }, true);
	}
}

void top_draw(struct top_canvas *c, struct top_view *v)
{
	struct top_span span = top_span_of(v->model, v->ui->window, v->now_ns);
	struct top_totals totals;
	unsigned row = 1, heat = heat_rows(c->rows);

	top_canvas_clear(c);
	if (c->rows < 10 || c->columns < 40) {
		top_put(c, 0, 0, c->columns, TOP_WARN, "too small: at least 40 x 10");
		return;
	}
	top_totals_of(v->model, &span, &totals);
	draw_title(c, v, &totals);
	draw_footer(c, v, c->rows - 1);
	if (v->ui->mode == TOP_HELP) {
		top_draw_help(c, (struct top_area){ 2, 0, c->rows - 3, c->columns });
		return;
	}
	row += draw_counts(c, row, v->model, &totals, span.seconds);
	if (c->rows >= 14)
		row += draw_latencies(c, row, &totals);
	if (heat)
		top_draw_heat(c, v, (struct top_area){ row, 0, heat, c->columns });
	row += heat;
	draw_panes(c, v, &span, (struct top_area){ row, 0, c->rows - 1 - row, c->columns });
}

int top_draw_report(struct top_canvas *c, struct top_view *v, unsigned columns)
{
	struct top_span span = top_span_of(v->model, v->ui->window, v->now_ns);
	enum top_mode mode = v->ui->mode;
	struct top_order orders[TOP_TABLES];
	struct top_totals totals;
	unsigned rows = 1 + METRICS + 3 + REPORT_HEAT + 1, heights[TOP_TABLES], row = 1;
	int err;

	for (enum top_table_id id = 0; id < TOP_TABLES; id++) {
		struct top_line *lines;

		size_t count = top_lines_of(v->queries[id], v->model, id, &span, &lines);
		unsigned note = top_note_rows(v, id, columns);

		/* Where something cannot be seen, it is said that there is nothing to show. */
		heights[id] = (unsigned)count + 3 + note + (note && !count);
		rows += heights[id];
	}
	err = top_canvas_resize(c, rows, columns);
	if (err)
		return err;
	memcpy(orders, v->ui->order, sizeof(orders));
	v->ui->mode = TOP_MAIN;
	v->report = true;
	top_totals_of(v->model, &span, &totals);
	draw_title(c, v, &totals);
	row += draw_counts(c, row, v->model, &totals, span.seconds);
	row += draw_latencies(c, row, &totals);
	top_draw_heat(c, v, (struct top_area){ row, 0, REPORT_HEAT, columns });
	row += REPORT_HEAT + 1;
	for (enum top_table_id id = 0; id < TOP_TABLES; row += heights[id++])
		top_draw_pane(c, v, id, &span,
			      (struct top_area){ row, 0, heights[id] - 1, columns }, false);
	v->ui->mode = mode;
	v->report = false;
	memcpy(v->ui->order, orders, sizeof(orders));
	while (c->rows > row) /* what the counts did not need */
		c->rows--;
	return 0;
}
