// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/top/model/seconds.h"

#include <string.h>

#include "common/clock.h"

const unsigned top_window_seconds[TOP_WINDOWS] = { 1, 10, 60, 300, 0 };
const char *const top_window_names[TOP_WINDOWS] = { "1 s", "10 s", "1 min", "5 min", "since start" };

void top_bucket_clear(struct top_bucket *b)
{
	for (int i = 0; i < TOP_TABLES; i++)
		top_cells_clear(&b->cells[i]);
	memset(b->counts, 0, sizeof(b->counts));
	memset(b->latency, 0, sizeof(b->latency));
	b->used = false;
}

void top_bucket_free(struct top_bucket *b)
{
	for (int i = 0; i < TOP_TABLES; i++)
		top_cells_free(&b->cells[i]);
}

int top_bucket_copy(struct top_bucket *to, const struct top_bucket *from)
{
	int err = 0;

	*to = *from;
	for (int i = 0; i < TOP_TABLES; i++)
		err |= top_cells_copy(&to->cells[i], &from->cells[i]);
	return err;
}

struct top_bucket *top_second_of(struct top_seconds *s, uint64_t mono_ns)
{
	uint64_t second = mono_ns / NSEC_PER_SEC;
	struct top_bucket *b = &s->ring[second % TOP_RING];

	if (b->used && b->second == second)
		return b;
	if (b->used && b->second > second)
		return NULL;
	top_bucket_clear(b);
	b->used = true;
	b->second = second;
	return b;
}

const struct top_bucket *top_second_at(const struct top_seconds *s, uint64_t second)
{
	const struct top_bucket *b = &s->ring[second % TOP_RING];

	return b->used && b->second == second ? b : NULL;
}
