/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SYNs that a kernel watched here has answered with a RST: what joins client and server. */
#ifndef TCPSHAKE_REFUSAL_BPF_H
#define TCPSHAKE_REFUSAL_BPF_H

#include "maps.h"
#include "packet.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32); /* the client's initial sequence number */
	__type(value, struct refusal);
} refusals SEC(".maps") __weak;

#define REFUSAL_NS 30000000000ULL /* as long as a RST may be on its way */

static __always_inline void refusal_keep(const struct packet *p, __u64 now)
{
	struct refusal r = { .mono_ns = now, .client_port = p->remote_port, .server_port = p->local_port };
	__u32 isn = p->seq;

	__builtin_memcpy(r.client_addr, p->remote_addr, 16);
	__builtin_memcpy(r.server_addr, p->local_addr, 16);
	bpf_map_update_elem(&refusals, &isn, &r, BPF_ANY);
}

static __always_inline bool same_address(const __u8 *a, const __u8 *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[1] == y[1];
}

static __always_inline bool same_ends(const struct refusal *r, const struct event_handshake *e)
{
	return r->client_port == e->local_port && r->server_port == e->remote_port &&
	       same_address(r->client_addr, e->local_addr) && same_address(r->server_addr, e->remote_addr);
}

/* What NAT cannot change: the family, and that the RST left while the client waited for it. */
static __always_inline bool may_be_translated(const struct refusal *r, const struct event_handshake *e)
{
	const __u64 *there = (const __u64 *)r->client_addr, *here = (const __u64 *)e->local_addr;
	bool mapped = !there[0] && (__u32)there[1] == bpf_htonl(0xffff);

	return mapped == (!here[0] && (__u32)here[1] == bpf_htonl(0xffff)) && e->latency_ns != NS_UNKNOWN &&
	       r->mono_ns >= e->end_ns - e->latency_ns && r->mono_ns <= e->end_ns;
}

/*
 * Did a kernel that is watched here refuse this attempt? The flags that say so. Private addresses may be those of
 * several namespaces, so that the sequence number is part of it, and NAT changes all but that.
 */
static __always_inline __u16 refused_here(const struct event_handshake *e)
{
	__u32 isn = e->client_isn;
	struct refusal *r = bpf_map_lookup_elem(&refusals, &isn);

	if (!r || e->end_ns - r->mono_ns >= REFUSAL_NS)
		return 0;
	if (!same_ends(r, e)) /* the daemon looks up and removes it */
		return may_be_translated(r, e) ? HANDSHAKE_RESET_HERE | HANDSHAKE_TRANSLATED : 0;
	bpf_map_delete_elem(&refusals, &isn);
	return HANDSHAKE_RESET_HERE;
}

#endif
