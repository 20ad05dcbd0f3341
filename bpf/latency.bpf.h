/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Latencies as histograms that the stream's filters, limits and losses do not touch: one update of
 * one slot for each handshake. bpf/latency.h says which slots there are.
 *
 * A listener's port gets a slot with its first connection, in order of appearance: only a listener
 * of this host can take one. A remote port gets one with the first connection that was established,
 * unless it is in the range from which hosts take ports for outgoing connections: who listens there
 * does so at a port that chance gave it. Free slots are in two queues; the daemon fills them, and
 * takes slots back from ports that are not used any more.
 */
#ifndef TCPSHAKE_LATENCY_BPF_H
#define TCPSHAKE_LATENCY_BPF_H

#include "compat.bpf.h"
#include "count.bpf.h"
#include "event.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LATENCY_SLOTS); /* times the shards, by the daemon */
	__type(key, __u32);
	__type(value, struct latency);
} latencies SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LATENCY_LISTENERS + LATENCY_REMOTES);
	__type(key, struct latency_key);
	__type(value, __u32);
} latency_slots SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, LATENCY_LISTENERS);
	__type(value, __u32);
} free_listeners SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, LATENCY_REMOTES);
	__type(value, __u32);
} free_remotes SEC(".maps") __weak;

const volatile __u32 latency_shards __weak = 0; /* a power of two; 0: keep no histograms */
const volatile __u8 latency_shared __weak = 0; /* there are more CPUs than shards */
const volatile __u16 ephemeral_first __weak = 0, ephemeral_last __weak = 0;

/* A slot for a port that has none, or `other`. */
static __noinline __u32 latency_take_slot(struct latency_key *key, __u32 other)
{
	bool active = key->role == ROLE_ACTIVE;
	__u32 slot = 0, *taken;
	long none;

	if (active && key->port >= ephemeral_first && key->port <= ephemeral_last)
		return other;
	none = active ? bpf_map_pop_elem(&free_remotes, &slot) :
			bpf_map_pop_elem(&free_listeners, &slot);
	if (none)
		return other;
	if (bpf_map_update_elem(&latency_slots, key, &slot, BPF_NOEXIST) == 0)
		return slot;
	if (active) /* another CPU was faster */
		bpf_map_push_elem(&free_remotes, &slot, 0);
	else
		bpf_map_push_elem(&free_listeners, &slot, 0);
	taken = bpf_map_lookup_elem(&latency_slots, key);
	return taken ? *taken : other;
}

static __always_inline __u32 latency_slot(const struct event_handshake *e)
{
	__u32 other = e->role * OUTCOMES + e->outcome, *slot;
	struct latency_key key = { .role = e->role };

	if (e->outcome != OUTCOME_ESTABLISHED)
		return other;
	if (e->role == ROLE_PASSIVE)
		key.netns = e->header.netns;
	key.port = e->role == ROLE_ACTIVE ? e->remote_port : e->local_port;
	slot = bpf_map_lookup_elem(&latency_slots, &key);
	return slot ? *slot : latency_take_slot(&key, other);
}

/* With a frame of its own: before 6.13 those of a program and what it calls share 512 bytes. */
static __noinline int latency_add(const struct event_handshake *e)
{
	struct latency *l;
	__u64 bucket; /* of 64 bits: before 6.2 a copy of 32 bits loses the bounds of its original */
	__u32 index;

	index = LATENCY_SLOT(latency_slot(e));
	if (COUNTS_APART)
		index += LATENCY_SLOTS * latency_shards; /* one more, which all CPUs share */
	else
		index = index * latency_shards + (bpf_get_smp_processor_id() & (latency_shards - 1));
	l = bpf_map_lookup_elem(&latencies, &index);
	if (!l)
		return 0;
	if (e->latency_ns == NS_UNKNOWN || e->flags & HANDSHAKE_DEFERRED) {
		count(l->unknown);
		return 0;
	}
	bucket = latency_bucket(e->latency_ns);
	barrier_var(bucket);
	if (bucket >= LATENCY_BUCKETS)
		return 0;
	if (latency_shared || e->outcome != OUTCOME_ESTABLISHED) {
		count(l->bucket[bucket]);
		__sync_fetch_and_add(&l->sum_ns, e->latency_ns);
	} else { /* only ever reported by state changes */
		count_alone(l->bucket[bucket]);
		add_alone(&l->sum_ns, e->latency_ns);
	}
	return 0;
}

static __always_inline void latency_record(const struct event_handshake *e)
{
	if (latency_shards)
		latency_add(e);
}

#endif
