/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pictures over time, as SVG in the page. All have the same columns and the whole width: what stands below something
 * else happened at the same time. Bars stretch with the page, texts do not. Pure.
 */
#ifndef TCPSHAKE_REPORT_PLOT_H
#define TCPSHAKE_REPORT_PLOT_H

#include "cli/report/grid.h"
#include "common/buf.h"

#define PLOT_TICKS 8
#define PLOT_NONE (-1.0) /* of a value: nothing is known */

struct plot_tick {
	double at; /* percent of the width */
	char text[32];
};

struct plot_marks {
	const struct grid *grid;
	struct plot_tick ticks[PLOT_TICKS];
	unsigned tick_count;
	double since; /* percent of the width; PLOT_NONE: no mark */
};

/* `since_ns`: when it began, since the epoch; 0: it is not known. */
void plot_marks_of(struct plot_marks *marks, const struct grid *g, uint64_t since_ns);

/* A picture; `what` is all that who cannot see it learns from it. `class` is ours. */
void plot_open(struct buf *b, const char *class, const char *what, const struct plot_marks *marks);
/* After the bars and lines come texts, if there are any, and then the end. */
void plot_end_columns(struct buf *b);
void plot_close(struct buf *b, const struct plot_marks *marks);
/* The time below a picture, or below several. */
void plot_axis(struct buf *b, const struct plot_marks *marks);

/* A bar from the bottom for each column whose value is above zero; `most` is as high as the picture. */
void plot_bars(struct buf *b, const char *class, const double *values, unsigned count, double most);
/* A mark as wide as its column for each that has a value, from 0 at the bottom to 100: nothing is said of what is between two. */
void plot_marks(struct buf *b, const char *class, const double *values, unsigned count);
/* A band of the columns for which `in` holds; `low` and `high` from 0 to 100. Nothing if there is none. */
void plot_band(struct buf *b, const char *class, const bool *in, unsigned count, double low, double high);

#endif
