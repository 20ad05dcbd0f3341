/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SYNs that a kernel watched here has answered with a RST: what joins client and server. */
#ifndef TCPSHAKE_REFUSAL_BPF_H
#define TCPSHAKE_REFUSAL_BPF_H

#include "packet.bpf.h"

/* Who refused whom: the ends of a SYN that was answered with a RST here. */
struct refusal_key {
	__u8 client_addr[16];
	__u8 server_addr[16];
	__u16 client_port;
	__u16 server_port;
	__u32 client_isn; /* private addresses may be those of several namespaces */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct refusal_key);
	__type(value, __u64); /* ns */
} refusals SEC(".maps") __weak;

#define REFUSAL_NS 30000000000ULL /* as long as a RST may be on its way */

static __always_inline void refusal_keep(const struct packet *p, __u64 now)
{
	struct refusal_key key = { .client_port = p->remote_port, .server_port = p->local_port,
				    .client_isn = p->seq };

	__builtin_memcpy(key.client_addr, p->remote_addr, 16);
	__builtin_memcpy(key.server_addr, p->local_addr, 16);
	bpf_map_update_elem(&refusals, &key, &now, BPF_ANY);
}

/* Did a kernel that is watched here refuse this attempt? */
static __always_inline bool refused_here(const struct event_handshake *e)
{
	struct refusal_key key = { .client_port = e->local_port, .server_port = e->remote_port,
				    .client_isn = e->client_isn };
	__u64 *when;
	bool recent;

	__builtin_memcpy(key.client_addr, e->local_addr, 16);
	__builtin_memcpy(key.server_addr, e->remote_addr, 16);
	when = bpf_map_lookup_elem(&refusals, &key);
	if (!when)
		return false;
	recent = e->end_ns - *when < REFUSAL_NS;
	bpf_map_delete_elem(&refusals, &key);
	return recent;
}

#endif
