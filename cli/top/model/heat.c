// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The map of time × latency × count. */
#include "cli/top/model/counted.h"
#include "cli/top/model/query.h"

#include <string.h>

/* Floors of bands, within a decade, in tenths. */
static const struct {
	unsigned count;
	unsigned floors[6];
} series[] = { { 6, { 10, 15, 20, 30, 50, 70 } }, { 3, { 10, 20, 50 } }, { 2, { 10, 30 } },
	       { 1, { 10 } } };

#define SERIES (sizeof(series) / sizeof(series[0]))

/* The floors of one series that hold values from `low` to `high`. How many, or more than `max`. */
static unsigned lay_out(unsigned which, uint64_t low, uint64_t high, uint64_t *floors, unsigned max)
{
	unsigned count = 0;

	/* Tenths of a nanosecond are none. */
	if (low < 10 && !which)
		return max + 1;
	for (uint64_t decade = 1; decade <= UINT64_MAX / 100; decade *= 10) {
		for (unsigned i = 0; i < series[which].count; i++) {
			uint64_t floor = decade * series[which].floors[i] / 10;

			if (floor > high && count)
				return count;
			/* Below the lowest value only the last floor counts. */
			if (floor <= low)
				count = 0;
			if (count >= max)
				return max + 1;
			floors[count++] = floor;
		}
	}
	return count;
}

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

static void choose_bands(struct top_heat *h, uint64_t low, uint64_t high, unsigned bands_max)
{
	if (bands_max > TOP_BANDS_MAX)
		bands_max = TOP_BANDS_MAX;
	for (unsigned i = 0; i < SERIES; i++) {
		h->bands = lay_out(i, low, high, h->floors, bands_max);
		if (h->bands <= bands_max)
			return;
	}
	/* Too few for the decades: the lowest band takes what is below it. */
	h->bands = bands_max;
	for (unsigned i = bands_max; i-- > 0;) {
		uint64_t decade = 1;

		while (decade <= high / 10)
			decade *= 10;
		for (unsigned j = bands_max - 1; j > i && decade > 1; j--)
			decade /= 10;
		h->floors[i] = decade;
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
		choose_bands(h, low, high, bands_max);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && h->bands; i++)
		while (band[i] + 1U < h->bands && h->floors[band[i] + 1] <= histogram_middle(i))
			band[i]++;
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
