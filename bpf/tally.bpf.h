/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a function of the kernel counted for one packet. The kernel's counters are per CPU, and the
 * functions that are hooked run to their end on one CPU with bottom halves disabled. So what this
 * CPU's counters moved from the entry to the exit is this packet's. The lengths of the queues would
 * only say how full they are now, as other CPUs see them change.
 */
#ifndef TCPSHAKE_TALLY_BPF_H
#define TCPSHAKE_TALLY_BPF_H

#include "stream.bpf.h"

#define TALLIED 4

/* This CPU's counters, as a function began to handle a packet. */
struct tally {
	__u64 packet; /* struct sk_buff */
	__u64 counters; /* their address */
	__u64 routing; /* that of the counters of IP, where they are asked, too */
	__u64 offset; /* this CPU's, once it is known */
	__u64 before[TALLIED];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tally);
} tallies SEC(".maps");

static __always_inline __u64 tally_read(const struct tally *t, __u32 counter)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (unsigned long *)t->counters + counter);
	return value;
}

/* How many packets of one family this CPU could not route (OutNoRoutes). */
static __always_inline __u64 tally_no_routes(const struct tally *t)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (__u64 *)t->routing + mib_out_no_routes);
	return value;
}

/* At the entry; `mib` is a namespace's per-CPU counters. NULL never comes, but the verifier asks. */
static __always_inline struct tally *tally_begin(struct sk_buff *skb, void *mib)
{
	__u32 zero = 0;
	struct tally *t = bpf_map_lookup_elem(&tallies, &zero);

	if (!t)
		return NULL;
	if (!t->offset)
		t->offset = per_cpu_offset(&tallies, t);
	t->packet = (__u64)skb;
	t->counters = (__u64)mib + t->offset;
	return t;
}

/* At the exit; NULL if the packet's entry was not seen. */
static __always_inline struct tally *tally_of(struct sk_buff *skb)
{
	__u32 zero = 0;
	struct tally *t = bpf_map_lookup_elem(&tallies, &zero);

	return t && t->packet == (__u64)skb ? t : NULL;
}

static __always_inline __u64 tally_moved(const struct tally *t, int which, __u32 counter)
{
	return tally_read(t, counter) - t->before[which];
}

static __always_inline void *net_statistics(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, mib.net_statistics);
}

#endif
