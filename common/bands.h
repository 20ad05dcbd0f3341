/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bands of a map of latencies: where each begins. Pure. */
#ifndef TCPSHAKE_BANDS_H
#define TCPSHAKE_BANDS_H

#include "common/histogram.h"

/*
 * Bands for values from `low` to `high`: six, three (1-2-5), two or one a decade, the finest that are at most `max` (at
 * least 1). How many, their floors from the lowest on in `floors`, which has room for `max`.
 */
unsigned bands_choose(uint64_t low, uint64_t high, uint64_t *floors, unsigned max);
/* The band of each bucket of a histogram; 0 where there are none. */
void bands_of_buckets(const uint64_t *floors, unsigned bands, uint8_t band[HISTOGRAM_BUCKETS]);
/* 1..levels by the logarithm, about, as buckets are: a few stand out beside many; 0 of nothing. */
unsigned bands_level(uint64_t n, uint64_t most, unsigned levels);

#endif
