// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/histogram.h"

#define SUB_BUCKETS (1u << HISTOGRAM_SUB_BITS)

unsigned histogram_bucket(uint64_t value)
{
	unsigned shift;

	if (value < SUB_BUCKETS)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	/* The leading bit of value >> shift counts as one row of sub-buckets. */
	return shift * SUB_BUCKETS + (unsigned)(value >> shift);
}

uint64_t histogram_middle(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2 * SUB_BUCKETS)
		return bucket;
	shift = bucket / SUB_BUCKETS - 1;
	return ((uint64_t)(bucket % SUB_BUCKETS + SUB_BUCKETS) << shift) + (1ULL << shift) / 2;
}

void histogram_record(struct histogram *h, uint64_t value)
{
	if (!h->count || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
	h->buckets[histogram_bucket(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	if (!from->count)
		return;
	if (!into->count || from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	into->count += from->count;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

/* The nearest rank, 1..count. */
static uint64_t rank_of(uint64_t count, double q)
{
	double exact = q * (double)count;
	uint64_t rank = (uint64_t)exact;

	if ((double)rank < exact)
		rank++;
	return rank < 1 ? 1 : rank > count ? count : rank;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
	uint64_t rank, seen = 0, value = 0;

	if (!h->count)
		return 0;
	if (!(q > 0))
		return h->min;
	rank = q < 1 ? rank_of(h->count, q) : h->count;
	if (rank == h->count)
		return h->max;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= rank) {
			value = histogram_middle(i);
			break;
		}
	}
	return value < h->min ? h->min : value > h->max ? h->max : value;
}
