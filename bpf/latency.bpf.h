/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Latencies as histograms that the stream's filters, limits and losses do not touch. By role,
 * outcome and the server's port; what finds no room goes to port 0, which the daemon made.
 */
#ifndef TCPSHAKE_LATENCY_BPF_H
#define TCPSHAKE_LATENCY_BPF_H

#include "compat.bpf.h"
#include "event.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LATENCY_HISTOGRAMS);
	__type(key, struct latency_key);
	__type(value, struct latency);
} latencies SEC(".maps") __weak;

/* A new histogram, copied from here: it is too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct latency);
} no_latency SEC(".maps") __weak;

const volatile bool latencies_wanted __weak = false;

static __always_inline struct latency *latency_get(struct latency_key *key)
{
	struct latency *l = bpf_map_lookup_elem(&latencies, key), *empty;
	__u32 zero = 0;

	if (l)
		return l;
	empty = bpf_map_lookup_elem(&no_latency, &zero);
	if (empty && bpf_map_update_elem(&latencies, key, empty, BPF_NOEXIST) == 0) {
		l = bpf_map_lookup_elem(&latencies, key);
		if (l)
			return l;
	}
	key->port = 0;
	return bpf_map_lookup_elem(&latencies, key);
}

static __always_inline void latency_record(const struct event_handshake *e)
{
	struct latency_key key = { .role = e->role, .outcome = e->outcome };
	struct latency *l;
	__u64 bucket; /* of 64 bits: before 6.2 a copy of 32 bits loses the bounds of its original */

	if (!latencies_wanted)
		return;
	key.port = e->role == ROLE_ACTIVE ? e->remote_port : e->local_port;
	l = latency_get(&key);
	if (!l)
		return;
	if (e->latency_ns == NS_UNKNOWN) {
		__sync_fetch_and_add(&l->unknown, 1);
		return;
	}
	bucket = latency_bucket(e->latency_ns);
	barrier_var(bucket);
	if (bucket < LATENCY_BUCKETS)
		__sync_fetch_and_add(&l->bucket[bucket], 1);
	__sync_fetch_and_add(&l->sum_ns, e->latency_ns);
}

#endif
