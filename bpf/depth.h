/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How deep each connection found the accept queue that it joined, and each request the SYN queue: a histogram of lengths for
 * each listener and queue. Pure; the BPF programs and the daemon share it.
 *
 * Lengths below 32 have a bucket each. Above, each power of two has 16 equal ones, so that the middle of a bucket is wrong
 * by 1/32 at most: 3.1 %. The last bucket also holds what is above it.
 */
#ifndef TCPSHAKE_DEPTH_H
#define TCPSHAKE_DEPTH_H

#include "latency.h"

#ifndef __bpf__
#include <stdbool.h>
#endif

#define DEPTH_SUB_BITS 4
#define DEPTH_SUB (1 << DEPTH_SUB_BITS)
#define DEPTH_MAX_BITS 16
#define DEPTH_BUCKETS ((DEPTH_MAX_BITS - DEPTH_SUB_BITS + 1) * DEPTH_SUB)

struct depth {
	__u64 sum;
	__u64 crowded; /* of those that joined, the ones that depth_is_crowded() says of */
	__u32 limit; /* as the last one found it */
	__u32 pad;
	__u64 bucket[DEPTH_BUCKETS];
};

/* Over 80 % of the limit, at that time. */
static inline bool depth_is_crowded(__u32 len, __u32 limit)
{
	return 5 * (__u64)len > 4 * (__u64)limit;
}

static inline __u32 depth_bucket(__u32 len)
{
	__u32 shift;

	if (len < DEPTH_SUB)
		return len;
	if (len >> DEPTH_MAX_BITS)
		return DEPTH_BUCKETS - 1;
	shift = latency_log2(len) - DEPTH_SUB_BITS;
	return (shift << DEPTH_SUB_BITS) + (len >> shift);
}

/* The least length in a bucket; of the one behind the last, the first that none has to itself. */
static inline __u32 depth_bucket_start(__u32 bucket)
{
	__u32 shift = bucket < 2 * DEPTH_SUB ? 0 : (bucket >> DEPTH_SUB_BITS) - 1;

	return (bucket - (shift << DEPTH_SUB_BITS)) << shift;
}

#endif
