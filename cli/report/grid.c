// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/report/grid.h"

#include <stdlib.h>
#include <string.h>

#include "common/array.h"

void grid_free(struct grid *g)
{
	for (size_t i = 0; i < g->row_count; i++)
		free(g->rows[i].cells);
	free(g->rows);
	*g = (struct grid){ 0 };
}

size_t grid_add_row(struct grid *g, const struct grid_kind *kind)
{
	unsigned char *cells = calloc(GRID_COLUMNS, kind->size);

	if (!cells || !ARRAY_ROOM(g->rows, g->row_count, g->room)) {
		free(cells);
		return GRID_NONE;
	}
	g->rows[g->row_count] = (struct grid_row){ .kind = kind, .cells = cells };
	return g->row_count++;
}

void *grid_cell(const struct grid *g, size_t row, unsigned column)
{
	return g->rows[row].cells + column * g->rows[row].kind->size;
}

/* Each column goes where it belongs once they are twice as long, which is never behind it. */
static void coarsen_row(const struct grid *g, const struct grid_row *row)
{
	size_t size = row->kind->size;

	for (unsigned i = 0; i < g->count; i++) {
		unsigned to = (unsigned)((g->first + i) / 2 - g->first / 2);
		unsigned char *cell = row->cells + i * size;

		if (to == i)
			continue;
		row->kind->merge(row->cells + to * size, cell);
		memset(cell, 0, size);
	}
}

static void coarsen(struct grid *g)
{
	uint64_t end = (g->first + g->count - 1) / 2 + 1;

	for (size_t i = 0; i < g->row_count; i++)
		coarsen_row(g, &g->rows[i]);
	g->first /= 2;
	g->count = (unsigned)(end - g->first);
	g->step_ns *= 2;
}

/* Make room before the first column. */
static void begin_earlier(struct grid *g, unsigned by)
{
	for (size_t i = 0; i < g->row_count; i++) {
		size_t size = g->rows[i].kind->size;

		memmove(g->rows[i].cells + by * size, g->rows[i].cells, g->count * size);
		memset(g->rows[i].cells, 0, by * size);
	}
	g->first -= by;
	g->count += by;
}

unsigned grid_column(struct grid *g, uint64_t wall_ns)
{
	uint64_t at, last;

	if (!g->count) {
		g->step_ns = GRID_STEP_NS;
		g->first = wall_ns / g->step_ns;
		g->count = 1;
	}
	for (;;) {
		at = wall_ns / g->step_ns;
		last = g->first + g->count - 1;
		if ((at > last ? at : last) - (at < g->first ? at : g->first) < GRID_COLUMNS)
			break;
		coarsen(g);
	}
	if (at < g->first)
		begin_earlier(g, (unsigned)(g->first - at));
	else if (at > last)
		g->count = (unsigned)(at - g->first) + 1;
	return (unsigned)(at - g->first);
}

uint64_t grid_begin_ns(const struct grid *g, unsigned column)
{
	return (g->first + column) * g->step_ns;
}
