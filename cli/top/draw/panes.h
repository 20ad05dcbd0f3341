/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The panes: tables with titles, one row of each chosen. Pure. */
#ifndef TCPSHAKE_TOP_PANES_H
#define TCPSHAKE_TOP_PANES_H

#include "cli/top/draw/view.h"

/* A pane's rows in its area, below the line of titles; the pane's own title is the first line. */
void top_draw_pane(struct top_canvas *c, struct top_view *v, enum top_table_id id,
		   const struct top_span *span, struct top_area area, bool alone);
/* The rows that a pane's sentence takes, about what cannot be seen here and why: mostly none. */
unsigned top_note_rows(const struct top_view *v, enum top_table_id id, unsigned columns);
/* The tabs instead of titles, where there is room for one pane only. */
void top_draw_tabs(struct top_canvas *c, struct top_view *v, const struct top_span *span,
		   unsigned row);
/* The titles and one row. */
void top_draw_line(struct top_canvas *c, const struct top_view *v, enum top_table_id id,
		   const struct top_span *span, const struct top_line *line, unsigned row);

#endif
