/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sparse counters: (row, slot) → count, for one second or for all time. Pure.
 *
 * A slot below HISTOGRAM_BUCKETS counts latencies of that bucket (common/histogram.h); the others
 * are enum top_slot.
 */
#ifndef TCPSHAKE_TOP_CELLS_H
#define TCPSHAKE_TOP_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/histogram.h"

enum top_slot {
	SLOT_HANDSHAKES = HISTOGRAM_BUCKETS,
	SLOT_ACTIVE,
	SLOT_FAILED,
	SLOT_RETRANSMITTED,
	SLOT_PROVEN, /* of the causes */
	SLOT_REFUSED_SYN, /* by a full queue, at the SYN */
	SLOT_REFUSED_ACK, /* at the final ACK */
	SLOT_COOKIES, /* a SYN cookie was sent instead */
	SLOT_PEAK, /* of the accept queue: the most, not a sum */
	SLOT_END,
};

#define TOP_SLOTS (SLOT_END - HISTOGRAM_BUCKETS)
#define TOP_ROWS_MAX 16384
#define TOP_SLOT_BITS 11

_Static_assert(SLOT_END <= 1 << TOP_SLOT_BITS, "a slot fits its bits");
_Static_assert(TOP_ROWS_MAX <= 1 << (31 - TOP_SLOT_BITS), "a row fits its bits");

struct top_cells {
	uint32_t *keys; /* row << TOP_SLOT_BITS | slot, + 1; 0: free */
	uint64_t *counts;
	uint32_t count, room; /* room: 0 or a power of two */
};

/*
 * Add to a cell (SLOT_PEAK: raise it). False if a new one would be more than `limit`, or memory is
 * out: nothing was counted then.
 */
bool top_cells_add(struct top_cells *c, uint32_t row, uint32_t slot, uint64_t n, uint32_t limit);
void top_cells_clear(struct top_cells *c);
void top_cells_free(struct top_cells *c);
int top_cells_copy(struct top_cells *to, const struct top_cells *from);

static inline bool top_cells_at(const struct top_cells *c, uint32_t i, uint32_t *row,
				uint32_t *slot, uint64_t *n)
{
	if (!c->keys[i])
		return false;
	*row = (c->keys[i] - 1) >> TOP_SLOT_BITS;
	*slot = (c->keys[i] - 1) & ((1 << TOP_SLOT_BITS) - 1);
	*n = c->counts[i];
	return true;
}

#endif
