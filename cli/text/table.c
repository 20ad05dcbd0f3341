// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/text/table.h"
#include "cli/text/text.h"

#include <stdio.h>
#include <stdlib.h>

#define GAP 1 /* between columns */

struct cell {
	enum paint paint;
	size_t text, tail; /* where they start in `texts`, each with a NUL */
	size_t text_columns, tail_columns;
};

struct table {
	const struct table_column *columns;
	size_t count;
	const struct style *style;
	struct buf texts;
	struct buf cells; /* of struct cell */
};

struct table *table_new(const struct table_column *columns, size_t count,
			const struct style *style)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->columns = columns;
	t->count = count;
	t->style = style;
	return t;
}

static size_t keep(struct table *t, const char *text, size_t *columns)
{
	size_t start = t->texts.len;

	*columns = text_append(&t->texts, text, t->style->utf8);
	buf_mem(&t->texts, "", 1);
	return start;
}

void table_cell(struct table *t, enum paint paint, const char *text, const char *tail)
{
	struct cell cell = { .paint = paint };

	if (!t)
		return;
	cell.text = keep(t, text, &cell.text_columns);
	cell.tail = keep(t, tail ? tail : "", &cell.tail_columns);
	buf_mem(&t->cells, &cell, sizeof(cell));
}

void table_number(struct table *t, enum paint paint, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	table_cell(t, paint, text, NULL);
}

static size_t row_count(const struct table *t)
{
	return t->cells.len / sizeof(struct cell) / t->count;
}

static struct cell cell_at(const struct table *t, size_t row, size_t column)
{
	struct cell cell;

	memcpy(&cell, t->cells.data + (row * t->count + column) * sizeof(cell), sizeof(cell));
	return cell;
}

/* Take from the widest that may shrink until all fits, or nothing shrinks any more. */
static void shrink(const struct table *t, size_t *widths)
{
	size_t sum = (t->count - 1) * GAP;

	for (size_t i = 0; i < t->count; i++)
		sum += widths[i];
	while (sum > t->style->columns) {
		size_t widest = t->count;

		for (size_t i = 0; i < t->count; i++)
			if (t->columns[i].shrinks_to && widths[i] > t->columns[i].shrinks_to &&
			    (widest == t->count || widths[i] > widths[widest]))
				widest = i;
		if (widest == t->count)
			return;
		widths[widest]--;
		sum--;
	}
}

static void measure(const struct table *t, size_t *widths, size_t rows)
{
	for (size_t i = 0; i < t->count; i++) {
		widths[i] = strlen(t->columns[i].title);
		for (size_t row = 0; row < rows; row++) {
			struct cell cell = cell_at(t, row, i);

			if (cell.text_columns + cell.tail_columns > widths[i])
				widths[i] = cell.text_columns + cell.tail_columns;
		}
	}
	if (t->style->terminal)
		shrink(t, widths);
}

/* The first `columns` characters. */
static void put_start(struct line *l, enum paint paint, const char *text, size_t columns)
{
	size_t bytes = 0;

	for (; columns && text[bytes]; columns--)
		do
			bytes++;
		while (((unsigned char)text[bytes] & 0xc0) == 0x80);
	line_format(l, paint, "%.*s", (int)bytes, text);
}

static void put_cell(const struct table *t, struct line *l, const struct cell *cell, size_t width,
		     bool right)
{
	const char *text = t->texts.data + cell->text, *tail = t->texts.data + cell->tail;
	size_t columns = cell->text_columns + cell->tail_columns;

	if (columns <= width) {
		line_pad(l, l->columns + (right ? width - columns : 0));
		line_put(l, cell->paint, text);
		line_put(l, cell->paint, tail);
	} else if (cell->tail_columns + 2 <= width) {
		put_start(l, cell->paint, text, width - cell->tail_columns - 1);
		line_put(l, PAINT_DIM, t->style->utf8 ? "\u2026" : "~");
		line_put(l, cell->paint, tail);
	} else {
		line_put(l, PAINT_DIM, t->style->utf8 ? "\u2026" : "~");
		put_start(l, cell->paint, tail + (cell->tail_columns + 1 > width ?
						  cell->tail_columns + 1 - width : 0), width - 1);
	}
}

static void put_titles(const struct table *t, struct line *l, const size_t *widths)
{
	for (size_t i = 0, start = 0; i < t->count; start += widths[i] + GAP, i++) {
		line_pad(l, start);
		if (t->columns[i].right)
			line_cell_right(l, PAINT_BOLD, t->columns[i].title, widths[i]);
		else
			line_put(l, PAINT_BOLD, t->columns[i].title);
	}
	line_end(l);
}

static void print(const struct table *t, struct buf *b, size_t rows)
{
	struct line l = { .out = b, .style = t->style };
	size_t widths[t->count];

	if (t->texts.failed || t->cells.failed) {
		b->failed = true;
		return;
	}
	rows = rows < row_count(t) ? rows : row_count(t);
	measure(t, widths, rows);
	put_titles(t, &l, widths);
	for (size_t row = 0; row < rows; row++) {
		for (size_t i = 0, start = 0; i < t->count; start += widths[i] + GAP, i++) {
			struct cell cell = cell_at(t, row, i);

			line_pad(&l, start);
			put_cell(t, &l, &cell, widths[i], t->columns[i].right);
		}
		line_end(&l);
	}
}

void table_end(struct table *t, struct buf *b, size_t rows)
{
	if (!t) {
		b->failed = true;
		return;
	}
	print(t, b, rows);
	buf_free(&t->texts);
	buf_free(&t->cells);
	free(t);
}
