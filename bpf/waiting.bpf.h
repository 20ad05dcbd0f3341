/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When connections that accept() has not taken yet became ESTABLISHED; kept only when asked for. */
#ifndef TCPSHAKE_WAITING_BPF_H
#define TCPSHAKE_WAITING_BPF_H

#include "compat.bpf.h"
#include "event.h"

/* LRU: a child whose listener is closed is never taken. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64); /* the child's address */
	__type(value, __u64); /* ns */
} waiting SEC(".maps") __weak;

const volatile __u8 accept_evidence __weak = ACCEPT_OFF;

static __always_inline void waiting_begin(struct sock *sk, __u64 now)
{
	__u64 socket = (__u64)sk;

	if (accept_evidence != ACCEPT_OFF)
		bpf_map_update_elem(&waiting, &socket, &now, BPF_ANY);
}

#endif
