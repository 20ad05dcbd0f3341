/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows of cells over time. How long a recording is shows at its end only: there are at most GRID_COLUMNS columns, and
 * when more would be needed, two of them become one and each is twice as long. Pure.
 */
#ifndef TCPSHAKE_REPORT_GRID_H
#define TCPSHAKE_REPORT_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRID_COLUMNS 240
#define GRID_STEP_NS 1000000000ULL /* of a column, at first: listeners are reported once a second */
#define GRID_NONE SIZE_MAX

/* A cell that is all zero is an empty one. */
struct grid_kind {
	size_t size;
	void (*merge)(void *into, const void *from); /* a later cell into an earlier one */
};

struct grid_row {
	const struct grid_kind *kind;
	unsigned char *cells;
};

/* All zero: empty. */
struct grid {
	uint64_t step_ns, first; /* the columns begin at first × step_ns, since the epoch */
	unsigned count; /* columns in use */
	struct grid_row *rows;
	size_t row_count, room;
};

void grid_free(struct grid *g);
/* The number of a new row; GRID_NONE if memory is out. `kind` must outlive it. */
size_t grid_add_row(struct grid *g, const struct grid_kind *kind);
/* The column of a time, which may be before all others. Cells have moved after it. */
unsigned grid_column(struct grid *g, uint64_t wall_ns);
void *grid_cell(const struct grid *g, size_t row, unsigned column);

/* When a column begins. */
uint64_t grid_begin_ns(const struct grid *g, unsigned column);

#endif
