/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The screen: the model's answers and the keys' choices in, characters out. Pure. */
#ifndef TCPSHAKE_TOP_DRAW_H
#define TCPSHAKE_TOP_DRAW_H

#include "cli/top/draw/canvas.h"
#include "cli/top/draw/columns.h"
#include "cli/top/model/query.h"
#include "cli/top/draw/ui.h"

struct top_view {
	const struct top_model *model; /* while paused, a copy of what it was */
	struct top_query *queries[TOP_TABLES];
	struct top_ui *ui; /* the order of rows is written back to it */
	uint64_t now_ns; /* on the feed's clock */
	const char *state; /* "live", "paused"… */
	enum top_paint state_paint;
	const char *message; /* the last thing worth a line, or NULL */
	enum top_paint message_paint;
	bool report; /* nobody chooses rows: all of them are there */
};

/* All that fits on the canvas, as the keys want it. */
void top_draw(struct top_canvas *c, struct top_view *v);
/* All panes with all rows, on a canvas that is made as high as it takes. 0, or -ENOMEM. */
int top_draw_report(struct top_canvas *c, struct top_view *v, unsigned columns);

/* ---- its parts ---- */

struct top_area {
	unsigned row, column, rows, columns;
};

/* A pane's rows in its area, below the line of titles; the pane's own title is the first line. */
void top_draw_pane(struct top_canvas *c, struct top_view *v, enum top_table_id id,
		   const struct top_span *span, struct top_area area, bool alone);
/* The rows that a pane's sentence takes, about what cannot be seen here and why: mostly none. */
unsigned top_note_rows(const struct top_view *v, enum top_table_id id, unsigned columns);
/* The tabs instead of titles, where there is room for one pane only. */
void top_draw_tabs(struct top_canvas *c, struct top_view *v, const struct top_span *span,
		   unsigned row);
void top_draw_heat(struct top_canvas *c, const struct top_view *v, struct top_area area);
/* The titles and one row. */
void top_draw_line(struct top_canvas *c, const struct top_view *v, enum top_table_id id,
		   const struct top_span *span, const struct top_line *line, unsigned row);
void top_draw_detail(struct top_canvas *c, struct top_view *v, const struct top_span *span,
		     struct top_area area);
void top_draw_help(struct top_canvas *c, struct top_area area);

/* The time of day, "17:31:07" or "17:31:07.123". */
const char *top_clock(const struct top_model *m, uint64_t mono_ns, bool millis, char *out,
		      size_t size);

#endif
