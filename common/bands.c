// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/bands.h"

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

unsigned bands_choose(uint64_t low, uint64_t high, uint64_t *floors, unsigned max)
{
	for (unsigned i = 0; i < SERIES; i++) {
		unsigned bands = lay_out(i, low, high, floors, max);

		if (bands <= max)
			return bands;
	}
	/* Too few for the decades: the lowest band takes what is below it. */
	for (unsigned i = max; i-- > 0;) {
		uint64_t decade = 1;

		while (decade <= high / 10)
			decade *= 10;
		for (unsigned j = max - 1; j > i && decade > 1; j--)
			decade /= 10;
		floors[i] = decade;
	}
	return max;
}

void bands_of_buckets(const uint64_t *floors, unsigned bands, uint8_t band[HISTOGRAM_BUCKETS])
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		band[i] = i ? band[i - 1] : 0;
		while (band[i] + 1U < bands && floors[band[i] + 1] <= histogram_middle(i))
			band[i]++;
	}
}

unsigned bands_level(uint64_t n, uint64_t most, unsigned levels)
{
	unsigned all = histogram_bucket(most);

	return n ? 1 + (histogram_bucket(n) * (levels - 1) + all / 2) / all : 0;
}
