/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The addresses that clients of this host have had. A flood of SYNs has other sources, for the kernel drops what comes
 * from outside with an address of its own (IPv6 aside): so it does not hide what became of these clients' SYNs.
 */
#ifndef TCPSHAKE_CLIENT_BPF_H
#define TCPSHAKE_CLIENT_BPF_H

#include "socket.bpf.h"

struct client_key {
	__u8 addr[16];
};

/* Those used last: each lookup counts as a use. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct client_key);
	__type(value, __u8);
} clients SEC(".maps") __weak;

static __always_inline bool is_client_here(const __u8 *addr)
{
	return bpf_map_lookup_elem(&clients, addr);
}

#endif
