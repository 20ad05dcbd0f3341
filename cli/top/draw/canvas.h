/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A grid of characters, each with what it means: drawn without a terminal, shown on one or written
 * as text. Everything outside of it is cut off. Pure.
 */
#ifndef TCPSHAKE_TOP_CANVAS_H
#define TCPSHAKE_TOP_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* What a character means; colours are terminal/screen.c's matter. */
enum top_paint {
	TOP_PLAIN,
	TOP_DIM,
	TOP_BOLD,
	TOP_ACCENT, /* titles, keys */
	TOP_ACTIVE, /* the title of the pane that takes the keys */
	TOP_SELECTED, /* a cursor */
	TOP_GOOD,
	TOP_WARN,
	TOP_BAD,
	TOP_LOUD,
	TOP_HEAT, /* the first of TOP_HEATS, from few to many */
	TOP_PAINTS = TOP_HEAT + 8,
};

#define TOP_HEATS (TOP_PAINTS - TOP_HEAT)

struct top_glyph {
	uint32_t character; /* Unicode; takes one column */
	uint8_t paint;
	bool selected; /* the row that is chosen: it means what it means all the same */
};

struct top_canvas {
	unsigned rows, columns;
	bool utf8; /* else only ASCII */
	struct top_glyph *glyphs;
};

/* 0, or -ENOMEM, and it has no rows then. All of it is empty after it. */
int top_canvas_resize(struct top_canvas *c, unsigned rows, unsigned columns);
void top_canvas_clear(struct top_canvas *c);
void top_canvas_free(struct top_canvas *c);

/*
 * Text from anywhere, made safe, in at most `width` columns: what is cut off ends in an ellipsis.
 * How many columns it took.
 */
unsigned top_put(struct top_canvas *c, unsigned row, unsigned column, unsigned width,
		 enum top_paint paint, const char *text);
/* The same, at the right end of the `width` columns. */
unsigned top_put_right(struct top_canvas *c, unsigned row, unsigned column, unsigned width,
		       enum top_paint paint, const char *text);
/* As text with its last part, which is never cut: an address and its port. */
unsigned top_put_parts(struct top_canvas *c, unsigned row, unsigned column, unsigned width,
		       enum top_paint paint, const char *head, const char *tail);
void top_put_char(struct top_canvas *c, unsigned row, unsigned column, enum top_paint paint,
		  uint32_t character);
/* Words on up to `rows` rows; how many it took. */
unsigned top_put_wrapped(struct top_canvas *c, unsigned row, unsigned column, unsigned width,
			 unsigned rows, enum top_paint paint, const char *text);
/* What is there already is of the chosen row. */
void top_select(struct top_canvas *c, unsigned row, unsigned column, unsigned width);

/* All of it as lines of UTF-8, without the spaces at their ends. */
void top_canvas_text(const struct top_canvas *c, struct buf *b);

#endif
