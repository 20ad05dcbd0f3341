// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The map of time × latency × count. */
#include "cli/top/model/counted.h"
#include "cli/top/model/query.h"

#include <string.h>

#include "common/bands.h"

static void find_range(const struct top_model *m, const struct top_heat *h, uint64_t *low,
		       uint64_t *high)
{
	uint64_t seconds = (uint64_t)h->columns * h->step;
	uint64_t first = h->end > seconds ? h->end - seconds : 0;

	*low = UINT64_MAX;
	*high = 0;
	for (uint64_t second = first; second < h->end; second++) {
		const struct top_bucket *b = top_second_at(&m->seconds, second);

		for (int role = 0; b && role < ROLES; role++) {
			if (!b->latency[role].count)
				continue;
			*low = b->latency[role].min < *low ? b->latency[role].min : *low;
			*high = b->latency[role].max > *high ? b->latency[role].max : *high;
		}
	}
}

static void add_second(struct top_heat *h, unsigned column, const struct top_bucket *b,
		       const uint8_t *band)
{
	h->failed[column] += b->counts[TOP_COUNT_FAILED];
	for (int role = 0; role < ROLES; role++) {
		const struct histogram *l = &b->latency[role];

		if (!l->count)
			continue;
		for (unsigned i = histogram_bucket(l->min); i <= histogram_bucket(l->max); i++)
			h->cells[band[i]][column] += l->buckets[i];
	}
}

static void find_most(struct top_heat *h)
{
	for (unsigned column = 0; column < h->columns; column++) {
		if (h->failed[column] > h->most_failed)
			h->most_failed = h->failed[column];
		for (unsigned i = 0; i < h->bands; i++)
			if (h->cells[i][column] > h->most)
				h->most = h->cells[i][column];
	}
}

void top_heat_of(const struct top_model *m, uint64_t end, unsigned columns, unsigned step,
		 unsigned bands_max, struct top_heat *h)
{
	uint8_t band[HISTOGRAM_BUCKETS] = { 0 };
	uint64_t low, high;

	memset(h, 0, sizeof(*h));
	h->columns = columns < TOP_COLUMNS_MAX ? columns : TOP_COLUMNS_MAX;
	h->step = step;
	/* Columns begin at multiples of the step, so that they do not change as time goes by. */
	h->end = (end + step - 1) / step * step;
	find_range(m, h, &low, &high);
	if (low <= high)
		h->bands = bands_choose(low, high, h->floors,
					bands_max < TOP_BANDS_MAX ? bands_max : TOP_BANDS_MAX);
	bands_of_buckets(h->floors, h->bands, band);
	for (unsigned column = 0; column < h->columns; column++) {
		uint64_t behind = (uint64_t)(h->columns - column) * step;

		for (unsigned i = 0; i < step && behind <= h->end; i++) {
			uint64_t second = h->end - behind + i;
			const struct top_bucket *b = top_second_at(&m->seconds, second);

			if (second < end && b)
				add_second(h, column, b, band);
		}
	}
	find_most(h);
}
