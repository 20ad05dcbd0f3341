/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Distributions for each listener, which filters, limits and losses of the stream do not touch: how deep each connection found
 * the accept queue that it joined, and each request the SYN queue; and how long connections waited for accept(). An entry is
 * made with the first of them: a listener without any takes no memory. The daemon removes it, for it reads it a last time
 * when the listener is closed.
 */
#ifndef TCPSHAKE_DEPTH_BPF_H
#define TCPSHAKE_DEPTH_BPF_H

#include "count.bpf.h"
#include "counters.h"
#include "depth.h"
#include "maps.h"
#include "stream.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct queue_key);
	__type(value, struct depth);
} accept_depths SEC(".maps") __weak, syn_depths SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct queue_key);
	__type(value, struct latency);
} accept_waits SEC(".maps") __weak;

/* Not on the stack, of which there are 512 bytes for all that a program calls. */
static const struct depth no_depth;
static const struct latency no_wait;

/* A listener enters LISTEN: what is kept of its address is of one that was there before. */
static __always_inline void queue_begin(__u64 socket)
{
	struct queue_key key = { socket };

	bpf_map_delete_elem(&accept_depths, &key);
	bpf_map_delete_elem(&syn_depths, &key);
	bpf_map_delete_elem(&accept_waits, &key);
}

/* The caller has found that the queue's listener, or its port, is one that the daemon knows. */
static __always_inline struct depth *depth_of(enum overflow_queue which, struct queue_key *key)
{
	void *depths = which == QUEUE_SYN ? (void *)&syn_depths : (void *)&accept_depths;
	struct depth *d = bpf_map_lookup_elem(depths, key);
	struct counters *c;

	if (d)
		return d;
	bpf_map_update_elem(depths, key, &no_depth, BPF_NOEXIST);
	d = bpf_map_lookup_elem(depths, key);
	c = d ? NULL : this_cpu_counters();
	if (c)
		count(c->depth_map_full[which]);
	return d;
}

/* One joins a queue, in which `len` wait already. `which` is a constant. */
static __always_inline void depth_add(enum overflow_queue which, __u64 queue, __u32 len, __u32 limit)
{
	struct queue_key key = { queue };
	struct depth *d = depth_of(which, &key);
	__u64 bucket = depth_bucket(len); /* of 64 bits, as in latency_add() */

	barrier_var(bucket);
	if (!d || bucket >= DEPTH_BUCKETS)
		return;
	count(d->bucket[bucket]);
	if (len) /* mostly there is nobody: nothing to add */
		__sync_fetch_and_add(&d->sum, len);
	if (depth_is_crowded(len, limit))
		count(d->crowded);
	d->limit = limit;
}

#endif
