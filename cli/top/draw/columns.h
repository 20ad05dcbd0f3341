/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The columns of each pane: what they show and what they sort by. Pure. */
#ifndef TCPSHAKE_TOP_COLUMNS_H
#define TCPSHAKE_TOP_COLUMNS_H

#include "cli/top/draw/canvas.h"
#include "cli/top/model/query.h"

/* What a cell may need beside its line. */
struct top_context {
	const struct top_model *model;
	uint64_t now_ns;
	double seconds; /* of the window */
};

/* A place on the canvas, and who asks. */
struct top_cell {
	struct top_canvas *canvas;
	unsigned row, column, width;
	const struct top_context *context;
};

struct top_column {
	const char *title;
	unsigned width; /* at least, of the one that takes the rest */
	unsigned from; /* columns of a pane that has it */
	bool right; /* aligned */
	bool flexible; /* takes what is left */
	bool mixed; /* only with several network namespaces */
	bool contained; /* only with containers */
	bool ascending; /* by nature: names */
	/* What it shows, and sorts by: a count, in a colour, or a latency; with neither it sorts by its text. */
	enum top_slot slot; /* 0: no count */
	enum top_paint paint;
	size_t latency_at; /* in struct top_latency; 0: no latency */
	/* NULL: as above. */
	void (*put)(const struct top_cell *at, const struct top_line *l);
	uint64_t (*value)(const struct top_line *l);
};

#define TOP_PANE_COLUMNS 18

struct top_pane {
	const char *title;
	unsigned sort; /* the column that it is sorted by at first */
	struct top_column columns[TOP_PANE_COLUMNS]; /* up to one without a title */
};

extern const struct top_pane top_panes[TOP_TABLES];

unsigned top_column_count(enum top_table_id id);
void top_put_cell(const struct top_cell *at, const struct top_column *column, const struct top_line *l);
/* "p50/p99/max". */
void top_spread_text(const struct spread *s, bool durations, char *out, size_t size);

/* "shop/cart-0/web": the container of its process. False, and "": it has none, or it is not known. */
bool top_line_container(const struct top_model *m, const struct top_line *l, char *out, size_t size);
/* The name of a row, in two parts: "10.0.0.1" and ":443". */
void top_line_name(enum top_table_id id, const struct top_line *l, char *head, size_t size,
		   char *tail, size_t tail_size);
void top_sort(const struct top_model *m, enum top_table_id id, unsigned column, bool reversed, struct top_line *lines,
	      size_t count);

#endif
