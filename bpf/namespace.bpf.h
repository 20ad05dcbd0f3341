/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the audit holds against the kernel's own counters of each namespace, by CPU. Most are in
 * `namespace_slots`, an array indexed by the namespace's number, which the JIT inlines: the first that
 * opens a connection there has the slot for good, for a number that is used again goes on from where it
 * was. One whose slot is another's, and each one where programs nest, is in the hash `namespaces`.
 */
#ifndef TCPSHAKE_NAMESPACE_BPF_H
#define TCPSHAKE_NAMESPACE_BPF_H

#include "count.bpf.h"
#include "counters.h"
#include "event.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NAMESPACE_SLOTS);
	__type(key, __u32);
	__type(value, struct namespace_slot);
} namespace_slots SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct namespace_counts);
} namespaces SEC(".maps") __weak;

/* Not on the stack, of which there are 512 bytes for all that a program calls. */
static const struct namespace_counts no_counts;

/* NULL if there are more namespaces than fit: the audit misses the newest, nothing else does. */
static __noinline struct namespace_counts *namespace_hashed(__u32 netns)
{
	struct namespace_counts *n = bpf_map_lookup_elem(&namespaces, &netns);

	if (n)
		return n;
	bpf_map_update_elem(&namespaces, &netns, &no_counts, BPF_NOEXIST);
	return bpf_map_lookup_elem(&namespaces, &netns);
}

/* `claims`: of the one program that may take a slot which is free. */
static __always_inline struct namespace_counts *namespace_find(__u32 netns, bool claims)
{
	__u32 index = namespace_slot(netns);
	struct namespace_slot *slot;

	if (COUNTS_APART)
		return namespace_hashed(netns_apart(netns));
	slot = bpf_map_lookup_elem(&namespace_slots, &index);
	if (slot && claims && !slot->netns && !programs_nest())
		slot->netns = netns;
	if (slot && slot->netns == netns)
		return &slot->counts;
	return namespace_hashed(netns);
}

static __always_inline struct namespace_counts *namespace_counts(__u32 netns)
{
	return namespace_find(netns, false);
}

#endif
