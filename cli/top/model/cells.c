// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/top/model/cells.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST 64

static uint32_t slot_of(const uint32_t *keys, uint32_t room, uint32_t key)
{
	uint32_t at = (key * 0x9e3779b1u) >> 7 & (room - 1);

	while (keys[at] && keys[at] != key)
		at = (at + 1) & (room - 1);
	return at;
}

static bool resize(struct top_cells *c, uint32_t room)
{
	uint32_t *keys = calloc(room, sizeof(*keys));
	uint64_t *counts = calloc(room, sizeof(*counts));

	if (!keys || !counts) {
		free(keys);
		free(counts);
		return false;
	}
	for (uint32_t i = 0; i < c->room; i++) {
		uint32_t at;

		if (!c->keys[i])
			continue;
		at = slot_of(keys, room, c->keys[i]);
		keys[at] = c->keys[i];
		counts[at] = c->counts[i];
	}
	free(c->keys);
	free(c->counts);
	c->keys = keys;
	c->counts = counts;
	c->room = room;
	return true;
}

bool top_cells_add(struct top_cells *c, uint32_t row, uint32_t slot, uint64_t n, uint32_t limit)
{
	uint32_t key = (row << TOP_SLOT_BITS | slot) + 1, at;

	if (!c->room && !resize(c, SMALLEST))
		return false;
	at = slot_of(c->keys, c->room, key);
	if (!c->keys[at]) {
		if (c->count >= limit)
			return false;
		if (c->count + 1 > c->room / 4 * 3) {
			if (!resize(c, 2 * c->room))
				return false;
			at = slot_of(c->keys, c->room, key);
		}
		c->keys[at] = key;
		c->counts[at] = 0;
		c->count++;
	}
	if (slot != SLOT_PEAK)
		c->counts[at] += n;
	else if (n > c->counts[at])
		c->counts[at] = n;
	return true;
}

void top_cells_clear(struct top_cells *c)
{
	/* What a storm needed is given back when it is over. */
	if (c->room > SMALLEST && c->count < c->room / 8) {
		top_cells_free(c);
		return;
	}
	if (c->room)
		memset(c->keys, 0, c->room * sizeof(*c->keys));
	c->count = 0;
}

void top_cells_free(struct top_cells *c)
{
	free(c->keys);
	free(c->counts);
	*c = (struct top_cells){ 0 };
}

int top_cells_copy(struct top_cells *to, const struct top_cells *from)
{
	*to = (struct top_cells){ 0 };
	if (!from->room)
		return 0;
	to->keys = malloc(from->room * sizeof(*to->keys));
	to->counts = malloc(from->room * sizeof(*to->counts));
	if (!to->keys || !to->counts) {
		top_cells_free(to);
		return -ENOMEM;
	}
	memcpy(to->keys, from->keys, from->room * sizeof(*to->keys));
	memcpy(to->counts, from->counts, from->room * sizeof(*to->counts));
	to->count = from->count;
	to->room = from->room;
	return 0;
}
