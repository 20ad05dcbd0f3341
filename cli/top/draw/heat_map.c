// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/top/draw/heat_map.h"
#include "cli/top/draw/numbers.h"

#include <stdio.h>

#include "common/bands.h"
#include "common/clock.h"

enum { LABEL = 8 };

static const char *const shades[] = { "\u2591", "\u2592", "\u2593", "\u2588" };
static const char ascii_shades[] = ".:+#";

static void put_level(struct top_canvas *c, unsigned row, unsigned column, unsigned level, bool bad)
{
	unsigned shade = (level - 1) * 4 / TOP_HEATS;
	enum top_paint paint = bad ? TOP_BAD : (enum top_paint)(TOP_HEAT + level - 1);

	if (!level)
		return;
	if (c->utf8)
		top_put(c, row, column, 1, paint, shades[shade]);
	else
		top_put_char(c, row, column, paint, (uint32_t)ascii_shades[shade]);
}

/* Seconds a column, so that the longest windows fit. */
static unsigned step_of(enum top_window window, unsigned columns)
{
	unsigned seconds = window >= TOP_5M ? 300 : top_window_seconds[window];

	return seconds <= columns ? 1 : (seconds + columns - 1) / columns;
}

static void draw_axis(struct top_canvas *c, const struct top_heat *h, unsigned row)
{
	char text[32];
	unsigned column = LABEL;

	top_put_right(c, row, 0, LABEL - 1, TOP_DIM, "ago");
	while (column + 10 < LABEL + h->columns) {
		unsigned ago = (LABEL + h->columns - column) * h->step;

		if (ago < 100)
			snprintf(text, sizeof(text), "%us", ago);
		else
			snprintf(text, sizeof(text), "%um%02us", ago / 60, ago % 60);
		top_put(c, row, column, 9, TOP_DIM, text);
		column += 10;
	}
	top_put_right(c, row, LABEL, h->columns, TOP_DIM, "now");
}

void top_draw_heat(struct top_canvas *c, const struct top_view *v, struct top_area area)
{
	unsigned columns = area.columns > LABEL ? area.columns - LABEL : 0;
	unsigned bands = area.rows > 2 ? area.rows - 2 : 1;
	struct top_heat h;
	char label[32];

	if (!columns)
		return;
	top_heat_of(v->model, v->now_ns / NSEC_PER_SEC, columns, step_of(v->ui->window, columns), bands,
		    &h);
	for (unsigned i = 0; i < h.bands; i++) {
		unsigned row = area.row + bands - 1 - i;

		top_put_right(c, row, 0, LABEL - 1, TOP_DIM, text_duration(h.floors[i], label, sizeof(label)));
		for (unsigned column = 0; column < h.columns; column++)
			put_level(c, row, LABEL + column, bands_level(h.cells[i][column], h.most, TOP_HEATS), false);
	}
	if (!h.bands)
		top_put(c, area.row + bands / 2, LABEL, columns, TOP_DIM,
			"no handshake established in this time");
	top_put_right(c, area.row + bands, 0, LABEL - 1, h.most_failed ? TOP_BAD : TOP_DIM, "failed");
	for (unsigned column = 0; column < h.columns; column++)
		put_level(c, area.row + bands, LABEL + column,
			  bands_level(h.failed[column], h.most_failed, TOP_HEATS), true);
	draw_axis(c, &h, area.row + bands + 1);
}
