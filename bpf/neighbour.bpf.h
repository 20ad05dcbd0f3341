/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Next hops that did not answer ARP or ND. The kernel sends TCP an ICMP message to itself,
 * with the errno a router's message would give: what distinguishes them is kept here.
 */
#ifndef TCPSHAKE_NEIGHBOUR_BPF_H
#define TCPSHAKE_NEIGHBOUR_BPF_H

#include "socket.bpf.h"

struct neighbour_key {
	__u8 addr[16];
	__u32 netns;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct neighbour_key);
	__type(value, __u64); /* ns */
} failed_neighbours SEC(".maps") __weak;

#define NEIGHBOUR_NS 1000000000ULL /* the message comes right after the failure */

static __always_inline void neighbour_timer(struct neighbour *neighbour)
{
	struct neighbour_key key = {};
	__u64 now = bpf_ktime_get_ns();
	__be32 ipv4 = 0;

	if (!(BPF_CORE_READ(neighbour, nud_state) & NUD_FAILED))
		return;
	if (BPF_CORE_READ(neighbour, tbl, family) == AF_INET) {
		bpf_core_read(&ipv4, sizeof(ipv4), &neighbour->primary_key);
		store_mapped(key.addr, ipv4);
	} else {
		bpf_core_read(key.addr, sizeof(key.addr), &neighbour->primary_key);
	}
	key.netns = BPF_CORE_READ(neighbour, dev, nd_net.net, ns.inum);
	bpf_map_update_elem(&failed_neighbours, &key, &now, BPF_ANY);
}

static __always_inline bool failed_lately(const struct neighbour_key *key, __u64 now)
{
	__u64 *when = bpf_map_lookup_elem(&failed_neighbours, key);

	return when && now - *when + NEIGHBOUR_NS < 2 * NEIGHBOUR_NS; /* or a later failure */
}

/* Is that why it ended now? The next hop is the peer itself, or the gateway of its route. */
static __always_inline bool neighbour_failed(struct sock *sk, const __u8 *remote, __u32 netns,
					     __u64 now)
{
	struct rtable *route = (struct rtable *)BPF_CORE_READ(sk, sk_dst_cache);
	struct rt6_info *route6 = (struct rt6_info *)route;
	struct neighbour_key key = { .netns = netns };

	__builtin_memcpy(key.addr, remote, sizeof(key.addr));
	if (failed_lately(&key, now))
		return true;
	if (!route)
		return false;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6)
		bpf_core_read(key.addr, sizeof(key.addr), &route6->rt6i_gateway);
	else if (BPF_CORE_READ(route, rt_gw_family) == AF_INET)
		store_mapped(key.addr, BPF_CORE_READ(route, rt_gw4));
	else
		bpf_core_read(key.addr, sizeof(key.addr), &route->rt_gw6);
	return failed_lately(&key, now);
}

#endif
