/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The buckets of a latency histogram: 16 equal ones for each power of two from 1 us (2^10 ns) to
 * 137 s (2^37 ns), so that a value told by the middle of its bucket is wrong by 3.1 % at most.
 * The first one also holds what is below, the last one what is above. Pure; the BPF programs and
 * the daemon share it.
 */
#ifndef TCPSHAKE_LATENCY_H
#define TCPSHAKE_LATENCY_H

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#endif

#define LATENCY_SUB_BITS 4
#define LATENCY_SUB (1 << LATENCY_SUB_BITS)
#define LATENCY_MIN_BITS 10
#define LATENCY_MAX_BITS 37
#define LATENCY_BUCKETS ((LATENCY_MAX_BITS - LATENCY_MIN_BITS) * LATENCY_SUB)
#define LATENCY_HISTOGRAMS 256 /* of role, outcome and port; the rest goes to port 0 */

struct latency_key {
	__u16 port; /* the server's; 0: all others */
	__u8 role; /* enum role */
	__u8 outcome; /* enum outcome */
};

/* One per CPU; atomic, for a softirq may interrupt a program on its CPU. */
struct latency {
	__u64 unknown; /* handshakes whose latency the kernel cannot vouch for */
	__u64 sum_ns;
	__u64 bucket[LATENCY_BUCKETS];
};

/* The number of the highest bit that is set; 0 for 0. */
static inline __u32 latency_log2(__u64 value)
{
	__u32 bits = 0;

	for (__u32 step = 32; step; step >>= 1) {
		if (value >> step) {
			value >>= step;
			bits += step;
		}
	}
	return bits;
}

static inline __u32 latency_bucket(__u64 ns)
{
	__u32 bits;

	if (ns < (1ULL << LATENCY_MIN_BITS))
		return 0;
	bits = latency_log2(ns);
	if (bits >= LATENCY_MAX_BITS)
		return LATENCY_BUCKETS - 1;
	return ((bits - LATENCY_MIN_BITS) << LATENCY_SUB_BITS) +
	       ((__u32)(ns >> (bits - LATENCY_SUB_BITS)) & (LATENCY_SUB - 1));
}

/* Where a bucket ends: the first value above it, in ns. */
static inline __u64 latency_bucket_end(__u32 bucket)
{
	__u32 bits = LATENCY_MIN_BITS + (bucket >> LATENCY_SUB_BITS);

	return (1ULL << bits) + ((__u64)((bucket & (LATENCY_SUB - 1)) + 1) << (bits - LATENCY_SUB_BITS));
}

#endif
