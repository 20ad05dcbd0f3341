/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Latency histograms: their buckets, and where they are kept. Pure; the BPF programs and the daemon
 * share it.
 *
 * 32 equal buckets for each power of two from 1 us (2^10 ns) to 137 s (2^37 ns). A bucket is at
 * most 1/32 of where it begins, so whatever a quantile is taken to be inside of its bucket, by
 * interpolation or as the middle, it is wrong by 3.2 % at most (the middle: by 1.6 %). The first
 * bucket also holds what is below, the last one what is above.
 */
#ifndef TCPSHAKE_LATENCY_H
#define TCPSHAKE_LATENCY_H

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#endif

#define LATENCY_SUB_BITS 5
#define LATENCY_SUB (1 << LATENCY_SUB_BITS)
#define LATENCY_MIN_BITS 10
#define LATENCY_MAX_BITS 37
#define LATENCY_BUCKETS ((LATENCY_MAX_BITS - LATENCY_MIN_BITS) * LATENCY_SUB)

/*
 * Slots: one for each role and outcome, then those of listeners' ports, then those of remote
 * ports. What was established at a port with a slot of its own is only there; the rest of it is
 * in the slot of its role and outcome. Each slot is there LATENCY_SHARDS_MAX times or less: once
 * for each CPU, or, on hosts with more, for a share of them, so that a kernel with 128 CPUs does
 * not hold 128 copies of 7 kB of each.
 */
#define LATENCY_FIXED 18
#define LATENCY_LISTENERS 256 /* listeners' ports with a slot, each of a namespace */
#define LATENCY_REMOTES 64 /* remote ports with a slot */
#define LATENCY_SLOTS (LATENCY_FIXED + LATENCY_LISTENERS + LATENCY_REMOTES)
#define LATENCY_SHARDS_MAX 4 /* a power of two */

/*
 * In the table of ports' slots, and in the queues of free ones, a slot comes with how often it was taken back: so one that a
 * port gets again is not taken for the same by a connection that was counted in it before.
 */
#define LATENCY_SLOT(slot) ((slot) & 0xffff)
#define LATENCY_SLOT_TAKEN_BACK(times) ((__u32)(times) << 16)

/* Whose slot it is. */
struct latency_key {
	__u32 netns; /* of a listener; 0 for a remote port */
	__u16 port; /* the server's */
	__u8 role; /* enum role */
	__u8 pad;
};

struct latency {
	__u64 unknown; /* handshakes whose latency the kernel cannot vouch for */
	__u64 sum_ns;
	__u64 bucket[LATENCY_BUCKETS];
};

/* The number of the highest bit that is set; 0 for 0. Without a branch: the verifier would follow each both ways. */
static inline __u32 latency_log2(__u64 value)
{
	__u32 bits = 0;

	for (__u32 step = 5; step < 6; step--) {
		__u64 upper = value >> (1 << step);
		__u32 shift = (__u32)((upper | -upper) >> 63) << step; /* unless it is 0 */

		value >>= shift;
		bits += shift;
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
