// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/tally.h"

#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#define CELLS_MAX (1U << 18) /* different numbers; what is beyond is counted among the others' */

void tally_free(struct tally *t)
{
	keyset_free(&t->keys);
	top_cells_free(&t->cells);
}

static uint32_t row_of(struct tally *t, const struct tally_key *key)
{
	size_t number;
	bool added;

	t->keys.key_size = sizeof(*key);
	number = t->keys.count < TALLY_ROWS ? keyset_put(&t->keys, key, &added) : keyset_find(&t->keys, key);
	if (number == KEYSET_NONE && t->keys.count < TALLY_ROWS)
		t->failed = true;
	return number == KEYSET_NONE ? TALLY_OTHERS : (uint32_t)number + 1;
}

static void count(struct tally *t, uint32_t row, uint32_t slot, bool is)
{
	if (is && !top_cells_add(&t->cells, row, slot, 1, CELLS_MAX) &&
	    !top_cells_add(&t->cells, TALLY_OTHERS, slot, 1, CELLS_MAX + SLOT_END))
		t->failed = true;
}

void tally_add(struct tally *t, const struct tally_key *key, const struct record_handshake *h, uint64_t latency_ns)
{
	uint32_t row = row_of(t, key);

	count(t, row, SLOT_HANDSHAKES, true);
	count(t, row, SLOT_ACTIVE, h->role == ROLE_ACTIVE);
	count(t, row, SLOT_FAILED, h->outcome != OUTCOME_ESTABLISHED);
	count(t, row, SLOT_RETRANSMITTED, h->retransmits > 0);
	count(t, row, histogram_bucket(latency_ns), latency_ns != NS_UNKNOWN);
}

static int compare_lines(const void *a, const void *b)
{
	const struct tally_line *x = a, *y = b;
	const uint64_t keys[][2] = {
		{ x->failed, y->failed },
		{ x->retransmitted, y->retransmitted },
		{ x->handshakes, y->handshakes },
		{ y->row, x->row },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? 1 : -1;
	return 0;
}

struct tally_line *tally_lines(const struct tally *t, size_t *lines)
{
	size_t rows = t->keys.count + 1;
	struct tally_line *all = calloc(rows, sizeof(*all));
	uint32_t row, slot;
	uint64_t n;

	*lines = 0;
	for (uint32_t i = 0; all && i < t->cells.room; i++) {
		if (!top_cells_at(&t->cells, i, &row, &slot, &n))
			continue;
		if (slot == SLOT_HANDSHAKES)
			all[row].handshakes = n;
		else if (slot == SLOT_ACTIVE)
			all[row].active = n;
		else if (slot == SLOT_FAILED)
			all[row].failed = n;
		else if (slot == SLOT_RETRANSMITTED)
			all[row].retransmitted = n;
	}
	for (row = 0; all && row < rows; row++) {
		all[row].row = row;
		all[row].key = row == TALLY_OTHERS ? NULL : keyset_at(&t->keys, row - 1);
		if (all[row].handshakes)
			all[(*lines)++] = all[row];
	}
	if (*lines)
		qsort(all, *lines, sizeof(*all), compare_lines);
	return all;
}

void tally_latency(const struct tally *t, uint32_t wanted, struct histogram *h)
{
	uint32_t row, slot;
	uint64_t n;

	memset(h, 0, sizeof(*h));
	for (uint32_t i = 0; i < t->cells.room; i++) {
		uint64_t value;

		if (!top_cells_at(&t->cells, i, &row, &slot, &n) || row != wanted || slot >= HISTOGRAM_BUCKETS)
			continue;
		value = histogram_middle(slot);
		h->min = !h->count || value < h->min ? value : h->min;
		h->max = value > h->max ? value : h->max;
		h->count += n;
		h->buckets[slot] += n;
	}
}
