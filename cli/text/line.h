/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A line of cells under construction. It counts columns, not bytes: colour takes none, and a
 * character beyond ASCII takes one.
 */
#ifndef TCPSHAKE_LINE_H
#define TCPSHAKE_LINE_H

#include "cli/text/terminal.h"

#include "common/buf.h"

enum paint {
	PAINT_NONE,
	PAINT_DIM,
	PAINT_BOLD,
	PAINT_GOOD,
	PAINT_WARN,
	PAINT_BAD,
	PAINT_LOUD,
	PAINTS,
};

struct line {
	struct buf *out;
	const struct style *style;
	size_t columns; /* used so far */
};

/* Append text from anywhere, made safe, in a colour. */
void line_put(struct line *l, enum paint paint, const char *text);
/* The same, as printf(3). */
void line_format(struct line *l, enum paint paint, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same as line_put(), aligned in `width` columns; more if it needs more. */
void line_cell(struct line *l, enum paint paint, const char *text, size_t width);
void line_cell_right(struct line *l, enum paint paint, const char *text, size_t width);
/* Spaces up to a column; none if the line is there already. */
void line_pad(struct line *l, size_t column);
void line_end(struct line *l);
/* The words of a text, on a new line, from column `indent` on, where one would pass `width`. */
void line_wrap(struct line *l, enum paint paint, const char *text, size_t indent, size_t width);

#endif
