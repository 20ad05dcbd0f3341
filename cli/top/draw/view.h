/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is to be drawn, and where: for all that draws a part of the screen. */
#ifndef TCPSHAKE_TOP_VIEW_H
#define TCPSHAKE_TOP_VIEW_H

#include "cli/top/draw/canvas.h"
#include "cli/top/draw/ui.h"
#include "cli/top/model/query.h"

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

struct top_area {
	unsigned row, column, rows, columns;
};

#endif
