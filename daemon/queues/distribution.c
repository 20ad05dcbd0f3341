// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/queues/distribution.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/depth.h"

static uint64_t depth_start(uint32_t bucket)
{
	return depth_bucket_start(bucket);
}

static uint64_t wait_start(uint32_t bucket)
{
	return bucket ? latency_bucket_end(bucket - 1) : 0;
}

const struct scale depth_scale = { DEPTH_BUCKETS, depth_start };
const struct scale wait_scale = { LATENCY_BUCKETS, wait_start };

static uint64_t last_of(const struct scale *scale, uint32_t bucket)
{
	return scale->start(bucket + 1) - 1;
}

static uint64_t middle_of(const struct scale *scale, uint32_t bucket)
{
	uint64_t start = scale->start(bucket);

	return start + (last_of(scale, bucket) - start) / 2;
}

/* 0 also where there are fewer than before: those of the port are another's, too, since a second listener has it. */
static uint64_t came(const __u64 *counts, const __u64 *before, uint32_t bucket)
{
	return counts[bucket] > before[bucket] ? counts[bucket] - before[bucket] : 0;
}

/* The least value that so many per cent of all are not above. */
static uint64_t quantile(const struct scale *scale, const __u64 *counts, const __u64 *before, uint64_t count,
			 unsigned int percent)
{
	uint64_t rank = (count * percent + 99) / 100, below = 0;

	for (uint32_t i = 0; i < scale->buckets; i++) {
		below += came(counts, before, i);
		if (below >= rank)
			return middle_of(scale, i);
	}
	return 0;
}

static struct spread spread_of(const struct scale *scale, const __u64 *counts, const __u64 *before)
{
	struct spread s = { .count = 0 };

	for (uint32_t i = 0; i < scale->buckets; i++)
		s.count += came(counts, before, i);
	if (!s.count)
		return s;
	s.p50 = quantile(scale, counts, before, s.count, 50);
	s.p99 = quantile(scale, counts, before, s.count, 99);
	s.max = quantile(scale, counts, before, s.count, 100);
	return s;
}

void distribution_nothing(struct distribution *d, const struct scale *scale)
{
	if (d->past) /* what came before that is none of what will have come of late */
		memcpy(d->past + scale->buckets, d->past, scale->buckets * sizeof(*d->past));
	d->spread = (struct spread){ .count = 0 };
	d->known = true;
}

void distribution_take(struct distribution *d, const struct scale *scale, const __u64 *counts, bool begins)
{
	size_t size = scale->buckets * sizeof(*counts);
	__u64 *begun, *before;

	if (!d->past)
		d->past = calloc(2, size);
	d->known = d->past;
	if (!d->known)
		return;
	begun = d->past;
	before = d->past + scale->buckets;
	if (begins) {
		memcpy(before, begun, size);
		memcpy(begun, counts, size);
	}
	d->spread = spread_of(scale, counts, before);
}

void distribution_bound(struct distribution *d, const struct scale *scale, uint64_t most)
{
	struct spread *s = &d->spread;
	uint32_t i = 0;

	while (i + 1 < scale->buckets && last_of(scale, i) < s->max)
		i++;
	if (!s->count || most < scale->start(i) || most > last_of(scale, i))
		return;
	s->max = most;
	s->p50 = s->p50 < most ? s->p50 : most;
	s->p99 = s->p99 < most ? s->p99 : most;
}

void distribution_free(struct distribution *d)
{
	free(d->past);
	*d = (struct distribution){ .known = false };
}
