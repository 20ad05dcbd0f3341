/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows of cells that are as wide as what they hold, and on a terminal no wider than it. Pure.
 *
 * Without a terminal nothing is cut; on one, columns that may shrink do, and what is cut ends
 * in an ellipsis before its tail (the port of an address, the number of a process).
 */
#ifndef TCPSHAKE_TABLE_H
#define TCPSHAKE_TABLE_H

#include "cli/text/line.h"

struct table_column {
	const char *title;
	bool right; /* aligned */
	unsigned shrinks_to; /* columns; 0: it never shrinks */
};

struct table;

/* NULL if memory is out, which table_end() says. `columns` and `style` must outlive it. */
struct table *table_new(const struct table_column *columns, size_t count,
			const struct style *style);

/* The next cell, from left to right and row by row; `tail` (or NULL) is never cut. */
void table_cell(struct table *t, enum paint paint, const char *text, const char *tail);
void table_number(struct table *t, enum paint paint, uint64_t value);

/* Append the titles and the first `rows` rows, and release it. */
void table_end(struct table *t, struct buf *b, size_t rows);

#endif
