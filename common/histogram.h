/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A log-linear histogram of nanoseconds: 32 equal buckets for every power of two, so a quantile
 * is wrong by at most 1/64 of itself (1.6 %); below 64 ns, and at both ends, it is exact. Pure;
 * all zero bytes are an empty histogram.
 */
#ifndef TCPSHAKE_HISTOGRAM_H
#define TCPSHAKE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
	uint64_t count;
	uint64_t min; /* exact; meaningless while count is 0 */
	uint64_t max; /* exact */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/*
 * The value that a share `q` (0..1) of the values does not exceed: the nearest-rank quantile,
 * 0 of an empty histogram. q <= 0 is the minimum and q >= 1 the maximum.
 */
uint64_t histogram_quantile(const struct histogram *h, double q);

/* The bucket of a value, and the value in the middle of a bucket: for maps of several histograms. */
unsigned histogram_bucket(uint64_t value);
uint64_t histogram_middle(unsigned bucket);

#endif
